//! What can become true of a run. State is the fold of these, and of nothing else.
//! Plain past facts; their stored form is the journal's.

use crate::end::End;
use crate::id::{Digest, IdempotencyKey, InstanceId, Phase, StepIndex};
use crate::ledger::Usage;
use crate::value::{Json, Timestamp};
use std::time::Duration;

/// One fact about a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The run began. Always its first event.
    RunStarted {
        /// The pipeline's name.
        pipeline: String,
        /// The manifest's text, by its digest in the component store.
        manifest: Digest,
        /// The folder that the manifest's relative paths are relative to.
        folder: String,
        /// The component of each step that calls one, by its digest; none for waiting nodes.
        components: Vec<Option<Digest>>,
        /// The run's input.
        input: Json,
        /// What `--key` said, so that the same key never starts a second run.
        key: Option<String>,
    },
    /// A call is about to be made. Durable before the guest's store exists.
    AttemptStarted {
        /// What is called.
        instance: InstanceId,
        /// Which of its functions.
        phase: Phase,
        /// 1-based within the phase.
        attempt: u32,
        /// The component's digest.
        digest: Digest,
        /// The hash of the call's input.
        input_hash: Digest,
        /// The idempotency key of the phase.
        key: IdempotencyKey,
        /// When the host ends the call.
        deadline: Timestamp,
        /// The number of the host's hold on the journal.
        fence: u64,
    },
    /// A guest noted something for later attempts.
    MemoRemembered {
        /// Whose memo.
        instance: InstanceId,
        /// The phase that noted it.
        phase: Phase,
        /// The attempt that noted it.
        attempt: u32,
        /// The memo's key.
        key: String,
        /// Its value.
        value: String,
        /// What the attempt had spent since its last durable report.
        usage: Usage,
    },
    /// A call is over.
    AttemptEnded {
        /// What was called.
        instance: InstanceId,
        /// Which of its functions.
        phase: Phase,
        /// Which attempt.
        attempt: u32,
        /// How it ended.
        end: End,
        /// What it spent since its last durable report.
        usage: Usage,
        /// Log lines of the step that belong to this attempt and those before.
        log_cursor: u64,
    },
    /// A further call is to be made, not before its due time.
    RetryScheduled {
        /// What is to be called.
        instance: InstanceId,
        /// Which of its functions.
        phase: Phase,
        /// The number that attempt will have.
        attempt: u32,
        /// When.
        due: Timestamp,
        /// How long that is from the decision.
        delay: Duration,
        /// The retry rule that decided, from 1; none: the policy itself.
        rule: Option<u32>,
    },
    /// The step's `when` was false.
    StepSkipped {
        /// The step.
        step: StepIndex,
    },
    /// A map's list was evaluated; its elements exist from here on.
    MapStarted {
        /// The map.
        step: StepIndex,
        /// Its items, in order.
        items: Vec<Json>,
    },
    /// All elements of a map have ended, within its tolerance.
    MapEnded {
        /// The map.
        step: StepIndex,
        /// The elements' outputs in order, null for a tolerated failure.
        output: Json,
    },
    /// A waiting node was reached.
    WaitStarted {
        /// The node.
        step: StepIndex,
        /// When it ends by itself; none: never.
        until: Option<Timestamp>,
    },
    /// A waiting node is over.
    WaitEnded {
        /// The node.
        step: StepIndex,
        /// Its output.
        output: Json,
    },
    /// Somebody sent a signal. Kept even where no node waits for it yet.
    SignalReceived {
        /// Its name.
        name: String,
        /// What came with it.
        data: Json,
        /// Who sent it.
        by: String,
    },
    /// A step has failed: no attempt of it is left, or none could be made.
    StepFailed {
        /// What failed.
        instance: InstanceId,
        /// How, for people and programs.
        failure: StepFailure,
        /// What the manifest says to that.
        verdict: Verdict,
    },
    /// A step needs a person.
    StepStuck {
        /// What is stuck.
        instance: InstanceId,
        /// In which phase.
        phase: Phase,
        /// Why.
        failure: StepFailure,
    },
    /// The run is to turn back, but a pivot's outcome must be known first.
    TurnRequested {
        /// Why.
        cause: Cause,
    },
    /// The run will not turn back: a pivot's result was recorded.
    TurnRefused,
    /// The run turns back: from here on, only undoing.
    RollbackStarted {
        /// Why.
        cause: Cause,
    },
    /// What was owed an undo turned out to have done nothing.
    UndoNotNeeded {
        /// Whose undo.
        instance: InstanceId,
    },
    /// A person said what became of a step.
    Settled {
        /// Which.
        instance: InstanceId,
        /// What they said.
        settlement: Settlement,
        /// Why, in their words.
        because: String,
        /// Who.
        by: String,
    },
    /// A person asked for further attempts of what is stuck.
    RetryRequested {
        /// What is stuck.
        instance: InstanceId,
        /// Who asked.
        by: String,
    },
    /// The run is to stop where it is, its effects kept.
    CancelRequested {
        /// Who asked.
        by: String,
    },
    /// The run has spent most of its budget.
    BudgetWarned {
        /// The unit.
        unit: String,
        /// What was spent of it since the budget was last renewed, in millionths.
        spent: u64,
        /// What may be, in millionths.
        limit: u64,
    },
    /// The run has spent its budget: no attempt of `execute` starts any more.
    BudgetUsedUp {
        /// The unit.
        unit: String,
        /// What was spent of it since the budget was last renewed, in millionths.
        spent: u64,
        /// What may be, in millionths.
        limit: u64,
    },
    /// A person gave the run its whole budget once more.
    BudgetRenewed {
        /// Who.
        by: String,
    },
    /// The run's `[output]` could not be evaluated.
    OutputFailed {
        /// Why.
        message: String,
    },
    /// The run is over. Always its last event.
    RunFinished {
        /// How.
        status: crate::run::RunStatus,
        /// The run's output; none unless it completed.
        output: Option<Json>,
    },
}

