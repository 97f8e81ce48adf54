//! Owns what a step learns about the call it is serving.
//! Never holds anything that a step could use to steer the host.

use std::time::Duration;

use crate::bindings::plugin::piton::step::types;

/// Describes the call: whose it is, which attempt, and the keys that name its effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The run, as a UUIDv7.
    pub run_id: String,
    /// The step's name in the manifest; an element of a map has its `[index]` at the end.
    pub step: String,
    /// Which attempt of this phase this is, from 1. Attempts that were lost in a crash count.
    pub attempt: u32,
    /// A UUID that all attempts of this phase share, and nothing else does. Send it with each
    /// request that changes something.
    pub idempotency_key: String,
    /// The idempotency key of `execute`. In `compensate` and `reconcile` this is what to look for.
    pub execute_key: String,
    /// How much time the call had left when it began. At its end the host ends the call.
    pub time_left: Duration,
}

/// A first attempt with 30 seconds and made-up names: for unit tests of a step.
impl Default for Context {
    fn default() -> Self {
        let key = "00000000-0000-8000-8000-000000000001".to_owned();
        Context {
            run_id: "00000000-0000-7000-8000-000000000000".to_owned(),
            step: "step".to_owned(),
            attempt: 1,
            idempotency_key: key.clone(),
            execute_key: key,
            time_left: Duration::from_secs(30),
        }
    }
}

impl From<types::Context> for Context {
    fn from(context: types::Context) -> Self {
        Context {
            run_id: context.run_id,
            step: context.step,
            attempt: context.attempt,
            idempotency_key: context.idempotency_key,
            execute_key: context.execute_key,
            time_left: Duration::from_millis(context.time_left_ms),
        }
    }
}
