//! A journal whose commits are timed: it passes everything on to another one.
//! Never looks at what is written.

use super::Profile;
use super::slice::{Row, What};
use crate::journal::{
    BackedUp, BackupError, Batch, Compacted, Journal, JournalError, Keepsakes, KeyOwner, LogLine,
    Page, Query, Removal, RunRecords, RunRow, Verdicts, Verified, Watch,
};
use piton_core::RunId;
use std::fs::File;
use std::sync::Arc;

/// The journal for its writer: where a profile is taken, its commits are told to it.
pub(in crate::runner) fn timed(
    journal: &Arc<dyn Journal>,
    profile: Option<&Arc<Profile>>,
) -> Arc<dyn Journal> {
    match profile {
        None => Arc::clone(journal),
        Some(profile) => {
            Arc::new(Timed { journal: Arc::clone(journal), profile: Arc::clone(profile) })
        }
    }
}

struct Timed {
    journal: Arc<dyn Journal>,
    profile: Arc<Profile>,
}

impl Journal for Timed {
    fn commit(&self, batches: &[Batch], log_lines: &[LogLine]) -> Result<Verdicts, JournalError> {
        let from = self.profile.now();
        let verdicts = self.journal.commit(batches, log_lines);
        let to = self.profile.now();
        let (batches, log_lines) = (batches.len() as u64, log_lines.len() as u64);
        self.profile.lock().push(Row::Writer, from, to, What::Write { batches, log_lines });
        verdicts
    }

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
