//! Retry: waits, limits and rules.

use super::*;
use crate::pipeline::{OnExhausted, RetryPolicy, RetryRule, RuleVerdict};

fn one(change: impl FnOnce(&mut RetryPolicy)) -> Play {
    Play::of([with(step("a", &[]), |step| {
        step.on_exhausted = OnExhausted::Pause;
        change(&mut step.retry);
    })])
}

/// Ends the first attempt so, and compares what follows.
#[track_caller]
fn check(change: impl FnOnce(&mut RetryPolicy), end: End, expected: &str) {
    one(change).ends("a", end).then(&[expected]);
}

#[test]
fn each_jitter_is_drawn_from_the_moment() {
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::None] {
        let mut play = one(|retry| retry.backoff.jitter = jitter);
        let backoff = play.run.pipeline().steps[0].retry.backoff.clone();
        let delay = backoff.delay(1, None, play.random.nth(0)).as_millis();
        play.ends("a", busy()).then(&[&format!("retry-scheduled a execute 2 in {delay} ms")]);
    }
}

#[test]
fn waits_double_and_attempts_start_when_due() {
    let mut play = one(|_| {});
    play.ends("a", busy()).then(&["retry-scheduled a execute 2 in 1000 ms"]);
    play.at(999).then(&[]);
    play.at(1_000).then(&["attempt-started a execute 2"]);
    play.ends("a", busy()).then(&["retry-scheduled a execute 3 in 2000 ms"]);
}

#[test]
fn a_due_time_outlives_its_host() {
    let mut play = one(|_| {});
    play.ends("a", busy());
    play.random = Draw(99);
    play.does(Input::HostRestarted).then(&[]);
    assert_eq!(crate::due(&play.run).wake_at, Some(Timestamp::from_millis(1_000)));
}

#[test]
fn the_last_attempt_is_not_waited_for() {
    check(|retry| retry.attempts = 1, busy(), "step-stuck a execute attempts");
}

#[test]
fn retry_after_adds_the_draw_to_the_wish() {
    check(|_| {}, later(300), "retry-scheduled a execute 2 in 301000 ms");
}

#[test]
fn retry_after_does_not_count_as_attempt() {
    let mut play = one(|retry| retry.attempts = 2);
    play.ends("a", later(1)).at(2_000);
    play.ends("a", busy()).then(&["retry-scheduled a execute 3 in 1000 ms"]);
}

#[test]
fn throttled_attempts_have_their_own_limit() {
    check(
        |retry| retry.throttled_attempts = 1,
        later(1),
        "step-stuck a execute throttled-attempts",
    );
}

#[test]
fn too_long_a_wish_counts_as_exhausted() {
    check(|_| {}, later(16 * 60), "step-stuck a execute retry-after-max");
}

#[test]
fn any_wish_of_a_guest_is_survived() {
    check(|retry| retry.retry_after_max = Duration::MAX, later(u64::MAX), {
        "step-stuck a execute max-elapsed"
    });
}

#[test]
fn max_elapsed_is_decided_before_waiting() {
    let change = |retry: &mut RetryPolicy| retry.max_elapsed = Duration::from_millis(999);
    check(change, busy(), "step-stuck a execute max-elapsed");
}

#[test]
fn permanent_is_not_tried_again() {
    check(|_| {}, refused(), "step-stuck a execute permanent");
}

#[test]
fn denied_is_not_tried_again() {
    check(|_| {}, host(HostEnd::Denied), "step-stuck a execute denied");
}

#[test]
fn a_trap_has_one_more_attempt() {
    for end in [HostEnd::Trapped, HostEnd::OutOfFuel, HostEnd::OutOfMemory, HostEnd::StackOverflow]
    {
        let mut play = one(|_| {});
        play.ends("a", host(end)).then(&["retry-scheduled a execute 2 in 1000 ms"]).at(1_000);
        play.ends("a", host(end)).then(&["step-stuck a execute same-end"]);
    }
}

#[test]
fn bad_output_has_two_attempts() {
    let mut play = one(|_| {});
    let bad = || host(HostEnd::InvalidOutput);
    play.ends("a", bad()).then(&["retry-scheduled a execute 2 in 1000 ms"]).at(1_000);
    play.ends("a", bad()).then(&["step-stuck a execute same-end"]);
}

fn rule(code: &str, verdict: Option<RuleVerdict>, policy: Option<RetryPolicy>) -> RetryRule {
    RetryRule { code: code.into(), verdict, policy: policy.map(Box::new) }
}

#[test]
fn the_first_rule_that_matches_wins() {
    let (permanent, retryable) = (Some(RuleVerdict::Permanent), Some(RuleVerdict::Retryable));
    let rules = vec![rule("co*", permanent, None), rule("code", retryable, None)];
    check(|retry| retry.rules = rules, busy(), "step-stuck a execute permanent");
}

#[test]
fn a_rule_may_retry_what_is_permanent() {
    let rules = vec![rule("code", Some(RuleVerdict::Retryable), None)];
    check(|retry| retry.rules = rules, refused(), "retry-scheduled a execute 2 in 1000 ms");
}

#[test]
fn a_rule_may_change_the_waits() {
    let mut policy = RetryPolicy::for_execute();
    policy.backoff.base = Duration::from_secs(7);
    policy.backoff.jitter = Jitter::None;
    let rules = vec![rule("code", None, Some(policy))];
    check(|retry| retry.rules = rules, busy(), "retry-scheduled a execute 2 in 7000 ms");
}

#[test]
fn an_exhausted_step_may_go_on_with_null() {
    let first = with(step("a", &[]), |step| step.on_exhausted = OnExhausted::Continue);
    let mut play = Play::of([first, step("b", &[0])]);
    play.ends("a", refused());
    play.then(&["step-failed a permanent GoOn", "attempt-started b execute 1"]);
    play.ends("b", ok()).is(RunStatus::Completed);
}
