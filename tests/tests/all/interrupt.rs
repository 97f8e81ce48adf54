//! Ctrl-C: once lets attempts under way end and starts none, twice leaves at once; either way the
//! run goes on by `piton resume`.

use piton_tests::{Chain, Home};
use rustix::process::Signal;

#[test]
fn one_interrupt_lets_the_attempt_end() {
    for signal in [Signal::INT, Signal::TERM] {
        let home = Home::with(Chain::new(4, 500).manifest());
        let mut running = home.start(&["run", "pipeline.toml"]);
        let run = running.run_id();
        running.wait_for_stderr("s02: attempt 1");
        running.signal(signal);
        running.finish().expect_code(6).expect_said(&format!("piton resume {run}"));
        let story = home.story(&run);
        assert_eq!(story.ends("s02", "execute"), ["succeeded"], "{story}");
        assert_eq!(story.calls.steps(), ["s01", "s02"], "{story}");
        assert_eq!(home.summary(&run)["status"], "running");
        let summary = home.run(&["resume", "--json", &run]).expect_code(0).json();
        assert_eq!(summary["output"]["n"], 4);
        let story = home.story(&run);
        story.check(0);
        assert_eq!(story.calls.0.len(), 4, "{story}");
    }
}

#[test]
fn two_interrupts_leave_at_once() {
    let home = Home::with(Chain::new(2, 4_000).manifest());
    let mut running = home.start(&["run", "pipeline.toml"]);
    let run = running.run_id();
    running.wait_until("the step was called", |_| !home.calls().0.is_empty());
    running.interrupt();
    running.wait_for_stderr("again");
    running.interrupt();
    running.finish().expect_code(6).expect_said(&format!("piton resume {run}"));
    assert!(!home.calls().0[0].has_ended, "it waited for the attempt");
    let summary = home.run(&["resume", "--json", &run]).expect_code(0).json();
    assert_eq!(summary["output"]["n"], 2);
    home.story(&run).check(1);
}

#[test]
fn an_interrupted_wait_is_left_at_once() {
    let home = Home::with("[pipeline]\nname = \"it\"\n[steps.it]\nwait = \"1h\"\n");
    let mut running = home.start(&["run", "--json", "pipeline.toml"]);
    let run = running.run_id();
    running.wait_for_stderr("it: waits");
    running.interrupt();
    let left = running.finish().expect_code(6).expect_said(&format!("piton resume {run}"));
    assert_eq!(left.json()["status"], "waiting");
}

#[test]
fn interrupting_many_runs_loses_none() {
    let home = Home::with(Chain::new(3, 300).manifest());
    home.write("inputs.ndjson", "{}\n".repeat(8));
    let start = ["run", "--json", "--each", "inputs.ndjson", "--parallel", "4", "pipeline.toml"];
    let mut running = home.start(&start);
    running.wait_until("four have begun", |_| home.calls().0.len() >= 4);
    running.interrupt();
    let left = running.finish().expect_code(6).expect_said("piton resume --all");
    assert_eq!(left.json_lines().len(), 4, "{left}");
    let resumed = home.run(&["resume", "--all", "--json"]).expect_code(0);
    assert_eq!(resumed.json_lines().len(), 4, "{resumed}");
    for run in home.runs() {
        let story = home.story(run["run"].as_str().expect("a run should have an id"));
        story.check(0);
        assert_eq!(story.calls.0.len(), 3, "{story}");
    }
}
