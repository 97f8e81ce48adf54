//! Lets drawn faults loose on a manifest, and has the checker watch every run.
