//! The failures that the host exists for: a reply that is lost after its effect, an outcome that
//! only a person knows, an undo that fails, a result that is no result.

use piton_tests::{GRANT, Home, Story};
use serde_json::{Value, json};

/// A step that works, then one of this component and with these keys.
fn pipeline(component: &str, keys: &str) -> String {
    format!(
        r#"
[pipeline]
name = "recovering"
[defaults]
effect = "idempotent"
retry = {{ base = "1ms", cap = "1ms", floor = "1ms" }}
undo = {{ base = "1ms", cap = "1ms", floor = "1ms" }}
[steps.first]
component = "steps/counter"
input = {{}}
{GRANT}
[steps.second]
component = "steps/{component}"
after = ["first"]
{GRANT}
{keys}
"#
    )
}

/// Starts a run and kills the host when the second step has come this far; returns the run.
fn killed_in_second_step(home: &Home, is_there: impl Fn(&Home) -> bool) -> String {
    let mut running = home.start(&["run", "pipeline.toml"]);
    let run = running.run_id();
    running.wait_until("the second step has come far enough", |_| is_there(home));
    running.kill();
    run
}

fn run_of(summary: &Value) -> &str {
    summary["run"].as_str().expect("a run should have an id")
}

fn is_called(home: &Home) -> bool {
    home.calls().count("second", "execute") > 0
}

fn has_effect(home: &Home, run: &str) -> bool {
    !home.story(run).of("memo-remembered").is_empty()
}

#[test]
fn a_lost_reply_is_asked_about_not_repeated() {
    let keys = "effect = \"reconcilable\"\ninput = { n = 6, takes_ms = 3_000 }";
    let home = Home::with(pipeline("reconcilable", keys));
    let mut running = home.start(&["run", "pipeline.toml"]);
    let run = running.run_id();
    running.wait_until("the effect is there", |_| has_effect(&home, &run));
    running.kill();
    let summary = home.run(&["resume", "--json", &run]).expect_code(0).json();
    assert_eq!(summary["output"], json!({ "n": 7 }));
    let story = home.story(&run);
    story.check(1);
    assert_eq!(story.calls.count("second", "execute"), 1, "{story}");
    assert_eq!(story.calls.count("second", "reconcile"), 1, "{story}");
}

#[test]
fn a_call_lost_before_its_effect_is_repeated() {
    let keys = "effect = \"reconcilable\"\ninput = { n = 6, takes_ms = 2_000 }";
    let home = Home::with(pipeline("reconcilable", keys));
    let run = killed_in_second_step(&home, is_called);
    let summary = home.run(&["resume", "--json", &run]).expect_code(0).json();
    assert_eq!(summary["output"], json!({ "n": 7 }));
    let story = home.story(&run);
    story.check(1);
    assert_eq!(story.calls.count("second", "execute"), 2, "{story}");
    assert_eq!(story.calls.count("second", "reconcile"), 1, "{story}");
}

#[test]
fn an_unknown_outcome_is_reconciled() {
    for (answer, code, executes) in [("done", 0, 1), ("unknown", 5, 1)] {
        let keys = format!(
            "effect = \"reconcilable\"\ninput = {{ fail = \"unknown\", times = 1, answer = \"{answer}\" }}"
        );
        let home = Home::with(pipeline("reconcilable", &keys));
        let summary = home.run(&["run", "--json", "pipeline.toml"]).expect_code(code).json();
        let story = home.story(run_of(&summary));
        assert_eq!(story.calls.count("second", "execute"), executes, "{answer}\n{story}");
        assert_eq!(story.calls.count("second", "reconcile"), 1, "{answer}\n{story}");
    }
}