impl Event {
    /// The step or element that it is about, where it is about one.
    pub const fn instance(&self) -> Option<InstanceId> {
        match self {
            Self::AttemptStarted { instance, .. }
            | Self::MemoRemembered { instance, .. }
            | Self::AttemptEnded { instance, .. }
            | Self::RetryScheduled { instance, .. }
            | Self::StepFailed { instance, .. }
            | Self::StepStuck { instance, .. }
            | Self::UndoNotNeeded { instance }
            | Self::Settled { instance, .. }
            | Self::RetryRequested { instance, .. } => Some(*instance),
            Self::StepSkipped { step }
            | Self::MapStarted { step, .. }
            | Self::MapEnded { step, .. }
            | Self::WaitStarted { step, .. }
            | Self::WaitEnded { step, .. } => Some(InstanceId::of(*step)),
            Self::RunStarted { .. }
            | Self::SignalReceived { .. }
            | Self::TurnRequested { .. }
            | Self::TurnRefused
            | Self::RollbackStarted { .. }
            | Self::CancelRequested { .. }
            | Self::BudgetWarned { .. }
            | Self::BudgetUsedUp { .. }
            | Self::BudgetRenewed { .. }
            | Self::OutputFailed { .. }
            | Self::RunFinished { .. } => None,
        }
    }

    /// Its word in the journal.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::RunStarted { .. } => "run-started",
            Self::AttemptStarted { .. } => "attempt-started",
            Self::MemoRemembered { .. } => "memo-remembered",
            Self::AttemptEnded { .. } => "attempt-ended",
            Self::RetryScheduled { .. } => "retry-scheduled",
            Self::StepSkipped { .. } => "step-skipped",
            Self::MapStarted { .. } => "map-started",
            Self::MapEnded { .. } => "map-ended",
            Self::WaitStarted { .. } => "wait-started",
            Self::WaitEnded { .. } => "wait-ended",
            Self::SignalReceived { .. } => "signal-received",
            Self::StepFailed { .. } => "step-failed",
            Self::StepStuck { .. } => "step-stuck",
            Self::TurnRequested { .. } => "turn-requested",
            Self::TurnRefused => "turn-refused",
            Self::RollbackStarted { .. } => "rollback-started",
            Self::UndoNotNeeded { .. } => "undo-not-needed",
            Self::Settled { .. } => "settled",
            Self::RetryRequested { .. } => "retry-requested",
            Self::CancelRequested { .. } => "cancel-requested",
            Self::BudgetWarned { .. } => "budget-warned",
            Self::BudgetUsedUp { .. } => "budget-used-up",
            Self::BudgetRenewed { .. } => "budget-renewed",
            Self::OutputFailed { .. } => "output-failed",
            Self::RunFinished { .. } => "run-finished",
        }
    }
}

