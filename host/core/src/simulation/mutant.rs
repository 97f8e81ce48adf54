//! Hosts that break a rule on purpose, to see that the simulation notices.
//! The core itself is never changed: a mutant hands it a wrong pipeline, or does other than it says.

use super::choose::Choose;
use crate::event::Event;
use crate::id::IdempotencyKey;
use crate::pipeline::{Effect, OnExhausted, Pipeline};
use crate::value::Timestamp;
use std::time::Duration;

/// A rule that a simulated host breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Undoes a step before those that depend on it.
    UndoBeforeDependants,
    /// Sends another idempotency key with each attempt.
    KeyPerAttempt,
    /// Draws the waits under way anew after a restart.
    RetryDrawnAgain,
    /// Forgets after a restart when the waits under way end.
    DueTimeLost,
    /// Turns back behind a pivot.
    UndoBehindPivot,
    /// Calls before the start of the attempt is durable.
    CallBeforeDurable,
    /// Acts on a result before it is durable.
    ResultNotDurable,
    /// Takes some steps for steps without an effect.
    UndoForgotten,
    /// Begins a further attempt although the first may still run.
    CallNotDropped,
    /// Goes on although the budget is used up.
    BudgetIgnored,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::UndoBeforeDependants,
        Self::KeyPerAttempt,
        Self::RetryDrawnAgain,
        Self::DueTimeLost,
        Self::UndoBehindPivot,
        Self::CallBeforeDurable,
        Self::ResultNotDurable,
        Self::UndoForgotten,
        Self::CallNotDropped,
        Self::BudgetIgnored,
    ];

    /// The pipeline that the mutant's core is given in place of the right one.
    pub(super) fn pipeline(self, pipeline: &Pipeline, has_turned: bool) -> Pipeline {
        let mut other = pipeline.clone();
        match self {
            Self::UndoBeforeDependants if has_turned => {
                other.compensation_parallel = u32::MAX;
                other.steps.iter_mut().for_each(|step| step.after.clear());
            }
            Self::UndoBehindPivot => {
                for step in &mut other.steps {
                    step.pivot = false;
                    if step.on_exhausted == OnExhausted::Pause {
                        step.on_exhausted = OnExhausted::Compensate;
                    }
                }
            }
            Self::UndoForgotten => {
                let forgotten = other.steps.iter_mut().filter(|step| step.after.is_empty());
                forgotten.for_each(|step| step.effect = Effect::None);
            }
            Self::BudgetIgnored => other.budget = None,
            _ => {}
        }
        other
    }

    /// The key that a call is made with, and recorded with.
    pub(super) fn key(self, key: IdempotencyKey, attempt: u32) -> IdempotencyKey {
        match self {
            Self::KeyPerAttempt => IdempotencyKey::from_bits(key.bits() ^ u128::from(attempt)),
            _ => key,
        }
    }

    /// What the mutant records of an event.
    pub(super) fn record(self, mut event: Event) -> Event {
        if let Event::AttemptStarted { key, attempt, .. } = &mut event {
            *key = self.key(*key, *attempt);
        }
        event
    }

    /// What the mutant reads of an event after a restart, and whether it records that anew.
    pub(super) fn reread(
        self,
        event: &Event,
        now: Timestamp,
        choose: &mut dyn Choose,
    ) -> Option<(Event, bool)> {
        let Event::RetryScheduled { instance, phase, attempt, rule, .. } = event else {
            return None;
        };
        let delay = match self {
            Self::RetryDrawnAgain => Duration::from_millis(choose.number() % 60_000),
            Self::DueTimeLost => Duration::ZERO,
            _ => return None,
        };
        let (instance, phase, attempt, rule) = (*instance, *phase, *attempt, *rule);
        let due = now.after(delay);
        let reread = Event::RetryScheduled { instance, phase, attempt, due, delay, rule };
        Some((reread, self == Self::RetryDrawnAgain))
    }
}
