//! What must be under way now, from the state alone. Recovery is: fold the journal, ask [`due`].
//! Never starts anything, and never remembers what it said before.

use crate::end::Failure;
use crate::id::{Digest, IdempotencyKey, InstanceId, Phase};
use crate::run::Run;
use crate::value::{Json, Timestamp};

/// What a run needs done now.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// The calls that must be under way, and no others.
    pub calls: Vec<Call>,
    /// When the run next has something to decide by itself.
    pub wake_at: Option<Timestamp>,
    /// Whether nothing will happen to the run any more.
    pub is_finished: bool,
}

/// A call that must be under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What is called.
    pub instance: InstanceId,
    /// Which of its functions.
    pub phase: Phase,
    /// Which attempt.
    pub attempt: u32,
    /// When the host ends it.
    pub deadline: Timestamp,
    /// The component's digest.
    pub digest: Digest,
    /// The phase's idempotency key.
    pub key: IdempotencyKey,
    /// The idempotency key of `execute`.
    pub execute_key: IdempotencyKey,
    /// For `compensate`: the recorded output of `execute`, if there is one.
    pub output: Option<Json>,
    /// For `compensate`: the failure that made the run turn back, if one did.
    pub cause: Option<Failure>,
}

/// Derives what must be under way.
pub fn due(run: &Run) -> Due {
    let calls = run.under_way.iter().filter_map(|instance| call(run, *instance)).collect();
    Due { calls, wake_at: run.next_timer(), is_finished: run.is_finished() }
}

fn call(run: &Run, instance: InstanceId) -> Option<Call> {
    let found = run.instance(instance);
    let under_way = found.under_way.as_ref()?;
    let is_undo = under_way.phase == Phase::Compensate;
    // Every other phase follows an `execute`, which left its key.
    let execute_key = found.phase(Phase::Execute).key.unwrap_or(under_way.key);
    Some(Call {
        instance,
        phase: under_way.phase,
        attempt: under_way.attempt,
        deadline: under_way.deadline,
        digest: run.component(instance.step)?,
        key: under_way.key,
        execute_key,
        output: found.output.clone().filter(|_| is_undo),
        cause: run.turn_failure().cloned().filter(|_| is_undo),
    })
}