/// Why a step failed or is stuck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepFailure {
    /// How its last attempt ended, or `not-started` where none could be made.
    pub end: String,
    /// The guest's code, or the host's word.
    pub code: String,
    /// For people.
    pub message: String,
    /// Which limit left no further attempt.
    pub limit: Limit,
}

/// What left a step no further attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// The failure is permanent, by the guest's word or a rule's.
    Permanent,
    /// All attempts are used up.
    Attempts,
    /// All throttled attempts are used up.
    ThrottledAttempts,
    /// The next attempt would come after `max_elapsed`.
    MaxElapsed,
    /// The guest asked for a longer wait than `retry_after_max`.
    RetryAfterMax,
    /// The next attempt would come after the run's deadline.
    RunDeadline,
    /// It ended the same way twice, as it would again.
    SameEnd,
    /// What it needs is not granted.
    Denied,
    /// An expression of the manifest had no value.
    Expression,
    /// Too many elements of the map failed.
    Tolerance,
    /// Its outcome is unknown and its `effect` does not allow to repeat it.
    UnknownOutcome,
    /// Its outcome is unknown and the service has forgotten its idempotency key.
    IdempotencyWindow,
    /// Too many attempts in a row were lost with their host.
    LostAttempts,
    /// Its input would differ from the one its first attempt had.
    InputChanged,
    /// A person refused, or nobody answered in time.
    NotApproved,
    /// A pivot's result is recorded, so the run cannot turn back.
    BehindPivot,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Permanent,
        Self::Attempts,
        Self::ThrottledAttempts,
        Self::MaxElapsed,
        Self::RetryAfterMax,
        Self::RunDeadline,
        Self::SameEnd,
        Self::Denied,
        Self::Expression,
        Self::Tolerance,
        Self::UnknownOutcome,
        Self::IdempotencyWindow,
        Self::LostAttempts,
        Self::InputChanged,
        Self::NotApproved,
        Self::BehindPivot,
    ];

    /// The word for it in the journal and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Attempts => "attempts",
            Self::ThrottledAttempts => "throttled-attempts",
            Self::MaxElapsed => "max-elapsed",
            Self::RetryAfterMax => "retry-after-max",
            Self::RunDeadline => "run-deadline",
            Self::SameEnd => "same-end",
            Self::Denied => "denied",
            Self::Expression => "expression",
            Self::Tolerance => "tolerance",
            Self::UnknownOutcome => "unknown-outcome",
            Self::IdempotencyWindow => "idempotency-window",
            Self::LostAttempts => "lost-attempts",
            Self::InputChanged => "input-changed",
            Self::NotApproved => "not-approved",
            Self::BehindPivot => "behind-pivot",
        }
    }
}

/// What the failure of a step means for its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The run turns back.
    TurnBack,
    /// The run goes on with a null in place of the output.
    GoOn,
    /// The element is undone alone, and its map goes on.
    Tolerated,
}

/// Why a run turns back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// This step failed.
    StepFailed(InstanceId),
    /// Somebody cancelled the run.
    Cancelled {
        /// Who.
        by: String,
    },
    /// Somebody asked for the rollback.
    Requested {
        /// Who.
        by: String,
    },
    /// The run's deadline passed.
    Deadline,
    /// The run's budget is used up.
    Budget,
    /// The run's `[output]` could not be evaluated.
    OutputFailed,
}

/// What a person says became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// It happened; this is its output.
    Done(Json),
    /// It never happened.
    NotDone,
    /// It is undone.
    Undone,
}
