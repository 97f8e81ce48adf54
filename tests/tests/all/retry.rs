//! Retrying: how often, not before when, and with what survives a restart.

use piton_tests::{GRANT, Home, Story};
use serde_json::Value;

/// A step that works, then one that fails in some way.
fn pipeline(input: &str, besides: &str) -> String {
    format!(
        r#"
[pipeline]
name = "retrying"
[defaults]
effect = "idempotent"
[steps.first]
component = "steps/counter"
input = {{}}
{GRANT}
[steps.second]
component = "steps/counter"
after = ["first"]
input = {{ {input} }}
{GRANT}
{besides}
"#
    )
}

fn millis(event: &Value) -> u64 {
    let at = event["at"].as_str().expect("an event should have a time");
    // Only within one day are these compared.
    let number = |range: std::ops::Range<usize>| at[range].parse::<u64>().expect("a number");
    ((number(8..10) * 24 + number(11..13)) * 3_600 + number(14..16) * 60 + number(17..19)) * 1_000
        + number(20..23)
}

/// The moment that a retry was due at, in the same count as [`millis`].
fn due_millis(event: &Value) -> u64 {
    millis(event) + event["delay_ms"].as_u64().expect("a retry should have a delay")
}

/// Checks that no attempt came before it was due, and that each wait was drawn once.
#[track_caller]
fn check_dues(story: &Story, retries: usize) {
    let scheduled = story.of("retry-scheduled");
    assert_eq!(scheduled.len(), retries, "{story}");
    for retry in scheduled {
        let started = story
            .of("attempt-started")
            .into_iter()
            .find(|event| event["step"] == retry["step"] && event["attempt"] == retry["attempt"]);
        let started = started.unwrap_or_else(|| panic!("never tried again: {retry}\n{story}"));
        assert!(millis(started) >= due_millis(retry), "too early: {started}\n{story}");
    }
}

