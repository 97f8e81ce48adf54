//! Makes and opens the file. Making one is an act of its own: opening never starts an empty
//! journal in place of one that is damaged, and never mends more than redb's own bookkeeping.

use super::super::store::JournalError;
use super::super::stored::FORMAT_VERSION;
use super::RedbJournal;
use super::ahead::Ahead;
use super::commit::{State, replay};
use super::guard::guarded;
use super::meta::{number_in, write_counts};
use super::read::Reader;
use super::tables::{
    BY_KEY, BY_PIPELINE, BY_STATUS, Bytes, Counts, LOGS, META, META_FENCE, META_FORMAT, META_ID,
    META_WAL, RECORDS, RUNS, seal_meta, unseal_meta,
};
use super::wal::{BYTES_MIN, Wal};
use ::redb::backends::FileBackend;
use ::redb::{Builder, Database, ReadableTable, StorageBackend, TableDefinition};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, RwLock};

/// Pages kept in memory. Small, because a step's records are written once and read after a crash.
const CACHE_BYTES: usize = 16 << 20;

/// What every file of redb's begins with.
const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// How much of the file is checked when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// What is read, when it is read.
    OnRead,
    /// Every page, at once.
    Whole,
}

/// The file of a write-ahead log, and the size that it gets where it is new.
pub(super) type WalFile = (Box<dyn StorageBackend>, usize);

impl RedbJournal {
    /// Makes a journal in a file that does not exist yet, and closes it again.
    ///
    /// # Errors
    /// [`JournalError`] where the file exists or cannot be written.
    pub fn create(file: &Path, id: [u8; 16]) -> Result<(), JournalError> {
        File::create_new(file)?;
        guarded(|| fill(&builder(Check::OnRead).create(file)?, id))
    }

    /// Opens the journal with this id.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] where the file is empty, cut off, damaged, or not that journal.
    pub fn open(file: &Path, id: [u8; 16], check: Check) -> Result<Self, JournalError> {
        let mut magic = Vec::new();
        File::open(file)?.take(MAGIC.len() as u64).read_to_end(&mut magic)?;
        if magic != MAGIC {
            let what =
                if magic.is_empty() { "the file is empty" } else { "the file is no journal" };
            return Err(JournalError::corrupt_store(what));
        }
        guarded(|| {
            let database = builder(check).open(file)?;
            let wal = file.with_extension("wal");
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let wal = Box::new(FileBackend::new(options.open(wal)?)?);
            Self::over(database, id, Some(file.to_owned()), Some((wal, BYTES_MIN)))
        })
    }

    /// Checks that the database is the journal with this id, reads where it stands, and takes in what only its
    /// write-ahead log has. Without a file for that, there must never have been one.
    pub(super) fn over(
        database: Database,
        id: [u8; 16],
        file: Option<PathBuf>,
        wal: Option<WalFile>,
    ) -> Result<Self, JournalError> {
        let state = State { file, ..State::default() };
        // From here on it is closed as journals are, whatever is found in it.
        let (database, state) = (RwLock::new(Some(database)), Mutex::new(state));
        let (ahead, failed) = (Mutex::default(), OnceLock::new());
        let journal = Self { database, state, ahead, failed };
        match journal.take_up(id, wal) {
            Ok(()) => Ok(journal),
            Err(error) => {
                journal.close_without_writing();
                Err(error)
            }
        }
    }

    fn take_up(&self, id: [u8; 16], wal: Option<WalFile>) -> Result<(), JournalError> {
        let ((fence, counts, next, next_log), epoch) =
            self.read(|reader| Ok((reader.stand(id)?, reader.epoch()?)))?;
        self.write(|stores, state| {
            state.fence = fence;
            *stores.ahead() = Ahead::of(counts, next, next_log);
            match (epoch, wal) {
                (None, None) => Ok(()),
                (Some(_), None) => {
                    Err(JournalError::corrupt_store("it is without its `journal.wal`"))
                }
                (None, Some((file, bytes))) => {
                    state.wal = Some(Wal::create(file, id, bytes)?);
                    state.checkpoint(stores)
                }
                (Some(epoch), Some((file, _))) => {
                    let (wal, contents) = Wal::open(file, id, epoch)?;
                    state.wal = Some(wal);
                    replay(stores, state, &contents)
                }
            }
        })
    }
}

impl Reader {
    /// Checks that it is the journal with this id; returns its fence, its counts, and the next
    /// arrival numbers of records and of log entries.
    fn stand(&self, id: [u8; 16]) -> Result<(u64, Counts, u64, u64), JournalError> {
        if self.meta(META_ID)? != id {
            let what = "the file belongs to another data directory";
            return Err(JournalError::corrupt_store(what));
        }
        if self.meta(META_FORMAT)? != FORMAT_VERSION.to_be_bytes() {
            let what = "the file has another format version than its data directory";
            return Err(JournalError::corrupt_store(what));
        }
        let fence = Bytes(&self.meta(META_FENCE)?).number();
        let fence = fence.ok_or_else(|| JournalError::corrupt_store("its `fence` is no number"))?;
        Ok((fence, self.counts()?, self.next_in(RECORDS)?, self.next_in(LOGS)?))
    }

    /// The arrival number after the last in a table.
    fn next_in(&self, table: TableDefinition<'_, u64, &'static [u8]>) -> Result<u64, JournalError> {
        let last = self.snapshot.open_table(table)?.last()?.map_or(0, |(key, _)| key.value());
        last.checked_add(1)
            .ok_or_else(|| JournalError::corrupt_store("the arrival numbers are used up"))
    }

    /// The epoch of the write-ahead log that the tables are in; none where they have no log yet.
    fn epoch(&self) -> Result<Option<u64>, JournalError> {
        number_in(&self.snapshot.open_table(META)?, META_WAL)
    }

    pub(super) fn meta(&self, name: &str) -> Result<Vec<u8>, JournalError> {
        let meta = self.snapshot.open_table(META)?;
        let sealed = meta.get(name)?;
        let sealed =
            sealed.ok_or_else(|| JournalError::corrupt_store(format!("it has no `{name}`")))?;
        unseal_meta(name, sealed.value()).map(<[u8]>::to_vec)
    }
}

pub(super) fn builder(check: Check) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(check == Check::Whole);
    builder
}

/// Makes all tables, so that a later open without one is damage and not a beginning.
pub(super) fn fill(database: &Database, id: [u8; 16]) -> Result<(), JournalError> {
    let transaction = database.begin_write()?;
    transaction.open_table(RECORDS)?;
    transaction.open_table(RUNS)?;
    transaction.open_table(BY_STATUS)?;
    transaction.open_table(BY_PIPELINE)?;
    transaction.open_table(BY_KEY)?;
    transaction.open_table(LOGS)?;
    let values: [(&str, &[u8]); 3] = [
        (META_ID, &id),
        (META_FORMAT, &FORMAT_VERSION.to_be_bytes()),
        (META_FENCE, &0_u64.to_be_bytes()),
    ];
    for (name, value) in values {
        transaction.open_table(META)?.insert(name, &*seal_meta(name, value))?;
    }
    write_counts(&mut transaction.open_table(META)?, &Counts::default())?;
    transaction.commit()?;
    Ok(())
}
