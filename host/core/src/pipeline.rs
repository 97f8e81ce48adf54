//! What a pipeline asks for: its steps, their order and their policies, as checked data.
//! Owns the defaults of every policy and the rules a graph must keep; never sees a manifest's text,
//! an expression or a component: those are the host's, and come in by index.

mod budget;
mod graph;
mod retry_policy;

pub use budget::{Budget, OnBudget};
pub use graph::Mistake;
pub use retry_policy::{RetryPolicy, RetryRule, RuleVerdict, glob_matches};

use crate::id::{InstanceId, StepIndex};
use crate::value::Timestamp;
use std::time::Duration;

/// A pipeline, ready to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// Its name, for people.
    pub name: String,
    /// The steps, in the order of the manifest.
    pub steps: Vec<Step>,
    /// How long a run may take from its start, waits included. Default: no limit.
    pub deadline: Option<Duration>,
    /// What attempts under way may do when the run turns back.
    pub on_sibling_failure: OnSiblingFailure,
    /// What an undo that fails for good means for what its step depended on.
    pub on_compensation_failure: OnCompensationFailure,
    /// How many undos may be under way at once; at least 1. Default 1.
    pub compensation_parallel: u32,
    /// What a run may spend. Default: no limit.
    pub budget: Option<Budget>,
}

/// One node of the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name: an identifier.
    pub name: String,
    /// The steps that must have ended well before this one starts; sorted, no duplicates.
    pub after: Vec<StepIndex>,
    /// Whether a `when` expression decides if it runs at all.
    pub has_when: bool,
    /// What it does.
    pub kind: StepKind,
    /// Whether the run only goes forward once this step's result is recorded.
    pub pivot: bool,
    /// What may be assumed about an attempt whose outcome is unknown.
    pub effect: Effect,
    /// Whether its component exports `reconcile`.
    pub reconciles: bool,
    /// Whether it is undone at all: false is `compensate = "none"` in the manifest.
    pub compensates: bool,
    /// What happens when no attempt is left.
    pub on_exhausted: OnExhausted,
    /// Wall time of one attempt, in each phase. Default 30 s.
    pub timeout: Duration,
    /// How `execute` and, while the run goes forward, `reconcile` are retried.
    pub retry: RetryPolicy,
    /// How `compensate` and, while the run goes back, `reconcile` are retried.
    pub undo: RetryPolicy,
    /// How long the called service remembers an idempotency key, from the first attempt on; an
    /// attempt with unknown outcome is not just repeated after that. Default: for ever.
    pub idempotency_window: Option<Duration>,
    /// How many attempts in a row may be lost with their host before a person is asked. Default 3.
    pub lost_attempts_max: u32,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// Calls a component once.
    Call,
    /// Calls a component once for each item of a list.
    Map(MapPolicy),
    /// Waits, and calls nothing.
    Wait(Waiting),
}

/// How the elements of a map are run.
#[derive(Debug, Clone, PartialEq)]
pub struct MapPolicy {
    /// How many elements may be under way at once; at least 1. Default 16.
    pub max_parallel: u32,
    /// How many elements may fail while the map still succeeds.
    pub tolerate: Tolerance,
    /// The most elements a list may have. Default 10,000.
    pub items_max: u32,
}

/// How many elements of a map may fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// This many.
    Count(u32),
    /// This share of all, rounded down; 0 to 100.
    Percent(f64),
}

impl Tolerance {
    /// How many of `total` elements may fail.
    pub fn of(self, total: usize) -> usize {
        match self {
            Self::Count(count) => count as usize,
            Self::Percent(percent) => (total as f64 * percent / 100.0).floor() as usize,
        }
    }
}

/// What a waiting node waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Waiting {
    /// A span of time from when it is reached.
    For(Duration),
    /// A moment that an expression gives.
    Until,
    /// A signal of this name.
    Signal(String),
    /// A person's yes or no.
    Approval {
        /// Who is asked, for people.
        from: String,
        /// How long they have; none: for ever.
        due: Option<Duration>,
    },
}

/// What may be assumed about an attempt whose outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effect {
    /// It only computes: repeat it; never owed an undo.
    None,
    /// It honours the idempotency key: reconcile it where it can be, else repeat it.
    #[default]
    Idempotent,
    /// It can tell what became of a lost call: reconcile it, and ask a person where it cannot tell.
    Reconcilable,
    /// Neither: ask a person.
    Unsafe,
}

/// What happens when no attempt is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExhausted {
    /// The run turns back.
    #[default]
    Compensate,
    /// The step is stuck until a person says what to do.
    Pause,
    /// The run goes on; the step's output is null.
    Continue,
}

/// What attempts under way may do when the run turns back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnSiblingFailure {
    /// End by themselves; their result is recorded, and they are not retried.
    #[default]
    Finish,
    /// Be dropped at once, their outcome unknown.
    Interrupt,
}

/// What an undo that fails for good means for what its step depended on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnCompensationFailure {
    /// Nothing that the step depended on is undone; other branches go on.
    #[default]
    Halt,
    /// The rollback goes on as if it had been undone.
    Continue,
}

impl Pipeline {
    /// A pipeline of these steps, with every other policy at its default.
    pub fn new(name: impl Into<String>, steps: Vec<Step>) -> Self {
        Self {
            name: name.into(),
            steps,
            deadline: None,
            on_sibling_failure: OnSiblingFailure::default(),
            on_compensation_failure: OnCompensationFailure::default(),
            compensation_parallel: 1,
            budget: None,
        }
    }

    /// The step at `index`.
    ///
    /// # Panics
    /// Where the index is of another pipeline: a bug.
    pub fn step(&self, index: StepIndex) -> &Step {
        &self.steps[index.0 as usize]
    }

    /// All indexes, in the order of the manifest.
    pub fn indexes(&self) -> impl DoubleEndedIterator<Item = StepIndex> + use<> {
        (0..u32::try_from(self.steps.len()).expect("a pipeline should have fewer than 2^32 steps"))
            .map(StepIndex)
    }

    /// The index of the step with this name.
    pub fn index_of(&self, name: &str) -> Option<StepIndex> {
        self.indexes().find(|index| self.step(*index).name == name)
    }

    /// The moment at which a run that started then is over time.
    pub(crate) fn deadline_from(&self, started_at: Timestamp) -> Option<Timestamp> {
        self.deadline.map(|deadline| started_at.after(deadline))
    }
}

impl Step {
    /// A step that calls a component, with every policy at its default.
    pub fn call(name: impl Into<String>, after: Vec<StepIndex>) -> Self {
        Self {
            name: name.into(),
            after,
            has_when: false,
            kind: StepKind::Call,
            pivot: false,
            effect: Effect::default(),
            reconciles: false,
            compensates: true,
            on_exhausted: OnExhausted::default(),
            timeout: Duration::from_secs(30),
            retry: RetryPolicy::for_execute(),
            undo: RetryPolicy::for_compensate(),
            idempotency_window: None,
            lost_attempts_max: 3,
        }
    }

    /// Whether it calls a component at all.
    pub const fn calls(&self) -> bool {
        !matches!(self.kind, StepKind::Wait(_))
    }

    /// Whether this instance of it is what is called: of a map, its elements are.
    pub(crate) const fn calls_as(&self, instance: InstanceId) -> bool {
        match self.kind {
            StepKind::Call => true,
            StepKind::Map(_) => instance.element.is_some(),
            StepKind::Wait(_) => false,
        }
    }

    /// Whether it could ever be owed an undo.
    pub fn may_owe_an_undo(&self) -> bool {
        self.calls() && self.compensates && self.effect != Effect::None
    }
}
