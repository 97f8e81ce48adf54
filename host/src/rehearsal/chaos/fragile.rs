//! A journal that dies when the rehearsal says so, before or after what was to be written.
//! Reads and writes go through to the real one; from its death on nothing is written any more.

use super::stage::{Stage, Strike};
use crate::journal::{
    BackedUp, BackupError, Batch, Commit, Compacted, Journal, JournalError, Keepsakes, KeyOwner,
    LogLine, Page, Query, Removal, RunRecords, RunRow, Verdicts, Verified, Watch,
};
use piton_core::RunId;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A journal of one life of the host.
pub(super) struct Fragile {
    journal: Arc<dyn Journal>,
    stage: Arc<Stage>,
    is_dead: AtomicBool,
}

impl Fragile {
    pub(super) fn new(journal: Arc<dyn Journal>, stage: Arc<Stage>) -> Self {
        Self { journal, stage, is_dead: AtomicBool::new(false) }
    }

    fn die(&self) -> JournalError {
        self.is_dead.store(true, Ordering::SeqCst);
        JournalError::Failed { what: "the rehearsed host is dead".into() }
    }

    fn write(&self, batches: &[Batch], log_lines: &[LogLine]) -> Result<Verdicts, JournalError> {
        let verdicts = self.journal.commit(batches, log_lines)?;
        for (batch, verdict) in batches.iter().zip(&verdicts) {
            if verdict.is_ok() {
                self.stage.is_durable(batch.records().len());
            }
        }
        Ok(verdicts)
    }
}

impl Commit for Fragile {
    fn commit(&self, batches: &[Batch], log_lines: &[LogLine]) -> Result<Verdicts, JournalError> {
        if self.is_dead.load(Ordering::SeqCst) {
            return Err(self.die());
        }
        if batches.is_empty() {
            return self.journal.commit(batches, log_lines);
        }
        match self.stage.append() {
            Strike::None => self.write(batches, log_lines),
            Strike::Before => Err(self.die()),
            Strike::After => {
                self.write(batches, log_lines)?;
                Err(self.die())
            }
        }
    }

    fn settle(&self) -> Result<(), JournalError> {
        if self.is_dead.load(Ordering::SeqCst) {
            return Err(self.die());
        }
        self.journal.settle()
    }
}

impl Journal for Fragile {
    fn records(&self, run: RunId) -> Result<Option<RunRecords>, JournalError> {
        self.journal.records(run)
    }

    fn row(&self, run: RunId) -> Result<Option<RunRow>, JournalError> {
        self.journal.row(run)
    }

    fn list(&self, query: &Query) -> Result<Page, JournalError> {
        self.journal.list(query)
    }

    fn run_by_key(&self, key: &str) -> Result<Option<KeyOwner>, JournalError> {
        self.journal.run_by_key(key)
    }

    fn unfinished(&self) -> Result<Vec<RunRow>, JournalError> {
        self.journal.unfinished()
    }

    fn log_lines(&self, run: RunId, step: Option<&str>) -> Result<Vec<LogLine>, JournalError> {
        self.journal.log_lines(run, step)
    }

    fn take_fence(&self) -> Result<u64, JournalError> {
        self.journal.take_fence()
    }

    fn remove(&self, fence: u64, runs: &[Removal]) -> Result<Verdicts, JournalError> {
        self.journal.remove(fence, runs)
    }

    fn compact(&self) -> Result<Option<Compacted>, JournalError> {
        self.journal.compact()
    }

    fn back_up(
        &self,
        file: File,
        keepsakes: &Keepsakes<'_>,
        watch: Watch<'_>,
    ) -> Result<BackedUp, BackupError> {
        self.journal.back_up(file, keepsakes, watch)
    }

    fn verify(&self) -> Result<Verified, JournalError> {
        self.journal.verify()
    }
}
