//! Backs a data directory up into one file, and makes a data directory of such a file again.
//! A file appears as a whole or not at all, and so does a directory. Never writes over either unless
//! told to, and never touches the directory that is backed up.

use super::components::{ComponentError, ComponentStore};
use super::data_dir::{DataDirError, folder_of, format_text, sync_folder, write_whole};
use super::redb::read_backup;
use super::secret::Secret;
use super::store::{Journal, JournalError};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Called with how many parts are done, and how many there are; false stops.
pub type Watch<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

/// What goes into a backup beside the journal.
pub struct Keepsakes<'a> {
    /// The contents that runs began with.
    pub components: &'a ComponentStore,
    /// What idempotency keys are cut from: with another one, services would do again what they
    /// have done.
    pub secret: &'a Secret,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackedUp {
    /// Runs.
    pub runs: u64,
    /// Their events.
    pub events: u64,
    /// Their log lines.
    pub log_lines: u64,
    /// Components and manifests.
    pub contents: u64,
    /// The file's size.
    pub bytes: u64,
    /// What is damaged, in what was backed up and so in the backup.
    pub problems: Vec<String>,
}

/// Why there is no backup, or none was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupError {
    /// There is a file of this name.
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// The file would lie in the directory that it is a backup of.
    Inside {
        /// Where.
        path: PathBuf,
    },
    /// The file is no backup, or a damaged one.
    NoBackup {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There is something where a data directory is to be made.
    Occupied {
        /// Where.
        path: PathBuf,
    },
    /// Who asked for it went away.
    Stopped,
    /// A file cannot be read or written.
    File(DataDirError),
    /// A content cannot be kept.
    Content(ComponentError),
    /// The journal cannot be read, or its copy not be written.
    Journal(JournalError),
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists { path } => write!(f, "there is a file at `{}`", path.display()),
            Self::Inside { path } => write!(
                f,
                "`{}` is in the data directory, and a backup is of no use there",
                path.display()
            ),
            Self::NoBackup { path, what } => {
                write!(f, "`{}` cannot be restored: {what}", path.display())
            }
            Self::Occupied { path } => write!(
                f,
                "there is something at `{}`, and a backup is restored only where nothing is",
                path.display()
            ),
            Self::Stopped => f.write_str("nobody waits for the backup any more"),
            Self::File(error) => fmt::Display::fmt(error, f),
            Self::Content(error) => fmt::Display::fmt(error, f),
            Self::Journal(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for BackupError {}

impl From<DataDirError> for BackupError {
    fn from(error: DataDirError) -> Self {
        Self::File(error)
    }
}

impl From<ComponentError> for BackupError {
    fn from(error: ComponentError) -> Self {
        Self::Content(error)
    }
}

impl From<JournalError> for BackupError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// Backs everything in the data directory at `data_dir` up into the file `to`, readable by its owner
/// alone. The journal is copied as it is at one moment, while others go on writing it.
///
/// # Errors
/// [`BackupError`]; then `to` is what it was.
pub fn back_up(
    journal: &dyn Journal,
    keepsakes: &Keepsakes<'_>,
    data_dir: &Path,
    (to, may_replace): (&Path, bool),
    watch: Watch<'_>,
) -> Result<BackedUp, BackupError> {
    let folder = folder_of(to);
    let data_dir = data_dir.canonicalize().map_err(DataDirError::at(data_dir))?;
    if folder.canonicalize().is_ok_and(|folder| folder.starts_with(&data_dir)) {
        return Err(BackupError::Inside { path: to.into() });
    }
    if !may_replace && to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists { path: to.into() });
    }
    let unfinished = Unfinished::beside(to);
    let new = &unfinished.0;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    let file = options.open(new).map_err(DataDirError::at(new))?;
    let ours = file.try_clone().map_err(DataDirError::at(new))?;
    let mut backed_up = journal.back_up(file, keepsakes, watch)?;
    ours.sync_all().map_err(DataDirError::at(new))?;
    backed_up.bytes = ours.metadata().map_err(DataDirError::at(new))?.len();
    put_in_place(new, to, may_replace)?;
    sync_folder(folder)?;
    Ok(backed_up)
}

/// Gives the file its name, in one step.
fn put_in_place(new: &Path, to: &Path, may_replace: bool) -> Result<(), BackupError> {
    if may_replace {
        std::fs::rename(new, to).map_err(DataDirError::at(to))?;
        return Ok(());
    }
    match renameat_with(CWD, new, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::EXIST) => Err(BackupError::Exists { path: to.into() }),
        // A file system that cannot do that in one step: it was looked just before.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            std::fs::rename(new, to).map_err(DataDirError::at(to))?;
            Ok(())
        }
        Err(error) => Err(DataDirError::at(to)(error.into()).into()),
    }
}

/// A name beside another that is not complete; what has it goes unless it is renamed.
struct Unfinished(PathBuf);

impl Unfinished {
    fn beside(path: &Path) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        Self(name.into())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What is left of it is only litter.
        let _ = match self.0.is_dir() {
            true => std::fs::remove_dir_all(&self.0),
            false => std::fs::remove_file(&self.0),
        };
    }
}

/// Makes a data directory at `to`, where nothing or an empty folder is, of a backup. Everything in
/// it is checked first.
///
/// # Errors
/// [`BackupError`]; then `to` is what it was.
pub fn restore(from: &Path, to: &Path, watch: Watch<'_>) -> Result<BackedUp, BackupError> {
    let is_empty = match std::fs::read_dir(to) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    };
    if !is_empty {
        return Err(BackupError::Occupied { path: to.into() });
    }
    let no_backup = |what: String| BackupError::NoBackup { path: from.into(), what };
    File::open(from).map_err(DataDirError::at(from))?;
    let folder = folder_of(to);
    std::fs::create_dir_all(folder).map_err(DataDirError::at(folder))?;
    let unfinished = Unfinished::beside(to);
    let new = &unfinished.0;
    let components = new.join("components");
    for folder in [new, &components] {
        let made = DirBuilder::new().mode(0o700).create(folder);
        made.map_err(DataDirError::at(folder))?;
    }
    let read =
        read_backup(from, &new.join("journal.redb"), &ComponentStore::new(components), watch);
    let (found, id, secret) = read.map_err(|error| match error {
        BackupError::Journal(JournalError::Corrupt { what, .. }) => no_backup(what),
        other => other,
    })?;
    Secret::keep(&new.join("secret"), secret)?;
    write_whole(&new.join("format"), format_text(id).as_bytes())?;
    sync_folder(new)?;
    std::fs::rename(new, to).map_err(DataDirError::at(to))?;
    sync_folder(folder)?;
    Ok(found)
}
