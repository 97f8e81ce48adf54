//! The narrow trait that every store of journals implements, over plain data.
//! A store translates; it never decides about a run, and nothing of its own types leaves it.

use super::backup::{BackedUp, BackupError, Keepsakes, Watch};
use super::batch::{Batch, RunRecords, Tail};
use super::log_line::LogLine;
use super::row::RunRow;
use piton_core::{RunId, RunStatus, Timestamp};
use std::fmt;
use std::fs::File;

/// What takes commits: all that the [`Writer`](super::Writer) needs of a store.
pub trait Commit: Send + Sync + 'static {
    /// Writes all batches and log lines durably, in one go and in this order. A batch that is
    /// refused leaves no trace and does not hold up the others.
    ///
    /// # Errors
    /// [`JournalError`] where nothing more can be written: whether these batches will be found
    /// after the next start is then open, and this store must not be written to again.
    fn commit(&self, batches: &[Batch], log_lines: &[LogLine]) -> Result<Verdicts, JournalError>;

    /// Does what is left to do behind a commit, once nobody waits for its answer any more. Nothing by default.
    ///
    /// # Errors
    /// As of `commit`, which then fails, too. What was committed is committed.
    fn settle(&self) -> Result<(), JournalError> {
        Ok(())
    }
}

/// A store of journals.
///
/// What `commit` has returned `Ok` for is durable. All reads are verified: they return what was
/// written, or say that it is damaged. All methods block; an implementation may be called from
/// several threads, but there is one caller of `commit`: the [`Writer`](super::Writer).
pub trait Journal: Commit {
    /// All records of a run in order; none where there is no such run.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`], which names the run and the first record that is damaged.
    fn records(&self, run: RunId) -> Result<Option<RunRecords>, JournalError>;

    /// The row of a run; none where there is no such run.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] where it is damaged.
    fn row(&self, run: RunId) -> Result<Option<RunRow>, JournalError>;

    /// Rows of runs, newest first.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] where a row or the index is damaged.
    fn list(&self, query: &Query) -> Result<Page, JournalError>;

    /// The run that was started with this key, whether or not it is still kept.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] where the entry is damaged.
    fn run_by_key(&self, key: &str) -> Result<Option<KeyOwner>, JournalError>;

    /// All runs to which something can still happen, oldest first. Its cost does not grow with the
    /// number of finished runs.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] where a row is damaged or a run is missing from the index.
    fn unfinished(&self) -> Result<Vec<RunRow>, JournalError>;

    /// The log lines of a run in the order they came in, of one step (`name` or `name[3]`) or all.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] where a line is damaged.
    fn log_lines(&self, run: RunId, step: Option<&str>) -> Result<Vec<LogLine>, JournalError>;

    /// Takes hold of the journal: the number returned is larger than all before, and batches with
    /// any other are refused from here on.
    ///
    /// # Errors
    /// [`JournalError`] where it cannot be written.
    fn take_fence(&self) -> Result<u64, JournalError>;

    /// Removes finished runs with all that belongs to them, durably and in one go. Their keys stay
    /// taken. A run that is refused is left as it is and does not hold up the others.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] where one of them is damaged: then nothing was removed. Else as
    /// [`Commit::commit`].
    fn remove(&self, fence: u64, runs: &[Removal]) -> Result<Verdicts, JournalError>;

    /// Gives space that is no longer used back to the system. Whoever reads or writes meanwhile
    /// waits. None where there is nothing to give back, or somebody still reads.
    ///
    /// # Errors
    /// As [`Commit::commit`].
    fn compact(&self) -> Result<Option<Compacted>, JournalError>;

    /// Copies the journal as it is at this moment into a new file, and what belongs to it. Nobody
    /// has to wait for that: what is recorded meanwhile is not in the copy.
    ///
    /// # Errors
    /// [`BackupError`]; the file is then of no use.
    fn back_up(
        &self,
        file: File,
        keepsakes: &Keepsakes<'_>,
        watch: Watch<'_>,
    ) -> Result<BackedUp, BackupError>;

    /// Reads everything and checks every checksum, every chain and every index entry.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] at the first damage.
    fn verify(&self) -> Result<Verified, JournalError>;
}

/// For each batch of a commit, in order, whether it was taken.
pub type Verdicts = Vec<Result<(), Refusal>>;

