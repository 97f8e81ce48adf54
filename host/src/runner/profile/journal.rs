//! A journal's commits, timed: they are passed on to it.
//! Never looks at what is written.

use super::Profile;
use super::slice::{Row, What};
use crate::journal::{Batch, Commit, Journal, JournalError, LogLine, Verdicts};
use std::sync::Arc;

/// The journal for its writer: where a profile is taken, its commits are told to it.
pub(in crate::runner) fn timed(
    journal: &Arc<dyn Journal>,
    profile: Option<&Arc<Profile>>,
) -> Arc<dyn Commit> {
    match profile {
        None => Arc::<dyn Journal>::clone(journal),
        Some(profile) => {
            Arc::new(Timed { journal: Arc::clone(journal), profile: Arc::clone(profile) })
        }
    }
}

struct Timed {
    journal: Arc<dyn Journal>,
    profile: Arc<Profile>,
}

impl Commit for Timed {
    fn commit(&self, batches: &[Batch], log_lines: &[LogLine]) -> Result<Verdicts, JournalError> {
        let from = self.profile.now();
        let verdicts = self.journal.commit(batches, log_lines);
        let to = self.profile.now();
        let (batches, log_lines) = (batches.len() as u64, log_lines.len() as u64);
        self.profile.lock().push(Row::Writer, from, to, What::Write { batches, log_lines });
        verdicts
    }

    fn settle(&self) -> Result<(), JournalError> {
        self.journal.settle()
    }
}
