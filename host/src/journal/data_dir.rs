//! The data directory: its layout, its lock, and the `format` file that says what is in it.
//! Never looks into the journal, and never makes a new one where one has been.
//!
//! The appearance of `format` is what makes a directory a data directory. Nothing is recorded
//! before it is there, so whatever lies about without it is either an unfinished beginning, which
//! may be thrown away, or what is left of something that is missing, which may not.

use super::stored::FORMAT_VERSION;
use rustix::fs::{FlockOperation, flock};
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A data directory that this process holds.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// What `format` says; none in a new directory.
    id: Option<[u8; 16]>,
    /// Holds the lock until it is closed, by whatever end of the process.
    _lock: File,
}

/// Why a directory cannot be used as the data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataDirError {
    /// There is none.
    Missing {
        /// Where.
        path: PathBuf,
    },
    /// A newer piton wrote it.
    NewerFormat {
        /// Its version.
        found: u32,
        /// The newest that this host reads.
        supported: u32,
    },
    /// Another process holds it.
    InUse {
        /// That process, where it could be read.
        pid: Option<u32>,
    },
    /// Others can write in it, or own it.
    Unsafe {
        /// Where.
        path: PathBuf,
        /// What is unsafe.
        what: String,
    },
    /// A part of it is missing or damaged.
    Damaged {
        /// The part.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There is no space left.
    Full,
    /// The system refused.
    Failed {
        /// Where.
        path: PathBuf,
        /// What the system said.
        what: String,
    },
}

impl fmt::Display for DataDirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { path } => {
                write!(f, "there is no data directory at `{}`", path.display())
            }
            Self::NewerFormat { found, supported } => write!(
                f,
                "the data directory has format version {found}, and this piton reads up to {supported}; use the piton that wrote it, or a newer one"
            ),
            Self::InUse { pid: Some(pid) } => {
                write!(f, "the data directory is in use by process {pid}")
            }
            Self::InUse { pid: None } => {
                f.write_str("the data directory is in use by another process")
            }
            Self::Unsafe { path, what } => {
                write!(
                    f,
                    "`{}` {what}; a data directory is its owner's alone (chmod 700)",
                    path.display()
                )
            }
            Self::Damaged { path, what } => {
                write!(f, "`{}` {what}; restore the data directory from a backup", path.display())
            }
            Self::Full => f.write_str("the disk is full; make space, then try again"),
            Self::Failed { path, what } => write!(f, "`{}`: {what}", path.display()),
        }
    }
}

impl std::error::Error for DataDirError {}

impl DataDirError {
    /// Says of an error of the system where it happened.
    pub(super) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        |error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Failed { path: path.to_owned(), what: error.to_string() },
        }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}

impl DataDir {
    /// Takes hold of a data directory that exists.
    ///
    /// # Errors
    /// [`DataDirError`]; nothing was changed then.
    pub(super) fn hold(path: &Path) -> Result<Self, DataDirError> {
        match path.join("format").try_exists() {
            Ok(true) => Self::lock(path),
            Ok(false) if !path.join("journal.redb").exists() => {
                Err(DataDirError::Missing { path: path.to_owned() })
            }
            Ok(false) => Self::lock(path),
            Err(error) => Err(DataDirError::at(path)(error)),
        }
    }

