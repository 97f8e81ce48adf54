//! The budget: warned of, used up, renewed, and never in the way of an undo.

use super::*;
use crate::pipeline::{Budget, OnBudget};

fn budget(usd: u64, on: OnBudget) -> Budget {
    let mut limits = Usage::new();
    limits.add("usd", usd).expect("one amount should fit");
    Budget { limits, on }
}

/// Steps one after the other, `a` to `d`, with a budget of 100.
fn chain(on: OnBudget) -> Play {
    let steps = [step("a", &[]), step("b", &[0]), step("c", &[1]), step("d", &[2])];
    let mut pipeline = Pipeline::new("play", steps.into());
    pipeline.budget = Some(budget(100, on));
    Play::of_pipeline(pipeline)
}

impl Play {
    fn ends_at_cost(&mut self, name: &str, end: End, usd: u64) -> &mut Self {
        let instance = self.named(name);
        let call = self.run.instance(instance).under_way.clone().expect("it should be under way");
        let mut usage = Usage::new();
        usage.add("usd", usd).expect("one amount should fit");
        let (phase, attempt) = (call.phase, call.attempt);
        self.does(Input::AttemptEnded { instance, phase, attempt, end, usage, log_cursor: 0 })
    }

    fn renew(&mut self) -> &mut Self {
        self.does(Input::Retry { instance: None, by: "me".into() })
    }
}

const USED_UP: &[&str] = &["budget-warned usd 100 of 100", "budget-used-up usd 100 of 100"];

#[test]
fn a_run_is_warned_once_at_eighty_percent() {
    let mut play = chain(OnBudget::Pause);
    play.ends_at_cost("a", ok(), 79).then(&["attempt-started b execute 1"]);
    let warned = ["budget-warned usd 80 of 100", "attempt-started c execute 1"];
    play.ends_at_cost("b", ok(), 1).then(&warned);
    play.ends_at_cost("c", ok(), 1).then(&["attempt-started d execute 1"]);
}

#[test]
fn no_attempt_starts_once_the_budget_is_used_up() {
    let mut play = chain(OnBudget::Pause);
    play.ends_at_cost("a", ok(), 100).then(USED_UP).is(RunStatus::Stuck);
    play.at(1_000_000).then(&[]).does(Input::HostRestarted).then(&[]).is(RunStatus::Stuck);
}

#[test]
fn renewing_gives_the_whole_budget_once_more() {
    let mut play = chain(OnBudget::Pause);
    play.ends_at_cost("a", ok(), 100).renew();
    play.then(&["budget-renewed", "attempt-started b execute 1"]);
    play.ends_at_cost("b", ok(), 99);
    play.then(&["budget-warned usd 99 of 100", "attempt-started c execute 1"]);
    play.ends_at_cost("c", ok(), 1).then(&["budget-used-up usd 100 of 100"]);
    play.is(RunStatus::Stuck);
}

#[test]
fn a_last_step_may_use_it_up() {
    let mut play =
        Play::before(Pipeline::new("play", vec![step("a", &[])]), StubEvaluate::sound(1));
    let mut pipeline = (**play.run.pipeline()).clone();
    pipeline.budget = Some(budget(100, OnBudget::Pause));
    play = Play::of_pipeline(pipeline);
    let ended = ["budget-warned usd 500 of 100", "run-finished completed"];
    play.ends_at_cost("a", ok(), 500).then(&ended);
}

#[test]
fn a_retry_waits_for_the_budget_too() {
    let mut play = chain(OnBudget::Pause);
    play.ends_at_cost("a", busy(), 100);
    play.at(60_000).then(&["budget-used-up usd 100 of 100"]).is(RunStatus::Stuck);
    assert_eq!(crate::due(&play.run).wake_at, None);
    play.renew().then(&["budget-renewed", "attempt-started a execute 2"]);
}

#[test]
fn a_used_up_budget_may_turn_the_run() {
    let mut play = chain(OnBudget::RollBack);
    let turned = ["rollback-started Budget", "attempt-started a compensate 1"];
    play.ends_at_cost("a", ok(), 100).then(&[USED_UP, &turned].concat());
    play.ends_at_cost("a", undone(), 7).then(&["run-finished rolled-back"]);
    assert_eq!(play.run.ledger().wasted.micros("usd"), 107, "nothing was kept");
}

#[test]
fn behind_a_pivot_a_used_up_budget_pauses() {
    let pivot = with(step("a", &[]), |step| step.pivot = true);
    let mut pipeline = Pipeline::new("play", vec![pivot, step("b", &[0])]);
    pipeline.budget = Some(budget(100, OnBudget::RollBack));
    let mut play = Play::of_pipeline(pipeline);
    play.ends_at_cost("a", ok(), 100).then(USED_UP).is(RunStatus::Stuck);
    play.renew().then(&["budget-renewed", "attempt-started b execute 1"]);
}

#[test]
fn what_is_out_of_budget_can_be_rolled_back() {
    let mut play = chain(OnBudget::Pause);
    play.ends_at_cost("a", ok(), 100).does(roll_back());
    play.then(&[REQUESTED, "attempt-started a compensate 1"]);
}

#[test]
fn memos_count_before_their_attempt_ends() {
    let mut pipeline = Pipeline::new("play", vec![step("a", &[]), step("b", &[]), step("c", &[1])]);
    pipeline.budget = Some(budget(100, OnBudget::Pause));
    let mut play = Play::of_pipeline(pipeline);
    let mut usage = Usage::new();
    usage.add("usd", 100).expect("one amount should fit");
    let (instance, phase) = (play.named("a"), crate::id::Phase::Execute);
    let (key, value) = ("k".into(), "v".into());
    play.does(Input::Remember { instance, phase, attempt: 1, key, value, usage });
    play.then(&["memo-remembered a execute 1", "budget-warned usd 100 of 100"]);
    play.ends("b", ok()).then(&["budget-used-up usd 100 of 100"]);
}

#[test]
fn nobody_renews_what_is_not_used_up() {
    let mut play = chain(OnBudget::Pause);
    play.refuses(Input::Retry { instance: None, by: "me".into() }, Refusal::NotStuck);
}
