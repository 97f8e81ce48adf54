//! Removes runs that ended long ago, and then what only they needed.
//! Never removes a run to which something can still happen, that is owed an undo, or whose events do
//! not hold together: each is folded, and its status alone is not believed.

use super::document::rfc3339;
use super::look::Looks;
use super::verify::{ROWS_PER_PAGE, owed_undos};
use super::{Host, HostFailure, off_the_loop};
use crate::journal::{Query, Removal, RunRow};
use piton_core::{RunId, RunStatus, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// At most so many runs are removed in one transaction, which holds up what runs want to record.
const RUNS_PER_REMOVAL: usize = 100;

/// And at most so many events, but at least one run.
const EVENTS_PER_REMOVAL: u64 = 10_000;

/// So many kept runs are named for each reason.
const NAMED_MAX: usize = 20;

/// What to prune.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PruneOrder {
    /// Only runs that ended longer ago.
    pub older_than: Duration,
    /// Only runs of this pipeline.
    pub pipeline: Option<String>,
    /// Only tell what would be removed.
    pub dry_run: bool,
}

/// What was removed, and what was kept and why.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pruning {
    /// Whether nothing was removed, and this is only what would be.
    pub dry_run: bool,
    /// Runs that ended before this moment were to go, RFC 3339.
    pub ended_before: String,
    /// What was removed.
    pub removed: Removed,
    /// What was kept, of the runs that were asked about.
    pub kept: Vec<KeptRuns>,
    /// What is wrong with runs that were kept for it.
    pub problems: Vec<String>,
    /// How the journal's file shrank; null where it did not.
    pub journal: Option<Shrunk>,
}

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Runs.
    pub runs: u64,
    /// Their events.
    pub events: u64,
    /// Their log lines.
    pub log_lines: u64,
    /// Components and manifests that no other run refers to.
    pub contents: u64,
    /// The bytes of all these.
    pub bytes: u64,
    /// The bytes of compiled code of these components.
    pub code_bytes: u64,
}

/// Runs that were kept for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRuns {
    /// The word for why.
    pub why: String,
    /// How many.
    pub runs: u64,
    /// The first of them, the newest first; none where they just ended too late.
    pub named: Vec<String>,
}

/// The journal's file before and after, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shrunk {
    /// Before.
    pub before: u64,
    /// Now.
    pub after: u64,
}

/// Why a run is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    EndedLater,
    NotFinished,
    Stuck,
    InUse,
    Unsound,
}

impl Why {
    const fn word(self) -> &'static str {
        match self {
            Self::EndedLater => "ended-later",
            Self::NotFinished => "not-finished",
            Self::Stuck => "stuck",
            Self::InUse => "in-use",
            Self::Unsound => "unsound",
        }
    }
}

/// A run that may go.
struct Candidate {
    removal: Removal,
    events: u64,
    log_lines: u64,
    bytes: u64,
}

/// A prune under way.
struct Pruner {
    order: PruneOrder,
    ended_before: Timestamp,
    removed: Removed,
    gone: BTreeSet<RunId>,
    kept: BTreeMap<Why, KeptRuns>,
    problems: Vec<String>,
}

impl Host {
    /// Removes runs that ended long ago, and what only they needed.
    ///
    /// # Errors
    /// [`HostFailure`] where the journal cannot be read or written. What was removed before is gone.
    pub async fn prune(&self, order: &PruneOrder) -> Result<Pruning, HostFailure> {
        let _alone = self.begin_chore()?;
        let now = self.shared.now().as_millis();
        let span = u64::try_from(order.older_than.as_millis()).unwrap_or(u64::MAX);
        let mut pruner = Pruner {
            order: order.clone(),
            ended_before: Timestamp::from_millis(now.saturating_sub(span)),
            removed: Removed::default(),
            gone: BTreeSet::new(),
            kept: BTreeMap::new(),
            problems: Vec::new(),
        };
        let mut before = None;
        loop {
            let host = self.clone();
            let (back, candidates, next) =
                off_the_loop(move || pruner.examine(&host, before).map(|found| (pruner, found)))
                    .await
                    .map(|(pruner, (candidates, next))| (pruner, candidates, next))?;
            pruner = back;
            for batch in batches(candidates) {
                self.remove(&mut pruner, batch).await?;
            }
            before = next;
            if before.is_none() {
                break;
            }
        }
        let host = self.clone();
        let mut pruner = off_the_loop(move || pruner.sweep(&host).map(|()| pruner)).await?;
        let journal = if pruner.removed.runs > 0 && !pruner.order.dry_run {
            self.compact().await?
        } else {
            None
        };
        pruner.problems.sort();
        Ok(Pruning {
            dry_run: pruner.order.dry_run,
            ended_before: rfc3339(pruner.ended_before),
            removed: pruner.removed,
            kept: pruner.kept.into_values().collect(),
            problems: pruner.problems,
            journal,
        })
    }

    /// Holds the right to do a chore of the whole directory.
    pub(super) fn begin_chore(&self) -> Result<tokio::sync::OwnedMutexGuard<()>, HostFailure> {
        self.shared.chore.clone().try_lock_owned().map_err(|_| {
            HostFailure::new(
                "another `prune` or `backup` of this data directory is under way",
                "try again once it has ended",
            )
        })
    }

