//! Guards over the whole run: lost hosts, the deadline, and hosts that are leaving.

use super::*;
use crate::id::Phase;
use crate::pipeline::{Effect, OnExhausted, RetryRule, RuleVerdict};

#[track_caller]
fn check_third_loss(change: impl FnOnce(&mut Step)) {
    let mut play = Play::of([with(step("a", &[]), change)]);
    play.does(Input::HostRestarted).does(Input::HostRestarted);
    play.at(10_000).does(Input::HostRestarted).then(&["step-stuck a execute lost-attempts"]);
    play.is(RunStatus::Stuck);
}

#[test]
fn the_third_loss_in_a_row_pauses() {
    check_third_loss(|_| {});
    check_third_loss(|step| step.effect = Effect::None);
}

#[test]
fn no_rule_lifts_the_guard_against_losses() {
    check_third_loss(|step| {
        let verdict = Some(RuleVerdict::Retryable);
        step.retry.rules = vec![RetryRule { code: "lost".into(), verdict, policy: None }];
        step.retry.backoff.base = Duration::ZERO;
        step.retry.backoff.floor = Duration::ZERO;
    });
}

#[test]
fn another_end_begins_the_count_of_losses_anew() {
    let mut play = Play::of([step("a", &[])]);
    play.does(Input::HostRestarted).ends("a", busy()).at(10_000).does(Input::HostRestarted);
    play.at(20_000).does(Input::HostRestarted).is(RunStatus::Running);
}

#[test]
fn lost_undos_pause_as_well() {
    let mut play = Play::of([step("a", &[]), step("b", &[0])]);
    play.ends("a", ok()).ends("b", refused_clean());
    play.does(Input::HostRestarted).does(Input::HostRestarted).at(10_000);
    play.does(Input::HostRestarted).then(&["step-stuck a compensate lost-attempts"]);
}

#[test]
fn a_host_that_leaves_starts_nothing() {
    let mut play = Play::of([step("a", &[]), step("b", &[0])]);
    let (instance, phase) = (play.named("a"), crate::Phase::Execute);
    let (attempt, end, usage) = (1, ok(), Usage::new());
    let ended = Input::AttemptEnded { instance, phase, attempt, end, usage, log_cursor: 0 };
    play.take(ended, false).expect("an end should be taken");
    play.then(&[]).is(RunStatus::Running);
    play.does(Input::HostRestarted).then(&["attempt-started b execute 1"]);
}

#[test]
fn a_lost_attempt_waits_for_a_host_that_stays() {
    let mut play = Play::of([step("a", &[])]);
    play.take(Input::HostRestarted, false).expect("a restart should be taken");
    play.then(&["retry-scheduled a execute 2 in 0 ms"]);
    play.does(Input::TimeReached).then(&["attempt-started a execute 2"]);
}

fn until(millis: u64, steps: Vec<Step>) -> Play {
    let mut pipeline = Pipeline::new("play", steps);
    pipeline.deadline = Some(Duration::from_millis(millis));
    Play::of_pipeline(pipeline)
}

#[test]
fn the_deadline_turns_the_run() {
    let mut play = until(5_000, vec![step("a", &[]), step("b", &[0])]);
    play.ends("a", ok()).at(5_000).then(&["rollback-started Deadline"]);
    play.ends("b", refused_clean()).then(&["attempt-started a compensate 1"]);
}

#[test]
fn no_attempt_is_waited_for_past_the_deadline() {
    let pausing = with(step("a", &[]), |step| step.on_exhausted = OnExhausted::Pause);
    until(900, vec![pausing]).ends("a", busy()).then(&["step-stuck a execute run-deadline"]);
}

#[test]
fn behind_a_pivot_the_deadline_is_gone() {
    let pivot = with(step("p", &[]), |step| step.pivot = true);
    let mut play = until(5_000, vec![pivot, step("b", &[0])]);
    play.ends("p", ok());
    assert_eq!(crate::due(&play.run).wake_at, None);
    play.at(5_000).then(&[]);
}

#[test]
fn a_run_without_output_turns_back() {
    let evaluate = StubEvaluate::sound(1);
    let mut play = Play::before(Pipeline::new("play", vec![step("a", &[])]), evaluate);
    let start = play.start();
    play.does(start);
    play.evaluate.broken = 1_000;
    play.ends("a", ok());
    // Its input has no value any more either, so a person is asked about the undo.
    let turn = ["rollback-started OutputFailed", "step-stuck a compensate expression"];
    assert!(play.decided.iter().any(|event| matches!(event, Event::OutputFailed { .. })));
    play.decided.retain(|event| !matches!(event, Event::OutputFailed { .. }));
    play.then(&turn);
}

#[test]
fn a_changed_input_is_never_called() {
    let mut play = Play::of([step("a", &[])]);
    play.ends("a", busy());
    play.evaluate.seed = 2;
    play.at(1_000).then(&["step-stuck a execute input-changed"]);
}

#[test]
fn spent_wasted_and_restart_add_up() {
    let usd = |micros| {
        let mut usage = Usage::new();
        usage.add("usd", micros).expect("a small amount should fit");
        usage
    };
    let mut play = Play::of([step("a", &[]), step("b", &[0])]);
    for (name, end, micros) in [("a", ok(), 5), ("b", busy(), 3), ("b", ok(), 4)] {
        let instance = play.named(name);
        let call = play.run.instance(instance).under_way.clone().expect("it should be under way");
        let (phase, attempt, usage) = (call.phase, call.attempt, usd(micros));
        play.does(Input::AttemptEnded { instance, phase, attempt, end, usage, log_cursor: 0 });
        let now = play.now + 1_000;
        if !crate::due(&play.run).is_finished {
            play.at(now);
        }
    }
    let ledger = play.run.ledger();
    assert_eq!((&ledger.spent, &ledger.wasted, &ledger.restart), (&usd(12), &usd(3), &usd(8)));
}

/// A memo pays for a call within the step once, whatever becomes of the attempt that made it.
#[test]
fn what_is_remembered_is_not_wasted() {
    let remember = |play: &Play, key: &str, micros: u64| {
        let instance = play.named("a");
        let attempt = play.run.instance(instance).phase(Phase::Execute).attempts;
        let mut usage = Usage::new();
        usage.add("usd", micros).expect("a small amount should fit");
        let (phase, key, value) = (Phase::Execute, key.into(), "v".into());
        Input::Remember { instance, phase, attempt, key, value, usage }
    };
    let sums = |play: &Play| {
        let ledger = play.run.ledger();
        [&ledger.spent, &ledger.wasted, &ledger.restart].map(|usage| usage.micros("usd"))
    };
    let mut play = Play::of([step("a", &[])]);
    play.does(remember(&play, "first", 5)).ends("a", busy());
    assert_eq!(sums(&play), [5, 5, 5], "so far nothing came of it");
    play.at(60_000);
    // The same key again: its first value stays, so this was paid for nothing.
    play.does(remember(&play, "first", 2));
    play.does(remember(&play, "second", 3)).ends("a", busy());
    assert_eq!(sums(&play), [10, 10, 10]);
    play.at(120_000).ends("a", ok());
    assert_eq!(sums(&play), [10, 2, 10]);
}
