//! Reads runs, rows, keys and log lines from one snapshot of the file, and checks each.
//! Never returns what it could not verify.

use super::super::batch::{RunRecords, Tail};
use super::super::log_line::LogLine;
use super::super::row::RunRow;
use super::super::store::{JournalError, KeyOwner};
use super::list::check_count;
use super::tables::{
    BY_KEY, BY_STATUS, Bytes, Counts, Entry, LOGS, Links, LogEntry, META, META_COUNTS, RECORDS,
    RUNS, StoredRow, decode_key_owner, run_key, run_of, status_key, unseal_meta,
};
use ::redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable};
use piton_core::{RunId, RunStatus};

/// One snapshot of the journal.
pub(super) struct Reader {
    pub(super) snapshot: ReadTransaction,
}

impl Reader {
    pub(super) fn open(database: &Database) -> Result<Self, JournalError> {
        Ok(Self { snapshot: database.begin_read()? })
    }

    pub(super) fn records(&self, run: RunId) -> Result<Option<RunRecords>, JournalError> {
        let runs = self.snapshot.open_table(RUNS)?;
        let Some(sealed) = runs.get(run_key(run))? else {
            return self.is_really_missing(run).map(|()| None);
        };
        let stored = StoredRow::decode(run, sealed.value())?;
        let entries = self.entries(run, &stored)?;
        let mut tail = Tail::START;
        let mut all = Vec::new();
        for record in entries.into_iter().rev().flat_map(|(_, entry)| entry.records) {
            tail = tail.after(run, record.at, &record.json);
            if tail.seq != record.seq || tail.checksum != record.checksum {
                return Err(JournalError::corrupt(run, tail.seq, "its checksum does not fit"));
            }
            all.push(record);
        }
        if tail != stored.links.tail {
            return Err(JournalError::corrupt(run, tail.seq, "it is not the run's last record"));
        }
        Ok(Some(RunRecords { records: all, tail, row: stored.row(run)? }))
    }

    /// Follows a run's appends from the last to the first, each with its arrival number.
    pub(super) fn entries(
        &self,
        run: RunId,
        stored: &StoredRow<'_>,
    ) -> Result<Vec<(u64, Entry)>, JournalError> {
        let table = self.snapshot.open_table(RECORDS)?;
        let mut entries = Vec::new();
        let (mut arrival, mut seq) = (stored.links.last, stored.links.tail.seq);
        while seq > 0 {
            let value = table.get(arrival)?;
            let entry = value.and_then(|value| Entry::decode(value.value()));
            // An earlier append has a smaller number, so a damaged link cannot lead in a circle.
            let entry = entry.filter(|entry| {
                entry.run == run
                    && entry.previous < arrival
                    && entry.records.last().is_some_and(|record| record.seq == seq)
            });
            let entry = entry.ok_or_else(|| JournalError::corrupt(run, seq, "it is not there"))?;
            let found = std::mem::replace(&mut arrival, entry.previous);
            // The first record's number is at least 1, or the chain does not fit later.
            seq = entry.records[0].seq.saturating_sub(1);
            entries.push((found, entry));
        }
        Ok(entries)
    }

    pub(super) fn row(&self, run: RunId) -> Result<Option<RunRow>, JournalError> {
        let runs = self.snapshot.open_table(RUNS)?;
        match runs.get(run_key(run))? {
            Some(sealed) => StoredRow::decode(run, sealed.value())?.row(run).map(Some),
            None => self.is_really_missing(run).map(|()| None),
        }
    }

    /// Looks twice before it says that a run does not exist: damage may lead a search astray. Then
    /// the index by status still has the run, or the whole list has it or does not fit the counts.
    /// Nobody asks often for what is not there.
    fn is_really_missing(&self, run: RunId) -> Result<(), JournalError> {
        let by_status = self.snapshot.open_table(BY_STATUS)?;
        for status in RunStatus::ALL {
            if by_status.get(status_key(status, run))?.is_some() {
                return Err(JournalError::corrupt_row(run, "its row is not there"));
            }
        }
        let mut found = 0;
        for entry in self.snapshot.open_table(RUNS)?.iter()? {
            let (key, sealed) = entry?;
            let other = run_of(key.value());
            StoredRow::decode(other, sealed.value())?;
            if other == run {
                return Err(JournalError::corrupt_row(run, "its row is not found"));
            }
            found += 1;
        }
        check_count(found, self.counts()?.iter().sum())
    }

