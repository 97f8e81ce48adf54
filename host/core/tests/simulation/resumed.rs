//! Runs that were cut off again and again end like those that nothing disturbed.
//! The steps are deterministic here, as the promise is about the host.

use crate::{outline, told};
use piton_core::simulation::{
    Answer, Choose, Drawn, Faults, Steps, Story, StubEvaluate, Telling, draw_pipeline, tell,
};
use piton_core::{
    Call, Effect, End, Failure, FailureKind, Json, OnExhausted, Phase, Pipeline, Reconciled,
    RetryPolicy, RunId, StepIndex, StepKind, Usage, Waiting,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Steps that always answer a call in the same way.
struct SameSteps {
    refusing: Option<StepIndex>,
    done: BTreeSet<(u32, Option<u32>)>,
}

impl Steps for SameSteps {
    fn answer(&mut self, _pipeline: &Pipeline, call: &Call, _choose: &mut dyn Choose) -> Answer {
        let place = (call.instance.step.0, call.instance.element);
        let output = Json::from_checked(format!("[{},{}]", place.0, place.1.unwrap_or(0)));
        let is_done = self.done.contains(&place);
        let end = match call.phase {
            Phase::Execute if self.refusing == Some(call.instance.step) => End::Failed(Failure {
                kind: FailureKind::Permanent,
                clean: false,
                code: "no".into(),
                message: "always".into(),
                details: None,
            }),
            Phase::Execute => {
                self.done.insert(place);
                End::Succeeded(Some(output))
            }
            Phase::Reconcile if is_done => End::Reconciled(Reconciled::Done(output)),
            Phase::Reconcile => End::Reconciled(Reconciled::NotDone),
            Phase::Compensate => End::Succeeded(None),
        };
        Answer { end, takes: Duration::from_secs(3), usage: Usage::new(), memo: None }
    }

    fn heal(&mut self) {}
}

/// A drawn pipeline without anything that a lapse of time or a person decides.
fn timeless(choose: &mut Drawn, is_chain: bool) -> Pipeline {
    let mut pipeline = draw_pipeline(choose, 6);
    pipeline.deadline = None;
    for (index, step) in (0..).zip(&mut pipeline.steps) {
        if is_chain {
            step.after = (index > 0).then(|| StepIndex(index - 1)).into_iter().collect();
            // What a refusal cuts off beside it depends on when the host died.
            if let StepKind::Map(policy) = &mut step.kind {
                policy.max_parallel = 1;
            }
        }
        if step.effect == Effect::Unsafe {
            step.effect = Effect::Idempotent;
        }
        if matches!(step.kind, StepKind::Wait(_)) {
            step.kind = StepKind::Wait(Waiting::For(Duration::from_secs(20)));
        }
        step.pivot = false;
        step.on_exhausted = OnExhausted::Compensate;
        step.timeout = Duration::from_secs(30);
        step.retry = RetryPolicy::for_execute();
        step.retry.attempts = 1_000;
        step.retry.max_elapsed = Duration::MAX;
        step.undo = step.retry.clone();
        step.idempotency_window = None;
        step.lost_attempts_max = 1_000;
    }
    pipeline
}

fn story(seed: u64, is_chain: bool, crash: u32) -> Story {
    let mut choose = Drawn::new(seed);
    let pipeline = Arc::new(timeless(&mut choose, is_chain));
    let mut evaluate = StubEvaluate::sound(seed);
    evaluate.skipped = 300;
    let refusing = is_chain
        .then(|| StepIndex(u32::try_from(choose.pick(pipeline.steps.len())).expect("few steps")));
    let mut steps = SameSteps { refusing, done: BTreeSet::new() };
    let downtimes = vec![Duration::ZERO, Duration::from_secs(7), Duration::from_secs(86_400)];
    let faults = Faults { crash, crashes_max: 12, downtimes, leaving: 100, ..Faults::none() };
    let run = RunId::from_bits(u128::from(seed));
    let (evaluate, steps, faults) = (&evaluate, &mut steps, &faults);
    tell(Telling { pipeline, run, evaluate, steps, faults, mutant: None }, &mut choose)
}

fn check(seed: u64, is_chain: bool) {
    let calm = told(seed, || story(seed, is_chain, 0));
    let wild = told(seed, || story(seed, is_chain, 150));
    for story in [&calm, &wild] {
        let is_sound = story.problems.is_empty();
        assert!(is_sound, "seed {seed}\n{story}\n{}", outline(story.run.pipeline()));
    }
    let end = |story: &Story| {
        let run = &story.run;
        let steps: Vec<_> = (run.instances().into_iter())
            .map(|instance| {
                let output = run.instance(instance).output.clone();
                (instance, run.instance_status(instance), output)
            })
            .collect();
        (run.status(), run.output().cloned(), steps, run.effects_that_stay())
    };
    assert_eq!(end(&calm), end(&wild), "seed {seed}\n{calm}\n{wild}");
}

#[test]
fn a_resumed_graph_completes_like_an_undisturbed_one() {
    (0..1_500).for_each(|seed| check(seed, false));
}

#[test]
fn a_resumed_rollback_ends_like_an_undisturbed_one() {
    (0..1_500).for_each(|seed| check(seed, true));
}
