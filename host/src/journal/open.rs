//! Opens a data directory with all that is kept in it, or makes one.
//! Never makes a journal in a directory that has, or had, one.
//!
//! A directory is made in this order, each part durable before the next: secret, journal under the
//! name `journal.redb.new`, `format`, and the journal's final name. Without `format` nothing has
//! been recorded yet, so a beginning that was cut off there is thrown away and made anew; with it
//! only the last renaming may be owed.

use super::components::ComponentStore;
use super::data_dir::{DataDir, DataDirError, sync_folder};
use super::redb::{Check, RedbJournal};
use super::secret::{Secret, draw};
use super::store::{Journal, JournalError};
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// A data directory and what is kept in it.
pub struct Opened {
    /// The journal. First, so that it is closed before the directory is given up.
    pub journal: Arc<dyn Journal>,
    /// The contents that runs began with.
    pub components: ComponentStore,
    /// What idempotency keys are cut from.
    pub secret: Secret,
    /// The directory, held while this lives.
    pub data_dir: DataDir,
}

/// Why a data directory cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// The directory cannot be used.
    DataDir(DataDirError),
    /// The journal in it cannot be used.
    Journal(JournalError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataDir(error) => fmt::Display::fmt(error, f),
            Self::Journal(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<DataDirError> for OpenError {
    fn from(error: DataDirError) -> Self {
        Self::DataDir(error)
    }
}

impl From<JournalError> for OpenError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl Opened {
    /// Opens the data directory at `path`.
    ///
    /// # Errors
    /// [`DataDirError::Missing`] where there is none, and else [`OpenError`].
    pub fn existing(path: &Path, check: Check) -> Result<Self, OpenError> {
        Self::open(DataDir::hold(path)?, check)
    }

    /// Opens the data directory at `path`, and makes it where there is none.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn or_make(path: &Path) -> Result<Self, OpenError> {
        let mut data_dir = DataDir::hold_or_make(path)?;
        if data_dir.id().is_none() {
            make(&mut data_dir)?;
        }
        Self::open(data_dir, Check::OnRead)
    }

    fn open(data_dir: DataDir, check: Check) -> Result<Self, OpenError> {
        let id = data_dir.id().ok_or_else(|| {
            DataDirError::damaged(
                &data_dir.path().join("format"),
                "is missing, but the journal is there",
            )
        })?;
        let file = data_dir.journal();
        if !file.try_exists().map_err(DataDirError::at(&file))? {
            let made = data_dir.journal_in_the_making();
            match std::fs::rename(&made, &file) {
                Ok(()) => sync_folder(data_dir.path())?,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(DataDirError::damaged(&file, "is missing").into());
                }
                Err(error) => return Err(DataDirError::at(&file)(error).into()),
            }
        }
        Ok(Self {
            secret: Secret::read(&data_dir.secret())?,
            journal: Arc::new(RedbJournal::open(&file, id, check)?),
            components: ComponentStore::new(data_dir.components()),
            data_dir,
        })
    }
}

/// Makes everything but the journal's final name, which opening gives it.
fn make(data_dir: &mut DataDir) -> Result<(), OpenError> {
    if has_been_used(data_dir)? {
        let format = data_dir.path().join("format");
        return Err(DataDirError::damaged(
            &format,
            "is missing, but the journal or contents are there",
        )
        .into());
    }
    let components = data_dir.components();
    std::fs::create_dir_all(&components).map_err(DataDirError::at(&components))?;
    Secret::create(&data_dir.secret())?;
    let file = data_dir.journal_in_the_making();
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(DataDirError::at(&file)(error).into());
        }
        _ => {}
    }
    let id = draw(&file)?;
    RedbJournal::create(&file, id)?;
    sync_folder(data_dir.path())?;
    data_dir.write_format(id)?;
    Ok(())
}

/// Whether the directory holds what only a finished one can hold.
fn has_been_used(data_dir: &DataDir) -> Result<bool, DataDirError> {
    let (journal, components) = (data_dir.journal(), data_dir.components());
    if journal.try_exists().map_err(DataDirError::at(&journal))? {
        return Ok(true);
    }
    match std::fs::read_dir(&components) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(DataDirError::at(&components)(error)),
    }
}

#[cfg(test)]
mod tests;
