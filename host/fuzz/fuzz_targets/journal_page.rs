//! Fuzzes changes to the journal's file. What must hold is said in `host/src/fuzzing.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // A damaged page makes redb panic; that is caught and told as an error.
        let end = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if piton::journal::panicked() != piton::journal::Panicked::Guarded {
                end(panic);
            }
        }));
    },
    |bytes: &[u8]| piton::fuzzing::journal_page(bytes)
);