/// A run to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// The run.
    pub run: RunId,
    /// Where its records ended when it was found that it may go.
    pub tail: Tail,
}

/// Who has a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner {
    /// A run.
    Kept(RunId),
    /// A run that was removed since.
    Pruned {
        /// That run.
        run: RunId,
        /// When it had ended.
        ended_at: Timestamp,
    },
}

impl KeyOwner {
    /// The run.
    pub const fn run(self) -> RunId {
        match self {
            Self::Kept(run) | Self::Pruned { run, .. } => run,
        }
    }
}

/// What [`Journal::compact`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The file's size before.
    pub bytes_before: u64,
    /// The file's size now.
    pub bytes_after: u64,
}

/// Why one batch was not written, or one run not removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody else has taken hold of the journal since.
    Fenced {
        /// The batch's fence.
        held: u64,
        /// The journal's.
        current: u64,
    },
    /// It does not follow the run's last record.
    OutOfOrder {
        /// The record it wants to follow.
        after: u64,
        /// The run's last record; 0 where it has none.
        last: u64,
    },
    /// Its number follows the run's last record, but it was made after another one.
    Diverged {
        /// The run's last record.
        last: u64,
    },
    /// Another run was started with this key.
    KeyTaken {
        /// That run.
        run: RunId,
    },
    /// Something can still happen to the run, so it is not removed.
    Unfinished {
        /// Where it stands.
        status: RunStatus,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fenced { held, current } => write!(
                f,
                "another host took over the journal (hold {current}, this host's was {held})"
            ),
            Self::OutOfOrder { after, last } => {
                write!(f, "an append after record {after} came when the run's last was {last}")
            }
            Self::Diverged { last } => {
                write!(f, "an append was made after a record {last} that is not the run's")
            }
            Self::KeyTaken { run } => write!(f, "run {run} was started with the same key"),
            Self::Unfinished { status } => {
                write!(f, "the run is {}, and only what has ended is removed", status.word())
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// Why a store cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalError {
    /// What is on the disk is not what was written.
    Corrupt {
        /// The run, where it is known.
        run: Option<RunId>,
        /// The record, where it is known.
        seq: Option<u64>,
        /// What was found.
        what: String,
    },
    /// There is no space left.
    Full,
    /// Another process, which may be just ending, still has the store open.
    InUse,
    /// The system refused; the store must be opened anew.
    Failed {
        /// What the system said.
        what: String,
    },
}

impl JournalError {
    pub(super) fn corrupt(run: RunId, seq: u64, what: impl Into<String>) -> Self {
        Self::Corrupt { run: Some(run), seq: Some(seq), what: what.into() }
    }

    pub(super) fn corrupt_row(run: RunId, what: impl Into<String>) -> Self {
        Self::Corrupt { run: Some(run), seq: None, what: what.into() }
    }

    pub(super) fn corrupt_store(what: impl Into<String>) -> Self {
        Self::Corrupt { run: None, seq: None, what: what.into() }
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt { run: Some(run), seq: Some(seq), what } => {
                write!(f, "the journal is damaged at event {seq} of run {run}: {what}")
            }
            Self::Corrupt { run: Some(run), what, .. } => {
                write!(f, "the journal is damaged at run {run}: {what}")
            }
            Self::Corrupt { what, .. } => write!(f, "the journal is damaged: {what}"),
            Self::Full => f.write_str(
                "the disk is full, so nothing more can be recorded; make space, then resume",
            ),
            Self::InUse => f.write_str("another process still has the journal open"),
            Self::Failed { what } => write!(f, "the journal cannot be used: {what}"),
        }
    }
}

impl std::error::Error for JournalError {}

/// Which runs to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Only runs that stand so.
    pub status: Option<RunStatus>,
    /// Only runs of this pipeline.
    pub pipeline: Option<String>,
    /// Only runs that started before this one: where the last page ended.
    pub before: Option<RunId>,
    /// At most this many.
    pub limit: usize,
}

/// Some rows, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub rows: Vec<RunRow>,
    /// [`Query::before`] of the next page; none where there is no further run.
    pub next: Option<RunId>,
}

/// What [`Journal::verify`] has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verified {
    /// Runs.
    pub runs: u64,
    /// Their records.
    pub records: u64,
    /// Their log lines.
    pub log_lines: u64,
}