    /// Removes a batch in one transaction, while no run can be taken up.
    async fn remove(
        &self,
        pruner: &mut Pruner,
        mut batch: Vec<Candidate>,
    ) -> Result<(), HostFailure> {
        if pruner.order.dry_run {
            batch.iter().for_each(|candidate| pruner.count(candidate));
            return Ok(());
        }
        let _guard = self.shared.taking_up.lock().await;
        batch.retain(|candidate| {
            let is_carried = self.shared.carried(candidate.removal.run).is_some();
            if is_carried {
                pruner.keep(Why::InUse, candidate.removal.run);
            }
            !is_carried
        });
        let removals: Vec<Removal> = batch.iter().map(|candidate| candidate.removal).collect();
        let (journal, fence) = (self.shared.journal.clone(), self.shared.fence);
        let verdicts = off_the_loop(move || journal.remove(fence, &removals)).await?;
        for (candidate, verdict) in batch.iter().zip(verdicts) {
            match verdict {
                Ok(()) => pruner.count(candidate),
                // Somebody had it undone since it was folded.
                Err(_) => pruner.keep(Why::InUse, candidate.removal.run),
            }
        }
        Ok(())
    }

    /// Gives space back, where nobody would have to wait for that.
    async fn compact(&self) -> Result<Option<Shrunk>, HostFailure> {
        let _guard = self.shared.taking_up.lock().await;
        if !self.shared.all_carried().is_empty() {
            return Ok(None);
        }
        let journal = self.shared.journal.clone();
        let compacted = off_the_loop(move || journal.compact()).await?;
        let shrunk =
            compacted.map(|sizes| Shrunk { before: sizes.bytes_before, after: sizes.bytes_after });
        Ok(shrunk.filter(|sizes| sizes.after < sizes.before))
    }
}

fn batches(candidates: Vec<Candidate>) -> Vec<Vec<Candidate>> {
    let mut batches: Vec<Vec<Candidate>> = Vec::new();
    let mut events = 0;
    for candidate in candidates {
        events += candidate.events;
        match batches.last_mut() {
            Some(batch) if batch.len() < RUNS_PER_REMOVAL && events <= EVENTS_PER_REMOVAL => {
                batch.push(candidate);
            }
            _ => {
                events = candidate.events;
                batches.push(vec![candidate]);
            }
        }
    }
    batches
}

impl Pruner {
    /// Looks at a page of runs; returns those that may go, and where the next page begins.
    fn examine(
        &mut self,
        host: &Host,
        before: Option<RunId>,
    ) -> Result<(Vec<Candidate>, Option<RunId>), HostFailure> {
        let pipeline = self.order.pipeline.clone();
        let query = Query { status: None, pipeline, before, limit: ROWS_PER_PAGE };
        let page = host.shared.journal.list(&query)?;
        let mut looks = Looks::new(&host.shared.components);
        let mut candidates = Vec::new();
        for row in &page.rows {
            match self.judge(host, row, &mut looks) {
                Ok(candidate) => candidates.push(candidate),
                Err(why) => self.keep(why, row.run),
            }
        }
        Ok((candidates, page.next))
    }

    /// Whether a run may go: first by its row, then by its events.
    fn judge(
        &mut self,
        host: &Host,
        row: &RunRow,
        looks: &mut Looks<'_>,
    ) -> Result<Candidate, Why> {
        if row.status == RunStatus::Stuck {
            return Err(Why::Stuck);
        }
        if !row.status.is_final() {
            return Err(Why::NotFinished);
        }
        if row.ended_at.is_none_or(|ended| ended >= self.ended_before) {
            return Err(Why::EndedLater);
        }
        if host.shared.carried(row.run).is_some() {
            return Err(Why::InUse);
        }
        let (verified, problems) = host.verify_run(row.run, looks);
        let is_sound = problems.is_empty();
        self.problems.extend(problems);
        let verified = verified.filter(|_| is_sound).ok_or(Why::Unsound)?;
        let (run, records) = (&verified.folded, &verified.records);
        let has_ended = run.finished_at().is_some_and(|ended| ended < self.ended_before);
        let owes_nothing = run.stuck_instances().next().is_none() && owed_undos(run).is_empty();
        if !(run.status().is_final() && has_ended && owes_nothing) {
            self.problems
                .push(format!("run {} has ended by its row, but not by its events", row.run));
            return Err(Why::Unsound);
        }
        let lines = host.shared.journal.log_lines(row.run, None).map_err(|error| {
            self.problems.push(error.to_string());
            Why::Unsound
        })?;
        let events = records.records.iter().map(|record| record.json.len());
        let bytes = events.chain(lines.iter().map(|line| line.text.len())).sum::<usize>();
        Ok(Candidate {
            removal: Removal { run: row.run, tail: records.tail },
            events: records.records.len() as u64,
            log_lines: lines.len() as u64,
            bytes: bytes as u64,
        })
    }

    fn keep(&mut self, why: Why, run: RunId) {
        let kept = self.kept.entry(why).or_insert_with(|| KeptRuns {
            why: why.word().into(),
            runs: 0,
            named: Vec::new(),
        });
        kept.runs += 1;
        if why != Why::EndedLater && kept.named.len() < NAMED_MAX {
            kept.named.push(run.to_string());
        }
    }

    fn count(&mut self, candidate: &Candidate) {
        self.gone.insert(candidate.removal.run);
        self.removed.runs += 1;
        self.removed.events += candidate.events;
        self.removed.log_lines += candidate.log_lines;
        self.removed.bytes += candidate.bytes;
    }

    fn sweep(&mut self, host: &Host) -> Result<(), HostFailure> {
        let swept = host.sweep_contents(&self.gone, self.order.dry_run)?;
        self.removed.contents = swept.contents.len() as u64;
        self.removed.bytes += swept.contents.iter().map(|content| content.bytes).sum::<u64>();
        self.removed.code_bytes = swept.code_bytes;
        self.problems.extend(swept.problem);
        Ok(())
    }
}
