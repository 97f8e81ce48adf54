//! Why a run stands where it stands: `explain` names the cause, the limit, the due time, and what to
//! type next; `plan` and `verify` say the same of what may come and of what was.

use piton_tests::{GRANT, Home};
use serde_json::Value;

/// One counter step that fails in some way.
fn failing(keys: &str) -> Home {
    Home::with(format!(
        r#"
[pipeline]
name = "explained"
[defaults]
retry = {{ attempts = 2, base = "1ms", cap = "1ms", floor = "1ms" }}
undo = {{ attempts = 2, base = "1ms", cap = "1ms", floor = "1ms" }}
[steps.it]
component = "steps/counter"
{GRANT}
{keys}
"#
    ))
}

/// Runs the pipeline to its rest, and explains it.
#[track_caller]
fn explained(keys: &str, code: i32) -> Value {
    let home = failing(keys);
    home.run(&["run", "--json", "pipeline.toml"]).expect_code(code);
    let explanation = home.run(&["explain", "--json", "last"]).expect_code(0).json();
    let verified = home.run(&["verify", "--json"]).expect_code(0).json();
    assert_eq!(verified["problems"], serde_json::json!([]));
    explanation
}

/// Whether a reason about the step speaks of the limit and of these words.
#[track_caller]
fn check_reason(explanation: &Value, limit: &str, words: &str) {
    let reasons = explanation["reasons"].as_array().expect("there should be reasons");
    let found = reasons.iter().find(|reason| reason["step"] == "it" && reason["limit"] == limit);
    let reason = found.unwrap_or_else(|| panic!("no reason says `{limit}`: {explanation}"));
    let text = reason["text"].as_str().unwrap_or_default();
    assert!(text.contains(words), "`{words}` is not said: {explanation}");
    assert!(reason["seq"].is_u64() && reason["at"].is_string(), "no event: {explanation}");
}

#[track_caller]
fn check_next(explanation: &Value, command: &str) {
    let next = explanation["next"].as_array().expect("there should be commands");
    let says = |next: &Value| next["command"].as_str().is_some_and(|text| text.contains(command));
    assert!(next.iter().any(says), "`{command}` is not suggested: {explanation}");
}

#[test]
fn used_up_attempts_are_named() {
    let explanation = explained("effect = \"none\"\ninput = { fail = \"retryable\" }", 3);
    check_reason(&explanation, "attempts", "2 of 2 attempts");
    check_next(&explanation, "piton show");
}

#[test]
fn an_unknown_outcome_asks_to_settle() {
    let explanation = explained("effect = \"unsafe\"\ninput = { fail = \"unknown\" }", 5);
    check_reason(&explanation, "unknown-outcome", "its `effect` does not allow to repeat it");
    check_next(&explanation, "it --as done --because");
    check_next(&explanation, "it --as not-done --because");
}

#[test]
fn a_failed_undo_asks_to_retry() {
    let last = format!(
        "\n[steps.last]\ncomponent = \"steps/counter\"\nafter = [\"it\"]\neffect = \"none\"\n\
         input = {{ fail = \"permanent\" }}\n{GRANT}"
    );
    let keys = "effect = \"idempotent\"\ninput = { fail = \"retryable\", phase = \"compensate\" }";
    let explanation = explained(&format!("{keys}{last}"), 5);
    check_reason(&explanation, "attempts", "its undo needs a person");
    check_next(&explanation, "piton retry");
    check_next(&explanation, "it --as undone --because");
    let reasons = explanation["reasons"].to_string();
    assert!(reasons.contains("it turned back because step `last` failed"), "{reasons}");
}

#[test]
fn a_wait_tells_when_it_ends() {
    let home = Home::with("[pipeline]\nname = \"it\"\n[steps.it]\nwait = \"30d\"\n");
    let mut running = home.start(&["run", "pipeline.toml"]);
    let run = running.run_id();
    running.wait_for_stderr("it: waits");
    running.kill();
    let due = |explanation: &Value| {
        let reasons = explanation["reasons"].as_array().expect("there should be reasons");
        reasons.iter().find_map(|reason| reason["due"].as_str().map(str::to_owned))
    };
    let explanation = home.run(&["explain", "--json", &run]).expect_code(0).json();
    assert_eq!(explanation["status"], "waiting");
    assert_eq!(explanation["holder"], Value::Null);
    check_next(&explanation, "piton resume");
    let first = due(&explanation).expect("the end of the wait should be told");
    // Ten restarts change nothing about it.
    for _ in 0..10 {
        let mut running = home.start(&["resume", "--all"]);
        // Whoever asks before would hold the directory itself, and be in the way.
        running.wait_until("it holds the directory", |running| {
            let holder = std::fs::read_to_string(home.data().join("lock")).unwrap_or_default();
            holder.trim() == running.id().to_string()
        });
        let told = home.run(&["explain", "--json", &run]).expect_code(0).json();
        assert_eq!(due(&told).as_deref(), Some(first.as_str()));
        running.kill();
    }
    let explanation = home.run(&["explain", "--json", &run]).expect_code(0).json();
    assert_eq!(due(&explanation), Some(first));
}

#[test]
fn a_herd_comes_back_late_and_spread() {
    let home = Home::with(format!(
        r#"
[pipeline]
name = "herd"
[steps.it]
component = "steps/counter"
effect = "idempotent"
retry = {{ attempts = 1, base = "400ms", floor = "1ms" }}
input = {{ fail = "retry-after", wait_ms = 300, times = 1 }}
{GRANT}
"#
    ));
    home.write("inputs.ndjson", "{}\n".repeat(24));
    let each = ["run", "--json", "--each", "inputs.ndjson", "--parallel", "24", "pipeline.toml"];
    let summaries = home.run(&each).expect_code(0).json_lines();
    assert_eq!(summaries.len(), 24);
    let mut delays = Vec::new();
    for summary in &summaries {
        let run = summary["run"].as_str().expect("a run should have an id");
        let story = home.story(run);
        story.check(0);
        let retries = story.of("retry-scheduled");
        assert_eq!(retries.len(), 1, "{story}");
        delays.push(retries[0]["delay_ms"].as_u64().expect("a retry should have a delay"));
    }
    assert!(delays.iter().all(|delay| *delay >= 300), "somebody comes back early: {delays:?}");
    delays.sort_unstable();
    delays.dedup();
    // 24 draws from 400 moments: even five alike would be a surprise.
    assert!(delays.len() >= 18, "they all come back at once: {delays:?}");
}

#[test]
fn a_plan_names_what_stays() {
    let home = failing("effect = \"unsafe\"\ninput = {}");
    let plan = home.run(&["plan", "--json", "pipeline.toml"]).expect_code(0).json();
    assert!(plan.to_string().contains("settle"), "{plan}");
    home.run(&["plan", "--fail-on", "person", "pipeline.toml"]).expect_code(3);
}

#[test]
fn chaos_of_a_sound_pipeline_finds_nothing() {
    let home = failing("effect = \"idempotent\"\ninput = {}");
    let stub = ["chaos", "--stub", "--runs", "500", "--seed", "1", "pipeline.toml"];
    home.run(&stub).expect_code(0);
    home.run(&["chaos", "--runs", "10", "--seed", "1", "pipeline.toml"]).expect_code(0);
}