/// A run whose unsafe step was lost with its host, paused.
fn paused_on_unsafe() -> (Home, String) {
    let home =
        Home::with(pipeline("counter", "effect = \"unsafe\"\ninput = { takes_ms = 60_000 }"));
    let run = killed_in_second_step(&home, is_called);
    let paused = home.run(&["resume", "--json", &run]).expect_code(5).json();
    assert_eq!(paused["status"], "stuck");
    assert_eq!(paused["failure"]["limit"], "unknown-outcome");
    assert_eq!(home.calls().count("second", "execute"), 1);
    (home, run)
}

#[test]
fn an_unsafe_step_pauses_until_settled() {
    let (home, run) = paused_on_unsafe();
    // Looking, resuming and retrying do not repeat it.
    let shown = home.run(&["show", &run]).expect_code(0);
    assert!(shown.stdout.contains(&format!("piton settle {run} second")), "{shown}");
    home.run(&["resume", &run]).expect_code(5);
    home.run(&["retry", &run, "second"]).expect_code(2);
    let settle = ["settle", "--json", &run, "second", "--because", "asked the bank", "--as"];
    let done = [&settle[..], &["done", "--output", r#"{"n":9}"#]].concat();
    let summary = home.run(&done).expect_code(0).json();
    assert_eq!(summary["status"], "completed");
    assert_eq!(summary["output"], json!({ "n": 9 }));
    let story = home.story(&run);
    assert_eq!(story.of("settled")[0]["because"], "asked the bank", "{story}");
    assert_eq!(story.calls.count("second", "execute"), 1, "{story}");
}

#[test]
fn an_unsafe_step_that_did_nothing_goes_again() {
    let home = Home::with(pipeline("counter", "effect = \"unsafe\"\ninput = { takes_ms = 1_500 }"));
    let run = killed_in_second_step(&home, is_called);
    home.run(&["resume", "--json", &run]).expect_code(5);
    let settle = ["settle", "--json", &run, "second", "--because", "no trace", "--as", "not-done"];
    let summary = home.run(&settle).expect_code(0).json();
    assert_eq!(summary["output"], json!({ "n": 1 }));
    home.story(&run).check(1);
}

#[test]
fn an_undo_that_fails_twice_then_works() {
    let keys = r#"input = { fail = "retryable", times = 2, phase = "compensate" }
[steps.last]
component = "steps/counter"
after = ["second"]
input = { fail = "permanent", clean = true }
"#;
    let home = Home::with(pipeline("counter", keys));
    let summary = home.run(&["run", "--json", "pipeline.toml"]).expect_code(3).json();
    assert_eq!(summary["status"], "rolled-back");
    let story = home.story(run_of(&summary));
    story.check(0);
    assert_eq!(story.ends("second", "compensate"), ["retryable", "retryable", "succeeded"]);
    assert_eq!(story.calls.of_phase("compensate").steps(), ["second", "first"]);
}

/// A run whose second step cannot be undone, stuck before the first is.
fn stuck_undoing(times: &str) -> (Home, String) {
    let keys = format!(
        r#"input = {{ fail = "permanent", phase = "compensate" {times} }}
[steps.last]
component = "steps/counter"
after = ["second"]
input = {{ fail = "permanent", clean = true }}
"#
    );
    let home = Home::with(pipeline("counter", &keys));
    let summary = home.run(&["run", "--json", "pipeline.toml"]).expect_code(5).json();
    assert_eq!(summary["status"], "stuck");
    assert_eq!(summary["steps"][1]["status"], "stuck");
    let story = home.story(run_of(&summary));
    assert_eq!(story.calls.of_phase("compensate").steps(), ["second"], "{story}");
    let run = run_of(&summary).to_owned();
    (home, run)
}

#[test]
fn a_stuck_undo_is_tried_again_by_retry() {
    let (home, run) = stuck_undoing(", times = 1");
    let summary = home.run(&["retry", "--json", &run, "second"]).expect_code(3).json();
    assert_eq!(summary["status"], "rolled-back");
    let story = home.story(&run);
    assert_eq!(story.ends("second", "compensate"), ["permanent", "succeeded"], "{story}");
    assert_eq!(story.calls.of_phase("compensate").steps(), ["second", "first"]);
}

#[test]
fn a_stuck_undo_is_settled_by_a_person() {
    let (home, run) = stuck_undoing("");
    home.run(&["retry", "--json", &run]).expect_code(5);
    let settle = ["settle", "--json", &run, "second", "--as", "undone", "--because", "by hand"];
    let summary = home.run(&settle).expect_code(3).json();
    assert_eq!(summary["status"], "rolled-back");
    assert_eq!(summary["failure"]["step"], "last");
    let story = home.story(&run);
    assert_eq!(story.calls.of_phase("compensate").steps(), ["second", "first"], "{story}");
    home.run(&settle).expect_code(2);
}

#[test]
fn a_result_that_is_none_is_asked_again() {
    let once = pipeline("counter", r#"input = { fail = "bad-output", times = 1, n = 1 }"#);
    let home = Home::with(once);
    let summary = home.run(&["run", "--json", "pipeline.toml"]).expect_code(0).json();
    assert_eq!(summary["output"], json!({ "n": 2 }));
    let story = home.story(run_of(&summary));
    story.check(0);
    assert_eq!(story.ends("second", "execute"), ["invalid-output", "succeeded"], "{story}");

    let home = Home::with(pipeline("counter", r#"input = { fail = "bad-output" }"#));
    let summary = home.run(&["run", "--json", "pipeline.toml"]).expect_code(3).json();
    let story = home.story(run_of(&summary));
    assert_eq!(story.ends("second", "execute"), ["invalid-output"; 2], "{story}");
}

#[test]
fn both_attempts_are_in_the_ledger() {
    let keys = r#"input = { fail = "bad-output", times = 1, usage = { usd = 50_000 } }"#;
    let home = Home::with(pipeline("flaky", keys));
    let summary = home.run(&["run", "--json", "pipeline.toml"]).expect_code(0).json();
    let usage = &summary["usage"];
    assert_eq!(usage["spent"], json!({ "usd": 0.1 }));
    assert_eq!(usage["wasted"], json!({ "usd": 0.05 }));
    assert_eq!(usage["restart"], json!({ "usd": 0.05 }));
}

#[test]
fn a_hanging_step_has_no_second_beside_it() {
    let keys = "timeout = \"2s\"\ninput = { fail = \"loop\", times = 1 }";
    let home = Home::with(pipeline("counter", keys));
    let summary = home.run(&["run", "--json", "pipeline.toml"]).expect_code(0).json();
    let story: Story = home.story(run_of(&summary));
    story.check(0);
    assert_eq!(story.ends("second", "execute"), ["timed-out", "succeeded"], "{story}");
    let second = |event: &&Value| event["step"] == "second" && event["phase"] == "execute";
    let words: Vec<&str> =
        story.events.iter().filter(second).filter_map(|event| event["event"].as_str()).collect();
    let ended = words.iter().position(|word| *word == "attempt-ended");
    let again = words.iter().rposition(|word| *word == "attempt-started");
    assert!(ended < again, "{story}");
}

/// A step that kills its host cannot do so for ever.
#[test]
fn a_step_lost_three_times_pauses() {
    let home = Home::with(pipeline("counter", "input = { takes_ms = 60_000 }"));
    let mut run: Option<String> = None;
    for lost in 1..=3 {
        let mut running = match &run {
            None => home.start(&["run", "pipeline.toml"]),
            Some(run) => home.start(&["resume", run]),
        };
        if run.is_none() {
            run = Some(running.run_id());
        }
        running.wait_until("it is called", |_| home.calls().count("second", "execute") == lost);
        running.kill();
    }
    let run = run.expect("it was started");
    let summary = home.run(&["resume", "--json", &run]).expect_code(5).json();
    assert_eq!(summary["failure"]["limit"], "lost-attempts");
    home.story(&run).check(3);
}
