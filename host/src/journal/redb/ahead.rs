//! What the write-ahead log has durably and the tables do not have yet: kept in memory, and written into them at
//! once when somebody reads, or at a checkpoint. So a run that went on a hundred times has its row written once.
//! Checks order, fence and key of each batch; never decides what is in one, nor when it is durable.

use super::super::batch::{Batch, Tail};
use super::super::log_line::LogLine;
use super::super::store::{JournalError, KeyOwner, Refusal, Verdicts};
use super::guard::guarded;
use super::meta::{count_runs_of, write_counts, write_fence};
use super::tables::{
    BY_KEY, BY_PIPELINE, BY_STATUS, Counts, Entry, LOGS, Links, LogEntry, META, RECORDS, RUNS,
    StoredRow, decode_key_owner, encode_key_owner, pipeline_key, run_key, status_code, status_key,
};
use ::redb::{
    Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, Table, WriteTransaction,
};
use piton_core::{RunId, RunStatus};
use std::collections::{BTreeMap, HashMap, btree_map};

/// So much is taken in without anybody asking, behind a commit: the next one waits for it, and many small waits
/// keep the processors busier than a few long ones.
const BYTES_MAX: usize = 256 << 10;

/// What the tables are to take in, and what it follows.
#[derive(Default)]
pub(super) struct Ahead {
    /// Where runs stand that were looked for since the tables last had everything.
    runs: BTreeMap<RunId, Standing>,
    /// The keys of those that the tables do not have.
    keys: HashMap<String, RunId>,
    records: Vec<Arrived>,
    log_entries: Vec<Arrived>,
    /// Of both.
    bytes: usize,
    fence: Option<u64>,
    counts: Counts,
    /// The arrival number of the next append.
    next: u64,
    /// The arrival number of the next log lines.
    next_log: u64,
    /// Why the tables could not take it in. They never will, in this process.
    broken: Option<JournalError>,
}

/// An arrival number, and what belongs there.
type Arrived = (u64, Vec<u8>);

/// Where a run stands.
struct Standing {
    status: RunStatus,
    links: Links,
    /// The status that the tables have.
    listed: Listed,
    news: News,
}

enum Listed {
    As(RunStatus),
    /// The tables do not have the run: this is what they find it by.
    Not {
        pipeline: String,
        key: Option<String>,
    },
}

/// What the tables do not have of a run's row.
enum News {
    Nothing,
    /// Where its log lines end.
    Links,
    /// The whole row.
    Row(Vec<u8>),
}

