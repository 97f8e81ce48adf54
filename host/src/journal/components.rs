//! Contents by their SHA-256: components, manifests and schemas, kept for the runs that began with
//! them. Never trusts a file: what is returned has been hashed since it was read.

use super::data_dir::{DataDirError, sync_folder, write_whole};
use piton_core::Digest;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// How much of a file is read at once.
const PIECE_BYTES: usize = 64 << 10;

/// A folder of contents.
#[derive(Debug, Clone)]
pub struct ComponentStore {
    folder: PathBuf,
}

/// A content that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Its SHA-256.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
}

/// Why a content cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentError {
    /// It is not there.
    Missing {
        /// The content.
        digest: Digest,
        /// Where it should be.
        path: PathBuf,
    },
    /// What is there is something else.
    Damaged {
        /// The content.
        digest: Digest,
        /// Where it should be.
        path: PathBuf,
    },
    /// It could not be read or written.
    DataDir(DataDirError),
}

impl fmt::Display for ComponentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { digest, path } => write!(
                f,
                "content sha256:{digest} is not at `{}`; put the same file there again",
                path.display()
            ),
            Self::Damaged { digest, path } => write!(
                f,
                "what is at `{}` is not the content sha256:{digest}; put the same file there again",
                path.display()
            ),
            Self::DataDir(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for ComponentError {}

/// The SHA-256 of a content.
pub fn digest_of(content: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(content).into())
}

impl ComponentStore {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where the content is kept, for who maps it; what is there must be hashed before it is used.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("sha256-{digest}"))
    }

    /// Keeps a content, durably once this returns. One that is there already is compared, and
    /// replaced where it is damaged.
    ///
    /// # Errors
    /// [`ComponentError::DataDir`] where it cannot be written.
    pub fn put(&self, content: &[u8]) -> Result<Digest, ComponentError> {
        let digest = digest_of(content);
        self.put_hashed(&digest, content)?;
        Ok(digest)
    }

    /// As [`ComponentStore::put`], for a content that was hashed before: a large one takes long.
    ///
    /// # Errors
    /// As above.
    pub fn put_hashed(&self, digest: &Digest, content: &[u8]) -> Result<(), ComponentError> {
        let path = self.path(digest);
        if is_kept(&path, content).unwrap_or(false) {
            return Ok(());
        }
        write_whole(&path, content).map_err(ComponentError::DataDir)
    }

    /// All contents that are kept, in the order of their digests.
    ///
    /// # Errors
    /// [`ComponentError::DataDir`] where the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Content>, ComponentError> {
        let at = |error| ComponentError::DataDir(DataDirError::at(&self.folder)(error));
        let mut contents = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(at)? {
            let entry = entry.map_err(at)?;
            // A file with another name is not this store's, or not complete.
            if let Some(digest) = digest_in(&entry.file_name()) {
                contents.push(Content { digest, bytes: entry.metadata().map_err(at)?.len() });
            }
        }
        contents.sort_by_key(|content| content.digest);
        Ok(contents)
    }

    /// Removes contents, and what is left of some that were cut off while they were written. To be
    /// called only while nobody keeps any.
    ///
    /// # Errors
    /// [`ComponentError::DataDir`]; some may be gone then.
    pub fn remove(&self, contents: &[Content]) -> Result<(), ComponentError> {
        let at = |error| ComponentError::DataDir(DataDirError::at(&self.folder)(error));
        for content in contents {
            std::fs::remove_file(self.path(&content.digest)).map_err(at)?;
        }
        for entry in std::fs::read_dir(&self.folder).map_err(at)? {
            let path = entry.map_err(at)?.path();
            if path.extension().is_some_and(|extension| extension == "new") {
                std::fs::remove_file(path).map_err(at)?;
            }
        }
        sync_folder(&self.folder).map_err(ComponentError::DataDir)
    }

    /// The content with this digest.
    ///
    /// # Errors
    /// [`ComponentError`], which names the digest.
    pub fn get(&self, digest: &Digest) -> Result<Vec<u8>, ComponentError> {
        let path = self.path(digest);
        let content = match std::fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(ComponentError::Missing { digest: *digest, path });
            }
            Err(error) => return Err(ComponentError::DataDir(DataDirError::at(&path)(error))),
        };
        if digest_of(&content) != *digest {
            return Err(ComponentError::Damaged { digest: *digest, path });
        }
        Ok(content)
    }
}

