//! A folder of a rehearsal's own, in the system's folder for temporary things. It goes with the
//! rehearsal, and nobody else may look into it.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Removed, with all that is in it, when this goes.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes one that is named after what it is for.
    ///
    /// # Errors
    /// Why it cannot be made, for people.
    pub(super) fn make(purpose: &str) -> Result<Self, String> {
        let name = format!("piton-{purpose}-{:032x}", rand::random::<u128>());
        let temporary = std::env::temp_dir();
        let folder = temporary.canonicalize().unwrap_or(temporary).join(name);
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|error| format!("cannot make `{}`: {error}", folder.display()))?;
        Ok(Self(folder))
    }

    /// Where it is, without symbolic links.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in the system's folder for temporary things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
