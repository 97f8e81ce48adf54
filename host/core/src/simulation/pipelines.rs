//! Draws pipelines: any graph, kind and policy that a manifest may ask for.
//! Never draws one with a mistake in it.

use super::choose::Choose;
use crate::backoff::Jitter;
use crate::id::StepIndex;
use crate::ledger::Usage;
use crate::pipeline::{
    Budget, Effect, MapPolicy, Mistake, OnBudget, OnCompensationFailure, OnExhausted,
    OnSiblingFailure, Pipeline, RetryPolicy, RetryRule, RuleVerdict, Step, StepKind, Tolerance,
    Waiting,
};
use std::time::Duration;

/// Draws a pipeline of up to `steps_max` steps.
pub fn draw_pipeline(choose: &mut dyn Choose, steps_max: usize) -> Pipeline {
    let count = 1 + choose.pick(steps_max);
    let steps = (0..count).map(|index| draw_step(choose, index)).collect();
    let mut pipeline = Pipeline::new("drawn", steps);
    pipeline.deadline = choose.happens(150).then(|| millis(choose, 600_000));
    pipeline.compensation_parallel = 1 + choose.pick(3) as u32;
    if choose.happens(300) {
        pipeline.on_sibling_failure = OnSiblingFailure::Interrupt;
    }
    if choose.happens(300) {
        pipeline.on_compensation_failure = OnCompensationFailure::Continue;
    }
    pipeline.budget = choose.happens(200).then(|| draw_budget(choose));
    mend(&mut pipeline);
    pipeline
}

/// A budget that a few calls use up.
fn draw_budget(choose: &mut dyn Choose) -> Budget {
    let mut limits = Usage::new();
    limits.add("usd", 1 + choose.number() % 5_000).expect("a small amount should fit");
    let on = one_of(choose, &[OnBudget::Pause, OnBudget::RollBack]);
    Budget { limits, on }
}

fn draw_step(choose: &mut dyn Choose, index: usize) -> Step {
    let after = (0..index).filter(|_| choose.happens(350)).map(|before| StepIndex(before as u32));
    let after = after.collect();
    let mut step = Step::call(format!("s{index}"), after);
    step.has_when = choose.happens(150);
    step.kind = draw_kind(choose);
    step.pivot = choose.happens(120);
    step.effect =
        one_of(choose, &[Effect::None, Effect::Idempotent, Effect::Reconcilable, Effect::Unsafe]);
    step.reconciles = step.effect == Effect::Reconcilable || choose.happens(300);
    step.compensates = !choose.happens(150);
    step.on_exhausted = one_of(
        choose,
        &[
            OnExhausted::Compensate,
            OnExhausted::Compensate,
            OnExhausted::Pause,
            OnExhausted::Continue,
        ],
    );
    if choose.happens(300) {
        step.timeout = millis(choose, 40_000);
    }
    step.retry = draw_policy(choose, RetryPolicy::for_execute());
    step.undo = draw_policy(choose, RetryPolicy::for_compensate());
    step.idempotency_window = choose.happens(200).then(|| millis(choose, 100_000));
    step.lost_attempts_max = 1 + choose.pick(3) as u32;
    step
}

fn draw_kind(choose: &mut dyn Choose) -> StepKind {
    match choose.pick(10) {
        0 | 1 => StepKind::Map(MapPolicy {
            max_parallel: 1 + choose.pick(3) as u32,
            tolerate: match choose.pick(3) {
                0 => Tolerance::Percent(50.0),
                count => Tolerance::Count(count as u32 - 1),
            },
            items_max: 10,
        }),
        2 => StepKind::Wait(match choose.pick(5) {
            0 => Waiting::For(millis(choose, 60_000)),
            1 => Waiting::Until,
            2 => Waiting::Signal("go".into()),
            _ => Waiting::Approval {
                from: "somebody".into(),
                due: choose.happens(500).then(|| millis(choose, 60_000)),
            },
        }),
        _ => StepKind::Call,
    }
}

fn draw_policy(choose: &mut dyn Choose, mut policy: RetryPolicy) -> RetryPolicy {
    policy.attempts = 1 + choose.pick(4) as u32;
    policy.backoff.jitter =
        one_of(choose, &[Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::None]);
    policy.throttled_attempts = 1 + choose.pick(3) as u32;
    if choose.happens(200) {
        policy.max_elapsed = millis(choose, 60_000);
    }
    if choose.happens(200) {
        policy.retry_after_max = millis(choose, 60_000);
    }
    if choose.happens(250) {
        let code = one_of(choose, &["busy*", "refused", "timed-out", "lost", "unclear", "*"]);
        let verdicts = [
            None,
            Some(RuleVerdict::Retryable),
            Some(RuleVerdict::Permanent),
            Some(RuleVerdict::Unknown),
        ];
        let changed = choose.happens(500).then(|| {
            let attempts = policy.attempts + 2;
            Box::new(RetryPolicy { attempts, ..policy.clone() })
        });
        let verdict = one_of(choose, &verdicts);
        policy.rules = vec![RetryRule { code: code.into(), verdict, policy: changed }];
    }
    policy
}

/// Takes back what makes the drawn pipeline one that no manifest may ask for.
fn mend(pipeline: &mut Pipeline) {
    loop {
        let mistakes = pipeline.mistakes();
        let Some(mistake) = mistakes.into_iter().next() else { return };
        match mistake {
            Mistake::PivotNotOrdered { pivot, .. } | Mistake::PivotsNotOrdered(pivot, _) => {
                pipeline.steps[pivot.0 as usize].pivot = false;
            }
            Mistake::CompensateBehindPivot { step, .. } => {
                pipeline.steps[step.0 as usize].on_exhausted = OnExhausted::Pause;
            }
            Mistake::Cycle(path) => unreachable!("edges go one way, and yet {path:?}"),
        }
    }
}

fn one_of<T: Clone>(choose: &mut dyn Choose, ways: &[T]) -> T {
    ways[choose.pick(ways.len())].clone()
}

fn millis(choose: &mut dyn Choose, most: u64) -> Duration {
    Duration::from_millis(1 + choose.number() % most)
}