    /// Takes hold of a directory, and makes it where there is none, for its owner alone.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub(super) fn hold_or_make(path: &Path) -> Result<Self, DataDirError> {
        let is_new = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let new: Vec<&Path> = path.ancestors().take_while(is_new).collect();
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(path).map_err(DataDirError::at(path))?;
        for folder in new.into_iter().rev() {
            sync_folder(folder_of(folder))?;
        }
        Self::lock(path)
    }

    fn lock(path: &Path) -> Result<Self, DataDirError> {
        check_owner(path)?;
        // Before the lock, which writes: nothing of a newer version is touched.
        read_format(path)?;
        let file = path.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut lock = options.open(&file).map_err(DataDirError::at(&file))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let _ = lock.take(32).read_to_string(&mut text);
                return Err(DataDirError::InUse { pid: text.trim().parse().ok() });
            }
            Err(error) => return Err(DataDirError::at(&file)(error.into())),
        }
        // Only for people and for the message above; a full disk must not keep anybody from looking.
        let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        // Again, now that nobody else can write it.
        let id = read_format(path)?;
        Ok(Self { path: path.to_owned(), id, _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What ties the journal to this directory; none in a new one.
    pub(super) fn id(&self) -> Option<[u8; 16]> {
        self.id
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.path.join("journal.redb")
    }

    /// Where a journal is made, before `format` says that it is one.
    pub(super) fn journal_in_the_making(&self) -> PathBuf {
        self.path.join("journal.redb.new")
    }

    pub(super) fn components(&self) -> PathBuf {
        self.path.join("components")
    }

    pub(super) fn secret(&self) -> PathBuf {
        self.path.join("secret")
    }

    /// Writes `format`, and so makes this a data directory.
    pub(super) fn write_format(&mut self, id: [u8; 16]) -> Result<(), DataDirError> {
        write_whole(&self.path.join("format"), format_text(id).as_bytes())?;
        self.id = Some(id);
        Ok(())
    }
}

/// What stands in `format`.
pub(super) fn format_text(id: [u8; 16]) -> String {
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("piton data directory\nformat {FORMAT_VERSION}\njournal {hex}\n")
}

/// Writes a file so that it is there as a whole or not at all, whenever the machine stops. Readable
/// by its owner alone.
pub(super) fn write_whole(file: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    write_with_mode(file, bytes, 0o600)
}

/// As the data directory's own files are written, of a file that others may read.
///
/// # Errors
/// [`DataDirError`] where it cannot be written; then it is as it was.
pub fn write_public(file: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    write_with_mode(file, bytes, 0o644)
}

fn write_with_mode(file: &Path, bytes: &[u8], mode: u32) -> Result<(), DataDirError> {
    // Two threads may keep the same content at once: each writes a file of its own.
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}.new", WRITTEN.fetch_add(1, Ordering::Relaxed)));
    let new = PathBuf::from(name);
    let written = (|| {
        let mut options = OpenOptions::new();
        let mut open = options.write(true).create(true).truncate(true).mode(mode).open(&new)?;
        open.write_all(bytes)?;
        open.sync_all()?;
        std::fs::rename(&new, file)
    })();
    written.map_err(DataDirError::at(file))?;
    sync_folder(folder_of(file))
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), DataDirError> {
    File::open(folder).and_then(|open| open.sync_all()).map_err(DataDirError::at(folder))
}

fn check_owner(path: &Path) -> Result<(), DataDirError> {
    let metadata = path.metadata().map_err(DataDirError::at(path))?;
    let what = if !metadata.is_dir() {
        "is no directory"
    } else if metadata.mode() & 0o022 != 0 {
        "can be written by others"
    } else if metadata.uid() != rustix::process::geteuid().as_raw() {
        "belongs to another user"
    } else {
        return Ok(());
    };
    Err(DataDirError::Unsafe { path: path.to_owned(), what: what.into() })
}

/// What `format` says; none where there is no such file.
fn read_format(path: &Path) -> Result<Option<[u8; 16]>, DataDirError> {
    let file = path.join("format");
    let mut text = String::new();
    match File::open(&file).and_then(|open| open.take(4096).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            return Err(DataDirError::damaged(&file, "is no text"));
        }
        Err(error) => return Err(DataDirError::at(&file)(error)),
    }
    let mut lines = text.lines();
    if lines.next() != Some("piton data directory") {
        return Err(DataDirError::damaged(&file, "does not say that this is a data directory"));
    }
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let version: Option<u32> = value("format").and_then(|version| version.parse().ok());
    let version = version.filter(|version| *version > 0);
    let version = version.ok_or_else(|| DataDirError::damaged(&file, "has no format version"))?;
    if version > FORMAT_VERSION {
        return Err(DataDirError::NewerFormat { found: version, supported: FORMAT_VERSION });
    }
    let id = value("journal").filter(|id| id.len() == 32);
    let id = id.and_then(|id| u128::from_str_radix(id, 16).ok());
    let id = id.ok_or_else(|| DataDirError::damaged(&file, "does not name its journal"))?;
    Ok(Some(id.to_be_bytes()))
}
