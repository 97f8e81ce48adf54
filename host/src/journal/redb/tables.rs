//! The tables of the file, their keys and the layout of their values, byte by byte.
//! Owns everything that `journal-format.md` says about the file; never opens it.
//! Keys are big-endian, so that their order in the file is their order in time.

use super::super::batch::{Batch, Record, Tail};
use super::super::checksum::{Checksum, Kind};
use super::super::row::RunRow;
use super::super::store::{JournalError, KeyOwner};
use ::redb::TableDefinition;
use piton_core::{RunId, RunStatus, Timestamp};

/// Arrival number -> the records of one append.
pub(super) const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
/// Run -> its row.
pub(super) const RUNS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("runs");
/// Status, run -> nothing.
pub(super) const BY_STATUS: TableDefinition<'_, [u8; 17], ()> = TableDefinition::new("by_status");
/// Pipeline's name, 0xff, run -> nothing.
pub(super) const BY_PIPELINE: TableDefinition<'_, &[u8], ()> = TableDefinition::new("by_pipeline");
/// The user's key -> checksum, run, and when a run that was removed had ended.
pub(super) const BY_KEY: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("by_key");
/// Arrival number -> checksum, the lines that one commit took along for one run.
pub(super) const LOGS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("logs");
/// Name -> checksum, value.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// Only in a backup: a content's digest and the number of a piece of it, from 0 -> the piece.
pub(super) const CONTENTS: TableDefinition<'_, [u8; 36], &[u8]> = TableDefinition::new("contents");
/// Only in a backup: name -> checksum, value.
pub(super) const BACKUP: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("backup");

/// In [`BACKUP`]: the version of what a backup has beside a journal.
pub(super) const BACKUP_VERSION: &str = "backup version";
/// In [`BACKUP`]: what idempotency keys are cut from.
pub(super) const BACKUP_SECRET: &str = "backup secret";
/// In [`BACKUP`]: how many contents there are.
pub(super) const BACKUP_CONTENTS: &str = "backup contents";

/// In [`META`]: 16 bytes that stand in the data directory's `format` file, too.
pub(super) const META_ID: &str = "id";
/// In [`META`]: the format's version.
pub(super) const META_FORMAT: &str = "format";
/// In [`META`]: the number of the last hold on the journal.
pub(super) const META_FENCE: &str = "fence";
/// In [`META`]: how many runs have each status.
pub(super) const META_COUNTS: &str = "counts";

/// In [`META`]: the epoch of the write-ahead log that the tables are in. None in a journal without one.
pub(super) const META_WAL: &str = "wal";

/// How many runs have each status, by its code.
pub(super) type Counts = [u64; RunStatus::ALL.len()];

pub(super) fn run_key(run: RunId) -> [u8; 16] {
    run.bits().to_be_bytes()
}

pub(super) fn run_of(key: [u8; 16]) -> RunId {
    RunId::from_bits(u128::from_be_bytes(key))
}

/// The number that stands for a status in keys and rows. Never changes once released.
pub(super) const fn status_code(status: RunStatus) -> u8 {
    match status {
        RunStatus::Running => 0,
        RunStatus::Waiting => 1,
        RunStatus::RollingBack => 2,
        RunStatus::Completed => 3,
        RunStatus::RolledBack => 4,
        RunStatus::Cancelled => 5,
        RunStatus::Stuck => 6,
    }
}

pub(super) fn status_of(code: u8) -> Option<RunStatus> {
    RunStatus::ALL.into_iter().find(|status| status_code(*status) == code)
}

pub(super) fn status_key(status: RunStatus, run: RunId) -> [u8; 17] {
    let mut key = [status_code(status); 17];
    key[1..].copy_from_slice(&run_key(run));
    key
}

/// 0xff never occurs in UTF-8, so no name's keys lie among another's.
pub(super) fn pipeline_key(pipeline: &str, run: RunId) -> Vec<u8> {
    let mut key = Vec::with_capacity(pipeline.len() + 17);
    key.extend_from_slice(pipeline.as_bytes());
    key.push(0xff);
    key.extend_from_slice(&run_key(run));
    key
}

/// In [`META`]: how many runs a pipeline has.
pub(super) fn pipeline_count(pipeline: &str) -> String {
    format!("runs of {pipeline}")
}

/// Reads numbers and bytes off the front of a value.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn checksum(&mut self) -> Option<Checksum> {
        self.array().map(Checksum::from_bytes)
    }

    pub(super) fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }
}