impl Ahead {
    /// Of tables that have everything.
    pub(super) fn of(counts: Counts, next: u64, next_log: u64) -> Self {
        Self { counts, next, next_log, ..Self::default() }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Which of these batches may be recorded, each after those before it. Nothing is to be taken in by that.
    pub(super) fn admit(
        &mut self,
        database: &Database,
        fence: u64,
        batches: &[Batch],
        log_lines: &[LogLine],
    ) -> Result<Verdicts, JournalError> {
        if self.is_empty() {
            // The tables know as well. Else it would grow with each run that there ever was.
            self.runs.clear();
        }
        let mut tables = Tables { database, snapshot: None };
        let mut tails: HashMap<RunId, Tail> = HashMap::with_capacity(batches.len());
        let mut keys: HashMap<&str, RunId> = HashMap::new();
        let mut verdicts = Vec::with_capacity(batches.len());
        for batch in batches {
            let run = batch.run();
            let tail = match tails.get(&run) {
                Some(tail) => Some(*tail),
                None => self.find(&mut tables, run)?.map(|standing| standing.links.tail),
            };
            let mut verdict = follows(batch, fence, tail.unwrap_or(Tail::START));
            if let (Ok(()), None, Some(key)) = (&verdict, tail, &batch.row.key) {
                let owner = match keys.get(&**key).or_else(|| self.keys.get(key)) {
                    Some(run) => Some(*run),
                    None => tables.owner_of(key)?.map(|owner| owner.run()),
                };
                match owner {
                    Some(run) => verdict = Err(Refusal::KeyTaken { run }),
                    None => drop(keys.insert(key, run)),
                }
            }
            if verdict.is_ok() {
                tails.insert(run, batch.tail());
            }
            verdicts.push(verdict);
        }
        for line in log_lines {
            self.find(&mut tables, line.run)?;
        }
        Ok(verdicts)
    }

    /// Where a run stands; none where there is no such run.
    fn find(
        &mut self,
        tables: &mut Tables<'_>,
        run: RunId,
    ) -> Result<Option<&Standing>, JournalError> {
        match self.runs.entry(run) {
            btree_map::Entry::Occupied(known) => Ok(Some(known.into_mut())),
            btree_map::Entry::Vacant(place) => {
                Ok(tables.standing_of(run)?.map(|standing| &*place.insert(standing)))
            }
        }
    }

    /// Adds batches that were admitted just now, and log lines.
    pub(super) fn add(
        &mut self,
        batches: &[&Batch],
        log_lines: &[LogLine],
    ) -> Result<(), JournalError> {
        for batch in batches {
            self.add_batch(batch)?;
        }
        self.add_log_lines(log_lines)
    }

    fn add_batch(&mut self, batch: &Batch) -> Result<(), JournalError> {
        let (run, status) = (batch.run(), batch.row.status);
        let arrival = arrive(&mut self.next)?;
        // Who was admitted and is not known is new.
        let standing = self.runs.entry(run).or_insert_with(|| {
            let (pipeline, key) = (batch.row.pipeline.clone(), batch.row.key.clone());
            if let Some(key) = &key {
                self.keys.insert(key.clone(), run);
            }
            self.counts[usize::from(status_code(status))] += 1;
            let listed = Listed::Not { pipeline, key };
            Standing { status, links: Links::NONE, listed, news: News::Nothing }
        });
        let entry = Entry::encode(standing.links.last, batch);
        self.bytes += entry.len();
        self.records.push((arrival, entry));
        standing.links = Links { tail: batch.tail(), last: arrival, ..standing.links };
        standing.news = News::Row(batch.row_json.clone());
        let before = std::mem::replace(&mut standing.status, status);
        if before != status {
            let count = &mut self.counts[usize::from(status_code(before))];
            *count = count.saturating_sub(1);
            self.counts[usize::from(status_code(status))] += 1;
        }
        Ok(())
    }

    /// Appends lines to what their runs have. Lines of a run that has no record are dropped: its
    /// start was refused, so there is no such run.
    fn add_log_lines(&mut self, log_lines: &[LogLine]) -> Result<(), JournalError> {
        let mut by_run: BTreeMap<RunId, Vec<Vec<u8>>> = BTreeMap::new();
        for line in log_lines {
            by_run.entry(line.run).or_default().push(line.to_json());
        }
        for (run, lines) in by_run {
            let Some(standing) = self.runs.get_mut(&run) else { continue };
            let arrival = arrive(&mut self.next_log)?;
            let entry = LogEntry::encode(&standing.links, run, &lines);
            self.bytes += entry.len();
            self.log_entries.push((arrival, entry));
            standing.links.last_log = arrival;
            let before = standing.links.log_lines;
            standing.links.log_lines = before.saturating_add(lines.len() as u64);
            if let News::Nothing = standing.news {
                standing.news = News::Links;
            }
        }
        Ok(())
    }

    /// Adds that somebody took hold of the journal.
    pub(super) fn add_fence(&mut self, fence: u64) {
        self.fence = Some(fence);
    }

    /// Has the tables take in what they do not have, where that is a lot.
    pub(super) fn catch_up_sometimes(&mut self, database: &Database) -> Result<(), JournalError> {
        if self.bytes < BYTES_MAX { Ok(()) } else { self.catch_up(database) }
    }

    /// Has the tables take in what they do not have. It is durable in the log, so it need not be in them.
    pub(super) fn catch_up(&mut self, database: &Database) -> Result<(), JournalError> {
        if self.is_empty() {
            return Ok(());
        }
        self.take_in(database, |transaction| {
            let failed = |error| JournalError::Failed { what: format!("{error}") };
            transaction.set_durability(Durability::None).map_err(failed)
        })
    }

    /// The same, with what `more` does to the transaction.
    pub(super) fn take_in(
        &mut self,
        database: &Database,
        more: impl FnOnce(&mut WriteTransaction) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let taken_in = guarded(|| {
            let mut transaction = database.begin_write()?;
            self.write_into(&transaction)?;
            more(&mut transaction)?;
            Ok(transaction.commit()?)
        });
        match &taken_in {
            Ok(()) => self.was_taken_in(),
            Err(error) => self.broken = Some(error.clone()),
        }
        taken_in
    }

    fn write_into(&self, transaction: &WriteTransaction) -> Result<(), JournalError> {
        write_arrived(&self.records, "record", transaction.open_table(RECORDS)?)?;
        write_arrived(&self.log_entries, "log entry", transaction.open_table(LOGS)?)?;
        let mut runs = transaction.open_table(RUNS)?;
        let mut by_status = transaction.open_table(BY_STATUS)?;
        let mut by_pipeline = transaction.open_table(BY_PIPELINE)?;
        let mut newcomers: BTreeMap<&str, u64> = BTreeMap::new();
        for (run, standing) in &self.runs {
            standing.write_into(*run, &mut runs, &mut by_status)?;
            if let Listed::Not { pipeline, key } = &standing.listed {
                by_pipeline.insert(&*pipeline_key(pipeline, *run), ())?;
                *newcomers.entry(pipeline).or_default() += 1;
                if let Some(key) = key {
                    let entry = encode_key_owner(key, KeyOwner::Kept(*run));
                    transaction.open_table(BY_KEY)?.insert(&**key, &*entry)?;
                }
            }
        }
        let mut meta = transaction.open_table(META)?;
        for (pipeline, more) in newcomers {
            count_runs_of(&mut meta, pipeline, |count| count.saturating_add(more))?;
        }
        write_counts(&mut meta, &self.counts)?;
        if let Some(fence) = self.fence {
            write_fence(&mut meta, fence)?;
        }
        Ok(())
    }

    fn was_taken_in(&mut self) {
        // With their memory: most of what comes between two checkpoints is in these.
        self.records = Vec::new();
        self.log_entries = Vec::new();
        self.bytes = 0;
        self.keys.clear();
        self.fence = None;
        for standing in self.runs.values_mut() {
            standing.listed = Listed::As(standing.status);
            standing.news = News::Nothing;
        }
    }

    /// Somebody removed runs from the tables, who have everything.
    pub(super) fn runs_were_removed(&mut self, counts: Counts) {
        self.counts = counts;
        self.runs.clear();
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.log_entries.is_empty() && self.fence.is_none()
    }
}

/// Writes what arrived, `what` each of it is, behind all that the table has.
fn write_arrived(
    arrived: &[Arrived],
    what: &str,
    mut table: Table<'_, u64, &'static [u8]>,
) -> Result<(), JournalError> {
    for (arrival, entry) in arrived {
        if table.insert(arrival, &**entry)?.is_some() {
            // Not reached while the table's last key is its largest.
            let what = format!("{what} {arrival} is there already");
            return Err(JournalError::corrupt_store(what));
        }
    }
    Ok(())
}

impl Standing {
    fn write_into(
        &self,
        run: RunId,
        runs: &mut Table<'_, [u8; 16], &'static [u8]>,
        by_status: &mut Table<'_, [u8; 17], ()>,
    ) -> Result<(), JournalError> {
        let row = match &self.news {
            News::Nothing => return Ok(()),
            News::Row(json) => StoredRow::new(self.status, self.links, json).encode(run),
            News::Links => {
                let sealed = runs.get(run_key(run))?;
                let sealed = sealed.ok_or_else(|| {
                    JournalError::corrupt_row(run, "its row is not there any more")
                })?;
                let row = StoredRow::decode(run, sealed.value())?;
                StoredRow::new(row.status, self.links, row.json).encode(run)
            }
        };
        runs.insert(run_key(run), &*row)?;
        match self.listed {
            Listed::As(status) if status == self.status => return Ok(()),
            Listed::As(status) => {
                if by_status.remove(status_key(status, run))?.is_none() {
                    let what = format!("it is not listed as {}", status.word());
                    return Err(JournalError::corrupt_row(run, what));
                }
            }
            Listed::Not { .. } => {}
        }
        by_status.insert(status_key(self.status, run), ())?;
        Ok(())
    }
}

/// The tables as they are, looked into only where somebody asks.
struct Tables<'a> {
    database: &'a Database,
    snapshot: Option<ReadTransaction>,
}

