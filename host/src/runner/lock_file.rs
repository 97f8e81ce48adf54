//! The lock file beside a manifest: found, compared with what the manifest has now, and written as a
//! whole or not at all.
//! Never decides what differs; the manifest's side does.

use super::loaded::{LoadFailed, ManifestRefused};
use super::read::read_lock;
use crate::journal::write_public;
use crate::manifest::{Lock, PinChange, Pins, pin_changes};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What the file is called.
const NAME: &str = "piton.lock";

/// A manifest, held against the lock file beside it.
#[derive(Debug, Clone)]
pub struct Locking {
    /// The lock file.
    pub path: PathBuf,
    /// Whether something is pinned of the manifest already.
    pub is_pinned: bool,
    /// The steps that differ from what is pinned, by name.
    pub changes: Vec<PinChange>,
    manifest: PathBuf,
    pins: Pins,
}

/// A lock file that was read.
pub(super) struct Beside {
    pub(super) path: PathBuf,
    lock: Lock,
}

impl Beside {
    /// What it pins of a manifest beside it.
    pub(super) fn pins(&self, manifest: &Path) -> Option<&Pins> {
        self.lock.pins(&name_of(manifest))
    }
}

impl Locking {
    pub(super) fn of(manifest: &Path, pins: Pins) -> Result<Self, LoadFailed> {
        let beside = read_beside(manifest)?;
        let before = beside.as_ref().and_then(|beside| beside.pins(manifest));
        let changes = pin_changes(before.unwrap_or(&Pins::new()), &pins);
        let (path, is_pinned) = (path_beside(manifest), before.is_some());
        Ok(Self { path, is_pinned, changes, manifest: manifest.into(), pins })
    }

    /// Pins what the manifest has now, durably once this returns. What is pinned of other
    /// manifests stays.
    ///
    /// # Errors
    /// [`LoadFailed`] where the file has a mistake by now, or cannot be written.
    pub fn write(&self) -> Result<(), LoadFailed> {
        // Two may write at once, for two manifests of one folder: neither loses the other's.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let failed = |error: std::io::Error| {
            LoadFailed::Host(format!("cannot write `{}`: {error}", self.path.display()))
        };
        let open = File::open(folder.unwrap_or(Path::new("."))).map_err(failed)?;
        open.lock().map_err(failed)?;
        let mut lock = read_beside(&self.manifest)?.map(|beside| beside.lock).unwrap_or_default();
        lock.pin(&name_of(&self.manifest), self.pins.clone());
        write_public(&self.path, lock.write().as_bytes())
            .map_err(|error| LoadFailed::Host(error.to_string()))
    }
}

/// Reads the lock file beside a manifest, if there is one.
///
/// # Errors
/// [`ManifestRefused`], of the lock file, with every mistake in it.
pub(super) fn read_beside(manifest: &Path) -> Result<Option<Beside>, ManifestRefused> {
    let path = path_beside(manifest);
    let text = match read_lock(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let message = format!("cannot read `{}`: {error}", path.display());
            let hint = "it pins what steps may do, and nothing runs without it";
            return Err(ManifestRefused::without_text(&path, message, hint));
        }
    };
    match Lock::read(&text) {
        Ok(lock) => Ok(Some(Beside { path, lock })),
        Err(complaints) => Err(ManifestRefused { path, text, complaints }),
    }
}

fn path_beside(manifest: &Path) -> PathBuf {
    manifest.with_file_name(NAME)
}

fn name_of(manifest: &Path) -> String {
    manifest.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
