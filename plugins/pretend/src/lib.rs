//! Owns what the example steps have instead of services: books in the folder `/data`, and slowness.
//! Never knows what an entry means: each step has its own. In a step of yours, requests over HTTP
//! stand in this crate's place.
//!
//! A book is a folder with one JSON file for each idempotency key, as a service would have one record
//! for each request. Entries are never deleted, so that a person can see what was done and undone:
//!
//! ```text
//! $ cat manifests/out/charges/6f0c….json
//! { "card": "ends in 4242", "captured": 17800, "refunded": 17800 }
//! ```

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use piton_step::{Failure, progress};
use serde::Serialize;
use serde::de::DeserializeOwned;

const DATA: &str = "/data";
const SLICE_MS: u64 = 50;

/// The records of one pretended service.
#[derive(Debug)]
pub struct Book {
    folder: PathBuf,
}

impl Book {
    /// Opens the book `name`, `/data/NAME`, and begins it where there is none.
    ///
    /// # Errors
    ///
    /// `no-folder`, permanent and clean, where the manifest grants no folder as `/data`.
    pub fn open(name: &str) -> Result<Book, Failure> {
        let folder = Path::new(DATA).join(name);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                let message = format!(
                    "cannot make `{}` ({error}): this step keeps its records in `{DATA}`, so grant it \
                     `grants.dirs = [{{ host = \"out\", guest = \"{DATA}\", write = true }}]`",
                    folder.display(),
                );
                Err(Failure::permanent("no-folder", message).clean())
            }
            _ => Ok(Book { folder }),
        }
    }

    /// Returns the entry under an idempotency key, or none.
    ///
    /// # Errors
    ///
    /// `book`, retryable, where the file cannot be read or is no such entry.
    pub fn find<Entry: DeserializeOwned>(&self, key: &str) -> Result<Option<Entry>, Failure> {
        let path = self.path(key);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(trouble(&path, &error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| trouble(&path, &error.into()))
    }

    /// Writes the entry under an idempotency key: all of it or, in a crash, nothing.
    ///
    /// # Errors
    ///
    /// `book`, retryable, where the file cannot be written.
    pub fn write<Entry: Serialize>(&self, key: &str, entry: &Entry) -> Result<(), Failure> {
        let path = self.path(key);
        self.try_write(&path, entry).map_err(|error| trouble(&path, &error))
    }

    fn try_write<Entry: Serialize>(&self, path: &Path, entry: &Entry) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(entry)?;
        text.push('\n');
        // One name suffices: no two calls of one phase of a step are ever under way.
        let unfinished = path.with_extension("tmp");
        let mut file = File::create(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        fs::rename(&unfinished, path)
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(key).with_extension("json")
    }
}

fn trouble(path: &Path, error: &io::Error) -> Failure {
    Failure::retryable("book", format!("`{}`: {error}", path.display()))
}

/// Spends the first half of a pretended service's time: nothing has happened yet.
pub fn before_the_effect(takes_ms: u64, what: &str) {
    spend(0, takes_ms / 2, takes_ms, what);
}

/// Spends the second half: it has happened, and the answer is on its way. A host that dies here has
/// an effect whose result nobody knows.
pub fn after_the_effect(takes_ms: u64, what: &str) {
    spend(takes_ms / 2, takes_ms, takes_ms, what);
}

/// In slices, so that whoever watches sees it move.
fn spend(from_ms: u64, to_ms: u64, total_ms: u64, what: &str) {
    let mut done_ms = from_ms;
    while done_ms < to_ms {
        let slice_ms = SLICE_MS.min(to_ms - done_ms);
        sleep(Duration::from_millis(slice_ms));
        done_ms += slice_ms;
        progress(done_ms, total_ms, what);
    }
}
