//! All black-box tests, in one executable so that they are linked once: a module for each subject.
//! Never tests a part of the host alone; that is done beside the part.

mod agent;
mod backup;
mod concurrent_processes;
mod crash;
mod crash_exactly;
mod damaged_journal;
mod exit_codes;
mod explain;
mod full_disk;
mod grants;
mod hostile;
mod http;
mod interrupt;
mod keys;
mod limits;
mod llm_call;
mod lock;
mod mistakes;
mod money;
mod operator;
mod profile;
mod prune;
mod recovery;
mod retry;
mod snapshots;
mod step_check;
mod terminal;
mod try_step;
