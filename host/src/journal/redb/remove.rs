//! Removes runs with all that belongs to them in one durable transaction, and gives space back.
//! Checks that each is as it was found and has ended; never decides which may go.

use super::super::batch::Tail;
use super::super::row::RunRow;
use super::super::store::{Compacted, JournalError, KeyOwner, Refusal, Removal, Verdicts};
use super::ahead::Ahead;
use super::commit::{State, Stores};
use super::meta::{count_runs_of, write_counts};
use super::read::Reader;
use super::tables::{
    BY_KEY, BY_PIPELINE, BY_STATUS, Counts, LOGS, META, RECORDS, RUNS, StoredRow, encode_key_owner,
    pipeline_key, run_key, status_code, status_key,
};
use ::redb::{CompactionError, Database, WriteTransaction};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// All that belongs to a run.
pub(super) struct Belongings {
    row: RunRow,
    /// Arrival numbers in [`RECORDS`].
    entries: Vec<u64>,
    /// Arrival numbers in [`LOGS`].
    log_entries: Vec<u64>,
}

impl Reader {
    /// Finds what belongs to each run, or why it is not removed. Damage is found here, before
    /// anything is changed.
    pub(super) fn belongings(
        &self,
        runs: &[Removal],
    ) -> Result<Vec<Result<Belongings, Refusal>>, JournalError> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::with_capacity(runs.len());
        for removal in runs {
            assert!(seen.insert(removal.run), "a run should be removed once");
            found.push(self.belongings_of(removal)?);
        }
        Ok(found)
    }

    fn belongings_of(
        &self,
        &Removal { run, tail }: &Removal,
    ) -> Result<Result<Belongings, Refusal>, JournalError> {
        let runs = self.snapshot.open_table(RUNS)?;
        let Some(sealed) = runs.get(run_key(run))? else {
            return Ok(Err(Refusal::OutOfOrder { after: tail.seq, last: Tail::START.seq }));
        };
        let stored = StoredRow::decode(run, sealed.value())?;
        let last = stored.links.tail;
        if last.seq != tail.seq {
            return Ok(Err(Refusal::OutOfOrder { after: tail.seq, last: last.seq }));
        }
        if last.checksum != tail.checksum {
            return Ok(Err(Refusal::Diverged { last: last.seq }));
        }
        let row = stored.row(run)?;
        if !row.status.is_final() || row.ended_at.is_none() {
            return Ok(Err(Refusal::Unfinished { status: row.status }));
        }
        let entries = self.entries(run, &stored)?.into_iter().map(|(arrival, _)| arrival).collect();
        let mut log_entries = Vec::new();
        self.each_log_entry(run, &stored.links, |arrival, _| {
            log_entries.push(arrival);
            Ok(())
        })?;
        Ok(Ok(Belongings { row, entries, log_entries }))
    }
}

/// Removes what was found; `found` is of a snapshot that nobody has written after.
pub(super) fn remove(
    stores: &Stores<'_>,
    state: &mut State,
    found: Vec<Result<Belongings, Refusal>>,
) -> Result<Verdicts, JournalError> {
    let transaction = stores.database.begin_write()?;
    let mut verdicts = Vec::with_capacity(found.len());
    let counts_before = stores.ahead().counts();
    let mut counts = counts_before;
    for belongings in found {
        verdicts.push(match belongings {
            Ok(belongings) => {
                remove_one(&transaction, &mut counts, &belongings)?;
                Ok(())
            }
            Err(refusal) => Err(refusal),
        });
    }
    if counts == counts_before {
        transaction.abort()?;
    } else {
        write_counts(&mut transaction.open_table(META)?, &counts)?;
        state.checkpoint_with(transaction)?;
        stores.ahead().runs_were_removed(counts);
    }
    Ok(verdicts)
}

fn remove_one(
    transaction: &WriteTransaction,
    counts: &mut Counts,
    Belongings { row, entries, log_entries }: &Belongings,
) -> Result<(), JournalError> {
    let run = row.run;
    let mut records = transaction.open_table(RECORDS)?;
    for arrival in entries {
        check(records.remove(arrival)?.is_some(), row, "a record of it is gone")?;
    }
    let mut logs = transaction.open_table(LOGS)?;
    for arrival in log_entries {
        check(logs.remove(arrival)?.is_some(), row, "a log line of it is gone")?;
    }
    let mut runs = transaction.open_table(RUNS)?;
    check(runs.remove(run_key(run))?.is_some(), row, "its row is gone")?;
    let mut by_status = transaction.open_table(BY_STATUS)?;
    let listed = by_status.remove(status_key(row.status, run))?.is_some();
    check(listed, row, "it is not listed by its status")?;
    let mut by_pipeline = transaction.open_table(BY_PIPELINE)?;
    let listed = by_pipeline.remove(&*pipeline_key(&row.pipeline, run))?.is_some();
    check(listed, row, "it is not listed by its pipeline")?;
    if let Some(key) = &row.key {
        let ended_at = row.ended_at.expect("only a run that has ended should be removed");
        let entry = encode_key_owner(key, KeyOwner::Pruned { run, ended_at });
        let mut by_key = transaction.open_table(BY_KEY)?;
        check(by_key.insert(&**key, &*entry)?.is_some(), row, "it is not listed by its key")?;
    }
    let count = &mut counts[usize::from(status_code(row.status))];
    *count = count.saturating_sub(1);
    let mut meta = transaction.open_table(META)?;
    count_runs_of(&mut meta, &row.pipeline, |count| count.saturating_sub(1))
}

fn check(holds: bool, row: &RunRow, what: &str) -> Result<(), JournalError> {
    if holds { Ok(()) } else { Err(JournalError::corrupt_row(row.run, what)) }
}

/// Moves pages to the front of the file and cuts it off.
pub(super) fn compact(
    database: &mut Database,
    ahead: &Mutex<Ahead>,
    state: &mut State,
) -> Result<Option<Compacted>, JournalError> {
    let size = |state: &State| match &state.file {
        Some(file) => file.metadata().map(|metadata| metadata.len()),
        None => Ok(0),
    };
    let bytes_before = size(state)?;
    // Moving pages makes durable what is only in the log: the tables must say so before.
    state.checkpoint(&Stores { database, ahead })?;
    match database.compact() {
        Ok(_) => {}
        // Somebody reads an older state, which must stay where it is.
        Err(CompactionError::TransactionInProgress) => return Ok(None),
        Err(CompactionError::Storage(error)) => return Err(error.into()),
        Err(error) => return Err(JournalError::Failed { what: error.to_string() }),
    }
    let bytes_after = size(state)?;
    // The next opening should find which pages are free.
    state.checkpoint(&Stores { database, ahead })?;
    Ok(Some(Compacted { bytes_before, bytes_after }))
}
