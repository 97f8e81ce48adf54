//! `prune`: what ended long ago goes, with all that only it needed; whatever is still owed stays.

use piton_tests::{Chain, GRANT, Home, Moment, Shim};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const PRUNE: [&str; 4] = ["prune", "--json", "--older-than", "0s"];

fn run_of(summary: &Value) -> String {
    summary["run"].as_str().expect("a run should have an id").to_owned()
}

/// The ids of all runs that are kept.
fn kept(home: &Home) -> BTreeSet<String> {
    home.runs().iter().map(run_of).collect()
}

#[track_caller]
fn verifies(home: &Home) -> Value {
    let found = home.run(&["verify", "--json"]).expect_code(0).json();
    assert_eq!(found["problems"], serde_json::json!([]));
    found
}

fn why(pruning: &Value, word: &str) -> u64 {
    let kept = pruning["kept"].as_array().expect("a list");
    let found = kept.iter().find(|kept| kept["why"] == word);
    found.map_or(0, |found| found["runs"].as_u64().expect("a number"))
}

/// A second step whose undo fails once a third has failed: the run is stuck, owed an undo.
fn stuck_undoing() -> String {
    format!(
        r#"[pipeline]
name = "stuck"
[defaults]
effect = "idempotent"
undo = {{ attempts = 1 }}
[steps.first]
component = "steps/counter"
input = {{ fail = "permanent", phase = "compensate" }}
{GRANT}
[steps.last]
component = "steps/hostile"
after = ["first"]
input = {{ fail = "permanent" }}
"#
    )
}

/// A home with runs that completed, were undone, are stuck, and were killed on their way.
struct Mixed {
    home: Home,
    completed: String,
    undone: String,
    stuck: String,
    unfinished: String,
}

