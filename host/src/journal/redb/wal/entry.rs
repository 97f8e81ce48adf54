//! The bytes of the write-ahead log's entries: what a commit brought, and what makes it whole.
//! Owns everything that `journal-format.md` says about the file; never reads or writes it.

use super::super::super::batch::{Batch, Record, Tail};
use super::super::super::checksum::{Checksum, Kind};
use super::super::super::log_line::LogLine;
use super::super::super::row::RunRow;
use super::super::tables::{Bytes, run_key, run_of, status_code, status_of};
use piton_core::Timestamp;

/// Entries begin at multiples of this, so that they are found again behind a damaged one.
pub(super) const ALIGNMENT: usize = 64;

/// What stands before an entry's content: epoch, number, length, checksum.
pub(super) const HEADER_BYTES: usize = 8 + 8 + 8 + Checksum::BYTES;

const COMMIT: u8 = 0;
const FENCE: u8 = 1;

/// Where an entry belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// How often the log was begun anew.
    pub(super) epoch: u64,
    /// Which entry of this epoch it is, from 0.
    pub(super) number: u64,
}

/// What a transaction brings, to be written.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Brought<'a> {
    /// Appends that were all taken, and log lines.
    Commit(&'a [&'a Batch], &'a [LogLine]),
    /// The journal is taken hold of, with this number.
    Fence(u64),
}

/// The same, read back.
#[derive(Debug, Clone)]
pub(in super::super) enum Content {
    Commit(Vec<Batch>, Vec<LogLine>),
    Fence(u64),
}

impl Brought<'_> {
    /// Writes it behind what `into` has.
    pub(super) fn encode(self, into: &mut Vec<u8>) {
        match self {
            Self::Commit(batches, log_lines) => encode_commit(into, batches, log_lines),
            Self::Fence(fence) => {
                into.push(FENCE);
                into.extend_from_slice(&fence.to_be_bytes());
            }
        }
    }
}

fn encode_commit(into: &mut Vec<u8>, batches: &[&Batch], log_lines: &[LogLine]) {
    into.push(COMMIT);
    length(into, batches.len());
    for batch in batches {
        into.extend_from_slice(&batch.fence.to_be_bytes());
        into.extend_from_slice(&run_key(batch.run()));
        into.push(status_code(batch.row.status));
        into.extend_from_slice(&batch.after.seq.to_be_bytes());
        into.extend_from_slice(batch.after.checksum.as_bytes());
        length(into, batch.records.len());
        for record in &batch.records {
            into.extend_from_slice(&record.at.as_millis().to_be_bytes());
            into.extend_from_slice(record.checksum.as_bytes());
            bytes(into, &record.json);
        }
        bytes(into, &batch.row_json);
    }
    length(into, log_lines.len());
    for line in log_lines {
        into.extend_from_slice(&run_key(line.run));
        bytes(into, &line.to_json());
    }
}

fn length(into: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("an entry should be below 4 GiB");
    into.extend_from_slice(&length.to_be_bytes());
}

fn bytes(into: &mut Vec<u8>, bytes: &[u8]) {
    length(into, bytes.len());
    into.extend_from_slice(bytes);
}

impl Content {
    /// None where it is no content: it was written so by a newer piton, or this one is wrong.
    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(content);
        let content = match bytes.array()? {
            [COMMIT] => {
                let batches = several(&mut bytes, decode_batch)?;
                let log_lines = several(&mut bytes, |bytes| {
                    let run = run_of(bytes.array()?);
                    LogLine::from_json(run, sized(bytes)?).ok()
                })?;
                Self::Commit(batches, log_lines)
            }
            [FENCE] => Self::Fence(bytes.number()?),
            _ => return None,
        };
        bytes.0.is_empty().then_some(content)
    }
}

