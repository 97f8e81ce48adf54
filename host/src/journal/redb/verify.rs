//! Reads the whole file and holds every part against the others.
//! Never mends anything.

use super::super::store::{JournalError, KeyOwner, Verified};
use super::read::Reader;
use super::tables::{
    BY_KEY, BY_PIPELINE, BY_STATUS, Counts, LOGS, META, RECORDS, RUNS, StoredRow, decode_key_owner,
    pipeline_count, pipeline_key, run_key, run_of, status_code, status_key, unseal_meta,
};
use ::redb::{ReadableTable, ReadableTableMetadata};
use piton_core::RunId;
use std::collections::BTreeMap;

impl Reader {
    pub(super) fn verify(&self) -> Result<Verified, JournalError> {
        let by_status = self.snapshot.open_table(BY_STATUS)?;
        let by_pipeline = self.snapshot.open_table(BY_PIPELINE)?;
        let by_key = self.snapshot.open_table(BY_KEY)?;
        let mut verified = Verified::default();
        let mut counts = Counts::default();
        let (mut keys, mut log_entries) = (0, 0);
        let mut pipelines: BTreeMap<String, u64> = BTreeMap::new();
        for entry in self.snapshot.open_table(RUNS)?.iter()? {
            let run = run_of(entry?.0.value());
            let records = self.records(run)?;
            let records =
                records.ok_or_else(|| JournalError::corrupt_row(run, "it is not found"))?;
            let row = records.row;
            verified.runs += 1;
            verified.records += records.records.len() as u64;
            verified.log_lines += self.log_lines(run, None)?.len() as u64;
            log_entries += self.count_log_entries(run)?;
            counts[usize::from(status_code(row.status))] += 1;
            if by_status.get(status_key(row.status, run))?.is_none() {
                return Err(JournalError::corrupt_row(run, "it is not listed by its status"));
            }
            if by_pipeline.get(&*pipeline_key(&row.pipeline, run))?.is_none() {
                return Err(JournalError::corrupt_row(run, "it is not listed by its pipeline"));
            }
            *pipelines.entry(row.pipeline).or_default() += 1;
            if let Some(key) = &row.key {
                keys += 1;
                let stored = by_key.get(&**key)?;
                let owner = stored.map(|stored| decode_key_owner(key, stored.value()));
                if owner.transpose()? != Some(KeyOwner::Kept(run)) {
                    return Err(JournalError::corrupt_row(run, "it is not listed by its key"));
                }
            }
        }
        self.verify_sizes(&verified, keys + self.verify_pruned_keys()?, log_entries)?;
        if counts != self.counts()? {
            return Err(JournalError::corrupt_store("the number of runs by status is wrong"));
        }
        for (pipeline, runs) in &pipelines {
            if self.count_of(pipeline)? != *runs {
                let what = format!("the number of runs of `{pipeline}` is wrong");
                return Err(JournalError::corrupt_store(what));
            }
        }
        for entry in self.snapshot.open_table(META)?.iter()? {
            let (name, sealed) = entry?;
            unseal_meta(name.value(), sealed.value())?;
            let pipeline = name.value().strip_prefix(&*pipeline_count(""));
            if pipeline.is_some_and(|pipeline| !pipelines.contains_key(pipeline)) {
                let what = format!("it has a number of `{}`, and there are none", name.value());
                return Err(JournalError::corrupt_store(what));
            }
        }
        Ok(verified)
    }

    /// Counts the keys of runs that were removed, and checks that those are.
    fn verify_pruned_keys(&self) -> Result<u64, JournalError> {
        let runs = self.snapshot.open_table(RUNS)?;
        let mut count = 0;
        for entry in self.snapshot.open_table(BY_KEY)?.iter()? {
            let (key, stored) = entry?;
            if let KeyOwner::Pruned { run, .. } = decode_key_owner(key.value(), stored.value())? {
                if runs.get(run_key(run))?.is_some() {
                    return Err(JournalError::corrupt_row(run, "its key says that it is removed"));
                }
                count += 1;
            }
        }
        Ok(count)
    }

    fn count_log_entries(&self, run: RunId) -> Result<u64, JournalError> {
        let runs = self.snapshot.open_table(RUNS)?;
        let Some(sealed) = runs.get(run_key(run))? else { return Ok(0) };
        let links = StoredRow::decode(run, sealed.value())?.links;
        let mut count = 0;
        self.each_log_entry(run, &links, |_, _| {
            count += 1;
            Ok(())
        })?;
        Ok(count)
    }

    /// No index names more runs than there are, and no record is without its run.
    fn verify_sizes(
        &self,
        verified: &Verified,
        keys: u64,
        log_entries: u64,
    ) -> Result<(), JournalError> {
        let sizes = [
            ("status", self.snapshot.open_table(BY_STATUS)?.len()?, verified.runs),
            ("pipeline", self.snapshot.open_table(BY_PIPELINE)?.len()?, verified.runs),
            ("key", self.snapshot.open_table(BY_KEY)?.len()?, keys),
        ];
        for (index, found, expected) in sizes {
            if found != expected {
                let what = format!("{found} runs are listed by {index}, {expected} should be");
                return Err(JournalError::corrupt_store(what));
            }
        }
        let found = self.snapshot.open_table(LOGS)?.len()?;
        if found != log_entries {
            let what = format!("{found} log entries are there, {log_entries} have a run");
            return Err(JournalError::corrupt_store(what));
        }
        let mut records = 0;
        for entry in self.snapshot.open_table(RECORDS)?.iter()? {
            let entry = super::tables::Entry::decode(entry?.1.value());
            let entry =
                entry.ok_or_else(|| JournalError::corrupt_store("a record is no record"))?;
            records += entry.records.len() as u64;
        }
        if records != verified.records {
            let what = format!("{records} records are there, {} have a run", verified.records);
            return Err(JournalError::corrupt_store(what));
        }
        Ok(())
    }
}
