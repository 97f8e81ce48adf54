//! Fuzzes the content of an entry of the write-ahead log. What must hold is said in `host/src/fuzzing.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| piton::fuzzing::log_entry(bytes));