#[test]
fn three_failures_then_success_completes() {
    let retry = r#"retry = { attempts = 4, base = "20ms", cap = "40ms", floor = "10ms" }"#;
    let home = Home::with(pipeline(r#"fail = "retryable", times = 3"#, retry));
    let summary = home.run(&["run", "--json", "pipeline.toml"]).expect_code(0).json();
    let run = summary["run"].as_str().expect("a run should have an id");
    let story = home.story(run);
    story.check(0);
    check_dues(&story, 3);
    assert_eq!(
        story.ends("second", "execute"),
        ["retryable", "retryable", "retryable", "succeeded"]
    );
    assert_eq!(story.calls.count("first", "execute"), 1);
    assert_eq!(summary["steps"][1]["attempts"], 4);
}

#[test]
fn a_retry_keeps_its_moment_over_restarts() {
    let retry = r#"retry = { attempts = 4, base = "2s", factor = 1.0, jitter = "none" }"#;
    let home = Home::with(pipeline(r#"fail = "retryable", times = 2"#, retry));
    let mut running = home.start(&["run", "pipeline.toml"]);
    let run = running.run_id();
    running.wait_for_stderr("attempt 2 in");
    running.kill();
    let waiting = home.events(&run);
    let scheduled = waiting.last().expect("there should be events");
    assert_eq!(scheduled["event"], "retry-scheduled");
    assert_eq!(home.summary(&run)["steps"][1]["status"], "retrying");
    // Twice more, while it still waits.
    for _ in 0..2 {
        let running = home.start(&["resume", "--json", &run]);
        std::thread::sleep(std::time::Duration::from_millis(200));
        running.kill();
    }
    home.run(&["resume", "--json", &run]).expect_code(0);
    let story = home.story(&run);
    story.check(0);
    check_dues(&story, 2);
    assert_eq!(&story.events[..waiting.len()], &waiting[..], "the past changed\n{story}");
    assert_eq!(story.calls.count("first", "execute"), 1, "{story}");
    assert_eq!(story.calls.count("second", "execute"), 3, "{story}");
}

#[test]
fn a_wish_to_wait_is_granted() {
    let retry = r#"retry = { attempts = 1, base = "1ms", floor = "0ms" }"#;
    let home = Home::with(pipeline(r#"fail = "retry-after", wait_ms = 400, times = 2"#, retry));
    let summary = home.run(&["run", "--json", "pipeline.toml"]).expect_code(0).json();
    let story = home.story(summary["run"].as_str().expect("a run should have an id"));
    check_dues(&story, 2);
    for retry in story.of("retry-scheduled") {
        assert!(retry["delay_ms"].as_u64() >= Some(400), "{retry}");
    }
}

#[test]
fn a_wish_to_wait_too_long_is_exhausted() {
    let home = Home::with(pipeline(r#"fail = "retry-after", wait_ms = 86_400_000"#, ""));
    let summary = home.run(&["run", "--json", "pipeline.toml"]).expect_code(3).json();
    assert_eq!(summary["failure"]["limit"], "retry-after-max");
    assert_eq!(summary["steps"][0]["status"], "compensated");
}

#[test]
fn exhausted_attempts_turn_the_run_back() {
    let retry = r#"retry = { attempts = 3, base = "1ms", cap = "1ms", floor = "1ms" }"#;
    let home = Home::with(pipeline(r#"fail = "retryable""#, retry));
    let summary = home.run(&["run", "--json", "pipeline.toml"]).expect_code(3).json();
    assert_eq!(summary["failure"]["limit"], "attempts");
    let story = home.story(summary["run"].as_str().expect("a run should have an id"));
    assert_eq!(story.ends("second", "execute"), ["retryable"; 3]);
    assert_eq!(story.calls.of_phase("compensate").steps(), ["second", "first"]);
}

#[test]
fn a_rule_makes_a_failure_permanent() {
    let rules = "[[steps.second.retry.rules]]\ncode = \"card-*\"\nas = \"permanent\"";
    let home = Home::with(pipeline(r#"fail = "retryable", code = "card-declined""#, rules));
    let summary = home.run(&["run", "--json", "pipeline.toml"]).expect_code(3).json();
    let story = home.story(summary["run"].as_str().expect("a run should have an id"));
    assert_eq!(story.ends("second", "execute"), ["retryable"], "{story}");
}

/// Nothing happened, so nothing is owed.
#[test]
fn a_clean_failure_is_not_undone() {
    let home = Home::with(pipeline(r#"fail = "permanent", clean = true"#, ""));
    let summary = home.run(&["run", "--json", "pipeline.toml"]).expect_code(3).json();
    let story = home.story(summary["run"].as_str().expect("a run should have an id"));
    assert_eq!(story.calls.of_phase("compensate").steps(), ["first"], "{story}");
}

#[test]
fn a_wait_keeps_its_end_over_a_restart() {
    let home = Home::with("[pipeline]\nname = \"it\"\n[steps.it]\nwait = \"1500ms\"\n");
    let mut running = home.start(&["run", "pipeline.toml"]);
    let run = running.run_id();
    running.wait_for_stderr("it: waits");
    running.kill();
    let until = home.story(&run).of("wait-started")[0]["until_ms"].clone();
    let summary = home.run(&["resume", "--json", &run]).expect_code(0).json();
    assert_eq!(summary["status"], "completed");
    let story = home.story(&run);
    assert_eq!(story.of("wait-started").len(), 1, "{story}");
    assert_eq!(story.of("wait-started")[0]["until_ms"], until);
    assert!(until.is_u64(), "{story}");
}

#[test]
fn looking_at_a_run_keeps_its_timers() {
    let retry = r#"retry = { attempts = 2, base = "1500ms", factor = 1.0, jitter = "none" }"#;
    let home = Home::with(pipeline(r#"fail = "retryable", times = 1"#, retry));
    let mut running = home.start(&["run", "--json", "pipeline.toml"]);
    let run = running.run_id();
    running.wait_for_stderr("attempt 2 in");
    // A question between two events once stopped the clock for good.
    assert_eq!(home.summary(&run)["status"], "running");
    let summary = running.finish().expect_code(0).json();
    assert_eq!(summary["steps"][1]["attempts"], 2);
}