fn decode_batch(bytes: &mut Bytes<'_>) -> Option<Batch> {
    let (fence, run) = (bytes.number()?, run_of(bytes.array()?));
    let status = status_of(u8::from_be_bytes(bytes.array()?))?;
    let after = Tail { seq: bytes.number()?, checksum: bytes.checksum()? };
    let mut seq = after.seq;
    let records = several(bytes, |bytes| {
        seq = seq.checked_add(1)?;
        let (at, checksum) = (Timestamp::from_millis(bytes.number()?), bytes.checksum()?);
        Some(Record { seq, at, checksum, json: sized(bytes)?.to_vec() })
    })?;
    let row_json = sized(bytes)?.to_vec();
    let row = RunRow::from_json(run, status, &row_json).ok()?;
    (!records.is_empty()).then_some(Batch { fence, after, records, row, row_json })
}

fn several<'a, T>(
    bytes: &mut Bytes<'a>,
    mut one: impl FnMut(&mut Bytes<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = u32::from_be_bytes(bytes.array()?);
    // Grown as they are read: the number may be anything.
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(one(bytes)?);
    }
    Some(all)
}

fn sized<'a>(bytes: &mut Bytes<'a>) -> Option<&'a [u8]> {
    let length = usize::try_from(bytes.array().map(u32::from_be_bytes)?).ok()?;
    bytes.slice(length)
}

/// Fills in the header of an entry whose content stands behind it, and pads it.
pub(super) fn seal(entry: &mut Vec<u8>, journal: &[u8; 16], place: Place) {
    let length = (entry.len() - HEADER_BYTES) as u64;
    let checksum = checksum(journal, place, &entry[HEADER_BYTES..]);
    entry[..8].copy_from_slice(&place.epoch.to_be_bytes());
    entry[8..16].copy_from_slice(&place.number.to_be_bytes());
    entry[16..24].copy_from_slice(&length.to_be_bytes());
    entry[24..HEADER_BYTES].copy_from_slice(checksum.as_bytes());
    entry.resize(entry.len().next_multiple_of(ALIGNMENT), 0);
}

/// An entry that is whole at the beginning of `bytes`: its number, its content, and how many bytes it takes.
pub(super) fn unseal<'a>(
    bytes: &'a [u8],
    journal: &[u8; 16],
    epoch: u64,
) -> Option<(u64, &'a [u8], usize)> {
    let mut header = Bytes(bytes);
    if header.number()? != epoch {
        return None;
    }
    let place = Place { epoch, number: header.number()? };
    let length = usize::try_from(header.number()?).ok()?;
    let found = header.checksum()?;
    let content = header.slice(length)?;
    let bytes = (HEADER_BYTES + length).next_multiple_of(ALIGNMENT);
    (checksum(journal, place, content) == found).then_some((place.number, content, bytes))
}

/// With the journal's id under it, so that no other journal's entry passes, and none that a step made up.
fn checksum(journal: &[u8; 16], place: Place, content: &[u8]) -> Checksum {
    let Place { epoch, number } = place;
    Checksum::over(Kind::Entry, &[journal, &epoch.to_be_bytes(), &number.to_be_bytes(), content])
}

/// Any bytes as an entry's content: they are none, or say the same when they are written again.
#[cfg(any(fuzzing, test))]
pub(crate) fn fuzzed_entry(bytes: &[u8]) {
    let Some(content) = Content::decode(bytes) else { return };
    let written = content.written();
    let again = Content::decode(&written).expect("what was written should be read");
    assert_eq!(format!("{again:?}"), format!("{content:?}"));
    assert_eq!(again.written(), written);
}

#[cfg(any(fuzzing, test))]
impl Content {
    fn written(&self) -> Vec<u8> {
        let mut written = Vec::new();
        match self {
            Self::Commit(batches, log_lines) => {
                let batches: Vec<&Batch> = batches.iter().collect();
                Brought::Commit(&batches, log_lines).encode(&mut written);
            }
            Self::Fence(fence) => Brought::Fence(*fence).encode(&mut written),
        }
        written
    }
}
