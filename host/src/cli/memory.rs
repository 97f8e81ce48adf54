//! Owns who hands out this process's memory, and how its threads give theirs back.
//! Never allocates any itself.

use mimalloc::MiMalloc;
use std::time::Duration;

/// Attempts begin on one thread and end on another, beside a thread that frees what all of them wrote: the
/// C library's heaps, each with a lock, take a tenth more processor time for a step under load. What is free goes back
/// to the system late, when more is asked for: attacks all at once leave 0.8 GiB. Without huge pages: with them an idle host holds 33 MiB instead of 20
/// (`host/docs/performance.md`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long a thread for blocking work stays without any: a rush leaves hundreds, each with a stack.
pub(super) const THREADS_KEPT: Duration = Duration::from_millis(500);
