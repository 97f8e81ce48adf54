//! Reads the files that manifests name: plain files, and no more of them than is taken.
//! Never waits on what is no file, and never holds more than the most that may be asked for.

use crate::manifest::{LOCK_BYTES_MAX, MANIFEST_BYTES_MAX, SCHEMA_BYTES_MAX};
use crate::sandbox::COMPONENT_BYTES_MAX;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Reads a component.
///
/// # Errors
/// Why it cannot be read: what it is not, or how large.
pub fn read_component(path: &Path) -> io::Result<Vec<u8>> {
    read_plain(path, COMPONENT_BYTES_MAX)
}

/// Reads the schema of an input.
pub(super) fn read_schema(path: &Path) -> io::Result<String> {
    text(read_plain(path, SCHEMA_BYTES_MAX as u64)?)
}

/// Reads the lock file beside a manifest, which comes with it.
pub(super) fn read_lock(path: &Path) -> io::Result<String> {
    text(read_plain(path, LOCK_BYTES_MAX as u64)?)
}

/// Reads a manifest, which the user names and which may come through a pipe. Of one that is too
/// large it is enough to see that.
pub(super) fn read_manifest_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let most = MANIFEST_BYTES_MAX as u64 + 1;
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == most {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    text(bytes)
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is no text in UTF-8"))
}

/// Reads a plain file. What else a manifest may name waits for ever, or never ends: a pipe, a
/// device.
fn read_plain(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let known = file.metadata()?;
    if !known.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let mut bytes = Vec::new();
    if known.len() <= bytes_max {
        // At once: a component of 18 MB was copied from one place to the next for longer than it was read.
        bytes.reserve_exact(usize::try_from(known.len()).map_err(io::Error::other)?);
        // It may grow while it is read.
        file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    }
    let len = known.len().max(bytes.len() as u64);
    if len > bytes_max {
        let why = format!("it has {len} bytes, and at most {bytes_max} are taken");
        return Err(io::Error::other(why));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_of_a_size_are_read() {
        let folder = tempfile::tempdir().expect("a temporary folder should be made");
        let file = folder.path().join("file");
        std::fs::write(&file, "12345").expect("a file should be written");
        assert_eq!(read_plain(&file, 5).expect("it is a file"), b"12345");
        let refused = read_plain(&file, 4).expect_err("it should be refused");
        assert_eq!(refused.to_string(), "it has 5 bytes, and at most 4 are taken");
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU)
            .expect("a pipe should be made");
        for path in [&pipe, Path::new("/dev/zero"), folder.path()] {
            let refused = read_plain(path, 5).expect_err("it should be refused");
            assert_eq!(refused.to_string(), "it is no plain file", "{}", path.display());
        }
        assert!(read_plain(&folder.path().join("none"), 5).is_err());
    }

    #[test]
    fn a_manifest_without_an_end_is_read_to_its_cap() {
        let text = read_manifest_text(Path::new("/dev/zero")).expect("it should be readable");
        assert_eq!(text.len(), MANIFEST_BYTES_MAX + 1);
    }
}
