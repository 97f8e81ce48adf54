//! Checks everything that is kept: each checksum and chain, each content, each run's fold, and the
//! rules of recovery over its events, such as that everything owed an undo has one outcome.
//! Never mends anything.

use super::document::Verification;
use super::look::{Looked, Looks};
use super::{Host, HostFailure, off_the_loop};
use crate::journal::{Query, RunRow};
use piton_core::{InstanceId, Run, RunId, checker};

/// How many rows are looked at between two looks at the list.
pub(super) const ROWS_PER_PAGE: usize = 1_000;

impl Host {
    /// Checks everything that is kept.
    ///
    /// # Errors
    /// [`HostFailure`] at the first damage to the store itself.
    pub async fn verify(&self) -> Result<Verification, HostFailure> {
        let host = self.clone();
        off_the_loop(move || host.verify_now()).await
    }

    fn verify_now(&self) -> Result<Verification, HostFailure> {
        let read = self.shared.journal.verify()?;
        let (contents, mut problems) = self.verify_contents()?;
        let mut looks = Looks::new(&self.shared.components);
        self.each_row::<HostFailure>(None, |row| {
            problems.extend(self.verify_run(row.run, &mut looks).1);
            Ok(())
        })?;
        Ok(Verification {
            runs: read.runs,
            events: read.records,
            log_lines: read.log_lines,
            contents,
            problems,
        })
    }

    /// Hashes every content, whether or not a run refers to it.
    fn verify_contents(&self) -> Result<(u64, Vec<String>), HostFailure> {
        let store = &self.shared.components;
        let kept = store.list().map_err(|error| HostFailure::new(error.to_string(), ""))?;
        let wrong = kept.iter().filter_map(|content| store.get(&content.digest).err());
        Ok((kept.len() as u64, wrong.map(|error| error.to_string()).collect()))
    }

    /// Calls `look` with each row, the newest first.
    pub(super) fn each_row<E: From<HostFailure>>(
        &self,
        pipeline: Option<&str>,
        mut look: impl FnMut(&RunRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut before = None;
        loop {
            let pipeline = pipeline.map(str::to_owned);
            let query = Query { status: None, pipeline, before, limit: ROWS_PER_PAGE };
            let page = self.shared.journal.list(&query).map_err(HostFailure::from)?;
            page.rows.iter().try_for_each(&mut look)?;
            before = page.next;
            if before.is_none() {
                return Ok(());
            }
        }
    }

    /// What is wrong with one run; and the run itself, where it can be folded.
    pub(super) fn verify_run(
        &self,
        run: RunId,
        looks: &mut Looks<'_>,
    ) -> (Option<Verified>, Vec<String>) {
        let records = match self.shared.journal.records(run) {
            Ok(Some(records)) => records,
            Ok(None) => return (None, vec![format!("run {run} is listed, but has no events")]),
            Err(error) => return (None, vec![error.to_string()]),
        };
        let (folded, events): Looked = match looks.fold(run, &records) {
            Ok(folded) => folded,
            Err(failure) => return (None, vec![failure.message]),
        };
        let mut problems = Vec::new();
        // Ended by its own events and by its row: whoever lists runs must not be told otherwise.
        if folded.status() != records.row.status {
            let (row, fold) = (records.row.status.word(), folded.status().word());
            problems.push(format!("run {run} is listed as {row}, but its events say {fold}"));
        }
        let found = checker::check(checker::Records {
            pipeline: folded.pipeline(),
            journal: &events,
            world: None,
            spent: Some(&folded.ledger().spent),
        });
        problems.extend(found.violations.iter().map(|violation| format!("run {run}: {violation}")));
        if folded.status().is_final() {
            let owed = owed_undos(&folded);
            let names: Vec<String> = owed.iter().map(|owed| folded.name_of(*owed)).collect();
            if !names.is_empty() {
                let names = names.join("`, `");
                problems.push(format!("run {run} has ended, and `{names}` is owed an undo"));
            }
        }
        (Some(Verified { folded, records }), problems)
    }
}

/// A run that could be folded.
pub(super) struct Verified {
    pub(super) folded: Run,
    pub(super) records: crate::journal::RunRecords,
}

/// What is still to be undone in a run that has turned back, by its state alone: the checker says
/// the same from the events, and shares no code with this.
pub(super) fn owed_undos(run: &Run) -> Vec<InstanceId> {
    if run.cause().is_none() {
        return Vec::new();
    }
    let is_owed = |instance: &InstanceId| {
        run.is_owed_an_undo(*instance) && run.instance(*instance).undo.is_none()
    };
    run.instances().into_iter().filter(is_owed).collect()
}
