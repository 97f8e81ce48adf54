//! Attempts whose outcome is unknown: what each `effect` allows.

use super::*;
use crate::pipeline::{Effect, RetryRule, RuleVerdict};

fn one(effect: Effect, reconciles: bool) -> Play {
    Play::of([with(step("a", &[]), |step| {
        step.effect = effect;
        step.reconciles = reconciles;
    })])
}

#[track_caller]
fn check(effect: Effect, reconciles: bool, end: End, expected: &[&str]) {
    one(effect, reconciles).ends("a", end).then(expected);
}

const ASKED: &[&str] = &["retry-scheduled a reconcile 1 in 0 ms", "attempt-started a reconcile 1"];
const AT_ONCE: &[&str] = &["retry-scheduled a execute 2 in 0 ms", "attempt-started a execute 2"];
const REPEATED: &[&str] = &["retry-scheduled a execute 2 in 1000 ms"];
const STUCK: &[&str] = &["step-stuck a execute unknown-outcome"];

#[test]
fn what_only_computes_is_repeated() {
    check(Effect::None, true, host(HostEnd::TimedOut), REPEATED);
}

#[test]
fn what_honours_its_key_is_repeated() {
    check(Effect::Idempotent, false, host(HostEnd::TimedOut), REPEATED);
}

#[test]
fn after_a_first_loss_it_is_repeated_at_once() {
    check(Effect::Idempotent, false, host(HostEnd::Lost), AT_ONCE);
}

#[test]
fn what_can_be_asked_is_asked_first() {
    check(Effect::Idempotent, true, host(HostEnd::Lost), ASKED);
    check(Effect::Reconcilable, true, host(HostEnd::TimedOut), ASKED);
    check(Effect::Reconcilable, true, failed(FailureKind::Unknown, false), ASKED);
}

#[test]
fn what_is_unsafe_waits_for_a_person() {
    for end in [HostEnd::TimedOut, HostEnd::Lost, HostEnd::Trapped, HostEnd::InvalidOutput] {
        check(Effect::Unsafe, false, host(end), STUCK);
    }
    one(Effect::Unsafe, false).ends("a", host(HostEnd::Lost)).is(RunStatus::Stuck);
}

#[test]
fn an_unsafe_step_is_retried_where_it_says_so() {
    check(Effect::Unsafe, false, busy(), REPEATED);
}

#[test]
fn bad_output_of_what_ignores_keys_is_asked_about() {
    check(Effect::Reconcilable, true, host(HostEnd::InvalidOutput), ASKED);
}

#[test]
fn a_found_result_is_recorded() {
    let mut play = one(Effect::Reconcilable, true);
    play.ends("a", host(HostEnd::Lost));
    play.ends("a", found(Reconciled::Done(Json::from_checked("7")))).is(RunStatus::Completed);
    assert_eq!(play.run.output_of(StepIndex(0)).map(Json::as_str), Some("7"));
}

#[test]
fn what_was_not_done_is_repeated() {
    let mut play = one(Effect::Reconcilable, true);
    play.ends("a", host(HostEnd::TimedOut)).ends("a", found(Reconciled::NotDone)).then(REPEATED);
}

#[test]
fn what_cannot_be_told_is_a_persons() {
    let mut play = one(Effect::Reconcilable, true);
    play.ends("a", host(HostEnd::TimedOut)).ends("a", found(Reconciled::Unknown));
    play.then(&["step-stuck a reconcile unknown-outcome"]);
    let retry = play.retry("a");
    play.refuses(retry, Refusal::MustBeSettled);
}

#[test]
fn what_cannot_be_told_is_repeated_under_its_key() {
    let mut play = one(Effect::Idempotent, true);
    play.ends("a", host(HostEnd::TimedOut)).ends("a", found(Reconciled::Unknown)).then(REPEATED);
}

#[test]
fn asking_is_retried_like_executing() {
    let mut play = one(Effect::Reconcilable, true);
    play.ends("a", host(HostEnd::TimedOut)).ends("a", busy());
    play.then(&["retry-scheduled a reconcile 2 in 1000 ms"]);
}

#[test]
fn a_rule_may_call_an_end_unknown() {
    let mut play = Play::of([with(step("a", &[]), |step| {
        step.effect = Effect::Unsafe;
        let verdict = Some(RuleVerdict::Unknown);
        step.retry.rules = vec![RetryRule { code: "code".into(), verdict, policy: None }];
    })]);
    play.ends("a", failed(FailureKind::Retryable, true)).then(STUCK);
    let retry = play.retry("a");
    play.refuses(retry, Refusal::MustBeSettled);
}

fn within(window: u64) -> Play {
    Play::of([with(step("a", &[]), |step| {
        step.idempotency_window = Some(Duration::from_millis(window));
    })])
}

#[test]
fn a_forgotten_key_is_not_repeated() {
    let mut play = within(5_000);
    play.now = 5_001;
    play.ends("a", host(HostEnd::TimedOut)).then(&["step-stuck a execute idempotency-window"]);
    let retry = play.retry("a");
    play.refuses(retry, Refusal::MustBeSettled);
}

#[test]
fn a_key_may_be_forgotten_while_waiting() {
    let mut play = within(5_000);
    play.ends("a", host(HostEnd::TimedOut)).then(REPEATED);
    play.at(5_001).then(&["step-stuck a execute idempotency-window"]);
}

#[test]
fn a_known_failure_outlives_the_window() {
    let mut play = within(500);
    play.ends("a", busy()).at(1_000).then(&["attempt-started a execute 2"]);
}

#[test]
fn all_calls_of_a_phase_carry_one_key() {
    let mut play = one(Effect::Reconcilable, true);
    let first = crate::due(&play.run).calls.remove(0);
    play.ends("a", host(HostEnd::TimedOut));
    let asking = crate::due(&play.run).calls.remove(0);
    assert_ne!(asking.key, first.key);
    assert_eq!(asking.execute_key, first.key);
    play.ends("a", found(Reconciled::NotDone)).at(1_000);
    assert_eq!(crate::due(&play.run).calls[0].key, first.key);
}
