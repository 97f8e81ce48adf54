//! Copies of granted folders for one scene, and what is in them at a moment.
//! Never writes to the folders that were granted, and never follows a link in one.

use super::super::folder::Folder;
use crate::sandbox::{ResolvedGrants, digest_of};
use piton_core::{Digest, Grants};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Files, links and folders that are copied at most, for each scene anew.
const ENTRIES_MAX: usize = 10_000;
/// Bytes that are copied at most.
const BYTES_MAX: u64 = 256 << 20;
const BUFFER_BYTES: usize = 64 << 10;

/// The folders of one scene. They go with it.
#[derive(Debug)]
pub(super) struct Folders {
    /// The copies, and where the guest sees them.
    copies: Vec<(PathBuf, String)>,
    /// What a guest of this scene is granted.
    pub(super) grants: ResolvedGrants,
    _folder: Folder,
}

/// Files and links by the path that the guest sees, and what is in them. Folders are none of it: an
/// empty one is no effect.
pub(super) type Files = BTreeMap<String, Digest>;

impl Folders {
    /// Copies the granted folders as they are now. One without a name begins empty.
    ///
    /// # Errors
    /// Why they cannot be copied or granted, for people.
    pub(super) fn copy(grants: &Grants) -> Result<Self, String> {
        let folder = Folder::make("step-check")?;
        let mut grants = grants.clone();
        let mut copies = Vec::new();
        let mut room = Room { entries: ENTRIES_MAX, bytes: BYTES_MAX };
        for (place, dir) in grants.dirs.iter_mut().enumerate() {
            let copy = folder.path().join(place.to_string());
            let copied = match dir.host.as_str() {
                "" => fs::create_dir(&copy),
                host => copy_tree(Path::new(host), &copy, &mut room),
            };
            copied.map_err(|error| format!("cannot copy the folder `{}`: {error}", dir.host))?;
            dir.host = copy.display().to_string();
            copies.push((copy, dir.guest.clone()));
        }
        let grants = ResolvedGrants::resolve(&grants, folder.path(), &[]);
        let grants = grants.map_err(|error| error.to_string())?;
        Ok(Self { copies, grants, _folder: folder })
    }

    /// What is in them now.
    ///
    /// # Errors
    /// Why they cannot be read, for people.
    pub(super) fn files(&self) -> Result<Files, String> {
        let mut files = Files::new();
        for (copy, guest) in &self.copies {
            let listed = list(copy, guest, &mut files);
            listed.map_err(|error| format!("cannot read a copy of `{guest}`: {error}"))?;
        }
        Ok(files)
    }
}

/// What may still be copied.
struct Room {
    entries: usize,
    bytes: u64,
}

impl Room {
    fn take(&mut self, bytes: u64) -> io::Result<()> {
        let (entries, bytes) = (self.entries.checked_sub(1), self.bytes.checked_sub(bytes));
        let (Some(entries), Some(bytes)) = (entries, bytes) else {
            return Err(io::Error::other(format!(
                "it holds more than {ENTRIES_MAX} entries or {} MiB; grant a smaller one",
                BYTES_MAX >> 20
            )));
        };
        *self = Self { entries, bytes };
        Ok(())
    }
}

fn copy_tree(from: &Path, to: &Path, room: &mut Room) -> io::Result<()> {
    let mut left = vec![(from.to_path_buf(), to.to_path_buf())];
    while let Some((from, to)) = left.pop() {
        fs::create_dir(&to)?;
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let (kind, path, copy) = (entry.file_type()?, entry.path(), to.join(entry.file_name()));
            room.take(entry.metadata()?.len())?;
            if kind.is_dir() {
                left.push((path, copy));
            } else if kind.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(&path)?, &copy)?;
            } else if kind.is_file() {
                fs::copy(&path, &copy)?;
            } else {
                let name = path.display();
                return Err(io::Error::other(format!("`{name}` is neither file, folder nor link")));
            }
        }
    }
    Ok(())
}

fn list(folder: &Path, seen_as: &str, files: &mut Files) -> io::Result<()> {
    let mut left = vec![(folder.to_path_buf(), seen_as.to_owned())];
    while let Some((folder, seen_as)) = left.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            let name = format!("{seen_as}/{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                left.push((path, name));
            } else if kind.is_symlink() {
                let target = fs::read_link(&path)?;
                files.insert(name, digest_of(target.as_os_str().as_encoded_bytes()));
            } else {
                files.insert(name, digest_of_file(&path)?);
            }
        }
    }
    Ok(())
}

fn digest_of_file(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest::from_bytes(hasher.finalize().into())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use piton_core::DirGrant;

    fn grants(host: &Path) -> Grants {
        let dir = DirGrant { host: host.display().to_string(), guest: "/data".into(), write: true };
        Grants { dirs: vec![dir], ..Grants::default() }
    }

    #[test]
    fn what_happens_in_a_copy_stays_there() {
        let real = tempfile::tempdir().expect("a folder should be made");
        fs::create_dir(real.path().join("a")).expect("a folder should be made");
        fs::write(real.path().join("a/b"), "one").expect("a file should be written");
        std::os::unix::fs::symlink("/etc/passwd", real.path().join("link")).expect("a link");
        let folders = Folders::copy(&grants(real.path())).expect("it should be copied");
        let before = folders.files().expect("it should be read");
        assert_eq!(before.keys().collect::<Vec<_>>(), ["/data/a/b", "/data/link"]);
        let copy = folders.grants.dirs[0].host.clone();
        fs::write(copy.join("a/b"), "two").expect("a file should be written");
        fs::create_dir(copy.join("empty")).expect("a folder should be made");
        let after = folders.files().expect("it should be read");
        assert_ne!(after["/data/a/b"], before["/data/a/b"]);
        assert_eq!(after.len(), 2);
        assert_eq!(fs::read(real.path().join("a/b")).expect("a file"), b"one");
        drop(folders);
        assert!(!copy.exists());
    }

    #[test]
    fn a_folder_without_a_name_begins_empty() {
        let folders = Folders::copy(&grants(Path::new(""))).expect("it should be made");
        assert_eq!(folders.files(), Ok(Files::new()));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let real = tempfile::tempdir().expect("a folder should be made");
        let socket = real.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        let said = Folders::copy(&grants(real.path())).expect_err("it should be refused");
        assert!(said.contains("is neither file, folder nor link"), "{said}");
    }
}
