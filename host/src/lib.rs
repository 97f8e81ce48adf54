//! The host of piton: runs pipelines whose steps are untrusted WebAssembly components.
//!
//! A pipeline is a [`manifest`]; each of its steps is called in a fresh [`sandbox`]; everything that
//! becomes true is in the [`journal`] before anything acts on it; the [`runner`] carries out what
//! `piton-core` decides. Dependencies point one way: runner -> {manifest, sandbox, journal} -> core.
//! Sandbox and journal do not know each other: a guest has no path, not even a type, to the
//! journal.
//!
//! Never reads arguments, looks at a terminal, or ends the process: that is the binary's.

pub mod build;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
pub mod journal;
pub mod manifest;
pub mod rehearsal;
pub mod runner;
pub mod sandbox;
