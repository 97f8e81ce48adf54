//! Fuzzes the text of a manifest. What must hold is said in `host/src/fuzzing.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| piton::fuzzing::manifest(bytes));