/// A value behind its checksum, over its kind, the parts of its key and itself.
pub(super) fn seal(kind: Kind, key: &[&[u8]], value: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = key.iter().copied().chain([value]).collect();
    let mut sealed = Checksum::over(kind, &parts).as_bytes().to_vec();
    sealed.extend_from_slice(value);
    sealed
}

/// The value behind its checksum; none where they do not fit.
pub(super) fn unseal<'a>(kind: Kind, key: &[&[u8]], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let mut bytes = Bytes(sealed);
    let found = bytes.checksum()?;
    let parts: Vec<&[u8]> = key.iter().copied().chain([bytes.0]).collect();
    (Checksum::over(kind, &parts) == found).then_some(bytes.0)
}

/// The names in [`META`] have different lengths, so the length goes first.
pub(super) fn seal_meta(name: &str, value: &[u8]) -> Vec<u8> {
    seal(Kind::Meta, &[&(name.len() as u64).to_be_bytes(), name.as_bytes()], value)
}

pub(super) fn unseal_meta<'a>(name: &str, sealed: &'a [u8]) -> Result<&'a [u8], JournalError> {
    let key: [&[u8]; 2] = [&(name.len() as u64).to_be_bytes(), name.as_bytes()];
    unseal(Kind::Meta, &key, sealed).ok_or_else(|| {
        JournalError::corrupt_store(format!("the checksum of `{name}` does not fit"))
    })
}

/// What [`BY_KEY`] holds of a key: the run, and of a run that was removed when it had ended.
pub(super) fn encode_key_owner(key: &str, owner: KeyOwner) -> Vec<u8> {
    let run = run_key(owner.run());
    let ended = match owner {
        KeyOwner::Kept(_) => None,
        KeyOwner::Pruned { ended_at, .. } => Some(ended_at.as_millis().to_be_bytes()),
    };
    let sealed = match &ended {
        None => seal(Kind::Key, &[&run], key.as_bytes()),
        Some(ended) => seal(Kind::PrunedKey, &[&run, ended], key.as_bytes()),
    };
    [&sealed[..Checksum::BYTES], &run, ended.as_ref().map_or(&[], <[u8; 8]>::as_slice)].concat()
}

pub(super) fn decode_key_owner(key: &str, stored: &[u8]) -> Result<KeyOwner, JournalError> {
    let mut bytes = Bytes(stored);
    bytes
        .checksum()
        .and_then(|_| {
            let run = run_of(bytes.array()?);
            if bytes.0.is_empty() {
                return Some(KeyOwner::Kept(run));
            }
            let ended_at = Timestamp::from_millis(bytes.number()?);
            Some(KeyOwner::Pruned { run, ended_at })
        })
        .filter(|owner| encode_key_owner(key, *owner) == stored)
        .ok_or_else(|| JournalError::corrupt_store("the checksum of a run's key does not fit"))
}

/// What one append left in [`RECORDS`].
pub(super) struct Entry {
    /// The arrival number of the run's append before; 0 for its first. Not under a checksum: a
    /// wrong one leads to what is not the run's record before, and that is seen.
    pub(super) previous: u64,
    pub(super) run: RunId,
    pub(super) records: Vec<Record>,
}

impl Entry {
    pub(super) fn encode(previous: u64, batch: &Batch) -> Vec<u8> {
        let json_bytes: usize = batch.records.iter().map(|record| record.json.len()).sum();
        let mut value = Vec::with_capacity(32 + 28 * batch.records.len() + json_bytes);
        value.extend_from_slice(&previous.to_be_bytes());
        value.extend_from_slice(&run_key(batch.run()));
        value.extend_from_slice(&(batch.after.seq + 1).to_be_bytes());
        for record in &batch.records {
            let length = u32::try_from(record.json.len()).expect("an event should be below 4 GiB");
            value.extend_from_slice(&record.at.as_millis().to_be_bytes());
            value.extend_from_slice(record.checksum.as_bytes());
            value.extend_from_slice(&length.to_be_bytes());
            value.extend_from_slice(&record.json);
        }
        value
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(value);
        let (previous, run, first) = (bytes.number()?, run_of(bytes.array()?), bytes.number()?);
        let mut records = Vec::new();
        while !bytes.0.is_empty() {
            let seq = first.checked_add(records.len() as u64)?;
            let at = Timestamp::from_millis(bytes.number()?);
            let checksum = bytes.checksum()?;
            let length = usize::try_from(bytes.array().map(u32::from_be_bytes)?).ok()?;
            records.push(Record { seq, at, checksum, json: bytes.slice(length)?.to_vec() });
        }
        (!records.is_empty()).then_some(Self { previous, run, records })
    }
}

