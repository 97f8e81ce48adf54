//! Cancel, rollback, retry and settle: what people may say, and when it is refused.

use super::*;
use crate::event::Limit;
use crate::pipeline::{Effect, OnExhausted};

fn two() -> Play {
    let mut play = Play::of([step("a", &[]), step("b", &[0])]);
    play.ends("a", ok());
    play
}

#[test]
fn cancel_undoes_what_was_done() {
    let mut play = two();
    play.does(cancel(false)).then(&[CANCELLED]).ends("b", refused_clean()).ends("a", undone());
    play.then(&["run-finished cancelled"]);
}

#[test]
fn cancel_is_refused_while_rolling_back() {
    two().does(roll_back()).refuses(cancel(false), Refusal::RollingBack);
}

#[test]
fn cancel_may_keep_the_effects() {
    let mut play = two();
    play.does(cancel(true)).then(&["cancel-requested"]);
    play.ends("b", ok()).then(&["run-finished cancelled"]);
    assert_eq!(play.run.effects_that_stay(), play.run.instances());
}

#[test]
fn a_cancelled_run_neither_retries_nor_turns() {
    let mut play = two();
    play.does(cancel(true)).ends("b", refused());
    play.then(&["step-failed b permanent TurnBack", "run-finished cancelled"]);
}

#[test]
fn nothing_is_said_to_what_is_over() {
    let mut play = two();
    play.ends("b", ok());
    play.refuses(roll_back(), Refusal::Finished(RunStatus::Completed));
}

#[test]
fn nothing_is_said_before_the_start() {
    let pipeline = Pipeline::new("play", vec![step("a", &[])]);
    let mut play = Play::before(pipeline, StubEvaluate::sound(1));
    play.refuses(cancel(false), Refusal::NotStarted);
    let start = play.start();
    play.does(start.clone()).refuses(start, Refusal::AlreadyStarted);
}

#[test]
fn an_end_that_comes_too_late_is_refused() {
    let mut play = two();
    let (instance, phase, usage) = (play.named("a"), crate::Phase::Execute, Usage::new());
    let end = Input::AttemptEnded { instance, phase, attempt: 1, end: ok(), usage, log_cursor: 0 };
    play.refuses(end, Refusal::StaleAttempt);
}

/// One step that has paused.
fn paused(effect: Effect, end: End) -> Play {
    let mut play = Play::of([with(step("a", &[]), |step| {
        (step.effect, step.on_exhausted) = (effect, OnExhausted::Pause);
    })]);
    play.ends("a", end).is(RunStatus::Stuck);
    play
}

#[test]
fn retry_gives_all_attempts_anew() {
    let mut play = paused(Effect::Idempotent, refused());
    let retry = play.retry("a");
    play.does(retry);
    let again =
        ["retry-requested a", "retry-scheduled a execute 2 in 0 ms", "attempt-started a execute 2"];
    play.then(&again);
    play.ends("a", busy()).then(&["retry-scheduled a execute 3 in 1000 ms"]);
}

#[test]
fn retry_is_for_what_is_stuck() {
    let mut play = two();
    let retry = play.retry("b");
    play.refuses(retry, Refusal::NotStuck);
}

#[test]
fn an_unknown_outcome_must_be_settled() {
    let mut play = paused(Effect::Unsafe, host(HostEnd::Lost));
    let retry = play.retry("a");
    play.refuses(retry, Refusal::MustBeSettled);
}

#[test]
fn settled_as_done_goes_on() {
    let mut play = paused(Effect::Unsafe, host(HostEnd::Lost));
    let settle = play.settle("a", Settlement::Done(Json::from_checked("5")));
    play.does(settle).then(&["settled a done", "run-finished completed"]);
    assert_eq!(play.run.output_of(StepIndex(0)).map(Json::as_str), Some("5"));
}

#[test]
fn settled_as_not_done_is_called_again() {
    let mut play = paused(Effect::Unsafe, host(HostEnd::Lost));
    let settle = play.settle("a", Settlement::NotDone);
    play.does(settle);
    let again = [
        "settled a not-done",
        "retry-scheduled a execute 2 in 0 ms",
        "attempt-started a execute 2",
    ];
    play.then(&again);
}

#[test]
fn nothing_is_undone_before_the_turn() {
    let mut play = paused(Effect::Unsafe, host(HostEnd::Lost));
    let settle = play.settle("a", Settlement::Undone);
    play.refuses(settle, Refusal::NotRollingBack);
}

#[test]
fn a_recorded_result_is_neither_replaced_nor_denied() {
    let mut play = two();
    play.does(cancel(false));
    for settlement in [Settlement::Done(Json::null()), Settlement::NotDone] {
        let settle = play.settle("a", settlement);
        play.refuses(settle, Refusal::NothingToSettle);
    }
    let settle = play.settle("a", Settlement::Undone);
    play.does(settle).then(&["settled a undone"]);
}

#[test]
fn a_stuck_run_may_be_rolled_back() {
    let mut play = paused(Effect::Unsafe, host(HostEnd::Lost));
    play.does(roll_back()).then(&[REQUESTED, "attempt-started a compensate 1"]);
}

#[test]
fn a_mended_failure_gives_way_to_another() {
    let pausing = |name| with(step(name, &[]), |step| step.on_exhausted = OnExhausted::Pause);
    let mut play = Play::of([pausing("a"), pausing("b")]);
    play.ends("a", refused()).ends("b", refused());
    let settle = play.settle("b", Settlement::Done(Json::null()));
    play.does(settle).is(RunStatus::Stuck);
    let (instance, _, failure) = play.run.failure().expect("`a` should still be told");
    assert_eq!((*instance, failure.limit), (play.named("a"), Limit::Permanent));
}

#[test]
fn what_never_began_may_be_settled() {
    let pausing = with(step("a", &[]), |step| step.on_exhausted = OnExhausted::Pause);
    let evaluate = StubEvaluate { broken: 1_000, ..StubEvaluate::sound(1) };
    let mut play = Play::before(Pipeline::new("play", vec![pausing, step("b", &[0])]), evaluate);
    let start = play.start();
    play.does(start).then(&["step-stuck a execute expression"]);
    play.evaluate.broken = 0;
    let settle = play.settle("a", Settlement::NotDone);
    play.does(settle).then(&["settled a not-done", "attempt-started a execute 1"]);
}
