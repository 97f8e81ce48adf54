//! The edge to redb: its errors and its panics become the journal's own errors here.
//! Never retries, and never goes on after an error it does not know.

use super::super::store::JournalError;
use ::redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};
use std::cell::Cell;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// Whether this thread is in [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    /// How often it has panicked since the outermost one began.
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// What a panic of this thread means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panicked {
    /// A bug.
    Unguarded,
    /// Damage to the journal: it will come out as an error, and need not be told.
    Guarded,
    /// Damage to the journal, met again while the first panic was cleaned up after: the process ends
    /// here, because Rust lets no panic out of that.
    Unstoppable,
}

/// To be called by the panic hook: says what this panic means.
pub fn panicked() -> Panicked {
    if !GUARDED.get() {
        return Panicked::Unguarded;
    }
    PANICS.set(PANICS.get() + 1);
    if PANICS.get() == 1 { Panicked::Guarded } else { Panicked::Unstoppable }
}

/// Does what touches the file. redb trusts what it reads, and panics where a damaged page makes no
/// sense; damage on a disk is no bug of this program, so it must not end as one.
///
/// Unwind safety: after a panic the store takes no further commit, and a reader shares nothing with
/// the next one but redb's own locks, which report being poisoned as an error.
pub(super) fn guarded<T>(
    work: impl FnOnce() -> Result<T, JournalError>,
) -> Result<T, JournalError> {
    let was_guarded = GUARDED.replace(true);
    let panics_before = PANICS.replace(0);
    let caught = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(was_guarded);
    PANICS.set(panics_before);
    caught.unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(JournalError::corrupt_store(format!("a page makes no sense ({message})")))
    })
}

impl From<std::io::Error> for JournalError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full
            }
            // What redb says where the file ends too early or is no file of redb's.
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput => {
                Self::corrupt_store(error.to_string())
            }
            _ => Self::Failed { what: error.to_string() },
        }
    }
}

impl From<StorageError> for JournalError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Io(error) => error.into(),
            StorageError::Corrupted(what) => Self::corrupt_store(what),
            other => Self::Failed { what: other.to_string() },
        }
    }
}

impl From<DatabaseError> for JournalError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Storage(error) => error.into(),
            DatabaseError::DatabaseAlreadyOpen => Self::InUse,
            other => Self::Failed { what: other.to_string() },
        }
    }
}

impl From<TransactionError> for JournalError {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Storage(error) => error.into(),
            other => Self::Failed { what: other.to_string() },
        }
    }
}

impl From<CommitError> for JournalError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Storage(error) => error.into(),
            other => Self::Failed { what: other.to_string() },
        }
    }
}

impl From<TableError> for JournalError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Storage(error) => error.into(),
            // The tables were made with the file, and by these definitions.
            other => Self::corrupt_store(other.to_string()),
        }
    }
}
