//! Writes batches and log lines in one transaction, and makes it durable.
//! Checks order, fence and key of each batch; never decides what is in one.

use super::super::batch::{Batch, Tail};
use super::super::log_line::LogLine;
use super::super::store::{JournalError, KeyOwner, Refusal, Verdicts};
use super::guard::guarded;
use super::tables::{
    BY_KEY, BY_PIPELINE, BY_STATUS, Bytes, Counts, Entry, LOGS, Links, LogEntry, META, META_COUNTS,
    META_FENCE, META_WAL, RECORDS, RUNS, StoredRow, decode_key_owner, encode_key_owner,
    pipeline_count, pipeline_key, run_key, seal_meta, status_code, status_key, unseal_meta,
};
use super::wal::{Brought, Content, Wal};
use ::redb::{Database, Durability, ReadableTable, Table, WriteTransaction};
use piton_core::{RunId, RunStatus};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the one writer knows between commits.
#[derive(Default)]
pub(super) struct State {
    pub(super) fence: u64,
    pub(super) counts: Counts,
    /// The arrival number of the next append.
    pub(super) next: u64,
    /// The arrival number of the next log lines.
    pub(super) next_log: u64,
    /// None for a store in memory.
    pub(super) file: Option<PathBuf>,
    /// What makes commits durable; without one each transaction is durable itself.
    pub(super) wal: Option<Wal>,
    /// Set by the first error and for good: what the disk holds is not known any more. An fsync
    /// that failed must not be tried again, it would report success for pages that were dropped.
    pub(super) failed: Option<JournalError>,
}

impl State {
    /// Does what writes, unless something has failed before.
    pub(super) fn attempt<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = guarded(|| work(self));
        self.failed = result.as_ref().err().cloned();
        result
    }

    /// Makes a transaction durable: by an entry of the log, or by a checkpoint where that has no room.
    pub(super) fn finish(
        &mut self,
        mut transaction: WriteTransaction,
        brought: Brought<'_>,
    ) -> Result<(), JournalError> {
        let Some(wal) = &mut self.wal else { return self.checkpoint(transaction) };
        if !wal.append(brought)? {
            return self.checkpoint(transaction);
        }
        transaction.set_durability(Durability::None).map_err(failed)?;
        transaction.commit()?;
        Ok(())
    }

    /// Makes a transaction and all before it durable in the tables, and begins the log anew.
    ///
    /// With "quick repair" it also saves which pages are free: else the first opening after a crash, and
    /// every journal that has a log is left like one, would walk the whole file.
    pub(super) fn checkpoint(
        &mut self,
        mut transaction: WriteTransaction,
    ) -> Result<(), JournalError> {
        let Some(wal) = &mut self.wal else { return Ok(transaction.commit()?) };
        transaction
            .open_table(META)?
            .insert(META_WAL, &*seal_meta(META_WAL, &wal.next_epoch().to_be_bytes()))?;
        transaction.set_quick_repair(true);
        transaction.commit()?;
        wal.begin_anew()
    }
}

fn failed(error: impl std::fmt::Display) -> JournalError {
    JournalError::Failed { what: error.to_string() }
}

pub(super) fn commit(
    database: &Database,
    state: &mut State,
    batches: &[Batch],
    log_lines: &[LogLine],
) -> Result<Verdicts, JournalError> {
    let transaction = database.begin_write()?;
    let verdicts = take_in(&transaction, state, batches, log_lines)?;
    if log_lines.is_empty() && verdicts.iter().all(Result::is_err) {
        transaction.abort()?;
        return Ok(verdicts);
    }
    let taken = batches.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_ok());
    let taken: Vec<&Batch> = taken.map(|(batch, _)| batch).collect();
    state.finish(transaction, Brought::Commit(&taken, log_lines))?;
    Ok(verdicts)
}

/// Writes batches and log lines into the tables.
fn take_in(
    transaction: &WriteTransaction,
    state: &mut State,
    batches: &[Batch],
    log_lines: &[LogLine],
) -> Result<Verdicts, JournalError> {
    let mut verdicts = Vec::with_capacity(batches.len());
    let counts_before = state.counts;
    let mut tables = Tables::open(transaction)?;
    for batch in batches {
        verdicts.push(tables.append(batch, state)?);
    }
    if state.counts != counts_before {
        write_counts(transaction, &state.counts)?;
    }
    if !log_lines.is_empty() {
        tables.append_log_lines(log_lines, &mut state.next_log)?;
    }
    Ok(verdicts)
}

