//! Turning back: what is owed an undo, in which order, and what if it fails.

use super::*;
use crate::pipeline::{Effect, OnCompensationFailure, OnSiblingFailure};

/// Three steps in a row, of which the last is under way.
fn chain(change: impl Fn(&mut Step)) -> Play {
    let steps = [step("a", &[]), step("b", &[0]), step("c", &[1])];
    let mut play = Play::of(steps.map(|step| with(step, &change)));
    play.ends("a", ok()).ends("b", ok());
    play
}

#[test]
fn undo_goes_in_reverse_order() {
    let mut play = chain(|_| {});
    play.ends("c", refused());
    play.then(&[
        "step-failed c permanent TurnBack",
        STEP_2_FAILED,
        "attempt-started c compensate 1",
    ]);
    play.ends("c", undone()).then(&["attempt-started b compensate 1"]);
    play.ends("b", undone()).then(&["attempt-started a compensate 1"]);
    play.ends("a", undone()).then(&["run-finished rolled-back"]);
}

#[test]
fn the_failing_step_is_undone_without_output() {
    let mut play = chain(|_| {});
    play.ends("c", refused());
    let call = crate::due(&play.run).calls.remove(0);
    assert_eq!((call.output, call.cause.map(|cause| cause.code)), (None, Some("code".into())));
    play.ends("c", undone());
    assert!(crate::due(&play.run).calls[0].output.is_some());
}

#[test]
fn a_clean_failure_owes_nothing() {
    let mut play = chain(|_| {});
    play.ends("c", refused_clean());
    let turn =
        ["step-failed c permanent TurnBack", STEP_2_FAILED, "attempt-started b compensate 1"];
    play.then(&turn);
}

#[test]
fn what_has_no_effect_owes_nothing() {
    let mut play = chain(|step| step.effect = Effect::None);
    play.ends("c", refused()).is(RunStatus::RolledBack);
    assert_eq!(play.run.effects_that_stay(), []);
}

#[test]
fn what_is_never_undone_is_said_to_stay() {
    let mut play = chain(|step| step.compensates = step.name != "a");
    play.ends("c", refused_clean()).ends("b", undone()).then(&["run-finished rolled-back"]);
    assert_eq!(play.run.effects_that_stay(), [play.named("a")]);
}

#[test]
fn an_unknown_outcome_is_asked_about_before_undoing() {
    let steps = ["a", "b"].map(|name| with(step(name, &[]), |step| step.reconciles = true));
    let mut play = Play::of(steps);
    play.ends("a", refused_clean()).then(&["step-failed a permanent TurnBack", STEP_0_FAILED]);
    play.ends("b", host(HostEnd::TimedOut)).then(&["attempt-started b reconcile 1"]);
    play.ends("b", found(Reconciled::NotDone));
    play.then(&["undo-not-needed b", "run-finished rolled-back"]);
}

#[test]
fn what_cannot_be_known_is_undone() {
    let mut play = Play::of([with(step("a", &[]), |step| step.reconciles = true)]);
    play.does(roll_back()).then(&[REQUESTED]);
    play.ends("a", host(HostEnd::TimedOut)).ends("a", found(Reconciled::Unknown));
    play.then(&["retry-scheduled a compensate 1 in 0 ms", "attempt-started a compensate 1"]);
}

#[test]
fn siblings_finish_but_are_not_retried() {
    let mut play = Play::of([step("a", &[]), step("b", &[])]);
    play.ends("a", refused_clean()).then(&["step-failed a permanent TurnBack", STEP_0_FAILED]);
    play.ends("b", busy()).then(&["attempt-started b compensate 1"]);
}

#[test]
fn siblings_may_be_interrupted() {
    let mut pipeline = Pipeline::new("play", vec![step("a", &[]), step("b", &[])]);
    pipeline.on_sibling_failure = OnSiblingFailure::Interrupt;
    let mut play = Play::of_pipeline(pipeline);
    play.ends("a", refused_clean());
    let turn =
        ["step-failed a permanent TurnBack", STEP_0_FAILED, "attempt-started b compensate 1"];
    play.then(&turn);
}