/// What one commit left in [`LOGS`] for one run.
pub(super) struct LogEntry<'a> {
    /// The arrival number of the run's entry before; 0 for its first.
    pub(super) previous: u64,
    /// How many lines the run had before.
    pub(super) before: u64,
    /// The lines, their JSON not yet read.
    pub(super) lines: Vec<&'a [u8]>,
}

impl<'a> LogEntry<'a> {
    pub(super) fn encode(links: &Links, run: RunId, lines: &[Vec<u8>]) -> Vec<u8> {
        let mut value = Vec::new();
        value.extend_from_slice(&links.last_log.to_be_bytes());
        value.extend_from_slice(&links.log_lines.to_be_bytes());
        for line in lines {
            let length = u32::try_from(line.len()).expect("a log line should be below 4 GiB");
            value.extend_from_slice(&length.to_be_bytes());
            value.extend_from_slice(line);
        }
        seal(Kind::LogLine, &[&run_key(run)], &value)
    }

    /// None where it is not an entry of this run.
    pub(super) fn decode(run: RunId, sealed: &'a [u8]) -> Option<Self> {
        let mut bytes = Bytes(unseal(Kind::LogLine, &[&run_key(run)], sealed)?);
        let (previous, before) = (bytes.number()?, bytes.number()?);
        let mut lines = Vec::new();
        while !bytes.0.is_empty() {
            let length = usize::try_from(bytes.array().map(u32::from_be_bytes)?).ok()?;
            lines.push(bytes.slice(length)?);
        }
        (!lines.is_empty()).then_some(Self { previous, before, lines })
    }
}

/// What [`RUNS`] holds of a run, its JSON not yet read.
pub(super) struct StoredRow<'a> {
    pub(super) status: RunStatus,
    pub(super) links: Links,
    pub(super) json: &'a [u8],
}

/// Where what belongs to a run ends: so that nothing of it can be missing unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Links {
    /// The run's last record.
    pub(super) tail: Tail,
    /// The arrival number of its last append; 0 before the first.
    pub(super) last: u64,
    /// How many log lines it has.
    pub(super) log_lines: u64,
    /// The arrival number of the last of them; 0 where it has none.
    pub(super) last_log: u64,
}

impl Links {
    /// Of a run that has nothing yet.
    pub(super) const NONE: Self = Self { tail: Tail::START, last: 0, log_lines: 0, last_log: 0 };
}

impl<'a> StoredRow<'a> {
    pub(super) fn new(status: RunStatus, links: Links, json: &'a [u8]) -> Self {
        Self { status, links, json }
    }

    pub(super) fn encode(&self, run: RunId) -> Vec<u8> {
        let Links { tail, last, log_lines, last_log } = self.links;
        let mut value = Vec::with_capacity(49 + self.json.len());
        value.push(status_code(self.status));
        value.extend_from_slice(&tail.seq.to_be_bytes());
        value.extend_from_slice(tail.checksum.as_bytes());
        for number in [last, log_lines, last_log] {
            value.extend_from_slice(&number.to_be_bytes());
        }
        value.extend_from_slice(self.json);
        seal(Kind::Row, &[&run_key(run)], &value)
    }

    pub(super) fn decode(run: RunId, sealed: &'a [u8]) -> Result<Self, JournalError> {
        unseal(Kind::Row, &[&run_key(run)], sealed)
            .and_then(Self::parse)
            .ok_or_else(|| JournalError::corrupt_row(run, "the checksum of its row does not fit"))
    }

    fn parse(value: &'a [u8]) -> Option<Self> {
        let mut bytes = Bytes(value);
        let status = status_of(u8::from_be_bytes(bytes.array()?))?;
        let tail = Tail { seq: bytes.number()?, checksum: bytes.checksum()? };
        let (last, log_lines, last_log) = (bytes.number()?, bytes.number()?, bytes.number()?);
        Some(Self { status, links: Links { tail, last, log_lines, last_log }, json: bytes.0 })
    }

    pub(super) fn row(&self, run: RunId) -> Result<RunRow, JournalError> {
        RunRow::from_json(run, self.status, self.json)
            .map_err(|what| JournalError::corrupt_row(run, format!("its row: {what}")))
    }
}