/// Takes in again what the log had and the tables had not.
pub(super) fn replay(
    database: &Database,
    state: &mut State,
    contents: Vec<Content>,
) -> Result<(), JournalError> {
    let mut transaction = database.begin_write()?;
    for (number, content) in contents.into_iter().enumerate() {
        let fits = match content {
            Content::Commit(batches, log_lines) => {
                let verdicts = take_in(&transaction, state, &batches, &log_lines)?;
                verdicts.iter().all(Result::is_ok)
            }
            Content::Fence(fence) => {
                let follows = fence > state.fence;
                write_fence(&transaction, fence)?;
                state.fence = fence;
                follows
            }
        };
        if !fits {
            let what = format!("entry {number} of `journal.wal` does not follow the tables");
            return Err(JournalError::corrupt_store(what));
        }
    }
    // It is durable where it was read from.
    transaction.set_durability(Durability::None).map_err(failed)?;
    transaction.commit()?;
    Ok(())
}

pub(super) fn take_fence(database: &Database, state: &mut State) -> Result<u64, JournalError> {
    let transaction = database.begin_write()?;
    let fence = number_in(&transaction.open_table(META)?, META_FENCE)?;
    let fence = fence.and_then(|fence| fence.checked_add(1));
    let fence = fence.ok_or_else(|| JournalError::corrupt_store("it has no `fence`"))?;
    write_fence(&transaction, fence)?;
    state.finish(transaction, Brought::Fence(fence))?;
    state.fence = fence;
    Ok(fence)
}

fn write_fence(transaction: &WriteTransaction, fence: u64) -> Result<(), JournalError> {
    let sealed = seal_meta(META_FENCE, &fence.to_be_bytes());
    transaction.open_table(META)?.insert(META_FENCE, &*sealed)?;
    Ok(())
}

pub(super) fn write_counts(
    transaction: &WriteTransaction,
    counts: &Counts,
) -> Result<(), JournalError> {
    let bytes: Vec<u8> = counts.iter().flat_map(|count| count.to_be_bytes()).collect();
    transaction.open_table(META)?.insert(META_COUNTS, &*seal_meta(META_COUNTS, &bytes))?;
    Ok(())
}

/// A number in [`META`]; none where it is not there, or no number.
pub(super) fn number_in(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
) -> Result<Option<u64>, JournalError> {
    let Some(sealed) = meta.get(name)? else { return Ok(None) };
    Ok(Bytes(unseal_meta(name, sealed.value())?).number())
}

/// Takes the next arrival number.
fn arrive(next: &mut u64) -> Result<u64, JournalError> {
    let arrival = *next;
    *next = arrival
        .checked_add(1)
        .ok_or_else(|| JournalError::corrupt_store("the arrival numbers are used up"))?;
    Ok(arrival)
}

struct Tables<'a> {
    transaction: &'a WriteTransaction,
    records: Table<'a, u64, &'static [u8]>,
    runs: Table<'a, [u8; 16], &'static [u8]>,
    by_status: Table<'a, [u8; 17], ()>,
}

impl<'a> Tables<'a> {
    fn open(transaction: &'a WriteTransaction) -> Result<Self, JournalError> {
        Ok(Self {
            transaction,
            records: transaction.open_table(RECORDS)?,
            runs: transaction.open_table(RUNS)?,
            by_status: transaction.open_table(BY_STATUS)?,
        })
    }