#[test]
fn a_waiting_retry_is_dropped_at_the_turn() {
    let mut play = Play::of([step("a", &[]), step("b", &[])]);
    play.ends("b", failed(FailureKind::Retryable, true));
    play.ends("a", refused_clean());
    let turn = ["step-failed a permanent TurnBack", STEP_0_FAILED, "run-finished rolled-back"];
    play.then(&turn);
}

#[test]
fn one_undo_at_a_time_by_reverse_start() {
    let mut play = Play::of([step("a", &[]), step("b", &[]), step("c", &[0, 1])]);
    play.ends("b", ok()).ends("a", ok()).ends("c", refused_clean());
    assert_eq!(crate::due(&play.run).calls.len(), 1);
    play.ends("b", undone()).then(&["attempt-started a compensate 1"]);
}

#[test]
fn independent_branches_may_be_undone_at_once() {
    let steps = vec![step("a", &[]), step("b", &[]), step("c", &[0, 1])];
    let mut pipeline = Pipeline::new("play", steps);
    pipeline.compensation_parallel = 2;
    let mut play = Play::of_pipeline(pipeline);
    play.ends("a", ok()).ends("b", ok()).ends("c", refused_clean());
    assert_eq!(crate::due(&play.run).calls.len(), 2);
}

#[test]
fn an_undo_is_retried_by_its_own_policy() {
    let mut play = chain(|step| step.undo.attempts = 2);
    play.ends("c", refused_clean()).ends("b", busy());
    play.then(&["retry-scheduled b compensate 2 in 1000 ms"]).is(RunStatus::RollingBack);
    play.at(1_000).ends("b", busy()).then(&["step-stuck b compensate attempts"]);
}

#[test]
fn a_failed_undo_halts_what_it_depended_on() {
    let mut play = chain(|_| {});
    play.ends("c", refused_clean()).ends("b", refused());
    play.then(&["step-stuck b compensate permanent"]).is(RunStatus::Stuck);
    let retry = play.retry("b");
    play.does(retry).then(&["retry-requested b", "attempt-started b compensate 2"]);
    play.ends("b", undone()).then(&["attempt-started a compensate 1"]);
}

#[test]
fn a_person_may_settle_a_failed_undo() {
    let mut play = chain(|_| {});
    play.ends("c", refused_clean()).ends("b", refused());
    let settle = play.settle("b", Settlement::Undone);
    play.does(settle).then(&["settled b undone", "attempt-started a compensate 1"]);
}

/// A chain in which the undo of `b` has failed and was passed over.
fn passed_over() -> Play {
    let steps = vec![step("a", &[]), step("b", &[0]), step("c", &[1])];
    let mut pipeline = Pipeline::new("play", steps);
    pipeline.on_compensation_failure = OnCompensationFailure::Continue;
    let mut play = Play::of_pipeline(pipeline);
    play.ends("a", ok()).ends("b", ok()).ends("c", refused_clean()).ends("b", refused());
    play
}

#[test]
fn a_failed_undo_may_be_passed_over() {
    let mut play = passed_over();
    play.then(&["step-stuck b compensate permanent", "attempt-started a compensate 1"]);
    play.ends("a", undone()).is(RunStatus::Stuck);
    let settle = play.settle("b", Settlement::Undone);
    play.does(settle).then(&["settled b undone", "run-finished rolled-back"]);
}

#[test]
fn an_undo_asked_for_again_holds_what_is_left() {
    let mut play = passed_over();
    play.ends("a", refused());
    let (again, both) = (play.retry("b"), play.retry("a"));
    play.does(again).then(&["retry-requested b", "attempt-started b compensate 2"]);
    play.does(both).then(&["retry-requested a"]);
    play.ends("b", undone()).then(&["attempt-started a compensate 2"]);
}