impl Tables<'_> {
    fn snapshot(&mut self) -> Result<&ReadTransaction, JournalError> {
        if self.snapshot.is_none() {
            self.snapshot = Some(self.database.begin_read()?);
        }
        Ok(self.snapshot.as_ref().expect("it was just taken"))
    }

    fn standing_of(&mut self, run: RunId) -> Result<Option<Standing>, JournalError> {
        let runs = self.snapshot()?.open_table(RUNS)?;
        let Some(sealed) = runs.get(run_key(run))? else { return Ok(None) };
        let StoredRow { status, links, .. } = StoredRow::decode(run, sealed.value())?;
        let listed = Listed::As(status);
        Ok(Some(Standing { status, links, listed, news: News::Nothing }))
    }

    fn owner_of(&mut self, key: &str) -> Result<Option<KeyOwner>, JournalError> {
        let by_key = self.snapshot()?.open_table(BY_KEY)?;
        let stored = by_key.get(key)?;
        stored.map(|stored| decode_key_owner(key, stored.value())).transpose()
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

/// Takes the next arrival number.
fn arrive(next: &mut u64) -> Result<u64, JournalError> {
    let arrival = *next;
    *next = arrival
        .checked_add(1)
        .ok_or_else(|| JournalError::corrupt_store("the arrival numbers are used up"))?;
    Ok(arrival)
}
