//! The one writer: a thread that commits for all runs what waits ("group commit").
//! Encoding and hashing happened before; here bytes are moved and the disk is waited for.
//! Never retries: after the first error of the store nothing more is written.

use super::batch::Batch;
use super::log_line::LogLine;
use super::store::{Journal, JournalError, Refusal};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Log lines that no append took along are written after this long.
const LOG_FLUSH_AFTER: Duration = Duration::from_secs(1);

/// Log lines are written without waiting for an append once so many bytes of them wait.
const LOG_BYTES_MAX: usize = 1 << 20;

/// A commit takes no further append once it has so many bytes: what waits behind it must not wait
/// for ever, nor a transaction fill the memory.
const GROUP_BYTES_MAX: usize = 8 << 20;

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

enum Message {
    Append(Box<Batch>, Reply),
    Log(LogLine),
    Flush(Reply),
    Close,
}

/// A handle to the writer. The thread ends with it, after what was handed in before.
pub struct Writer {
    sender: Sender<Message>,
    commits: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the writer of `journal`.
    ///
    /// # Errors
    /// Where the system has no thread left.
    pub fn start(journal: Arc<dyn Journal>) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        let commits = Arc::new(AtomicU64::new(0));
        let group = Group::new(journal, Arc::clone(&commits));
        let thread = std::thread::Builder::new().name("journal".into());
        let thread = thread.spawn(move || serve(&receiver, group))?;
        Ok(Self { sender, commits, thread: Some(thread) })
    }

    /// Hands in a batch at once, whether or not the future is polled; it is durable when the future
    /// says so. Dropping the future does not take the batch back.
    pub fn append(&self, batch: Batch) -> impl Future<Output = Result<(), AppendError>> + use<> {
        let reply = self.send(|reply| Message::Append(Box::new(batch), reply));
        async move { reply.await.unwrap_or_else(|_| Err(gone())) }
    }

    /// As [`Writer::append`], for callers outside of any runtime.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append_blocking(&self, batch: Batch) -> Result<(), AppendError> {
        let reply = self.send(|reply| Message::Append(Box::new(batch), reply));
        reply.blocking_recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Hands in a log line. It is durable with the next append handed in after it, or about a
    /// second later.
    pub fn log(&self, line: LogLine) {
        // A writer that is gone has told so to every append.
        let _ = self.sender.send(Message::Log(line));
    }

    /// Writes the log lines that still wait.
    ///
    /// # Errors
    /// [`AppendError::Journal`].
    pub fn flush(&self) -> impl Future<Output = Result<(), AppendError>> + use<> {
        let reply = self.send(Message::Flush);
        async move { reply.await.unwrap_or_else(|_| Err(gone())) }
    }

    /// How many commits there were.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    fn send(
        &self,
        message: impl FnOnce(Reply) -> Message,
    ) -> oneshot::Receiver<Result<(), AppendError>> {
        let (reply, receiver) = oneshot::channel();
        // Where the thread is gone the reply is dropped with the message, which the receiver sees.
        let _ = self.sender.send(message(reply));
        receiver
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.sender.send(Message::Close);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was seen by those who waited for it.
            let _ = thread.join();
        }
    }
}

fn gone() -> AppendError {
    AppendError::Journal(JournalError::Failed { what: "its writer has ended".into() })
}

/// What the next commit takes along.
struct Group {
    journal: Arc<dyn Journal>,
    commits: Arc<AtomicU64>,
    batches: Vec<Batch>,
    replies: Vec<Reply>,
    batch_bytes: usize,
    log_lines: Vec<LogLine>,
    log_bytes: usize,
    /// When the first of the log lines came in.
    log_since: Option<Instant>,
    flushes: Vec<Reply>,
    is_closing: bool,
    failed: Option<JournalError>,
}

/// Waits without a timeout where nothing is owed, so that an idle host sleeps.
fn serve(receiver: &Receiver<Message>, mut group: Group) {
    while !group.is_closing {
        let message = match group.log_since {
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(since) => receiver.recv_timeout(LOG_FLUSH_AFTER.saturating_sub(since.elapsed())),
        };
        match message {
            Ok(message) => group.take(message),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => group.is_closing = true,
        }
        while !group.is_full() {
            let Ok(message) = receiver.try_recv() else { break };
            group.take(message);
        }
        if group.is_due() {
            group.commit();
        }
    }
}

impl Group {
    fn new(journal: Arc<dyn Journal>, commits: Arc<AtomicU64>) -> Self {
        Self {
            journal,
            commits,
            batches: Vec::new(),
            replies: Vec::new(),
            batch_bytes: 0,
            log_lines: Vec::new(),
            log_bytes: 0,
            log_since: None,
            flushes: Vec::new(),
            is_closing: false,
            failed: None,
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Append(batch, reply) => {
                self.batch_bytes +=
                    batch.records.iter().map(|record| record.json.len()).sum::<usize>();
                self.batches.push(*batch);
                self.replies.push(reply);
            }
            Message::Log(line) => {
                self.log_bytes += line.text.len();
                self.log_since.get_or_insert_with(Instant::now);
                self.log_lines.push(line);
            }
            Message::Flush(reply) => self.flushes.push(reply),
            Message::Close => self.is_closing = true,
        }
    }

    fn is_full(&self) -> bool {
        self.is_closing || self.batch_bytes >= GROUP_BYTES_MAX || self.log_bytes >= LOG_BYTES_MAX
    }

    fn is_due(&self) -> bool {
        !self.batches.is_empty()
            || !self.flushes.is_empty()
            || self.is_full()
            || self.log_since.is_some_and(|since| since.elapsed() >= LOG_FLUSH_AFTER)
    }

    fn commit(&mut self) {
        let result = match &self.failed {
            Some(error) => Err(error.clone()),
            None if self.batches.is_empty() && self.log_lines.is_empty() => Ok(Vec::new()),
            None => {
                self.commits.fetch_add(1, Ordering::Relaxed);
                self.journal.commit(&self.batches, &self.log_lines)
            }
        };
        self.batches.clear();
        self.log_lines.clear();
        (self.batch_bytes, self.log_bytes, self.log_since) = (0, 0, None);
        // Somebody who no longer waits for a reply is no concern of the writer's.
        match result {
            Ok(verdicts) => {
                for (reply, verdict) in self.replies.drain(..).zip(verdicts) {
                    let _ = reply.send(verdict.map_err(AppendError::Refused));
                }
                self.flushes.drain(..).for_each(|reply| drop(reply.send(Ok(()))));
            }
            Err(error) => {
                for reply in self.replies.drain(..).chain(self.flushes.drain(..)) {
                    let _ = reply.send(Err(AppendError::Journal(error.clone())));
                }
                self.failed = Some(error);
            }
        }
    }
}

#[cfg(test)]
mod tests;
