//! How simulated steps answer: the seam at which a rehearsal says what goes wrong.
//! Never knows what the host makes of an answer.

use super::choose::Choose;
use crate::due::Call;
use crate::end::{End, Failure, FailureKind, HostEnd, Reconciled};
use crate::id::{InstanceId, Phase};
use crate::ledger::Usage;
use crate::pipeline::Pipeline;
use crate::value::Json;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a call does.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// How it ends, unless its deadline comes first.
    pub end: End,
    /// How long it takes.
    pub takes: Duration,
    /// What it spends.
    pub usage: Usage,
    /// A memo that it leaves before it ends.
    pub memo: Option<(String, String)>,
}

/// The steps of a simulated world.
pub trait Steps {
    /// What a call that begins now does.
    fn answer(&mut self, pipeline: &Pipeline, call: &Call, choose: &mut dyn Choose) -> Answer;

    /// From now on every call succeeds, so that a story comes to its end.
    fn heal(&mut self);
}

/// A way in which a drawn call may end badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The guest asks for a further attempt; it may have had its effect.
    Retryable,
    /// As before, without an effect.
    RetryableClean,
    /// The guest asks for a later attempt.
    RetryAfter,
    /// The guest gives up; it may have had its effect.
    Permanent,
    /// As before, without an effect.
    PermanentClean,
    /// The guest cannot know.
    Unknown,
    /// It takes longer than it may.
    Slow,
    /// The host ends it.
    Host(HostEnd),
}

impl Ending {
    /// All of them that a guest can bring about.
    pub const ALL: [Self; 13] = [
        Self::Retryable,
        Self::RetryableClean,
        Self::RetryAfter,
        Self::Permanent,
        Self::PermanentClean,
        Self::Unknown,
        Self::Slow,
        Self::Host(HostEnd::Trapped),
        Self::Host(HostEnd::OutOfFuel),
        Self::Host(HostEnd::OutOfMemory),
        Self::Host(HostEnd::StackOverflow),
        Self::Host(HostEnd::InvalidOutput),
        Self::Host(HostEnd::Denied),
    ];
}

/// Steps whose calls end in drawn ways, and whose `reconcile` tells the truth if it tells at all.
#[derive(Debug, Clone)]
pub struct DrawnSteps {
    /// How many calls in a thousand end badly.
    pub failing: u32,
    /// The ways in which they do.
    pub endings: Vec<Ending>,
    /// How many calls end badly at most.
    pub failures_max: usize,
    /// Whether calls take time, cost something and leave memos.
    pub is_varied: bool,
    effects: BTreeMap<InstanceId, bool>,
}

impl DrawnSteps {
    /// Steps that fail so often, in these ways.
    pub fn new(failing: u32, endings: impl Into<Vec<Ending>>) -> Self {
        let endings = endings.into();
        Self {
            failing,
            endings,
            failures_max: usize::MAX,
            is_varied: true,
            effects: BTreeMap::new(),
        }
    }

    /// Steps of a small world: all calls take a second and cost the same.
    pub fn plain(failing: u32, endings: impl Into<Vec<Ending>>) -> Self {
        Self { is_varied: false, ..Self::new(failing, endings) }
    }

    /// How the call ends; none: not in time.
    fn end(&mut self, pipeline: &Pipeline, call: &Call, choose: &mut dyn Choose) -> Option<End> {
        let may_fail = self.failures_max > 0 && !self.endings.is_empty();
        if !(may_fail && choose.happens(self.failing)) {
            return Some(self.good_end(call));
        }
        self.failures_max -= 1;
        let ending = self.endings[choose.pick(self.endings.len())];
        if call.phase == Phase::Execute {
            // Only a step that can be asked shows whether it had its effect.
            let shows = pipeline.step(call.instance.step).reconciles;
            let claims_clean = matches!(ending, Ending::RetryableClean | Ending::PermanentClean);
            let happened = shows && !claims_clean && choose.happens(500);
            *self.effects.entry(call.instance).or_default() |= happened;
        }
        let is_clean = !self.effects.get(&call.instance).copied().unwrap_or(false);
        let wait = Duration::from_millis(choose.number() % 60_000);
        Some(match ending {
            Ending::Retryable => failed(FailureKind::Retryable, false, "busy"),
            Ending::RetryableClean => failed(FailureKind::Retryable, is_clean, "busy-clean"),
            Ending::RetryAfter => failed(FailureKind::RetryAfter(wait), false, "throttled"),
            Ending::Permanent => failed(FailureKind::Permanent, false, "refused"),
            Ending::PermanentClean => failed(FailureKind::Permanent, is_clean, "refused-clean"),
            Ending::Unknown if call.phase == Phase::Reconcile => {
                End::Reconciled(Reconciled::Unknown)
            }
            Ending::Unknown => failed(FailureKind::Unknown, false, "unclear"),
            Ending::Slow => {
                self.good_end(call);
                return None;
            }
            Ending::Host(host_end) => End::Host(host_end, "as drawn".into()),
        })
    }

    fn good_end(&mut self, call: &Call) -> End {
        let had = self.effects.entry(call.instance).or_default();
        match call.phase {
            Phase::Execute => {
                *had = true;
                End::Succeeded(Some(output_of(call.instance)))
            }
            Phase::Compensate => {
                *had = false;
                End::Succeeded(None)
            }
            Phase::Reconcile if *had => End::Reconciled(Reconciled::Done(output_of(call.instance))),
            Phase::Reconcile => End::Reconciled(Reconciled::NotDone),
        }
    }
}

fn failed(kind: FailureKind, clean: bool, code: &str) -> End {
    let message = "as drawn".into();
    End::Failed(Failure { kind, clean, code: code.into(), message, details: None })
}

fn output_of(instance: InstanceId) -> Json {
    let element = instance.element.map_or(-1, i64::from);
    Json::from_checked(format!("{{\"step\":{},\"element\":{element}}}", instance.step.0))
}

impl Steps for DrawnSteps {
    fn answer(&mut self, pipeline: &Pipeline, call: &Call, choose: &mut dyn Choose) -> Answer {
        let end = self.end(pipeline, call, choose);
        let mut usage = Usage::new();
        let (mut takes, mut memo) = (Duration::from_secs(1), None);
        if self.is_varied {
            takes = Duration::from_millis(1 + choose.number() % 20_000);
            usage.add("usd", choose.number() % 1_000).expect("a small amount should fit");
            if choose.happens(100) {
                memo = Some(("cursor".into(), call.attempt.to_string()));
            }
        }
        let Some(end) = end else {
            let end = End::Host(HostEnd::TimedOut, "it would have gone on".into());
            return Answer { end, takes: Duration::from_secs(24 * 60 * 60), usage, memo };
        };
        Answer { end, takes, usage, memo }
    }

    fn heal(&mut self) {
        self.failing = 0;
    }
}