fn digest_in(name: &std::ffi::OsStr) -> Option<Digest> {
    name.to_str()?.strip_prefix("sha256-")?.parse().ok()
}

/// Whether a file has these bytes and no others. It is read piece by piece: room for all of it would
/// take longer to get than the reading.
fn is_kept(path: &Path, content: &[u8]) -> std::io::Result<bool> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() != content.len() as u64 {
        return Ok(false);
    }
    let mut buffer = vec![0; PIECE_BYTES.min(content.len())];
    for piece in content.chunks(PIECE_BYTES) {
        let read = &mut buffer[..piece.len()];
        file.read_exact(read)?;
        if read != piece {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_read_back_or_named() {
        let folder = tempfile::tempdir().expect("a folder should be made");
        let store = ComponentStore::new(folder.path().to_owned());
        let digest = store.put(b"a component").expect("a content should be kept");
        assert_eq!(store.get(&digest).as_deref(), Ok(&b"a component"[..]));

        std::fs::write(store.path(&digest), b"another one").expect("a file should be written");
        let error = store.get(&digest).expect_err("a damaged content should be refused");
        assert!(error.to_string().contains(&digest.to_string()), "{error}");
        store.put(b"a component").expect("a damaged content should be replaced");
        let damaged_late = [vec![1; PIECE_BYTES], vec![2]].concat();
        let large = store.put(&damaged_late).expect("a large content should be kept");
        std::fs::write(store.path(&large), [vec![1; PIECE_BYTES], vec![3]].concat())
            .expect("a file should be written");
        store.put(&damaged_late).expect("a damaged content should be replaced");
        assert_eq!(store.get(&large), Ok(damaged_late));
        assert_eq!(store.get(&digest).as_deref(), Ok(&b"a component"[..]));

        let missing = digest_of(b"something else");
        assert!(matches!(store.get(&missing), Err(ComponentError::Missing { .. })));
    }

    #[test]
    fn contents_are_listed_and_removed() {
        let folder = tempfile::tempdir().expect("a folder should be made");
        let store = ComponentStore::new(folder.path().to_owned());
        for text in ["one", "two", "three"] {
            store.put(text.as_bytes()).expect("a content should be kept");
        }
        std::fs::write(folder.path().join("sha256-1.7.new"), "cut o").expect("a file");
        std::fs::write(folder.path().join("notes"), "a person's").expect("a file");
        let all = store.list().expect("contents should be listed");
        assert_eq!(all.iter().map(|content| content.bytes).sum::<u64>(), 11);
        let (gone, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(|found| found.bytes == 3);
        store.remove(&gone).expect("contents should be removed");
        assert_eq!(store.list(), Ok(kept));
        let names = std::fs::read_dir(folder.path()).expect("the folder should be read");
        assert_eq!(names.count(), 2, "one content and what is not the store's");
    }

    #[test]
    fn many_may_keep_the_same_content_at_once() {
        let folder = tempfile::tempdir().expect("a folder should be made");
        let store = ComponentStore::new(folder.path().to_owned());
        let content = vec![7; 100_000];
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let digest = store.put(&content).expect("a content should be kept");
                    assert!(store.get(&digest).is_ok_and(|kept| kept == content));
                });
            }
        });
        let names = std::fs::read_dir(folder.path()).expect("the folder should be read");
        assert_eq!(names.count(), 1, "nothing unfinished should be left");
    }
}
