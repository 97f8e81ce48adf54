//! Steps that never stop talking: logs, prints, progress, memos, usage.

use super::{check_ends, names};
use piton_tests::{ATTACK_MIB, Arena};
use serde_json::{Value, json};

#[test]
fn floods_of_words_are_cut_and_counted() {
    let mut arena = Arena::new();
    let attacks = ["stdout-flood", "stderr-flood", "log-flood", "progress-flood"];
    let summaries = arena.attack("timeout = \"60s\"", &attacks);
    for (name, summary) in &summaries {
        assert_eq!(summary["status"], "completed", "{name}: {summary}");
        let run = summary["run"].as_str().expect("a run should have an id");
        let logs = arena.home.run(&["logs", run]).expect_code(0);
        logs.expect_inert();
        assert!(logs.stdout.len() < 1 << 20, "{name}: {} bytes of logs", logs.stdout.len());
    }
    arena.end(ATTACK_MIB);
}

#[test]
fn what_is_kept_for_a_step_has_limits() {
    let mut arena = Arena::new();
    let attacks = [
        ("memo-flood", "denied"),
        ("memo-big", "denied"),
        ("memo-big-keys", "denied"),
        ("usage-overflow", "denied"),
        ("usage-bad-unit", "denied"),
        ("usage-many-units", "denied"),
    ];
    let summaries = arena.attack("", &names(&attacks));
    check_ends(&summaries, &attacks);
    // What was counted before stays.
    let spent = |name: &str| summaries[name]["usage"]["spent"]["usd"].as_f64();
    assert_eq!(spent("usage-overflow"), Some(u64::MAX as f64 / 1e6));
    assert_eq!(spent("usage-bad-unit"), Some(7.0 / 1e6));
    arena.end(ATTACK_MIB);
}

/// Whatever looks at a run that fails with control codes in all its texts.
#[test]
fn nothing_of_a_step_acts_on_a_terminal() {
    let mut arena = Arena::new();
    let grant = r#"grants.dirs = [{ host = "out", guest = "/data", write = true }]"#;
    let summaries = arena.attack(grant, &["control-codes", "bad-names"]);
    assert_eq!(summaries["control-codes"]["failure"]["code"], "bad-code");
    let done: Value = summaries["bad-names"]["output"]["ways"].clone();
    assert!(done.as_object().is_some_and(|ways| ways.values().all(|way| way == "done")), "{done}");
    for summary in summaries.values() {
        let run = summary["run"].as_str().expect("a run should have an id");
        for look in ["show", "events", "logs", "explain"] {
            arena.home.run(&[look, run]).expect_code(0).expect_inert();
        }
        for look in ["show", "events", "logs"] {
            arena.home.run(&[look, "--json", run]).expect_code(0).expect_inert();
        }
    }
    assert_eq!(json!(summaries.len()), 2);
    arena.end(ATTACK_MIB);
}
