//! What the sandbox asks of whoever calls it: to keep what a guest says and remembers.
//! Plain data and one trait; knows neither journal nor run.

use super::stopwatch::Stopwatch;
use piton_core::Usage;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A future that is boxed, so that [`Services`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Serves one attempt's guest, within limits that the sandbox has checked before.
pub trait Services: Send + Sync {
    /// Keeps a line. Called for each line, up to the attempt's limit; must not wait for a disk.
    fn log(&self, line: LogLine<'_>);

    /// Shows how far the call is. A guest may call it without end: keep only the newest.
    fn progress(&self, progress: Progress<'_>);

    /// The value that this step remembered under `key`, in this attempt or an earlier one.
    fn recall(&self, key: &str) -> Option<String>;

    /// Keeps a value durably, together with what was spent since the last durable word. Answers with
    /// the first value of the key. From this call on `usage` is counted here, even if the attempt
    /// ends and the future is dropped before it is ready.
    fn remember(
        &self,
        key: String,
        value: String,
        usage: Usage,
    ) -> BoxFuture<'_, Result<String, RememberError>>;

    /// Who wants to know what the call's time goes into. Default: nobody.
    fn stopwatch(&self) -> Option<Arc<dyn Stopwatch>> {
        None
    }
}

/// One line from a guest: a stranger's text, to be shown only through [`inert`](super::inert).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// What the guest says of its weight; [`Level::Info`] for the two streams.
    pub level: Level,
    /// Where it came from.
    pub source: Source,
    /// At most 16 KiB. May hold any character, newlines in those that were logged.
    pub text: &'a str,
}

/// The weight of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A call of `log`.
    Log,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The host itself, about what the guest asked of it. What it quotes is a stranger's text.
    Host,
}

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// What is done, never more than `total`.
    pub done: u64,
    /// All there is to do, where the guest knows.
    pub total: Option<u64>,
    /// A stranger's text of at most 1 KiB.
    pub message: &'a str,
}

/// A value could not be kept: the host is in trouble, not the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RememberError(pub String);

impl fmt::Display for RememberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RememberError {}

impl Level {
    /// All levels, the lightest first.
    pub const ALL: [Self; 5] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl Source {
    /// All sources.
    pub const ALL: [Self; 4] = [Self::Log, Self::Stdout, Self::Stderr, Self::Host];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Host => "host",
        }
    }
}
