//! Two processes on one data directory: the second asks the first, and takes over where it dies.

use piton_tests::{Chain, Home};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

#[test]
fn a_second_process_looks_while_the_first_runs() {
    let home = Home::with(Chain::new(3, 700).manifest());
    let mut first = home.start(&["run", "--json", "pipeline.toml"]);
    let run = first.run_id();
    first.wait_for_stderr("s02: attempt 1");
    let rows = home.runs();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["status"], "running");
    let summary = home.summary(&run);
    assert_eq!(summary["steps"][0]["status"], "succeeded");
    assert_eq!(summary["steps"][1]["status"], "running");
    assert_eq!(home.story(&run).ends("s01", "execute"), ["succeeded"]);
    home.run(&["logs", &run]).expect_code(0);
    assert_eq!(first.finish().expect_code(0).json()["output"], json!({ "n": 3 }));
}

#[test]
fn a_second_process_cancels_a_run_of_the_first() {
    let home = Home::with(Chain::new(3, 500).manifest());
    let mut first = home.start(&["run", "--json", "pipeline.toml"]);
    let run = first.run_id();
    first.wait_for_stderr("s02: attempt 1");
    home.run(&["cancel", &run]).expect_code(0);
    let summary = first.finish().expect_code(4).json();
    assert_eq!(summary["status"], "cancelled");
    let story = home.story(&run);
    story.check(0);
    // The attempt under way may end; what it did is undone.
    assert_eq!(story.calls.of_phase("execute").steps(), ["s01", "s02"], "{story}");
    assert_eq!(story.calls.of_phase("compensate").steps(), ["s02", "s01"], "{story}");
}

#[test]
fn a_second_process_runs_through_the_first() {
    let home = Home::with(Chain::new(2, 1_000).manifest());
    home.write("short.toml", Chain::new(3, 0).manifest());
    let mut first = home.start(&["run", "--json", "pipeline.toml"]);
    first.run_id();
    let second = home.run(&["run", "--json", "short.toml"]).expect_code(0);
    assert_eq!(second.json()["output"], json!({ "n": 3 }));
    assert_eq!(first.finish().expect_code(0).json()["output"], json!({ "n": 2 }));
    assert_eq!(home.runs().len(), 2);
}

/// The first stays until the run that it carries for the second has ended.
#[test]
fn the_first_stays_for_those_who_follow() {
    let home = Home::with(Chain::new(1, 300).manifest());
    home.write("long.toml", Chain::new(3, 500).manifest());
    let mut first = home.start(&["run", "--json", "pipeline.toml"]);
    first.run_id();
    let mut second = home.start(&["run", "--json", "long.toml"]);
    let run = second.run_id();
    let summary = second.finish().expect_code(0).json();
    assert_eq!(summary["output"], json!({ "n": 3 }));
    first.finish().expect_code(0);
    let story = home.story(&run);
    story.check(0);
    assert_eq!(story.calls.0.len(), 3, "{story}");
}

/// Whoever begins to follow hears where all of the run stands, and from then on what changes.
#[test]
fn a_late_follower_is_told_the_whole_first() {
    let home = Home::with(Chain::new(4, 500).manifest());
    let mut first = home.start(&["run", "--json", "pipeline.toml"]);
    let run = first.run_id();
    first.wait_for_stderr("s02: attempt 1");
    let mut socket = UnixStream::connect(home.data().join("socket"))
        .expect("a process that carries a run should listen");
    writeln!(socket, "{}", json!({ "follow": { "run": run } })).expect("it should read");
    let told = BufReader::new(socket).lines().map(|line| {
        let line = line.expect("it should tell lines");
        serde_json::from_str::<Value>(&line).expect("a line should be JSON")["update"].take()
    });
    let told: Vec<Value> = told.collect();
    let steps = told[0]["stands"]["steps"].as_array().expect("the whole should come first");
    assert_eq!(steps.len(), 4);
    assert_eq!(
        (&steps[0]["status"], &steps[1]["status"]),
        (&json!("succeeded"), &json!("running"))
    );
    let changed: Vec<&Value> = told.iter().filter(|update| update["changed"].is_array()).collect();
    assert!(!changed.is_empty(), "what changes should be told: {told:?}");
    for update in changed {
        let count = update["changed"].as_array().map_or(0, Vec::len);
        assert!(count <= 2, "only the step that ended and the next should be told: {update}");
    }
    let wholes = told.iter().filter(|update| update["stands"].is_object()).count();
    assert_eq!(wholes, 1, "nothing should make it tell the whole again");
    assert_eq!(told.last().map(|last| &last["rests"]["status"]), Some(&json!("completed")));
    first.finish().expect_code(0);
}

