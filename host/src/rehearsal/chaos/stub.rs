//! Rehearses in simulated time, without guests: the core's simulation of this one pipeline.
//! Calls end in every way there is, the host dies between any two appends, people interfere.

use super::choices::Choices;
use super::replay::fewest;
use super::{Report, Violation, lines, problems};
use piton_core::simulation::{
    Choose, DrawnSteps, Ending, Faults, Mutant, Problem, Story, StubEvaluate, Telling, tell,
};
use piton_core::{Cause, End, Event, HostEnd, Pipeline, Reconciled, RunId};
use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

/// How often a story that went wrong is told again to make it short.
const REPLAYS_MAX: usize = 2_000;

/// A rehearsal without guests.
#[derive(Debug, Clone)]
pub struct Stub {
    /// What is rehearsed.
    pub pipeline: Arc<Pipeline>,
    /// The seed of the first run.
    pub seed: u64,
    /// How many runs.
    pub runs: u64,
    /// A rule that the simulated host breaks, to see that it is noticed. Default: none.
    pub mutant: Option<Mutant>,
}

impl Stub {
    /// Rehearses. `progress` is told how many runs are done, and says whether to go on.
    pub fn rehearse(&self, mut progress: impl FnMut(u64) -> bool) -> Report {
        let mut report = Report::new(&self.pipeline.name, self.seed, true);
        for nth in 0..self.runs {
            let seed = self.seed.wrapping_add(nth);
            let (story, happened) = self.tell(seed, BTreeSet::new());
            report.count(&story);
            count_faults(&story, &mut report.faults);
            if !story.problems.is_empty() {
                report.violations.push(self.shortened(seed, &story, happened));
            }
            if report.is_full() || !progress(nth + 1) {
                break;
            }
        }
        report
    }

    fn tell(&self, seed: u64, taken_back: BTreeSet<usize>) -> (Story, BTreeSet<usize>) {
        let mut choose = Choices::new(seed, taken_back);
        let mut evaluate = StubEvaluate::sound(seed);
        evaluate.skipped = 200;
        evaluate.broken = one_of(&mut choose, &[0, 0, 0, 0, 100]);
        let failing = one_of(&mut choose, &[0, 100, 300, 600]);
        let mut steps = DrawnSteps::new(failing, Ending::ALL);
        let faults = Faults {
            crash: one_of(&mut choose, &[0, 20, 100]),
            crashes_max: 10,
            downtimes: [0, 1_000, 600_000, 200_000_000].map(Duration::from_millis).to_vec(),
            leaving: 100,
            meddling: one_of(&mut choose, &[0, 0, 50, 200]),
            ..Faults::none()
        };
        let telling = Telling {
            pipeline: Arc::clone(&self.pipeline),
            run: RunId::from_bits(u128::from(seed)),
            evaluate: &evaluate,
            steps: &mut steps,
            faults: &faults,
            mutant: self.mutant,
        };
        let story = tell(telling, &mut choose);
        (story, choose.happened.into_iter().collect())
    }

    /// The same problem with as few rare things as can be.
    fn shortened(&self, seed: u64, story: &Story, happened: BTreeSet<usize>) -> Violation {
        let wanted = story.problems[0].clone();
        let mut shortest: Option<Story> = None;
        let mut length = story.journal.len();
        // What happens instead of a thing taken back is found out by telling: places that are new
        // in a told story are kept out as well where it goes wrong without them.
        let mut taken_back = BTreeSet::new();
        let mut left = happened;
        loop {
            let before = taken_back.clone();
            let kept = fewest(left.clone(), REPLAYS_MAX, |kept| {
                let out = before.iter().chain(left.iter().filter(|place| !kept.contains(place)));
                let (told, _) = self.tell(seed, out.copied().collect());
                told.problems.first().is_some_and(|problem| is_same(problem, &wanted))
            });
            taken_back.extend(left.iter().filter(|place| !kept.contains(place)).copied());
            let (told, happened) = self.tell(seed, taken_back.clone());
            let is_shorter = told.journal.len() < length;
            let goes_wrong = told.problems.first().is_some_and(|found| is_same(found, &wanted));
            if goes_wrong && (is_shorter || shortest.is_none()) {
                length = told.journal.len();
                shortest = Some(told);
                left = happened;
            } else {
                break;
            }
        }
        let story = shortest.as_ref().unwrap_or(story);
        let mut kinds = BTreeMap::new();
        count_faults(story, &mut kinds);
        let faults = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        Violation { seed, problems: problems(story), faults, story: lines(story) }
    }
}

fn is_same(one: &Problem, other: &Problem) -> bool {
    discriminant(one) == discriminant(other) && one.rule() == other.rule()
}

fn one_of(choose: &mut dyn Choose, ways: &[u32]) -> u32 {
    ways[choose.pick(ways.len())]
}

/// Counts what went wrong, as far as the story shows it.
fn count_faults(story: &Story, faults: &mut BTreeMap<&'static str, u64>) {
    let mut count = |kind: &'static str, times: u64| {
        if times > 0 {
            *faults.entry(kind).or_default() += times;
        }
    };
    count("crash", story.crashes.len() as u64);
    for (_, event) in &story.journal {
        match event {
            Event::AttemptEnded { end, .. } if is_fault(end) => count(end.word(), 1),
            Event::RollbackStarted { cause: Cause::Cancelled { .. } | Cause::Requested { .. } }
            | Event::CancelRequested { .. } => count("cancel", 1),
            Event::OutputFailed { .. } => count("expression", 1),
            Event::StepFailed { failure, .. } if failure.end == "not-started" => {
                count("expression", 1);
            }
            _ => {}
        }
    }
}

/// What follows from a crash or a turn is counted there.
fn is_fault(end: &End) -> bool {
    match end {
        End::Succeeded(_) => false,
        End::Reconciled(reconciled) => *reconciled == Reconciled::Unknown,
        End::Host(HostEnd::Lost | HostEnd::Interrupted, _) => false,
        End::Host(..) | End::Failed(_) => true,
    }
}
