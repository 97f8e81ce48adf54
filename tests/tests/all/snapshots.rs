//! What people read, word for word: `tests/snapshots`, one file for each.

use crate::mistakes::SEVEN_MISTAKES;
use piton_tests::{Chain, Home, check_snapshot};

#[test]
fn help_reads_as_before() {
    let home = Home::new();
    check_snapshot(&home, "help.txt", &home.run(&["--help"]));
    for command in [
        "run",
        "resume",
        "check",
        "show",
        "runs",
        "events",
        "cancel",
        "settle",
        "try",
        "step-check",
    ] {
        check_snapshot(&home, &format!("help_{command}.txt"), &home.run(&[command, "--help"]));
    }
}

#[test]
fn seven_mistakes_read_as_before() {
    let home = Home::with(SEVEN_MISTAKES);
    check_snapshot(&home, "check_seven_mistakes.txt", &home.run(&["check", "pipeline.toml"]));
}

#[test]
fn a_completed_run_reads_as_before() {
    let home = Home::with(Chain::new(3, 0).manifest());
    // Compiled before, so that nothing is said about that.
    home.run(&["run", "--quiet", "pipeline.toml"]).expect_code(0);
    check_snapshot(&home, "run_completed.txt", &home.run(&["run", "--key", "k", "pipeline.toml"]));
    check_snapshot(&home, "show_completed.txt", &home.run(&["show"]));
    check_snapshot(&home, "events_completed.txt", &home.run(&["events"]));
    check_snapshot(&home, "logs_none.txt", &home.run(&["logs"]));
}

#[test]
fn a_rolled_back_run_reads_as_before() {
    let chain = Chain { last_input: r#"fail = "permanent""#, ..Chain::new(3, 0) };
    let home = Home::with(chain.manifest());
    home.run(&["run", "--quiet", "pipeline.toml"]).expect_code(3);
    check_snapshot(&home, "run_rolled_back.txt", &home.run(&["run", "pipeline.toml"]));
    check_snapshot(&home, "show_rolled_back.txt", &home.run(&["show"]));
    check_snapshot(&home, "events_rolled_back.txt", &home.run(&["events"]));
}

#[test]
fn a_stuck_run_reads_as_before() {
    let home = Home::with(
        "[pipeline]\nname = \"stuck\"\n[steps.it]\ncomponent = \"steps/counter\"\neffect = \"unsafe\"\ninput = { fail = \"unknown\" }\n",
    );
    home.run(&["run", "--quiet", "pipeline.toml"]).expect_code(5);
    check_snapshot(&home, "run_stuck.txt", &home.run(&["run", "pipeline.toml"]));
    check_snapshot(&home, "show_stuck.txt", &home.run(&["show"]));
    check_snapshot(&home, "resume_ambiguous.txt", &home.run(&["resume"]));
}

#[test]
fn a_list_of_runs_reads_as_before() {
    let home = Home::with(Chain::new(1, 0).manifest());
    home.run(&["run", "pipeline.toml"]).expect_code(0);
    home.run(&["run", "--key", "order-7", "pipeline.toml"]).expect_code(0);
    let chain = Chain { last_input: r#"fail = "permanent""#, ..Chain::new(1, 0) };
    home.write("failing.toml", chain.manifest());
    home.run(&["run", "failing.toml"]).expect_code(3);
    check_snapshot(&home, "runs.txt", &home.run(&["runs"]));
    check_snapshot(&home, "runs_none.txt", &home.run(&["runs", "--status", "stuck"]));
}

#[test]
fn what_cannot_be_done_reads_as_before() {
    let home = Home::new();
    check_snapshot(&home, "no_data_directory.txt", &home.run(&["runs"]));
    check_snapshot(&home, "no_manifest.txt", &home.run(&["run", "nowhere.toml"]));
    home.write("pipeline.toml", Chain::new(1, 0).manifest());
    home.run(&["run", "pipeline.toml"]).expect_code(0);
    check_snapshot(&home, "no_such_run.txt", &home.run(&["show", "12345678"]));
    check_snapshot(&home, "nothing_unfinished.txt", &home.run(&["resume"]));
    check_snapshot(&home, "already_over.txt", &home.run(&["cancel", "last"]));
}
