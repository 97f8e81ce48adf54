//! A slice of time: on which row it stands, from when to when, and what it went into.
//! Plain data; measures nothing.

use crate::sandbox::HostCall;
use piton_core::{Digest, IdempotencyKey, Phase, RunId};

/// Nanoseconds since the profile began.
pub(super) type Nanos = u64;

/// A row of the picture.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Row {
    /// Manifests and components that are loaded.
    Loading,
    /// Components that are compiled.
    Compiler,
    /// The commits of the journal's one writer.
    Writer,
    /// A run that waits for the journal.
    Commits(RunId),
    /// A step of a run, `name` or `name[3]`.
    Step(RunId, String),
}

/// A slice of time.
#[derive(Debug, Clone)]
pub(super) struct Slice {
    /// Its row, by number.
    pub(super) row: u32,
    pub(super) from: Nanos,
    pub(super) to: Nanos,
    pub(super) what: What,
}

/// What a slice went into.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// An attempt; what it consists of follows.
    Attempt(Box<AttemptNote>),
    /// It waited for a slot.
    Queue,
    /// Its store and instance were made.
    Instantiate,
    /// Its guest was called.
    Guest(Box<Split>),
    /// The host was asked for something; a request was answered with a status.
    Call(HostCall, Option<u16>),
    /// A run waited for the journal.
    Commit,
    /// The writer committed so many batches and log lines.
    Write { batches: u64, log_lines: u64 },
    /// A manifest and its components were loaded.
    Load,
    /// A component was compiled.
    Compile(Digest),
    /// A step waited before an attempt.
    Backoff(Option<u32>),
    /// A waiting node.
    Wait,
}

/// What is told of an attempt.
#[derive(Debug, Clone)]
pub(super) struct AttemptNote {
    pub(super) phase: Phase,
    pub(super) attempt: u32,
    pub(super) key: IdempotencyKey,
    /// How it ended; none: it was dropped.
    pub(super) end: Option<&'static str>,
    pub(super) fuel: u64,
    pub(super) memory_peak_bytes: u64,
    /// Calls of the host that are in the sums alone.
    pub(super) calls_left_out: u64,
}

/// What the time of a guest went into. Its parts together are all of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Split {
    /// The guest had a processor.
    pub(super) computing: Nanos,
    /// It had none, and the host did nothing for it: it slept, waited for a file or for its turn.
    pub(super) waiting: Nanos,
    /// The host did something for it, by [`HostCallKind`](super::HostCallKind).
    pub(super) calls: [Nanos; 4],
    /// How many calls that were.
    pub(super) counts: [u64; 4],
}
