//! Copies a journal into a file with all that belongs to it, and back.
//! Copies bytes as they are, damaged ones too; says what is damaged.

use super::super::backup::{BackedUp, BackupError, Keepsakes, Watch};
use super::super::components::{ComponentError, ComponentStore};
use super::super::store::JournalError;
use super::super::stored::FORMAT_VERSION;
use super::Check;
use super::guard::guarded;
use super::open::builder;
use super::read::Reader;
use super::tables::{
    BACKUP, BACKUP_CONTENTS, BACKUP_SECRET, BACKUP_VERSION, BY_KEY, BY_PIPELINE, BY_STATUS,
    CONTENTS, LOGS, META, META_FORMAT, META_ID, META_WAL, RECORDS, RUNS, seal_meta, unseal_meta,
};
use ::redb::backends::FileBackend;
use ::redb::{
    Database, Key, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, Value, WriteTransaction,
};
use piton_core::Digest;
use std::fs::File;
use std::path::Path;

/// The version of what a backup has beside a journal.
const VERSION: u32 = 1;

/// Contents are kept in pieces, so that none of them is held as a whole page. Less than a power of
/// two, so that a page holds one and what redb says about it.
const PIECE_BYTES: usize = 1_000_000;

/// Progress is told, and it is asked whether to go on, once in so many parts.
const PARTS_PER_LOOK: u64 = 256;

/// How far a copy is.
struct Progress<'a> {
    done: u64,
    all: u64,
    watch: Watch<'a>,
}

impl Progress<'_> {
    fn one_more(&mut self) -> Result<(), BackupError> {
        self.done += 1;
        self.look(self.done.is_multiple_of(PARTS_PER_LOOK))
    }

    fn look(&mut self, is_time: bool) -> Result<(), BackupError> {
        let goes_on = !is_time || (self.watch)(self.done, self.all);
        if goes_on { Ok(()) } else { Err(BackupError::Stopped) }
    }
}

/// Writes a backup of one snapshot into an empty file.
pub(super) fn back_up(
    snapshot: ReadTransaction,
    file: File,
    keepsakes: &Keepsakes<'_>,
    watch: Watch<'_>,
) -> Result<BackedUp, BackupError> {
    // A panic over a damaged page is told as damage; what else goes wrong comes out beside it.
    guarded(|| Ok(write(snapshot, file, keepsakes, watch)))?
}

fn write(
    snapshot: ReadTransaction,
    file: File,
    keepsakes: &Keepsakes<'_>,
    watch: Watch<'_>,
) -> Result<BackedUp, BackupError> {
    // After the snapshot: all that its runs refer to was kept before they began.
    let contents = keepsakes.components.list()?;
    let all = parts(&snapshot)? + contents.len() as u64;
    let mut progress = Progress { done: 0, all, watch };
    let mut database = create(file)?;
    let transaction = from_redb(database.begin_write())?;
    copy_journal(&snapshot, &transaction, &mut progress)?;
    drop(snapshot);
    let mut problems = Vec::new();
    let mut kept = 0_u64;
    for content in contents {
        match keepsakes.components.get(&content.digest) {
            Ok(bytes) => {
                write_content(&transaction, &content.digest, &bytes)?;
                kept += 1;
            }
            // The rest is worth all the more.
            Err(error @ ComponentError::Damaged { .. }) => problems.push(error.to_string()),
            Err(error) => return Err(error.into()),
        }
        progress.done += 1;
        progress.look(true)?;
    }
    let values: [(&str, &[u8]); 3] = [
        (BACKUP_VERSION, &VERSION.to_be_bytes()),
        (BACKUP_SECRET, keepsakes.secret.bytes()),
        (BACKUP_CONTENTS, &kept.to_be_bytes()),
    ];
    for (name, value) in values {
        let mut table = from_redb(transaction.open_table(BACKUP))?;
        from_redb(table.insert(name, &*seal_meta(name, value)))?;
    }
    from_redb(transaction.commit())?;
    let verified = match Reader::open(&database)?.verify() {
        Ok(verified) => verified,
        Err(error) => {
            problems.push(error.to_string());
            Default::default()
        }
    };
    // The space that the tree left behind while it grew.
    database.compact().map_err(|error| JournalError::Failed { what: error.to_string() })?;
    Ok(BackedUp {
        runs: verified.runs,
        events: verified.records,
        log_lines: verified.log_lines,
        contents: kept,
        bytes: 0,
        problems,
    })
}

