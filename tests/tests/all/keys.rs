//! `--key`: the same key never starts a second run, whoever says it, whenever.

use piton_tests::{Chain, Home};

const START: [&str; 5] = ["run", "--json", "--key", "order-7", "pipeline.toml"];

#[test]
fn a_key_said_twice_is_one_run() {
    let home = Home::with(Chain::new(2, 0).manifest());
    let first = home.run(&START).expect_code(0).json();
    let second = home.run(&START).expect_code(0).json();
    assert_eq!(first, second);
    assert_eq!(first["key"], "order-7");
    assert_eq!(home.calls().0.len(), 2);
    let other = home.run(&["run", "--json", "--key", "order-8", "pipeline.toml"]).expect_code(0);
    assert_ne!(other.json()["run"], first["run"]);
}

#[test]
fn a_key_said_at_once_is_one_run() {
    let home = Home::with(Chain::new(3, 100).manifest());
    let all: Vec<_> = (0..4).map(|_| home.start(&START)).collect();
    let ends: Vec<_> = all.into_iter().map(|one| one.finish().expect_code(0).json()).collect();
    for end in &ends {
        assert_eq!(end["run"], ends[0]["run"]);
        assert_eq!(end["status"], "completed");
    }
    assert_eq!(home.runs().len(), 1);
    assert_eq!(home.calls().0.len(), 3);
}

#[test]
fn a_key_said_after_a_kill_goes_on() {
    let home = Home::with(Chain::new(3, 300).manifest());
    let mut running = home.start(&START);
    let run = running.run_id();
    running.wait_for_stderr("s02: attempt 1");
    running.kill();
    let end = home.run(&START).expect_code(0).json();
    assert_eq!(end["run"], run.as_str());
    assert_eq!(end["output"]["n"], 3);
    assert_eq!(home.runs().len(), 1);
    home.story(&run).check(1);
}

#[test]
fn a_key_said_after_a_rollback_does_not_start_anew() {
    let chain = Chain { last_input: r#"fail = "permanent""#, ..Chain::new(2, 0) };
    let home = Home::with(chain.manifest());
    let first = home.run(&START).expect_code(3).json();
    let second = home.run(&START).expect_code(3).json();
    assert_eq!(first, second);
    assert_eq!(home.runs().len(), 1);
}

/// A run keeps the manifest and the components it began with.
#[test]
fn a_resumed_run_keeps_its_manifest() {
    let home = Home::with(Chain::new(3, 300).manifest());
    let mut running = home.start(&START);
    let run = running.run_id();
    running.wait_for_stderr("s02: attempt 1");
    running.kill();
    home.write("pipeline.toml", Chain::new(7, 0).manifest());
    std::fs::remove_dir_all(home.path("steps")).expect("the steps should be removed");
    let end = home.run(&["resume", "--json", &run]).expect_code(0).json();
    assert_eq!(end["output"]["n"], 3);
}