    /// The row of a run that an index names.
    pub(super) fn indexed_row(&self, run: RunId) -> Result<RunRow, JournalError> {
        let runs = self.snapshot.open_table(RUNS)?;
        let sealed = runs.get(run_key(run))?;
        let sealed =
            sealed.ok_or_else(|| JournalError::corrupt_row(run, "its row is not there"))?;
        StoredRow::decode(run, sealed.value())?.row(run)
    }

    pub(super) fn run_by_key(&self, key: &str) -> Result<Option<KeyOwner>, JournalError> {
        let by_key = self.snapshot.open_table(BY_KEY)?;
        if let Some(stored) = by_key.get(key)? {
            let owner = decode_key_owner(key, stored.value())?;
            if let KeyOwner::Kept(run) = owner {
                self.indexed_row(run)?;
            }
            return Ok(Some(owner));
        }
        // A damaged key would let a second run start: then a neighbour's checksum does not fit.
        let (below, above) = (by_key.range(..key)?.next_back(), by_key.range(key..)?.next());
        for neighbour in [below, above].into_iter().flatten() {
            let (key, stored) = neighbour?;
            decode_key_owner(key.value(), stored.value())?;
        }
        Ok(None)
    }

    pub(super) fn counts(&self) -> Result<Counts, JournalError> {
        let meta = self.snapshot.open_table(META)?;
        let sealed = meta.get(META_COUNTS)?;
        let sealed = sealed.ok_or_else(|| JournalError::corrupt_store("it has no `counts`"))?;
        let mut bytes = Bytes(unseal_meta(META_COUNTS, sealed.value())?);
        let mut counts = Counts::default();
        for count in &mut counts {
            *count = bytes
                .number()
                .ok_or_else(|| JournalError::corrupt_store("its `counts` are too short"))?;
        }
        Ok(counts)
    }

    pub(super) fn log_lines(
        &self,
        run: RunId,
        step: Option<&str>,
    ) -> Result<Vec<LogLine>, JournalError> {
        let runs = self.snapshot.open_table(RUNS)?;
        let Some(sealed) = runs.get(run_key(run))? else {
            return self.is_really_missing(run).map(|()| Vec::new());
        };
        let links = StoredRow::decode(run, sealed.value())?.links;
        let mut lines = Vec::new();
        self.each_log_entry(run, &links, |_, entry| {
            for json in entry.lines.iter().rev() {
                let line = LogLine::from_json(run, json).map_err(|what| {
                    JournalError::corrupt_row(run, format!("a log line: {what}"))
                })?;
                if step.is_none_or(|step| step == line.step) {
                    lines.push(line);
                }
            }
            Ok(())
        })?;
        lines.reverse();
        Ok(lines)
    }

    /// Follows a run's log entries from the last to the first, each with its arrival number.
    pub(super) fn each_log_entry(
        &self,
        run: RunId,
        links: &Links,
        mut look: impl FnMut(u64, &LogEntry<'_>) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        let table = self.snapshot.open_table(LOGS)?;
        let (mut arrival, mut left) = (links.last_log, links.log_lines);
        while left > 0 {
            let sealed = table.get(arrival)?;
            let entry = sealed.as_ref().and_then(|sealed| LogEntry::decode(run, sealed.value()));
            let entry = entry.filter(|entry| {
                entry.previous < arrival
                    && entry.before.checked_add(entry.lines.len() as u64) == Some(left)
            });
            let entry = entry.ok_or_else(|| {
                JournalError::corrupt_row(run, format!("its log line {left} is not there"))
            })?;
            look(arrival, &entry)?;
            (arrival, left) = (entry.previous, entry.before);
        }
        Ok(())
    }
}
