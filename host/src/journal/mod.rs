//! The journal: what became true of each run, in order, durably, and what the runs began with.
//!
//! A narrow trait ([`Journal`]) over plain data, one folder per store behind it, one thread
//! ([`Writer`]) that commits for all runs, and the stored form of events ([`stored`]), which has a
//! version of its own. What is on the disk is described field by field in
//! `host/docs/journal-format.md`.
//!
//! Never decides what a run does next, and never knows a guest.

mod backup;
mod batch;
mod checksum;
mod components;
#[cfg(test)]
mod contract;
mod data_dir;
mod log_line;
mod open;
mod redb;
mod row;
mod secret;
mod store;
pub mod stored;
mod writer;

pub use backup::{BackedUp, BackupError, Keepsakes, Watch, back_up, restore};
pub use batch::{Append, Batch, Record, RunRecords, Tail};
pub use checksum::Checksum;
pub use components::{ComponentError, ComponentStore, Content, digest_of};
pub use data_dir::{DataDir, DataDirError, write_public};
pub use log_line::{LogChannel, LogLine};
pub use open::{OpenError, Opened};
pub use redb::{Check, Panicked, RedbJournal, panicked};
#[cfg(any(fuzzing, test))]
pub(crate) use redb::{fuzzed_entry, fuzzed_page};
pub use row::{FailureSummary, RunRow, Totals};
pub use secret::Secret;
pub use store::{
    Commit, Compacted, Journal, JournalError, KeyOwner, Page, Query, Refusal, Removal, Verdicts,
    Verified,
};
pub use writer::{AppendError, Writer};
