//! The write-ahead log: a file in front of the tables, to which each commit is appended and synced.
//!
//! One sync of a few blocks that are there already costs less than a commit of the tables, which writes
//! pages all over the file and then its root. So the tables take commits in later, in memory, and become durable
//! now and then: at a *checkpoint*, after which the log begins anew in its next *epoch*. The first opening after
//! a crash takes in again what the log has of the epoch that the tables are in.
//!
//! Owns the file; never decides when a checkpoint is due beyond its own size, and never reads a table.

mod entry;

use super::super::checksum::Kind;
use super::super::store::JournalError;
use super::tables::seal;
use ::redb::StorageBackend;
#[cfg(any(fuzzing, test))]
pub(crate) use entry::fuzzed_entry;
use entry::{ALIGNMENT, HEADER_BYTES, Place};
pub(super) use entry::{Brought, Content};

/// Where the entries begin: what ties the file to its journal has a block of its own.
const ENTRIES_AT: usize = 4096;

/// The file's size to begin with. It doubles at a checkpoint while it was too small.
pub(super) const BYTES_MIN: usize = 256 << 10;

/// And at most: so much is read, and taken in again, at the first opening after a crash.
const BYTES_MAX: usize = 4 << 20;

const MAGIC: &[u8; 16] = b"piton journal 1\n";

/// The log of one journal.
pub(super) struct Wal {
    file: Box<dyn StorageBackend>,
    journal: [u8; 16],
    bytes: usize,
    /// Where the next entry goes.
    next: usize,
    place: Place,
    /// The entry that is being made.
    entry: Vec<u8>,
}

impl Wal {
    /// Makes a log of so many zeros in place of whatever is in the file. The next checkpoint begins its first epoch.
    pub(super) fn create(
        file: Box<dyn StorageBackend>,
        journal: [u8; 16],
        bytes: usize,
    ) -> Result<Self, JournalError> {
        file.set_len(0)?;
        let place = Place { epoch: 0, number: 0 };
        let mut wal = Self { file, journal, bytes: 0, next: ENTRIES_AT, place, entry: Vec::new() };
        wal.grow_to(bytes)?;
        wal.file.write(0, &head(&journal))?;
        wal.file.sync_data()?;
        Ok(wal)
    }

    /// Opens the log of a journal whose tables are in this epoch. Returns what they do not have yet, in order.
    pub(super) fn open(
        file: Box<dyn StorageBackend>,
        journal: [u8; 16],
        epoch: u64,
    ) -> Result<(Self, Vec<Content>), JournalError> {
        let damaged = |what: &str| JournalError::corrupt_store(format!("`journal.wal` {what}"));
        let length = usize::try_from(file.len()?).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(2 * BYTES_MAX)];
        file.read(0, &mut bytes)?;
        if bytes.is_empty() {
            return Err(damaged("is missing, or empty"));
        }
        if bytes.len() < ENTRIES_AT {
            return Err(damaged("is cut off"));
        }
        if bytes[..MAGIC.len()] != *MAGIC {
            return Err(damaged("is no write-ahead log"));
        }
        let head = head(&journal);
        if bytes[..head.len()] != head {
            return Err(damaged("belongs to another journal"));
        }
        let (found, next) = read(&bytes, &journal, epoch).map_err(|what| damaged(&what))?;
        let place = Place { epoch, number: found.len() as u64 };
        let bytes = bytes.len();
        Ok((Self { file, journal, bytes, next, place, entry: Vec::new() }, found))
    }

    /// Appends what a transaction brings; it is durable when this returns. False where there is no room, and
    /// then nothing was written: a checkpoint is due.
    pub(super) fn append(&mut self, brought: Brought<'_>) -> Result<bool, JournalError> {
        self.entry.clear();
        self.entry.resize(HEADER_BYTES, 0);
        brought.encode(&mut self.entry);
        entry::seal(&mut self.entry, &self.journal, self.place);
        let end = self.next.saturating_add(self.entry.len());
        if end > self.bytes {
            return Ok(false);
        }
        self.file.write(self.next as u64, &self.entry)?;
        self.file.sync_data()?;
        self.next = end;
        self.place.number += 1;
        // One large entry should not keep its memory for ever.
        self.entry.shrink_to(BYTES_MIN);
        Ok(true)
    }

    /// The epoch that a checkpoint begins.
    pub(super) fn next_epoch(&self) -> u64 {
        self.place.epoch + 1
    }

    /// Whether it has nothing that the tables do not have durably.
    pub(super) fn is_empty(&self) -> bool {
        self.place.number == 0
    }

    /// Whether the next entries may have no room.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.next > self.bytes - self.bytes / 8
    }

    /// Begins anew: the tables are durable, and say that they are in the next epoch.
    pub(super) fn begin_anew(&mut self) -> Result<(), JournalError> {
        let was_full = self.next > self.bytes / 2;
        self.place = Place { epoch: self.next_epoch(), number: 0 };
        self.next = ENTRIES_AT;
        if was_full && self.bytes < BYTES_MAX {
            return match self.grow_to(self.bytes * 2) {
                // It does as it is.
                Err(JournalError::Full) => Ok(()),
                grown => grown,
            };
        }
        Ok(())
    }

    /// Zeros are written, not only promised: else the first sync of each block would have to write
    /// where the block is, too.
    fn grow_to(&mut self, bytes: usize) -> Result<(), JournalError> {
        self.file.set_len(bytes as u64)?;
        self.file.write(self.bytes as u64, &vec![0; bytes - self.bytes])?;
        self.file.sync_data()?;
        self.bytes = bytes;
        Ok(())
    }
}

/// What the file begins with.
fn head(journal: &[u8; 16]) -> Vec<u8> {
    [&MAGIC[..], &seal(Kind::Entry, &[MAGIC], journal)].concat()
}

/// The entries of an epoch, and where the next one goes.
///
/// Each is durable before the next is begun, so a crash can leave none but the last in pieces: that one
/// was not acknowledged, and the log ends before it. If there is a whole one behind it, something else happened.
fn read(bytes: &[u8], journal: &[u8; 16], epoch: u64) -> Result<(Vec<Content>, usize), String> {
    let mut found = Vec::new();
    let mut next = ENTRIES_AT;
    while let Some((number, content, length)) =
        bytes.get(next..).and_then(|rest| entry::unseal(rest, journal, epoch))
    {
        let expected = found.len() as u64;
        if number != expected {
            return Err(format!("has entry {number} in place of entry {expected}"));
        }
        let content = Content::decode(content);
        found.push(content.ok_or_else(|| format!("has an entry {number} that is none"))?);
        next += length;
    }
    for at in (next + ALIGNMENT..bytes.len()).step_by(ALIGNMENT) {
        if let Some((number, ..)) = entry::unseal(&bytes[at..], journal, epoch) {
            let missing = found.len();
            return Err(format!("is damaged at entry {missing}: entry {number} follows it"));
        }
    }
    Ok((found, next))
}
