//! The journal in a redb file.
//! Translates between plain data and tables; never decides about a run. Nothing of redb's leaves
//! this folder.

mod commit;
mod copy;
#[cfg(any(fuzzing, test))]
mod fuzzed;
mod guard;
mod list;
mod open;
mod read;
mod remove;
mod tables;
#[cfg(test)]
mod tests;
mod verify;
mod wal;

use super::backup::{BackedUp, BackupError, Keepsakes, Watch};
use super::batch::{Batch, RunRecords};
use super::log_line::LogLine;
use super::row::RunRow;
use super::store::{
    Commit, Compacted, Journal, JournalError, KeyOwner, Page, Query, Refusal, Removal, Verdicts,
    Verified,
};
use ::redb::{Database, ReadableDatabase};
use commit::State;
#[cfg(any(fuzzing, test))]
pub(crate) use fuzzed::fuzzed_page;
use guard::guarded;
pub use guard::{Panicked, panicked};
use piton_core::RunId;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

pub(super) use copy::read_backup;
pub use open::Check;

/// A journal in a redb file.
pub struct RedbJournal {
    /// Held for reading by all but who compacts it. None only while it is dropped.
    database: RwLock<Option<Database>>,
    /// Taken before `database`.
    state: Mutex<State>,
}

impl RedbJournal {
    fn with<T>(&self, work: impl FnOnce(&Database) -> T) -> T {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        work(database.as_ref().expect("a journal in use should have its database"))
    }

    fn read<T>(
        &self,
        look: impl FnOnce(read::Reader) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        self.with(|database| guarded(|| look(read::Reader::open(database)?)))
    }

    /// Closes it as it is.
    fn close_without_writing(self) {
        self.state().failed.get_or_insert(JournalError::Failed { what: "it is closed".into() });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is caught inside of it and recorded in the state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Commit for RedbJournal {
    fn commit(&self, batches: &[Batch], log_lines: &[LogLine]) -> Result<Verdicts, JournalError> {
        let mut state = self.state();
        state.attempt(|state| {
            self.with(|database| commit::commit(database, state, batches, log_lines))
        })
    }
}

impl Journal for RedbJournal {
    fn records(&self, run: RunId) -> Result<Option<RunRecords>, JournalError> {
        self.read(|reader| reader.records(run))
    }

    fn row(&self, run: RunId) -> Result<Option<RunRow>, JournalError> {
        self.read(|reader| reader.row(run))
    }

    fn list(&self, query: &Query) -> Result<Page, JournalError> {
        self.read(|reader| reader.list(query))
    }

    fn run_by_key(&self, key: &str) -> Result<Option<KeyOwner>, JournalError> {
        self.read(|reader| reader.run_by_key(key))
    }

    fn unfinished(&self) -> Result<Vec<RunRow>, JournalError> {
        self.read(|reader| reader.unfinished())
    }

    fn log_lines(&self, run: RunId, step: Option<&str>) -> Result<Vec<LogLine>, JournalError> {
        self.read(|reader| reader.log_lines(run, step))
    }

    fn take_fence(&self) -> Result<u64, JournalError> {
        let mut state = self.state();
        state.attempt(|state| self.with(|database| commit::take_fence(database, state)))
    }

    fn remove(&self, fence: u64, runs: &[Removal]) -> Result<Verdicts, JournalError> {
        let mut state = self.state();
        if fence != state.fence {
            let refusal = Refusal::Fenced { held: fence, current: state.fence };
            return Ok(vec![Err(refusal); runs.len()]);
        }
        // Nobody writes in between: the state is held.
        let found = self.read(|reader| reader.belongings(runs))?;
        state.attempt(|state| self.with(|database| remove::remove(database, state, found)))
    }

    fn compact(&self) -> Result<Option<Compacted>, JournalError> {
        let mut state = self.state();
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_mut().expect("a journal in use should have its database");
        state.attempt(|state| remove::compact(database, state))
    }

    fn back_up(
        &self,
        file: File,
        keepsakes: &Keepsakes<'_>,
        watch: Watch<'_>,
    ) -> Result<BackedUp, BackupError> {
        // Only the snapshot is held meanwhile.
        let snapshot = self.with(|database| guarded(|| Ok(database.begin_read()?)))?;
        copy::back_up(snapshot, file, keepsakes, watch)
    }

    fn verify(&self) -> Result<Verified, JournalError> {
        self.read(|reader| reader.verify())
    }
}

impl Drop for RedbJournal {
    /// The tables become durable, so that the next start has nothing to take in again. Where that fails it
    /// will have: nothing is lost by that.
    fn drop(&mut self) {
        let database = self.database.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = database else { return };
        if state.failed.is_none() && state.wal.as_ref().is_some_and(|wal| !wal.is_empty()) {
            let _ = state.attempt(|state| state.checkpoint(database.begin_write()?));
        }
        if state.failed.is_some() || state.wal.is_some() {
            return close_without_writing(database);
        }
        // redb writes its last state when it closes, and may panic over what it finds.
        let _ = guarded(|| {
            drop(database);
            Ok(())
        });
    }
}

/// redb writes nothing where it is closed by a panic; this one calls no hook.
fn close_without_writing(database: Database) {
    if std::thread::panicking() {
        return drop(database);
    }
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let _database = database;
        resume_unwind(Box::new("closed"));
    }));
}