    fn append(
        &mut self,
        batch: &Batch,
        state: &mut State,
    ) -> Result<Result<(), Refusal>, JournalError> {
        let run = batch.run();
        let found = self.found(run)?;
        let links = found.map_or(Links::NONE, |(_, links)| links);
        if let Err(refusal) = follows(batch, state.fence, links.tail) {
            return Ok(Err(refusal));
        }
        if found.is_none()
            && let Some(other) = self.enter_into_indexes(batch)?
        {
            return Ok(Err(Refusal::KeyTaken { run: other }));
        }
        let arrival = arrive(&mut state.next)?;
        if self.records.insert(arrival, &*Entry::encode(links.last, batch))?.is_some() {
            // Not reached while the table's last key is its largest.
            return Err(JournalError::corrupt_store(format!("record {arrival} is there already")));
        }
        let links = Links { tail: batch.tail(), last: arrival, ..links };
        self.runs.insert(run_key(run), &*StoredRow::of(batch, links).encode(run))?;
        let status = batch.row.status;
        let before = found.map(|(status, _)| status);
        if before != Some(status) {
            if let Some(before) = before {
                if self.by_status.remove(status_key(before, run))?.is_none() {
                    let what = format!("it is not listed as {}", before.word());
                    return Err(JournalError::corrupt_row(run, what));
                }
                let count = &mut state.counts[usize::from(status_code(before))];
                *count = count.saturating_sub(1);
            }
            self.by_status.insert(status_key(status, run), ())?;
            state.counts[usize::from(status_code(status))] += 1;
        }
        Ok(Ok(()))
    }

    fn found(&self, run: RunId) -> Result<Option<(RunStatus, Links)>, JournalError> {
        let Some(sealed) = self.runs.get(run_key(run))? else { return Ok(None) };
        let row = StoredRow::decode(run, sealed.value())?;
        Ok(Some((row.status, row.links)))
    }

    /// Enters a new run under its pipeline and its key; returns the run that has the key already,
    /// and then enters nothing.
    fn enter_into_indexes(&mut self, batch: &Batch) -> Result<Option<RunId>, JournalError> {
        let run = batch.run();
        if let Some(key) = &batch.row.key {
            let mut by_key = self.transaction.open_table(BY_KEY)?;
            let taken = by_key.get(&**key)?.map(|stored| decode_key_owner(key, stored.value()));
            if let Some(taken) = taken {
                return taken.map(|owner| Some(owner.run()));
            }
            by_key.insert(&**key, &*encode_key_owner(key, KeyOwner::Kept(run)))?;
        }
        let mut by_pipeline = self.transaction.open_table(BY_PIPELINE)?;
        by_pipeline.insert(&*pipeline_key(&batch.row.pipeline, run), ())?;
        let mut meta = self.transaction.open_table(META)?;
        let name = pipeline_count(&batch.row.pipeline);
        let count = number_in(&meta, &name)?.unwrap_or(0).saturating_add(1);
        meta.insert(&*name, &*seal_meta(&name, &count.to_be_bytes()))?;
        Ok(None)
    }

    /// Appends lines to what their runs have. Lines of a run that has no record are dropped: its
    /// start was refused, so there is no such run.
    fn append_log_lines(
        &mut self,
        log_lines: &[LogLine],
        next_log: &mut u64,
    ) -> Result<(), JournalError> {
        let mut by_run: BTreeMap<RunId, Vec<Vec<u8>>> = BTreeMap::new();
        for line in log_lines {
            by_run.entry(line.run).or_default().push(line.to_json());
        }
        let mut logs = self.transaction.open_table(LOGS)?;
        for (run, lines) in by_run {
            let Some(sealed) = self.runs.get(run_key(run))? else { continue };
            let mut row = StoredRow::decode(run, sealed.value())?;
            let arrival = arrive(next_log)?;
            if logs.insert(arrival, &*LogEntry::encode(&row.links, run, &lines))?.is_some() {
                let what = format!("log entry {arrival} is there already");
                return Err(JournalError::corrupt_store(what));
            }
            row.links.last_log = arrival;
            row.links.log_lines = row.links.log_lines.saturating_add(lines.len() as u64);
            let row = row.encode(run);
            drop(sealed);
            self.runs.insert(run_key(run), &*row)?;
        }
        Ok(())
    }
}

fn follows(batch: &Batch, fence: u64, tail: Tail) -> Result<(), Refusal> {
    if batch.fence != fence {
        return Err(Refusal::Fenced { held: batch.fence, current: fence });
    }
    if batch.after.seq != tail.seq {
        return Err(Refusal::OutOfOrder { after: batch.after.seq, last: tail.seq });
    }
    if batch.after.checksum != tail.checksum {
        return Err(Refusal::Diverged { last: tail.seq });
    }
    Ok(())
}
