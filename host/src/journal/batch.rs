//! What is appended to a run and read back from it: records, each chained to the one before.
//! Everything is encoded and hashed here, on the caller's side; the writer only moves bytes.
//! Never touches a store.

use super::checksum::{Checksum, Kind};
use super::row::RunRow;
use super::stored::{EncodeError, encode};
use piton_core::{Event, Pipeline, RunId, Timestamp};

/// Where a run's records end: what the next record is chained to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// The number of the last record; 0 before the first.
    pub seq: u64,
    /// The checksum of the last record.
    pub checksum: Checksum,
}

impl Tail {
    /// The tail of a run that has no record yet.
    pub const START: Self = Self { seq: 0, checksum: Checksum::from_bytes([0; Checksum::BYTES]) };

    /// The tail after one more record.
    pub(super) fn after(self, run: RunId, at: Timestamp, json: &[u8]) -> Self {
        let seq = self.seq + 1;
        let checksum = Checksum::over(
            Kind::Record,
            &[
                &run.bits().to_be_bytes(),
                &seq.to_be_bytes(),
                self.checksum.as_bytes(),
                &at.as_millis().to_be_bytes(),
                json,
            ],
        );
        Self { seq, checksum }
    }
}

/// One event of a run, in its stored form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number in the run, from 1, without gaps.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// Over the run, the number, the record before, the moment and the text: flips, swaps and
    /// missing records all break the chain.
    pub checksum: Checksum,
    /// The event: one JSON object.
    pub json: Vec<u8>,
}

/// All records of a run, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecords {
    /// In order, from the first.
    pub records: Vec<Record>,
    /// Where they end: what the next append goes after.
    pub tail: Tail,
    /// The run's row.
    pub row: RunRow,
}

/// What is to be appended to a run.
#[derive(Debug, Clone, Copy)]
pub struct Append<'a> {
    /// The number of the host's hold on the journal.
    pub fence: u64,
    /// Where the run's records end now.
    pub after: Tail,
    /// When the events were decided.
    pub at: Timestamp,
    /// What became true; at least one event.
    pub events: &'a [Event],
    /// The run's row as of these events.
    pub row: &'a RunRow,
}

/// An append, ready to be written: recorded as a whole or not at all.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(super) fence: u64,
    pub(super) after: Tail,
    pub(super) records: Vec<Record>,
    pub(super) row: RunRow,
    /// The row in its stored form.
    pub(super) row_json: Vec<u8>,
}

impl Batch {
    /// Encodes an append.
    ///
    /// # Errors
    /// [`EncodeError`] where an event could not be read back as it is.
    ///
    /// # Panics
    /// Where there is no event: nothing to record is a bug of the caller.
    pub fn encode(append: &Append<'_>, pipeline: &Pipeline) -> Result<Self, EncodeError> {
        assert!(!append.events.is_empty(), "an append should have an event");
        let mut tail = append.after;
        let mut records = Vec::with_capacity(append.events.len());
        for event in append.events {
            let json = encode(event, pipeline)?;
            tail = tail.after(append.row.run, append.at, &json);
            let Tail { seq, checksum } = tail;
            records.push(Record { seq, at: append.at, checksum, json });
        }
        let row = append.row.clone();
        let row_json = row.to_json();
        Ok(Self { fence: append.fence, after: append.after, records, row, row_json })
    }

    /// The run that it is for.
    pub fn run(&self) -> RunId {
        self.row.run
    }

    /// Its records, in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Where the run's records end once it is recorded.
    pub fn tail(&self) -> Tail {
        self.records
            .last()
            .map_or(self.after, |record| Tail { seq: record.seq, checksum: record.checksum })
    }
}
