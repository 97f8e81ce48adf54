//! The journal in a redb file.
//! Translates between plain data and tables; never decides about a run. Nothing of redb's leaves
//! this folder.

mod commit;
mod guard;
mod list;
mod open;
mod read;
mod tables;
#[cfg(test)]
mod tests;
mod verify;

use super::batch::{Batch, RunRecords};
use super::log_line::LogLine;
use super::row::RunRow;
use super::store::{Journal, JournalError, Page, Query, Verdicts, Verified};
use ::redb::Database;
use commit::State;
use guard::guarded;
pub use guard::is_guarded;
use piton_core::RunId;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use open::Check;

/// A journal in a redb file.
pub struct RedbJournal {
    /// None only while it is dropped.
    database: Option<Database>,
    state: Mutex<State>,
}

impl RedbJournal {
    fn database(&self) -> &Database {
        self.database.as_ref().expect("a journal in use should have its database")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is caught inside of it and recorded in the state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for RedbJournal {
    fn commit(&self, batches: &[Batch], log_lines: &[LogLine]) -> Result<Verdicts, JournalError> {
        let mut state = self.state();
        state.attempt(|state| commit::commit(self.database(), state, batches, log_lines))
    }

    fn records(&self, run: RunId) -> Result<Option<RunRecords>, JournalError> {
        guarded(|| read::Reader::open(self.database())?.records(run))
    }

    fn row(&self, run: RunId) -> Result<Option<RunRow>, JournalError> {
        guarded(|| read::Reader::open(self.database())?.row(run))
    }

    fn list(&self, query: &Query) -> Result<Page, JournalError> {
        guarded(|| read::Reader::open(self.database())?.list(query))
    }

    fn run_by_key(&self, key: &str) -> Result<Option<RunId>, JournalError> {
        guarded(|| read::Reader::open(self.database())?.run_by_key(key))
    }

    fn unfinished(&self) -> Result<Vec<RunRow>, JournalError> {
        guarded(|| read::Reader::open(self.database())?.unfinished())
    }

    fn log_lines(&self, run: RunId, step: Option<&str>) -> Result<Vec<LogLine>, JournalError> {
        guarded(|| read::Reader::open(self.database())?.log_lines(run, step))
    }

    fn take_fence(&self) -> Result<u64, JournalError> {
        let mut state = self.state();
        state.attempt(|state| commit::take_fence(self.database(), state))
    }

    fn verify(&self) -> Result<Verified, JournalError> {
        guarded(|| read::Reader::open(self.database())?.verify())
    }
}

impl Drop for RedbJournal {
    /// redb writes its last state when it closes, and may panic over what it finds. The journal
    /// needs none of that: the next start repairs.
    fn drop(&mut self) {
        let database = self.database.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
    }
}
