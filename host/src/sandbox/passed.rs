//! Puts what the host knows into the contract's types, on the way into a guest.
//! Passes on what the core has, and adds nothing to it.

use super::bindings::types;
use super::call::Call;
use super::time::Time;
use piton_core::{Failure, FailureKind};

/// What a guest is told about its call.
pub(super) fn context(call: &Call, time: &Time) -> types::Context {
    types::Context {
        run_id: call.run.to_string(),
        step: call.step.clone(),
        attempt: call.attempt,
        idempotency_key: call.key.to_string(),
        execute_key: call.execute_key.to_string(),
        time_left_ms: u64::try_from(time.left().as_millis()).unwrap_or(u64::MAX),
    }
}

/// The failure that made a run turn back.
pub(super) fn failure(failure: &Failure) -> types::Failure {
    let kind = match failure.kind {
        FailureKind::Retryable => types::FailureKind::Retryable,
        FailureKind::RetryAfter(wait) => {
            types::FailureKind::RetryAfter(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
        }
        FailureKind::Permanent => types::FailureKind::Permanent,
        FailureKind::Unknown => types::FailureKind::Unknown,
    };
    types::Failure {
        kind,
        clean: failure.clean,
        code: failure.code.clone(),
        message: failure.message.clone(),
        details: failure.details.as_ref().map(|details| details.as_str().to_owned()),
    }
}
