//! The one writer: commits for all runs what waits ("group commit"), in a thread of its own, or for a run
//! that is alone in that run's thread. Encoding and hashing happened before; here bytes are moved and the
//! disk is waited for. Never retries: after the first error of the store nothing more is written.

mod desk;
mod group;

use super::batch::Batch;
use super::log_line::LogLine;
use super::store::{Commit, JournalError, Refusal};
use desk::Desk;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Log lines that no append took along are written after this long.
const LOG_FLUSH_AFTER: Duration = Duration::from_secs(1);

/// Log lines are written without waiting for an append once so many bytes of them wait.
const LOG_BYTES_MAX: usize = 1 << 20;

/// A commit takes no further append once it has so many bytes: what waits behind it must not wait
/// for ever, nor a transaction fill the memory.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// Where the last commit took longer, the next ones are left to the thread: a task may hold its worker
/// about as long as a guest that computes, and not for as long as a disk that hangs.
const QUICK: Duration = Duration::from_millis(5);

/// Why an append was not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendError {
    /// This append was refused; others go on.
    Refused(Refusal),
    /// Nothing more is recorded until the journal is opened anew. Whether this append was is open.
    Journal(JournalError),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => fmt::Display::fmt(refusal, f),
            Self::Journal(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for AppendError {}

type Reply = oneshot::Sender<Result<(), AppendError>>;

/// A handle to the writer. The thread ends with it, after what was handed in before.
pub struct Writer {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the writer of `journal`.
    ///
    /// # Errors
    /// Where the system has no thread left.
    pub fn start(journal: Arc<dyn Commit>) -> std::io::Result<Self> {
        Self::start_with(journal, QUICK)
    }

    fn start_with(journal: Arc<dyn Commit>, quick: Duration) -> std::io::Result<Self> {
        let desk = Arc::new(Desk::new(journal, quick));
        let thread = std::thread::Builder::new().name("journal".into());
        let thread = thread.spawn({
            let desk = Arc::clone(&desk);
            move || desk.serve()
        })?;
        Ok(Self { desk, thread: Some(thread) })
    }

    /// Hands in a batch at once, whether or not the future is polled; it is durable when the future
    /// says so. Dropping the future does not take the batch back.
    pub fn append(&self, batch: Batch) -> impl Future<Output = Result<(), AppendError>> + use<> {
        let (reply, answer) = oneshot::channel();
        self.desk.hand_in(|group| group.append(batch, reply));
        told(answer)
    }

    /// As [`Writer::append`], for a caller who has nothing to do meanwhile: it may commit itself, before
    /// this returns. That spares it the waking of two threads, which takes as long as a quick disk.
    pub fn append_here(
        &self,
        batch: Batch,
    ) -> impl Future<Output = Result<(), AppendError>> + use<> {
        let (reply, answer) = oneshot::channel();
        self.desk.commit_here(|group| group.append(batch, reply));
        told(answer)
    }

    /// As [`Writer::append`], for callers outside of any runtime.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append_blocking(&self, batch: Batch) -> Result<(), AppendError> {
        let (reply, answer) = oneshot::channel();
        self.desk.hand_in(|group| group.append(batch, reply));
        answer.blocking_recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Hands in a log line. It is durable with the next append handed in after it, or about a
    /// second later.
    pub fn log(&self, line: LogLine) {
        self.desk.hand_in(|group| group.log(line));
    }

    /// Writes the log lines that still wait.
    ///
    /// # Errors
    /// [`AppendError::Journal`].
    pub fn flush(&self) -> impl Future<Output = Result<(), AppendError>> + use<> {
        let (reply, answer) = oneshot::channel();
        self.desk.hand_in(|group| group.flush(reply));
        told(answer)
    }

    /// Says how many may append at the same time: a commit lets most of them come in, where that pays.
    pub fn has_writers(&self, count: usize) {
        self.desk.writers.store(count, Ordering::Relaxed);
    }

    /// How many commits there were.
    pub fn commits(&self) -> u64 {
        self.desk.commits.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.desk.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was seen by those who waited for it.
            let _ = thread.join();
        }
    }
}

/// What is told of a batch.
async fn told(answer: oneshot::Receiver<Result<(), AppendError>>) -> Result<(), AppendError> {
    answer.await.unwrap_or_else(|_| Err(gone()))
}

fn gone() -> AppendError {
    AppendError::Journal(JournalError::Failed { what: "its writer has ended".into() })
}

#[cfg(test)]
mod tests;
