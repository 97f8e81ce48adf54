//! Rehearses with the real guests, in the real sandbox, over a real journal, in folders of its own.
//! Owns the runs, and what is asked of each once it rests; the checker judges, never this.

use super::faults::{Fault, FaultPlan};
use super::replay::fewest;
use super::rig::{Failed, Rig};
use super::stage::Seen;
use super::{Report, Violation, lines, problems};
use crate::journal::stored::Decoder;
use crate::runner::{CheckedManifest, Settings};
use piton_core::checker::{Records, check, check_between_runs};
use piton_core::simulation::{Problem, Story};
use piton_core::{Event, Pipeline, Run, RunId, RunStatus, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How often a run that went wrong is repeated to make its story short.
const REPLAYS_MAX: usize = 40;
/// A run that has not come to rest by then never does.
const REST_MAX: Duration = Duration::from_secs(120);

/// A rehearsal with the guests.
pub struct Guests<'a> {
    /// What is rehearsed.
    pub checked: &'a CheckedManifest,
    /// Its pipeline, with what its components say about themselves.
    pub pipeline: Arc<Pipeline>,
    /// The host's settings.
    pub settings: &'a Settings,
    /// The input of every run.
    pub input: &'a str,
    /// The seed of the first run.
    pub seed: u64,
    /// How many runs.
    pub runs: u64,
}

/// The starts of a run's calls: enough to see whether two runs share a key.
type Starts = (RunId, Vec<(Timestamp, Event)>);

impl Guests<'_> {
    /// Rehearses, in a tokio runtime. `progress` is told how many runs are done.
    ///
    /// # Errors
    /// Why the rehearsal cannot go on, for people: this is no violation.
    pub async fn rehearse(&self, mut progress: impl FnMut(u64)) -> Result<Report, String> {
        let mut rig = Rig::new(self.checked, Arc::clone(&self.pipeline), self.settings)?;
        let mut report = Report::new(&self.pipeline.name, self.seed, false);
        let mut all_starts: Vec<Starts> = Vec::new();
        for nth in 0..self.runs {
            let seed = self.seed.wrapping_add(nth);
            let plan = FaultPlan::draw(seed, self.pipeline.steps.len());
            let (story, struck) = self.tell(&mut rig, plan.clone(), &format!("{nth}")).await?;
            all_starts.push((story.run.id(), starts_of(&story)));
            report.count(&story);
            for fault in &struck {
                *report.faults.entry(fault.word()).or_default() += 1;
            }
            if !story.problems.is_empty() {
                report.violations.push(self.shortened(&mut rig, seed, plan, story, struck).await?);
            }
            progress(nth + 1);
            if report.is_full() {
                break;
            }
        }
        self.check_keys(&all_starts, &mut report);
        Ok(report)
    }

    /// No two runs may share a key.
    fn check_keys(&self, all_starts: &[Starts], report: &mut Report) {
        let broken = check_between_runs(all_starts.iter().map(|(run, starts)| (*run, &**starts)));
        if !broken.is_empty() {
            let problems = broken.iter().map(ToString::to_string).collect();
            let (faults, story) = (Vec::new(), Vec::new());
            report.violations.push(Violation { seed: self.seed, problems, faults, story });
        }
    }

    async fn tell(
        &self,
        rig: &mut Rig,
        plan: FaultPlan,
        key: &str,
    ) -> Result<(Story, Vec<Fault>), Failed> {
        let ran = tokio::time::timeout(REST_MAX, rig.run(plan, self.input, key)).await;
        let run = ran.map_err(|_| "a run does not come to rest; this is a bug of piton")??;
        let records = rig.records(run)?;
        let decoder = Decoder::new(&self.pipeline);
        let events = records
            .records
            .iter()
            .map(|record| decoder.decode(&record.json).map(|event| (record.at, event)));
        let journal = events.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        let Seen { struck, calls, crashes } = rig.stage.seen();
        let mut story = Story {
            run: Run::new(run, Arc::clone(&self.pipeline)),
            journal,
            world: calls,
            crashes,
            problems: Vec::new(),
        };
        judge(&mut story, records.row.status);
        Ok((story, struck))
    }

    /// The same run with as few of its faults as can be.
    async fn shortened(
        &self,
        rig: &mut Rig,
        seed: u64,
        plan: FaultPlan,
        story: Story,
        struck: Vec<Fault>,
    ) -> Result<Violation, Failed> {
        let all: BTreeSet<Fault> = struck.into_iter().collect();
        let mut shortest = story;
        let mut failed = None;
        let mut nth = 0;
        // The search asks one after the other, and waits for each answer.
        let handle = tokio::runtime::Handle::current();
        let left = tokio::task::block_in_place(|| {
            fewest(all, REPLAYS_MAX, |faults| {
                nth += 1;
                let plan = plan.only(faults.clone());
                match handle.block_on(self.tell(rig, plan, &format!("{seed} again {nth}"))) {
                    Ok((told, _)) if told.problems.is_empty() => false,
                    Ok((told, _)) => {
                        shortest = told;
                        true
                    }
                    Err(error) => {
                        failed.get_or_insert(error);
                        false
                    }
                }
            })
        });
        failed.map_or(Ok(()), Err)?;
        let faults = left.iter().map(ToString::to_string).collect();
        Ok(Violation { seed, problems: problems(&shortest), faults, story: lines(&shortest) })
    }
}

fn starts_of(story: &Story) -> Vec<(Timestamp, Event)> {
    let starts = story.journal.iter();
    starts.filter(|(_, event)| matches!(event, Event::AttemptStarted { .. })).cloned().collect()
}

/// Holds what is left of a run against the rules, and against what its row says.
pub(super) fn judge(story: &mut Story, told: RunStatus) {
    let run = &mut story.run;
    let mut folds = story.journal.iter().map(|(at, event)| run.apply(*at, event));
    let folded = folds.find_map(Result::err).map(|error| Problem::Fold(error.to_string()));
    let run = &story.run;
    // Of a run that could not be read to its end nothing can be compared.
    let can_compare = folded.is_none();
    let findings = check(Records {
        pipeline: run.pipeline(),
        journal: &story.journal,
        world: Some(&story.world),
        spent: Some(&run.ledger().spent).filter(|_| can_compare),
    });
    let mut problems: Vec<Problem> =
        findings.violations.into_iter().map(Problem::Broken).chain(folded).collect();
    if can_compare {
        if findings.stays != run.effects_that_stay() {
            problems.push(Problem::Stays(format!("{:?}", findings.stays)));
        }
        problems.extend(problem_of_status(run, told));
    }
    story.problems.extend(problems);
}

/// A run must end, or say why it needs a person, and its row must say the same.
fn problem_of_status(run: &Run, told: RunStatus) -> Option<Problem> {
    let status = run.status();
    if status != told {
        let what = format!("its row says {}, its events {}", told.word(), status.word());
        return Some(Problem::Status(what));
    }
    let has_reason = run.stuck_instances().next().is_some() || run.output_failure().is_some();
    let rests = status.is_final() || (status == RunStatus::Stuck && has_reason);
    (!rests).then(|| Problem::DeadEnd(status.word().into()))
}
