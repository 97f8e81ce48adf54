//! Lists runs from one snapshot of the file, by its indexes.
//! Never returns a list that it knows to have a gap: whole lists are held against counts.

use super::super::row::RunRow;
use super::super::store::{JournalError, Page, Query};
use super::read::Reader;
use super::tables::{
    BY_PIPELINE, BY_STATUS, Bytes, META, RUNS, StoredRow, pipeline_count, pipeline_key, run_key,
    run_of, status_code, status_key, unseal_meta,
};
use piton_core::{RunId, RunStatus};

/// The number of the smallest and the largest run there could be.
const FIRST: RunId = RunId::from_bits(0);
const LAST: RunId = RunId::from_bits(u128::MAX);

/// A page under construction.
struct Taken<'a> {
    query: &'a Query,
    page: Page,
    /// How many runs of the index were seen, wanted or not.
    seen: u64,
    last: Option<RunId>,
}

impl Taken<'_> {
    /// Takes a row; says whether there is room for another. A damaged key may name another run
    /// that exists: then one comes twice, and the order breaks.
    fn take(&mut self, row: RunRow) -> Result<bool, JournalError> {
        self.seen += 1;
        if self.last.replace(row.run).is_some_and(|last| last <= row.run) {
            return Err(JournalError::corrupt_row(row.run, "it is listed out of order"));
        }
        let wanted = self.query.status.is_none_or(|status| status == row.status)
            && self.query.pipeline.as_ref().is_none_or(|pipeline| *pipeline == row.pipeline);
        if wanted && self.page.rows.len() >= self.query.limit {
            self.page.next = self.page.rows.last().map(|row| row.run);
            return Ok(false);
        }
        if wanted {
            self.page.rows.push(row);
        }
        Ok(true)
    }

    /// Holds a list that began with the newest run and came to its end against the count.
    fn finish(self, is_whole: bool, counted: u64) -> Result<Page, JournalError> {
        if is_whole && self.query.before.is_none() {
            check_count(self.seen, counted)?;
        }
        Ok(self.page)
    }
}

pub(super) fn check_count(found: u64, counted: u64) -> Result<(), JournalError> {
    if found == counted {
        return Ok(());
    }
    let what = format!("{found} runs are listed where {counted} were counted");
    Err(JournalError::corrupt_store(what))
}

impl Reader {
    pub(super) fn list(&self, query: &Query) -> Result<Page, JournalError> {
        let before = query.before.unwrap_or(LAST);
        let taken =
            Taken { query, page: Page { rows: Vec::new(), next: None }, seen: 0, last: None };
        match (query.status, &query.pipeline) {
            (Some(status), _) => self.list_by_status(status, before, taken),
            (None, Some(pipeline)) => self.list_by_pipeline(pipeline, before, taken),
            (None, None) => self.list_all(before, taken),
        }
    }

    fn list_by_status(
        &self,
        status: RunStatus,
        before: RunId,
        mut taken: Taken<'_>,
    ) -> Result<Page, JournalError> {
        let counted = self.counts()?[usize::from(status_code(status))];
        let index = self.snapshot.open_table(BY_STATUS)?;
        for entry in index.range(status_key(status, FIRST)..status_key(status, before))?.rev() {
            if !taken.take(self.status_entry(entry?.0.value())?)? {
                return taken.finish(false, counted);
            }
        }
        taken.finish(true, counted)
    }

    fn list_by_pipeline(
        &self,
        pipeline: &str,
        before: RunId,
        mut taken: Taken<'_>,
    ) -> Result<Page, JournalError> {
        let counted = self.count_of(pipeline)?;
        let index = self.snapshot.open_table(BY_PIPELINE)?;
        let (from, to) = (pipeline_key(pipeline, FIRST), pipeline_key(pipeline, before));
        for entry in index.range::<&[u8]>(&*from..&*to)?.rev() {
            let entry = entry?;
            let run = entry.0.value().last_chunk().copied().map(run_of);
            let run = run.ok_or_else(|| JournalError::corrupt_store("a key is too short"))?;
            let row = self.indexed_row(run)?;
            if row.pipeline != pipeline {
                return Err(JournalError::corrupt_row(run, "it is listed under another pipeline"));
            }
            if !taken.take(row)? {
                return taken.finish(false, counted);
            }
        }
        taken.finish(true, counted)
    }

    fn list_all(&self, before: RunId, mut taken: Taken<'_>) -> Result<Page, JournalError> {
        let counted = self.counts()?.iter().sum();
        let runs = self.snapshot.open_table(RUNS)?;
        for entry in runs.range(run_key(FIRST)..run_key(before))?.rev() {
            let (key, sealed) = entry?;
            let run = run_of(key.value());
            if !taken.take(StoredRow::decode(run, sealed.value())?.row(run)?)? {
                return taken.finish(false, counted);
            }
        }
        taken.finish(true, counted)
    }

    pub(super) fn unfinished(&self) -> Result<Vec<RunRow>, JournalError> {
        let index = self.snapshot.open_table(BY_STATUS)?;
        let counts = self.counts()?;
        let mut rows = Vec::new();
        for status in RunStatus::ALL.into_iter().filter(|status| !status.is_final()) {
            let before = rows.len();
            for entry in index.range(status_key(status, FIRST)..=status_key(status, LAST))? {
                rows.push(self.status_entry(entry?.0.value())?);
            }
            check_count((rows.len() - before) as u64, counts[usize::from(status_code(status))])?;
        }
        rows.sort_by_key(|row| row.run);
        if let Some(twice) = rows.windows(2).find(|pair| pair[0].run == pair[1].run) {
            return Err(JournalError::corrupt_row(twice[0].run, "it is listed twice"));
        }
        Ok(rows)
    }

    /// The row that an entry of the index by status stands for.
    fn status_entry(&self, key: [u8; 17]) -> Result<RunRow, JournalError> {
        let [code, run @ ..] = key;
        let row = self.indexed_row(run_of(run))?;
        if status_code(row.status) == code {
            return Ok(row);
        }
        let what = format!("it is {}, but listed otherwise", row.status.word());
        Err(JournalError::corrupt_row(row.run, what))
    }

    pub(super) fn count_of(&self, pipeline: &str) -> Result<u64, JournalError> {
        let name = pipeline_count(pipeline);
        let meta = self.snapshot.open_table(META)?;
        let Some(sealed) = meta.get(&*name)? else { return Ok(0) };
        let count = Bytes(unseal_meta(&name, sealed.value())?).number();
        count.ok_or_else(|| JournalError::corrupt_store(format!("`{name}` is no number")))
    }
}
