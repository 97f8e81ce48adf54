//! Fuzzes a line over the socket. What must hold is said in `host/src/fuzzing.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| piton::fuzzing::socket(bytes));
