//! The journal in a redb file.
//! Translates between plain data and tables; never decides about a run. Nothing of redb's leaves
//! this folder.

mod ahead;
mod commit;
mod copy;
#[cfg(any(fuzzing, test))]
mod fuzzed;
mod guard;
mod list;
mod meta;
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
use ::redb::Database;
use ahead::Ahead;
use commit::{State, Stores};
#[cfg(any(fuzzing, test))]
pub(crate) use fuzzed::fuzzed_page;
use guard::guarded;
pub use guard::{Panicked, panicked};
use piton_core::RunId;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

pub(super) use copy::read_backup;
pub use open::Check;
#[cfg(any(fuzzing, test))]
pub(crate) use wal::fuzzed_entry;

/// A journal in a redb file.
pub struct RedbJournal {
    /// Held for reading by all but who compacts it. None only while it is dropped.
    database: RwLock<Option<Database>>,
    /// Held by the one who writes. Taken before `database`.
    state: Mutex<State>,
    /// Taken after the others.
    ahead: Mutex<Ahead>,
    /// Set by the first error of who writes, and for good: what the disk holds is not known any more. An fsync
    /// that failed must not be tried again, it would report success for pages that were dropped.
    failed: OnceLock<JournalError>,
}

impl RedbJournal {
    fn with<T>(&self, work: impl FnOnce(&Stores<'_>) -> T) -> T {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().expect("a journal in use should have its database");
        work(&Stores { database, ahead: &self.ahead })
    }

    /// Does what writes, unless something has failed before.
    fn write<T>(
        &self,
        work: impl FnOnce(&Stores<'_>, &mut State) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let mut state = self.state();
        self.attempt(|| self.with(|stores| work(stores, &mut state)))
    }

    fn attempt<T>(
        &self,
        work: impl FnOnce() -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        if let Some(error) = self.failed.get() {
            return Err(error.clone());
        }
        let result = guarded(work);
        if let Err(error) = &result {
            self.fail(error.clone());
        }
        result
    }

    fn fail(&self, error: JournalError) {
        // The first one stays.
        let _ = self.failed.set(error);
    }

    /// Reads all that was recorded before.
    fn read<T>(
        &self,
        look: impl FnOnce(read::Reader) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        self.with(|stores| {
            if let Err(error) = stores.catch_up() {
                // The log has what the tables would not take: the next start finds out what that means.
                self.fail(error.clone());
                return Err(error);
            }
            guarded(|| look(read::Reader::open(stores.database)?))
        })
    }

    /// Closes it as it is.
    fn close_without_writing(self) {
        self.fail(JournalError::Failed { what: "it is closed".into() });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is caught inside of it, and nothing is written after it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Commit for RedbJournal {
    fn commit(&self, batches: &[Batch], log_lines: &[LogLine]) -> Result<Verdicts, JournalError> {
        self.write(|stores, state| commit::commit(stores, state, batches, log_lines))
    }

    fn settle(&self) -> Result<(), JournalError> {
        self.write(commit::settle)
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
        self.write(commit::take_fence)
    }

    fn remove(&self, fence: u64, runs: &[Removal]) -> Result<Verdicts, JournalError> {
        let mut state = self.state();
        if fence != state.fence {
            let refusal = Refusal::Fenced { held: fence, current: state.fence };
            return Ok(vec![Err(refusal); runs.len()]);
        }
        // Nobody writes in between: the state is held.
        let found = self.read(|reader| reader.belongings(runs))?;
        self.attempt(|| self.with(|stores| remove::remove(stores, &mut state, found)))
    }

    fn compact(&self) -> Result<Option<Compacted>, JournalError> {
        let mut state = self.state();
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_mut().expect("a journal in use should have its database");
        self.attempt(|| remove::compact(database, &self.ahead, &mut state))
    }

    fn back_up(
        &self,
        file: File,
        keepsakes: &Keepsakes<'_>,
        watch: Watch<'_>,
    ) -> Result<BackedUp, BackupError> {
        // Only the snapshot is held meanwhile.
        let snapshot = self.read(|reader| Ok(reader.snapshot))?;
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
        let has_failed = self.failed.get().is_some();
        if !has_failed && state.wal.as_ref().is_some_and(|wal| !wal.is_empty()) {
            let stores = Stores { database: &database, ahead: &self.ahead };
            let _ = guarded(|| state.checkpoint(&stores));
        }
        if has_failed || state.wal.is_some() {
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
