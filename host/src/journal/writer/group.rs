//! What one commit takes along: batches, log lines, and who is to be told.
//! Never commits, and never waits.

use super::super::batch::Batch;
use super::super::log_line::LogLine;
use super::super::store::{JournalError, Verdicts};
use super::{AppendError, GROUP_BYTES_MAX, LOG_BYTES_MAX, LOG_FLUSH_AFTER, Reply};
use std::time::{Duration, Instant};

/// What one commit takes along.
#[derive(Default)]
pub(super) struct Group {
    pub(super) batches: Vec<Batch>,
    pub(super) log_lines: Vec<LogLine>,
    replies: Vec<Reply>,
    flushes: Vec<Reply>,
    batch_bytes: usize,
    log_bytes: usize,
    /// When the first of the log lines came in.
    log_since: Option<Instant>,
}

impl Group {
    pub(super) fn append(&mut self, batch: Batch, reply: Reply) {
        self.batch_bytes += batch.records.iter().map(|record| record.json.len()).sum::<usize>();
        self.batches.push(batch);
        self.replies.push(reply);
    }

    pub(super) fn log(&mut self, line: LogLine) {
        self.log_bytes += line.text.len();
        self.log_since.get_or_insert_with(Instant::now);
        self.log_lines.push(line);
    }

    pub(super) fn flush(&mut self, reply: Reply) {
        self.flushes.push(reply);
    }

    pub(super) fn has_nothing_to_write(&self) -> bool {
        self.batches.is_empty() && self.log_lines.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.batch_bytes >= GROUP_BYTES_MAX || self.log_bytes >= LOG_BYTES_MAX
    }

    /// How long it may wait; none where nothing is owed.
    pub(super) fn due_in(&self) -> Option<Duration> {
        if !self.batches.is_empty() || !self.flushes.is_empty() || self.is_full() {
            return Some(Duration::ZERO);
        }
        self.log_since.map(|since| LOG_FLUSH_AFTER.saturating_sub(since.elapsed()))
    }

    /// Tells everybody what came of the commit. Somebody who no longer waits is no concern here.
    pub(super) fn answer(self, result: Result<Verdicts, JournalError>) {
        match result {
            Ok(verdicts) => {
                for (reply, verdict) in self.replies.into_iter().zip(verdicts) {
                    let _ = reply.send(verdict.map_err(AppendError::Refused));
                }
                self.flushes.into_iter().for_each(|reply| drop(reply.send(Ok(()))));
            }
            Err(error) => {
                for reply in self.replies.into_iter().chain(self.flushes) {
                    let _ = reply.send(Err(AppendError::Journal(error.clone())));
                }
            }
        }
    }
}
