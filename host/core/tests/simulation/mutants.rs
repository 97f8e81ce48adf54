//! Hosts that break a rule on purpose: the simulation finds each.
//! That it finds nothing where no rule is broken, `seeds` shows.

use crate::told;
use piton_core::simulation::{Mutant, draw_story};

/// How many seeds a broken rule may need until it is found: a second or two.
const SEEDS_MAX: u64 = 3_000;

#[track_caller]
fn check_found(mutant: Mutant, words: &[&str]) {
    let found = (0..SEEDS_MAX).find(|seed| {
        let story = told(*seed, || draw_story(*seed, None, Some(mutant)));
        let rules = story.problems.iter().filter_map(|problem| problem.rule());
        rules.into_iter().any(|rule| words.contains(&rule.word()))
    });
    assert!(found.is_some(), "{mutant:?} is not found within {SEEDS_MAX} seeds");
}

#[test]
fn undo_before_dependants_is_found() {
    check_found(Mutant::UndoBeforeDependants, &["undo-before-dependants"]);
}

#[test]
fn a_key_per_attempt_is_found() {
    check_found(Mutant::KeyPerAttempt, &["key-changed"]);
}

#[test]
fn a_retry_drawn_again_is_found() {
    check_found(Mutant::RetryDrawnAgain, &["retry-drawn-again"]);
}

#[test]
fn a_lost_due_time_is_found() {
    check_found(Mutant::DueTimeLost, &["retry-before-due"]);
}

#[test]
fn undo_behind_a_pivot_is_found() {
    check_found(Mutant::UndoBehindPivot, &["undo-behind-pivot"]);
}

#[test]
fn a_call_before_its_start_is_durable_is_found() {
    check_found(Mutant::CallBeforeDurable, &["call-before-start"]);
}

#[test]
fn a_result_that_is_not_durable_is_found() {
    check_found(Mutant::ResultNotDurable, &["called-twice", "call-before-start"]);
}

#[test]
fn a_forgotten_undo_is_found() {
    check_found(Mutant::UndoForgotten, &["one-outcome"]);
}

#[test]
fn a_call_that_is_not_dropped_is_found() {
    check_found(Mutant::CallNotDropped, &["two-calls-at-once"]);
}

#[test]
fn an_ignored_budget_is_found() {
    check_found(Mutant::BudgetIgnored, &["budget"]);
}
