//! The state of one thing that is called: a step, or an element of a map.
//! Only data, and what an end says about an effect; never changes by itself.

use crate::end::{End, FailureKind, HostEnd};
use crate::event::StepFailure;
use crate::id::{Digest, IdempotencyKey, Phase};
use crate::ledger::{Ledger, Usage};
use crate::pipeline::{Effect, RuleVerdict, Step};
use crate::value::{Json, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// One thing that is called: a step or an element of a map.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Instance {
    /// What is called right now.
    pub under_way: Option<UnderWay>,
    /// A further call, and when it is due.
    pub retry: Option<Retry>,
    /// What is known about the effect of `execute`.
    pub knowledge: Knowledge,
    /// How the step ended going forward.
    pub outcome: Option<Outcome>,
    /// Its output, where one was recorded.
    pub output: Option<Json>,
    /// Why it failed, or why it is stuck.
    pub failure: Option<StepFailure>,
    /// In which phase it needs a person.
    pub stuck: Option<Phase>,
    /// How its undo ended.
    pub undo: Option<Undo>,
    /// What it remembered, by key.
    pub memos: BTreeMap<String, String>,
    /// What its attempts have spent.
    pub ledger: Ledger,
    /// Its item, where it is an element of a map.
    pub item: Option<Json>,
    pub(super) phases: [PhaseState; 3],
    /// Its place in the order of first starts, for ties in the order of undoing.
    pub(crate) start_order: Option<u64>,
    pub(crate) input_hash: Option<Digest>,
    pub(crate) last_end: Option<End>,
    /// What the attempt under way has reported durably, but for what its memos cost.
    pub(super) attempt_usage: Usage,
    /// What the memos cost that the attempt under way was the first to leave.
    pub(super) attempt_remembered: Usage,
    /// What the last `execute` that was not recorded had cost beside its memos, should `reconcile`
    /// still find it.
    pub(super) lost_usage: Usage,
    pub(crate) last_started_at: Option<Timestamp>,
}

/// A call under way.
#[derive(Debug, Clone, PartialEq)]
pub struct UnderWay {
    /// Which function.
    pub phase: Phase,
    /// 1-based within the phase.
    pub attempt: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// When the host ends it.
    pub deadline: Timestamp,
    /// The phase's idempotency key.
    pub key: IdempotencyKey,
}

/// A further call, not before its due time.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Which function.
    pub phase: Phase,
    /// The number the attempt will have.
    pub attempt: u32,
    /// When.
    pub due: Timestamp,
    /// How long that is from when it was decided.
    pub delay: Duration,
}

/// The counts of one phase that the limits of its retry policy are about.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PhaseState {
    /// Attempts started, lost ones included.
    pub attempts: u32,
    /// Of these, those that count against `attempts` of the policy.
    pub counted: u32,
    /// Those that ended as `retry-after`.
    pub throttled: u32,
    /// How many were lost with their host, in a row up to the last.
    pub lost_in_a_row: u32,
    /// Those that ended in a trap or at a limit of the guest.
    pub faults: u32,
    /// Those whose output was invalid.
    pub invalid_outputs: u32,
    /// When the first of those that count started.
    pub first_started_at: Option<Timestamp>,
    /// When the very first started.
    pub key_first_used_at: Option<Timestamp>,
    /// The wait before the last.
    pub previous_delay: Option<Duration>,
    /// The phase's idempotency key.
    pub key: Option<IdempotencyKey>,
    /// What memos of attempts cost that were not kept: once a later attempt is, so are they.
    pub(crate) remembered: Usage,
}

/// What is known about the effect of a step's `execute`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Knowledge {
    /// It never started.
    #[default]
    Untouched,
    /// It has had no effect: the guest said so, or `reconcile`, or a person.
    Clean,
    /// It failed, and may have had an effect.
    Perhaps,
    /// An attempt was cut off: whether it had its effect can still be asked.
    Unknown,
    /// It was asked, and cannot be known.
    Unknowable,
    /// It happened, and its output is recorded.
    Done,
}

/// How a step ended going forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its result is recorded.
    Succeeded,
    /// Its `when` was false.
    Skipped,
    /// It failed, and the run turns back.
    Failed,
    /// It failed, and the run goes on with a null.
    FailedOnwards,
    /// The element failed within its map's tolerance.
    Tolerated,
}

/// How the undo of a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// `compensate` succeeded.
    Compensated,
    /// There was nothing to undo.
    NotNeeded,
    /// A person undid it.
    Settled,
}

impl Instance {
    /// The counts of a phase.
    pub fn phase(&self, phase: Phase) -> &PhaseState {
        &self.phases[phase as usize]
    }

    /// Whether `execute` was ever started.
    pub fn has_started(&self) -> bool {
        self.phase(Phase::Execute).attempts > 0
    }

    /// How the last attempt ended.
    pub fn last_end(&self) -> Option<&End> {
        self.last_end.as_ref()
    }

    /// Whether what is known leaves room for an effect.
    pub fn may_have_had_an_effect(&self) -> bool {
        !matches!(self.knowledge, Knowledge::Untouched | Knowledge::Clean)
    }

    /// Whether an attempt's outcome is unknown, and may stay so.
    pub(crate) fn is_cut_off(&self) -> bool {
        matches!(self.knowledge, Knowledge::Unknown | Knowledge::Unknowable)
    }

    pub(super) fn phase_mut(&mut self, phase: Phase) -> &mut PhaseState {
        &mut self.phases[phase as usize]
    }
}

/// What the end of an `execute` says about its effect, given what was known before.
pub(super) fn knowledge_after(before: Knowledge, end: &End, step: &Step) -> Knowledge {
    let is_unknown = match end {
        End::Succeeded(_) => return Knowledge::Done,
        End::Reconciled(_) => return before,
        End::Failed(failure) => {
            let (_, verdict, _) = step.retry.for_code(&failure.code);
            let is_unknown =
                failure.kind == FailureKind::Unknown || verdict == Some(RuleVerdict::Unknown);
            // Who cannot know, or is not believed, cannot be clean.
            if failure.clean && !is_unknown {
                return Knowledge::Clean;
            }
            is_unknown
        }
        End::Host(host_end, _) => *host_end != HostEnd::Denied,
    };
    // A step that only computes has nothing to ask about.
    if is_unknown && step.effect != Effect::None {
        Knowledge::Unknown
    } else {
        before.max(Knowledge::Perhaps)
    }
}
