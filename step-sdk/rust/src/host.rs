//! Owns the calls that a step makes to its host: in a component the contract's imports, and in a
//! native build, so that `cargo test` can run a step, stand-ins that print and remember.
//! Never called by a step directly: see `log`, `report` and `memo`.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::plugin::piton::step::{
    log::log,
    memo::{recall, remember},
    report::{progress, usage},
};

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::{log, progress, recall, remember, usage};

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::collections::HashMap;
    use std::sync::{LazyLock, Mutex};

    use crate::bindings::plugin::piton::step::log::Level;

    static NOTES: LazyLock<Mutex<HashMap<String, String>>> = LazyLock::new(Mutex::default);

    pub(crate) fn log(level: Level, message: &str) {
        eprintln!("{level:?}: {message}");
    }

    pub(crate) fn progress(done: u64, total: Option<u64>, message: &str) {
        match total {
            Some(total) => eprintln!("progress {done}/{total}: {message}"),
            None => eprintln!("progress {done}: {message}"),
        }
    }

    pub(crate) fn usage(unit: &str, micros: u64) {
        eprintln!("usage {unit}: {micros} millionths");
    }

    pub(crate) fn recall(key: &str) -> Option<String> {
        NOTES.lock().expect("no note-taker should panic").get(key).cloned()
    }

    pub(crate) fn remember(key: &str, value: &str) -> String {
        let mut notes = NOTES.lock().expect("no note-taker should panic");
        notes.entry(key.to_owned()).or_insert_with(|| value.to_owned()).clone()
    }
}
