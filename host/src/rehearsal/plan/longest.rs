//! Takes every draw out of a pipeline's waits: each is as long as it can be.
//! Never changes how often anything is tried.

use piton_core::{Jitter, Pipeline, RetryPolicy};
use std::sync::Arc;

/// The pipeline with the longest waits.
pub(super) fn waits(pipeline: &Pipeline) -> Arc<Pipeline> {
    let mut pipeline = pipeline.clone();
    for step in &mut pipeline.steps {
        lengthen(&mut step.retry);
        lengthen(&mut step.undo);
    }
    Arc::new(pipeline)
}

fn lengthen(policy: &mut RetryPolicy) {
    let backoff = &mut policy.backoff;
    if backoff.jitter == Jitter::Decorrelated {
        // Up to three times the wait before, which starts at the base.
        backoff.base = backoff.base.saturating_mul(3);
        backoff.factor = 3.0;
    }
    backoff.jitter = Jitter::None;
    for rule in &mut policy.rules {
        rule.policy.iter_mut().for_each(|policy| lengthen(policy));
    }
}
