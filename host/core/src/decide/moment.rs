//! What a decision is given besides the state: time, chance, and the values of expressions.
//! Never asks the system for any of them.

use crate::backoff::Draw;
use crate::id::{Digest, IdempotencyKey, InstanceId, Phase, RunId, StepIndex};
use crate::run::Run;
use crate::value::{Json, Timestamp};
use std::fmt;

/// When a decision is made, and by whom.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// The time.
    pub now: Timestamp,
    /// A fresh random number.
    pub random: Draw,
    /// The number of the host's hold on the journal.
    pub fence: u64,
    /// Whether calls may be started. False while the host leaves: what is ready then stays ready.
    pub may_start: bool,
    /// The values of expressions.
    pub evaluate: &'a dyn Evaluate,
}

/// What the core cannot compute from std alone: pure functions of their arguments.
pub trait Evaluate {
    /// Whether a step with `when` is to run.
    ///
    /// # Errors
    /// [`EvaluationError`] where the expression has no value of the right type, here and below.
    fn when(&self, run: &Run, step: StepIndex) -> Result<bool, EvaluationError>;

    /// The input of an instance, and its hash. The same for all attempts of all phases.
    ///
    /// # Errors
    /// As above.
    fn input(&self, run: &Run, instance: InstanceId) -> Result<(Json, Digest), EvaluationError>;

    /// The items of a map.
    ///
    /// # Errors
    /// As above, and where there are more than the map may have.
    fn items(&self, run: &Run, step: StepIndex) -> Result<Vec<Json>, EvaluationError>;

    /// When a `wait_until` node ends.
    ///
    /// # Errors
    /// As above.
    fn until(&self, run: &Run, step: StepIndex) -> Result<Timestamp, EvaluationError>;

    /// The run's output, once all its steps have ended well.
    ///
    /// # Errors
    /// As above.
    fn output(&self, run: &Run) -> Result<Json, EvaluationError>;

    /// The key that all calls of this phase carry, and no other.
    fn key(&self, run: RunId, step: &str, phase: Phase) -> IdempotencyKey;
}

/// An expression of the manifest that has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationError {
    /// Which expression, and why; for people.
    pub message: String,
}

impl EvaluationError {
    /// An error with this text.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EvaluationError {}
