//! The pivot: behind it a run only goes forward.

use super::*;
use crate::pipeline::{Effect, OnExhausted};

/// Before, pivot, behind.
fn three() -> Play {
    Play::of([
        step("a", &[]),
        with(step("p", &[0]), |step| step.pivot = true),
        with(step("c", &[1]), |step| step.on_exhausted = OnExhausted::Pause),
    ])
}

/// A pivot, and a step beside it that only computes.
fn beside(reconciles: bool) -> Play {
    let pivot = with(step("p", &[]), |step| {
        (step.pivot, step.reconciles) = (true, reconciles);
        step.retry.attempts = 2;
    });
    Play::of([with(step("a", &[]), |step| step.effect = Effect::None), pivot])
}

#[test]
fn behind_a_pivot_a_failure_pauses() {
    let mut play = three();
    play.ends("a", ok()).ends("p", ok()).ends("c", refused());
    play.then(&["step-stuck c execute permanent"]).is(RunStatus::Stuck);
}

#[test]
fn behind_a_pivot_nobody_turns_back() {
    let mut play = three();
    play.ends("a", ok()).ends("p", ok());
    play.refuses(cancel(false), Refusal::PastPivot).refuses(roll_back(), Refusal::PastPivot);
}

#[test]
fn a_failed_pivot_turns_back() {
    let mut play = three();
    play.ends("a", ok()).ends("p", refused_clean());
    let turn =
        ["step-failed p permanent TurnBack", STEP_1_FAILED, "attempt-started a compensate 1"];
    play.then(&turn);
}

const HELD: &[&str] = &[
    "step-failed a permanent TurnBack",
    "turn-requested StepFailed(InstanceId { step: StepIndex(0), element: None })",
];

#[test]
fn a_turn_waits_for_the_pivot() {
    let mut play = beside(false);
    play.ends("a", refused()).then(HELD);
    play.ends("p", refused_clean());
    play.then(&["step-failed p permanent TurnBack", STEP_0_FAILED, "run-finished rolled-back"]);
}

#[test]
fn a_turn_is_refused_once_the_pivot_passed() {
    let mut play = beside(false);
    play.ends("a", refused()).ends("p", ok());
    play.then(&["turn-refused", "step-stuck a execute behind-pivot"]).is(RunStatus::Stuck);
    let retry = play.retry("a");
    play.does(retry).ends("a", ok()).is(RunStatus::Completed);
}

#[test]
fn all_that_failed_meanwhile_is_stuck() {
    let compute = |name| with(step(name, &[]), |step| step.effect = Effect::None);
    let pivot = with(step("p", &[]), |step| step.pivot = true);
    let mut play = Play::of([compute("a"), compute("b"), pivot]);
    play.ends("a", refused()).ends("b", refused()).ends("p", ok());
    let refused =
        ["turn-refused", "step-stuck a execute behind-pivot", "step-stuck b execute behind-pivot"];
    play.then(&refused);
}

#[test]
fn a_held_turn_wakes_nobody() {
    let mut play = beside(false);
    play.ends("a", busy()).does(roll_back());
    play.then(&["turn-requested Requested { by: \"me\" }"]);
    assert_eq!(crate::due(&play.run).wake_at, None);
    play.at(1_000).then(&[]);
}

#[test]
fn a_cut_off_pivot_is_asked_about() {
    let mut play = beside(true);
    play.ends("a", refused()).ends("p", host(HostEnd::TimedOut));
    play.then(&["retry-scheduled p reconcile 1 in 0 ms", "attempt-started p reconcile 1"]);
    play.ends("p", found(Reconciled::Done(Json::null())));
    play.then(&["turn-refused", "step-stuck a execute behind-pivot"]);
}

#[test]
fn an_exhausted_pivot_with_open_outcome_is_a_persons() {
    let mut play = beside(false);
    play.ends("a", ok()).ends("p", host(HostEnd::TimedOut)).at(1_000);
    play.ends("p", refused()).then(&["step-stuck p execute unknown-outcome"]);
    play.does(roll_back()).then(&["turn-requested Requested { by: \"me\" }"]).is(RunStatus::Stuck);
    let settle = play.settle("p", Settlement::NotDone);
    play.does(settle);
    let ends = ["settled p not-done", "retry-scheduled p execute 3 in 0 ms", REQUESTED];
    play.then(&[&ends[..], &["run-finished rolled-back"]].concat());
}

#[test]
fn a_skipped_pivot_closes_no_way() {
    let mut play = Play::before(
        Pipeline::new("play", {
            let pivot = with(step("p", &[]), |step| (step.pivot, step.has_when) = (true, true));
            vec![pivot, step("a", &[0])]
        }),
        StubEvaluate { skipped: 1_000, ..StubEvaluate::sound(1) },
    );
    let start = play.start();
    play.does(start).then(&["step-skipped p", "attempt-started a execute 1"]);
    play.does(roll_back()).then(&[REQUESTED]);
}