impl Mixed {
    fn new() -> Self {
        let home = Home::with(Chain::new(3, 0).manifest());
        let run = |code, manifest| {
            let key = format!("key of {manifest}");
            run_of(&home.run(&["run", "--json", "--key", &key, manifest]).expect_code(code).json())
        };
        let completed = run(0, "pipeline.toml");
        let fails = Chain { last_input: r#"fail = "permanent""#, ..Chain::new(3, 0) };
        home.write("fails.toml", fails.manifest());
        let undone = run(3, "fails.toml");
        home.write("stuck.toml", stuck_undoing());
        let stuck = run(5, "stuck.toml");
        home.write("slow.toml", Chain::new(3, 400).manifest());
        let mut running = home.start(&["run", "slow.toml"]);
        let unfinished = running.run_id();
        running.wait_for_stderr("s02: attempt 1");
        running.kill();
        Self { home, completed, undone, stuck, unfinished }
    }
}

#[test]
fn what_ended_goes_and_what_is_owed_stays() {
    let Mixed { home, completed, undone, stuck, unfinished } = Mixed::new();
    let all: BTreeSet<String> =
        [&completed, &undone, &stuck, &unfinished].into_iter().cloned().collect();
    home.run(&["prune"]).expect_code(2).expect_said("--older-than");

    let young = home.run(&["prune", "--json", "--older-than", "30d"]).expect_code(0).json();
    assert_eq!((why(&young, "ended-later"), &young["removed"]["runs"]), (2, &0.into()));
    let planned = home.run(&[&PRUNE[..], &["--dry-run"]].concat()).expect_code(0).json();
    assert_eq!(kept(&home), all, "a dry run removes nothing");

    let pruning = home.run(&PRUNE).expect_code(0).json();
    let mut removed = pruning["removed"].clone();
    assert_eq!(removed["runs"], 2);
    // Two manifests; the components are needed by what is kept.
    assert_eq!(removed["contents"], 2);
    removed["code_bytes"] = 0.into();
    assert_eq!(planned["removed"], removed, "a dry run should tell the same");
    assert_eq!((why(&pruning, "stuck"), why(&pruning, "not-finished")), (1, 1), "{pruning}");
    assert_eq!(kept(&home), [stuck.clone(), unfinished.clone()].into());
    let found = verifies(&home);
    assert_eq!((&found["runs"], &found["contents"]), (&2.into(), &4.into()));
    home.run(&["show", &completed]).expect_code(2).expect_said("there is no run");
    home.run(&["logs", &undone]).expect_code(2).expect_said("there is no run");

    // What was kept goes on to its end, and goes then.
    let end = home.run(&["resume", "--json", &unfinished]).expect_code(0).json();
    assert_eq!(end["output"]["n"], 3);
    let settle = ["settle", "--json", &stuck, "first", "--as", "undone", "--because", "by hand"];
    home.run(&settle).expect_code(3);
    let rest = home.run(&PRUNE).expect_code(0).json();
    assert_eq!((&rest["removed"]["runs"], &rest["kept"]), (&2.into(), &serde_json::json!([])));
    assert!(rest["removed"]["code_bytes"].as_u64().expect("a number") > 0, "{rest}");
    let found = verifies(&home);
    assert_eq!((&found["runs"], &found["contents"]), (&0.into(), &0.into()));
    home.run(&["run", "pipeline.toml"]).expect_code(0);
    verifies(&home);
}

#[test]
fn only_the_pipeline_named_is_pruned() {
    let Mixed { home, stuck, unfinished, .. } = Mixed::new();
    let other = [&PRUNE[..], &["--pipeline", "stuck"]].concat();
    let pruning = home.run(&other).expect_code(0).json();
    assert_eq!((&pruning["removed"]["runs"], why(&pruning, "stuck")), (&0.into(), 1));
    assert_eq!(kept(&home).len(), 4);
    let chain = [&PRUNE[..], &["--pipeline", "chain"]].concat();
    assert_eq!(home.run(&chain).expect_code(0).json()["removed"]["runs"], 2);
    assert_eq!(kept(&home), [stuck, unfinished].into());
}

#[test]
fn a_key_of_a_pruned_run_never_starts_a_second() {
    let home = Home::with(Chain::new(1, 0).manifest());
    let start = ["run", "--json", "--key", "monday", "pipeline.toml"];
    let run = run_of(&home.run(&start).expect_code(0).json());
    assert_eq!(home.run(&PRUNE).expect_code(0).json()["removed"]["runs"], 1);
    home.run(&start).expect_code(2).expect_said(&format!("started run {run}"));
    assert_eq!((kept(&home).len(), home.calls().0.len()), (0, 1));
    verifies(&home);
    home.run(&["run", "--key", "tuesday", "pipeline.toml"]).expect_code(0);
}

#[test]
fn prune_works_while_another_process_carries_runs() {
    let home = Home::with(Chain::new(2, 0).manifest());
    let old = run_of(&home.run(&["run", "--json", "pipeline.toml"]).expect_code(0).json());
    home.write("slow.toml", Chain::new(4, 300).manifest());
    let mut running = home.start(&["run", "--json", "slow.toml"]);
    let under_way = running.run_id();
    running.wait_for_stderr("s02: attempt 1");
    let pruning = home.run(&PRUNE).expect_code(0).json();
    assert_eq!((&pruning["removed"]["runs"], &pruning["journal"]), (&1.into(), &Value::Null));
    assert_eq!(why(&pruning, "not-finished"), 1);
    home.run(&["show", &old]).expect_code(2);
    assert_eq!(running.finish().expect_code(0).json()["run"], under_way.as_str());
    assert_eq!(kept(&home), [under_way.clone()].into());
    verifies(&home);
    home.story(&under_way).check(0);
}

#[test]
fn the_journal_gives_its_space_back() {
    let chain = Chain { last_input: "pad = 200_000", ..Chain::new(2, 0) };
    let home = Home::with(chain.manifest());
    for _ in 0..8 {
        home.run(&["run", "pipeline.toml"]).expect_code(0);
    }
    let size = || home.data().join("journal.redb").metadata().expect("a journal").len();
    let before = size();
    let pruning = home.run(&PRUNE).expect_code(0).json();
    assert_eq!(pruning["removed"]["runs"], 8);
    assert!(size() < before / 2, "{} of {before}: {pruning}", size());
    verifies(&home);
}

/// A manifest that a process has read, and a run that it is about to begin, need their contents.
#[test]
fn runs_begin_while_others_are_pruned() {
    let home = Home::with(Chain::new(1, 0).manifest());
    let mut runs = 0;
    std::thread::scope(|scope| {
        let starts: Vec<_> = (0..3)
            .map(|n| {
                let home = &home;
                let name = format!("p{n}.toml");
                home.write(&name, Chain::new(n + 1, 0).manifest());
                scope.spawn(move || {
                    for _ in 0..6 {
                        let ended = home.run(&["run", &name]);
                        // Where another process carried it to its end, it may be pruned before this
                        // one looks how it ended.
                        let is_pruned = ended.stderr.contains("there is no run");
                        assert!(ended.code == Some(0) || is_pruned, "{ended}");
                    }
                })
            })
            .collect();
        while starts.iter().any(|start| !start.is_finished()) {
            let pruned = home.run(&PRUNE);
            // There is no data directory before the first run.
            if pruned.code == Some(0) {
                runs += pruned.json()["removed"]["runs"].as_u64().expect("a number");
            }
        }
    });
    verifies(&home);
    assert_eq!(runs + kept(&home).len() as u64, 18);
}

/// Killed after each write and each sync of the journal: what is left is whole, and the next
/// prune finishes.
#[test]
fn a_kill_anywhere_in_a_prune_leaves_a_whole_journal() {
    let Mixed { home, stuck, unfinished, .. } = Mixed::new();
    let shim = Shim::build(&home);
    let saved = home.path("saved");
    copy(&home.data(), &saved);
    for moment in [Moment::KilledAfterWrite, Moment::KilledAfterSync] {
        let mut kills = 0;
        loop {
            std::fs::remove_dir_all(home.data()).expect("a folder should be removed");
            copy(&saved, &home.data());
            let killed = home.piton(&PRUNE).with_shim(&shim, moment(kills + 1)).run();
            if !killed.was_killed() {
                killed.expect_code(0);
                break;
            }
            kills += 1;
            let found = verifies(&home);
            assert!(found["runs"] == 2 || found["runs"] == 4, "killed at {kills}: {found}");
            home.run(&PRUNE).expect_code(0);
            verifies(&home);
            let left = [stuck.clone(), unfinished.clone()].into();
            assert_eq!(kept(&home), left, "killed at {kills}");
        }
        assert!(kills >= 4, "only {kills} places to be killed at");
    }
}

/// Copies a data directory.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.expect("`cp` should be there").success());
}
