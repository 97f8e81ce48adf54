//! What scripts rely on: exit codes, the summary's fields, and a stdout that holds nothing else.

use piton_tests::{Chain, GRANT, Home};
use serde_json::{Value, json};

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

#[track_caller]
fn check_fields(object: &Value, expected: &[&str]) {
    for field in expected {
        assert!(keys(object).contains(field), "`{field}` is missing in {object}");
    }
}

#[track_caller]
fn check_summary(summary: &Value) {
    check_fields(summary, &["run", "pipeline", "status", "output", "steps", "usage", "failure"]);
    check_fields(&summary["usage"], &["spent", "wasted", "restart"]);
    for step in summary["steps"].as_array().into_iter().flatten() {
        check_fields(step, &["step", "status", "attempts", "compensated", "output"]);
        assert!(step["attempts"].is_u64() && step["compensated"].is_boolean(), "{step}");
    }
    if !summary["failure"].is_null() {
        check_fields(&summary["failure"], &["step", "phase", "end", "code", "message"]);
    }
    assert_eq!(summary["run"].as_str().map(str::len), Some(36));
}

#[test]
fn a_completed_run_exits_with_zero() {
    let home = Home::with(Chain::new(2, 0).manifest());
    let told = home.run(&["run", "--json", "pipeline.toml"]).expect_code(0);
    let summary = told.json();
    check_summary(&summary);
    assert_eq!(summary["status"], "completed");
    assert_eq!(summary["failure"], Value::Null);
    assert_eq!(summary["output"], json!({ "n": 2 }));
    let step = json!({ "step": "s01", "status": "succeeded", "attempts": 1, "compensated": false, "output": { "n": 1 } });
    assert_eq!(summary["steps"][0], step);
    // `show` and `resume` tell the same, at any time.
    assert_eq!(home.summary("last"), summary);
    assert_eq!(home.run(&["resume", "--json", "last"]).expect_code(0).json(), summary);
}

#[test]
fn a_rolled_back_run_exits_with_three() {
    let chain = Chain { last_input: r#"fail = "permanent""#, ..Chain::new(2, 0) };
    let home = Home::with(chain.manifest());
    let summary = home.run(&["run", "--json", "pipeline.toml"]).expect_code(3).json();
    check_summary(&summary);
    assert_eq!(summary["status"], "rolled-back");
    assert_eq!(summary["output"], Value::Null);
    assert_eq!(summary["steps"][0]["status"], "compensated");
    assert_eq!(summary["steps"][0]["compensated"], true);
    assert_eq!(summary["failure"]["step"], "s02");
    assert_eq!(summary["failure"]["phase"], "execute");
    assert_eq!(summary["failure"]["end"], "permanent");
    assert_eq!(summary["failure"]["code"], "told-to-fail");
    // Looking at it is no failure.
    home.run(&["show", "last"]).expect_code(0);
    home.run(&["resume", "last"]).expect_code(3);
}

#[test]
fn a_cancelled_run_exits_with_four() {
    let home = Home::with(format!(
        "[pipeline]\nname = \"it\"\n[steps.first]\ncomponent = \"steps/counter\"\neffect = \"idempotent\"\ninput = {{}}\n{GRANT}\n[steps.ask]\nafter = [\"first\"]\napproval = {{ from = \"me\" }}\n"
    ));
    let mut running = home.start(&["run", "--json", "pipeline.toml"]);
    running.wait_for_stderr("ask: waits");
    home.run(&["cancel", "last"]).expect_code(0);
    let summary = running.finish().expect_code(4).json();
    check_summary(&summary);
    assert_eq!(summary["status"], "cancelled");
    assert_eq!(home.calls().of_phase("compensate").steps(), ["first"]);
    home.run(&["cancel", "last"]).expect_code(2);
}

#[test]
fn a_stuck_run_exits_with_five() {
    let home = Home::with(
        "[pipeline]\nname = \"it\"\n[steps.it]\ncomponent = \"steps/counter\"\neffect = \"unsafe\"\ninput = { fail = \"unknown\" }\n",
    );
    let summary = home.run(&["run", "--json", "pipeline.toml"]).expect_code(5).json();
    check_summary(&summary);
    assert_eq!(summary["status"], "stuck");
    assert_eq!(summary["steps"][0]["status"], "stuck");
}

#[test]
fn a_detached_run_exits_with_six_and_goes_on() {
    let home = Home::with(Chain::new(3, 100).manifest());
    let summary = home.run(&["run", "--json", "--detach", "pipeline.toml"]).expect_code(6).json();
    check_summary(&summary);
    assert_eq!(summary["status"], "running");
    let run = summary["run"].as_str().expect("a run should have an id");
    let end = home.run(&["resume", "--json", run]).expect_code(0).json();
    assert_eq!(end["output"], json!({ "n": 3 }));
    let story = home.story(run);
    story.check(0);
    assert_eq!(story.calls.0.len(), 3, "{story}");
}

#[test]
fn json_stands_alone_on_stdout() {
    let home = Home::with(Chain::new(2, 0).manifest());
    home.run(&["run", "--json", "pipeline.toml"]).expect_code(0).json();
    for (arguments, several) in [
        (&["show", "--json"][..], false),
        (&["events", "--json"], true),
        (&["runs", "--json"], true),
        (&["logs", "--json"], true),
        (&["resume", "--json", "last"], false),
        (&["inspect", "--json", "steps/echo"], false),
        (&["try", "--json", "steps/echo", "--input", "{}"], false),
    ] {
        let told = home.run(arguments).expect_code(0);
        let documents = told.json_lines();
        assert!(several || documents.len() == 1, "{told}");
        assert!(documents.iter().all(Value::is_object), "{told}");
    }
    for event in home.events("last") {
        check_fields(&event, &["seq", "at", "event"]);
    }
}

#[test]
fn without_json_stdout_is_the_output_alone() {
    let home = Home::with(Chain::new(2, 0).manifest());
    let told = home.run(&["run", "pipeline.toml"]).expect_code(0);
    let output: Value = serde_json::from_str(&told.stdout).expect("stdout should be JSON");
    assert_eq!(output, json!({ "n": 2 }));
    let quiet = home.run(&["run", "--quiet", "pipeline.toml"]).expect_code(0);
    assert_eq!(quiet.stdout, told.stdout);
    assert!(quiet.stderr.is_empty(), "{quiet}");
}

#[test]
fn each_tells_one_summary_per_line() {
    let home = Home::with(
        "[pipeline]\nname = \"it\"\n[steps.it]\ncomponent = \"steps/flaky\"\neffect = \"none\"\ninput = \"${input}\"\n",
    );
    home.write(
        "inputs.ndjson",
        "{\"takes_ms\":1500,\"value\":1}\n{\"value\":2}\n\n{\"fail\":\"permanent\"}\n",
    );
    let told = home.run(&["run", "--json", "--each", "inputs.ndjson", "pipeline.toml"]);
    let told = told.expect_code(3);
    let summaries = told.json_lines();
    assert_eq!(summaries.len(), 3, "{told}");
    summaries.iter().for_each(check_summary);
    // As they end: the slow one, though first in the file, last.
    assert_eq!(summaries[2]["output"], 1, "{told}");
    let inputs = home.write("bad.ndjson", "{}\n{\n{}\n");
    let told = home.run(&["run", "--json", "--each", "bad.ndjson", "pipeline.toml"]).expect_code(2);
    assert!(told.stderr.contains("bad.ndjson:2"), "{} {told}", inputs.display());
}