/// How many entries the journal has in all its tables.
fn parts(snapshot: &ReadTransaction) -> Result<u64, JournalError> {
    Ok(snapshot.open_table(RECORDS)?.len()?
        + snapshot.open_table(RUNS)?.len()?
        + snapshot.open_table(BY_STATUS)?.len()?
        + snapshot.open_table(BY_PIPELINE)?.len()?
        + snapshot.open_table(BY_KEY)?.len()?
        + snapshot.open_table(LOGS)?.len()?
        + snapshot.open_table(META)?.len()?)
}

fn copy_journal(
    from: &ReadTransaction,
    to: &WriteTransaction,
    progress: &mut Progress<'_>,
) -> Result<(), BackupError> {
    copy(RECORDS, from, to, progress)?;
    copy(RUNS, from, to, progress)?;
    copy(BY_STATUS, from, to, progress)?;
    copy(BY_PIPELINE, from, to, progress)?;
    copy(BY_KEY, from, to, progress)?;
    copy(LOGS, from, to, progress)?;
    copy(META, from, to, progress)?;
    // A copy has what the log has, and no log.
    from_redb(from_redb(to.open_table(META))?.remove(META_WAL))?;
    Ok(())
}

fn copy<K: Key + 'static, V: Value + 'static>(
    table: TableDefinition<'_, K, V>,
    from: &ReadTransaction,
    to: &WriteTransaction,
    progress: &mut Progress<'_>,
) -> Result<(), BackupError> {
    let mut copied = from_redb(to.open_table(table))?;
    let original = from_redb(from.open_table(table))?;
    for entry in from_redb(original.iter())? {
        let (key, value) = from_redb(entry)?;
        from_redb(copied.insert(key.value(), value.value()))?;
        progress.one_more()?;
    }
    Ok(())
}

fn write_content(
    transaction: &WriteTransaction,
    digest: &Digest,
    bytes: &[u8],
) -> Result<(), JournalError> {
    let mut contents = transaction.open_table(CONTENTS)?;
    // An empty content has one empty piece.
    for (number, piece) in
        bytes.chunks(PIECE_BYTES).chain(bytes.is_empty().then_some(bytes)).enumerate()
    {
        contents.insert(piece_key(digest, number), piece)?;
    }
    Ok(())
}

fn piece_key(digest: &Digest, number: usize) -> [u8; 36] {
    let number = u32::try_from(number).expect("a content should be below 4 PB");
    let mut key = [0; 36];
    key[..32].copy_from_slice(digest.as_bytes());
    key[32..].copy_from_slice(&number.to_be_bytes());
    key
}

/// What a backup has for `format` and `secret`.
type Rest = (BackedUp, [u8; 16], [u8; 32]);

/// Makes a journal of a backup in the new file `to`, and puts the contents into `components`. All is
/// checked.
pub(in crate::journal) fn read_backup(
    from: &Path,
    to: &Path,
    components: &ComponentStore,
    watch: Watch<'_>,
) -> Result<Rest, BackupError> {
    guarded(|| Ok(read(from, to, components, watch)))?
}

