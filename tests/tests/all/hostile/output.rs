//! Steps that return what they should not: too much, or what readers could disagree on.

use super::{check_ends, names};
use piton_tests::{ATTACK_MIB, Arena};
use serde_json::json;

#[test]
fn what_is_no_output_is_refused() {
    let mut arena = Arena::new();
    let attacks = [
        ("bad-json", "invalid-output"),
        ("bad-utf8", "invalid-output"),
        ("nan", "invalid-output"),
        ("huge-number", "invalid-output"),
        ("lone-surrogate", "invalid-output"),
        ("two-values", "invalid-output"),
        ("deep-json", "invalid-output"),
        ("many-values", "invalid-output"),
        ("big-failure", "invalid-output"),
        ("retry-never", "retry-after"),
    ];
    let summaries = arena.attack("", &names(&attacks));
    check_ends(&summaries, &attacks);
    // A wish for the longest wait there is meets the longest that the policy allows.
    assert_eq!(summaries["retry-never"]["failure"]["limit"], "retry-after-max");
    let twice = &arena.attack("", &["name-twice"])["name-twice"];
    assert_eq!(twice["output"], json!({ "amount": 2 }), "all readers should see the same");
    let long = &arena.attack("", &["long-message"])["long-message"];
    let message = long["failure"]["message"].as_str().expect("a failure should have a message");
    assert!(message.len() < 5_000, "{} bytes of a message", message.len());
    arena.end(ATTACK_MIB);
}

/// The step has room to make it; the host never copies it.
#[test]
fn a_huge_output_is_never_copied() {
    let mut arena = Arena::new();
    let attacks = [("big-output", "invalid-output"), ("big-failure", "invalid-output")];
    let memory = "memory = \"300MiB\"\nlog_max = \"1KiB\"";
    check_ends(&arena.attack(memory, &names(&attacks)), &attacks);
    arena.end(300);
}
