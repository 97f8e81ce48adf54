//! Tells from what wasmtime reports how an attempt ended, in words that help its author.
//! Knows every way a guest can fail; never decides what follows from it.

use super::guest::{Guest, Stop};
use super::logs::shorten;
use super::meter::Refusal;
use super::time::TimeUp;
use piton_core::HostEnd;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::{I32Exit, ResourceTableError};

/// Frames of the guest that a message names.
const FRAMES: usize = 3;
/// What is kept of one frame's name: guests choose them.
const FRAME_BYTES_MAX: usize = 100;
/// What is kept of an error text of wasmtime.
const TEXT_BYTES_MAX: usize = 500;

/// How the attempt of `guest` ended, given the error of its call.
pub(super) fn end_of(error: &wasmtime::Error, guest: &Guest, fuel_max: u64) -> (HostEnd, String) {
    if let Some(Stop(end, message)) = error.downcast_ref() {
        return (*end, message.clone());
    }
    if let Some(up) = error.downcast_ref::<TimeUp>() {
        return (HostEnd::TimedOut, up.to_string());
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => (HostEnd::OutOfFuel, out_of_fuel(error, fuel_max)),
        Some(Trap::StackOverflow) => {
            let at = place(error);
            (HostEnd::StackOverflow, format!("its calls nested deeper than 512 KiB of stack{at}"))
        }
        trap => match guest.meter.refusal() {
            Some(refusal) => (HostEnd::OutOfMemory, out_of_memory(refusal, guest)),
            None => match trap {
                Some(trap) => (HostEnd::Trapped, trapped(error, *trap, guest)),
                None => without_trap(error, guest),
            },
        },
    }
}

fn out_of_fuel(error: &wasmtime::Error, fuel_max: u64) -> String {
    let at = place(error);
    format!("it used up its {fuel_max} instructions{at}; raise `fuel` if it needs more")
}

fn out_of_memory(refusal: Refusal, guest: &Guest) -> String {
    let words = last_words(guest);
    match refusal {
        Refusal::Memory { wanted, max } => format!(
            "it asked for {wanted} bytes of memory, and may have {max}{words}; raise `memory` if it \
             needs more"
        ),
        Refusal::Table { wanted, max } => format!(
            "it asked for {wanted} table elements, and may have {max}{words}; raise `table_max` if \
             it needs more"
        ),
    }
}

fn trapped(error: &wasmtime::Error, trap: Trap, guest: &Guest) -> String {
    // Wasmtime's own texts start with this, too.
    let trap = trap.to_string();
    let trap = trap.strip_prefix("wasm trap: ").unwrap_or(&trap);
    format!("{trap}{}{}", last_words(guest), place(error))
}

/// The rest: no trap, and nobody asked for too much memory.
fn without_trap(error: &wasmtime::Error, guest: &Guest) -> (HostEnd, String) {
    if let Some(I32Exit(status)) = error.downcast_ref() {
        // Of a status WASI passes on only whether it is 0.
        let how = if *status == 0 { "as if all were well" } else { "as failed" };
        let words = last_words(guest);
        return (HostEnd::Trapped, format!("it ended itself {how} instead of returning{words}"));
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return (HostEnd::Denied, "it has too many files, streams or other handles open".into());
    }
    let text = error.root_cause().to_string();
    let text = shorten(&text, TEXT_BYTES_MAX);
    // Wasmtime keeps these types to itself; what they say is in its sources.
    if text.contains("handle limit exceeded") {
        return (HostEnd::Denied, "it holds too many resources".into());
    }
    if text.starts_with("resource limit exceeded") {
        return (HostEnd::OutOfMemory, format!("{text} in one step"));
    }
    // A host call that fails has the guest's frames above it, a result that cannot be read has none.
    let in_host_call = error.downcast_ref::<WasmBacktrace>().is_some();
    match (text.contains("too much data is being copied"), in_host_call) {
        (true, true) => {
            (HostEnd::Denied, format!("it handed the host too much in one call{}", place(error)))
        }
        (true, false) => (HostEnd::InvalidOutput, "what it returned is too large".into()),
        (false, true) => {
            (HostEnd::Trapped, format!("a call to the host failed: {text}{}", place(error)))
        }
        (false, false) => {
            (HostEnd::InvalidOutput, format!("what it returned cannot be read: {text}"))
        }
    }
}

/// The last line on standard error, where panics tell what happened.
fn last_words(guest: &Guest) -> String {
    let words = guest.logs().last_words();
    if words.is_empty() { words } else { format!("; its last words: {words}") }
}

/// Where in the guest it happened, the innermost function first.
fn place(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    // Only the text has the names demangled: a frame in a line, `0: MODULE!FUNCTION`.
    let text = backtrace.to_string();
    let mut frames: Vec<&str> = Vec::new();
    for line in text.lines() {
        let Some((_, function)) = line.split_once('!') else { continue };
        let function = shorten(function.trim(), FRAME_BYTES_MAX);
        if !is_machinery(function) && frames.last() != Some(&function) {
            frames.push(function);
        }
    }
    frames.truncate(FRAMES);
    if frames.is_empty() { String::new() } else { format!("; in {}", frames.join(" < ")) }
}

/// What says nothing of the place: a number where the guest was built without names, and what
/// every panic of a Rust or C guest goes through.
fn is_machinery(function: &str) -> bool {
    if function.starts_with("<wasm function") {
        return true;
    }
    const MACHINERY: [&str; 8] = [
        "abort",
        "__rust",
        "rust_",
        "std::panicking",
        "core::panicking",
        "std::sys",
        "std::rt",
        "std::process",
    ];
    let name = function.trim_start_matches(['<', '_']);
    MACHINERY.iter().any(|prefix| {
        function.starts_with(prefix) || name.starts_with(prefix.trim_start_matches('_'))
    })
}