fn read(
    from: &Path,
    to: &Path,
    components: &ComponentStore,
    watch: Watch<'_>,
) -> Result<Rest, BackupError> {
    let backup = from_redb(builder(Check::OnRead).open_read_only(from))?;
    let snapshot = from_redb(backup.begin_read())?;
    let table = snapshot
        .open_table(BACKUP)
        .map_err(|_| JournalError::corrupt_store("it is no backup, or one that was cut off"))?;
    let value = |name: &str| -> Result<Vec<u8>, JournalError> {
        let sealed = table.get(name)?;
        let sealed = sealed.ok_or_else(|| JournalError::corrupt_store(format!("no `{name}`")))?;
        Ok(unseal_meta(name, sealed.value())?.to_vec())
    };
    if value(BACKUP_VERSION)? != VERSION.to_be_bytes() {
        return Err(JournalError::corrupt_store("a newer piton wrote it; use that one").into());
    }
    let damaged =
        |name: &str| JournalError::corrupt_store(format!("its `{name}` has a wrong size"));
    let secret = value(BACKUP_SECRET)?.try_into().map_err(|_| damaged(BACKUP_SECRET))?;
    let count = value(BACKUP_CONTENTS)?.try_into().map_err(|_| damaged(BACKUP_CONTENTS))?;
    let count = u64::from_be_bytes(count);

    let mut progress = Progress { done: 0, all: parts(&snapshot)? + count, watch };
    let database = create(new_file(to)?)?;
    let transaction = from_redb(database.begin_write())?;
    copy_journal(&snapshot, &transaction, &mut progress)?;
    from_redb(transaction.commit())?;
    let reader = Reader::open(&database)?;
    if reader.meta(META_FORMAT)? != FORMAT_VERSION.to_be_bytes() {
        return Err(JournalError::corrupt_store("a newer piton wrote it; use that one").into());
    }
    let id = reader.meta(META_ID)?.try_into().map_err(|_| damaged(META_ID))?;
    let verified = reader.verify()?;
    drop(reader);
    drop(database);
    let found = read_contents(&snapshot, components, &mut progress)?;
    if found != count {
        let what = format!("it has {found} contents where {count} were kept");
        return Err(JournalError::corrupt_store(what).into());
    }
    let backed_up = BackedUp {
        runs: verified.runs,
        events: verified.records,
        log_lines: verified.log_lines,
        contents: found,
        bytes: from.metadata().map_or(0, |metadata| metadata.len()),
        problems: Vec::new(),
    };
    Ok((backed_up, id, secret))
}

fn create(file: File) -> Result<Database, JournalError> {
    let backend = FileBackend::new(file)?;
    Ok(builder(Check::OnRead).create_with_backend(backend)?)
}

fn new_file(path: &Path) -> Result<File, JournalError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    Ok(options.read(true).write(true).create_new(true).mode(0o600).open(path)?)
}

/// Puts the pieces of each content together; one that is not what its digest says is refused.
fn read_contents(
    snapshot: &ReadTransaction,
    components: &ComponentStore,
    progress: &mut Progress<'_>,
) -> Result<u64, BackupError> {
    let mut count = 0;
    let mut whole: Option<([u8; 32], Vec<u8>)> = None;
    for entry in from_redb(from_redb(snapshot.open_table(CONTENTS))?.iter())? {
        let (key, piece) = from_redb(entry)?;
        let digest: [u8; 32] = *key.value().first_chunk().expect("a key should hold a digest");
        match &mut whole {
            Some((of, bytes)) if *of == digest => bytes.extend_from_slice(piece.value()),
            _ => {
                if let Some((digest, bytes)) = whole.replace((digest, piece.value().to_vec())) {
                    put(components, digest, &bytes)?;
                    count += 1;
                    progress.done += 1;
                    progress.look(true)?;
                }
            }
        }
    }
    if let Some((digest, bytes)) = whole {
        put(components, digest, &bytes)?;
        count += 1;
    }
    Ok(count)
}

fn put(components: &ComponentStore, digest: [u8; 32], bytes: &[u8]) -> Result<(), BackupError> {
    let digest = Digest::from_bytes(digest);
    if super::super::components::digest_of(bytes) != digest {
        let what = format!("its content sha256:{digest} is damaged");
        return Err(JournalError::corrupt_store(what).into());
    }
    components.put(bytes)?;
    Ok(())
}

/// An error of redb's as one of the journal's, and so of the backup's.
fn from_redb<T, E: Into<JournalError>>(result: Result<T, E>) -> Result<T, JournalError> {
    result.map_err(Into::into)
}