#[test]
fn a_follower_goes_on_where_the_first_was_killed() {
    let home = Home::with(Chain::new(5, 400).manifest());
    let mut first = home.start(&["run", "--json", "pipeline.toml"]);
    let run = first.run_id();
    let mut second = home.start(&["resume", "--json", &run]);
    second.wait_for_stderr("s02: attempt 1");
    first.kill();
    let summary = second.finish().expect_code(0).json();
    assert_eq!(summary["output"], json!({ "n": 5 }));
    home.story(&run).check(1);
}

#[test]
fn two_followers_of_a_killed_process_agree() {
    let home = Home::with(Chain::new(5, 400).manifest());
    let mut first = home.start(&["run", "--json", "pipeline.toml"]);
    let run = first.run_id();
    let mut followers: Vec<_> = (0..3).map(|_| home.start(&["resume", "--json", &run])).collect();
    for follower in &mut followers {
        follower.wait_for_stderr("s02: attempt 1");
    }
    first.kill();
    for follower in followers {
        let summary = follower.finish().expect_code(0).json();
        assert_eq!(summary["output"], json!({ "n": 5 }));
    }
    home.story(&run).check(1);
}

#[test]
fn a_follower_that_leaves_stops_nothing() {
    let home = Home::with(Chain::new(3, 500).manifest());
    let mut first = home.start(&["run", "--json", "pipeline.toml"]);
    let run = first.run_id();
    let mut second = home.start(&["resume", "--json", &run]);
    second.wait_for_stderr("s01");
    second.interrupt();
    second.finish().expect_code(6);
    assert_eq!(first.finish().expect_code(0).json()["output"], json!({ "n": 3 }));
    home.story(&run).check(0);
}

#[test]
fn an_interrupted_first_hands_over() {
    let home = Home::with(Chain::new(4, 500).manifest());
    let mut first = home.start(&["run", "--json", "pipeline.toml"]);
    let run = first.run_id();
    let mut second = home.start(&["resume", "--json", &run]);
    second.wait_for_stderr("s02: attempt 1");
    first.interrupt();
    first.finish().expect_code(6);
    assert_eq!(second.finish().expect_code(0).json()["output"], json!({ "n": 4 }));
    let story = home.story(&run);
    story.check(0);
    assert_eq!(story.calls.0.len(), 4, "{story}");
}

#[test]
fn a_person_answers_from_another_process() {
    let home = Home::with(
        "[pipeline]\nname = \"it\"\n[steps.ask]\napproval = { from = \"finance\" }\n[steps.hear]\nsignal = \"go\"\nafter = [\"ask\"]\n",
    );
    let mut first = home.start(&["run", "--json", "pipeline.toml"]);
    let run = first.run_id();
    first.wait_for_stderr("ask: waits");
    home.run(&["approve", &run, "hear"]).expect_code(2);
    home.run(&["approve", &run, "ask", "--because", "fine"]).expect_code(0);
    first.wait_for_stderr("hear: waits");
    home.run(&["signal", &run, "go", r#"{"to":"Paris"}"#]).expect_code(0);
    let summary = first.finish().expect_code(0).json();
    assert_eq!(summary["output"], json!({ "to": "Paris" }));
}
