//! `backup` and `restore`: one file holds everything, taken while runs go on; what is made of it goes on
//! with every run, under the same idempotency keys.

use piton_tests::{Chain, Finished, Home, Moment, Random, Shim};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Runs the binary on the restored directory.
fn there(home: &Home, arguments: &[&str]) -> Finished {
    home.run(&[&["--data", "restored"], arguments].concat())
}

#[track_caller]
fn verifies(home: &Home) -> Value {
    let found = there(home, &["verify", "--json"]).expect_code(0).json();
    assert_eq!(found["problems"], serde_json::json!([]));
    found
}

/// The idempotency key of each step, by its attempts in some events.
fn keys_in(events: &[Value]) -> BTreeMap<String, String> {
    let started = events.iter().filter(|event| event["event"] == "attempt-started");
    let text = |event: &Value, name: &str| event[name].as_str().expect("a text").to_owned();
    started.map(|event| (text(event, "step"), text(event, "key"))).collect()
}

#[test]
fn a_backup_of_runs_under_way_goes_on_elsewhere() {
    let home = Home::with(Chain::new(20, 40).manifest());
    let mut first = home.start(&["run", "pipeline.toml"]);
    let mut runs = vec![first.run_id()];
    let mut others: Vec<_> = (0..2).map(|_| home.start(&["run", "pipeline.toml"])).collect();
    runs.extend(others.iter_mut().map(|other| other.run_id()));
    first.wait_for_stderr("s06: attempt 1");
    let backup = home.run(&["backup", "--json", "out/all.piton"]).expect_code(0).json();
    assert_eq!((&backup["runs"], &backup["contents"]), (&3.into(), &2.into()));
    assert_eq!(backup["problems"], serde_json::json!([]));
    first.kill();
    others.into_iter().for_each(|other| drop(other.kill()));
    let before: Vec<Vec<Value>> = runs.iter().map(|run| home.events(run)).collect();

    let restored = there(&home, &["restore", "--json", "out/all.piton"]).expect_code(0).json();
    for count in ["runs", "events", "log_lines", "contents"] {
        assert_eq!(restored[count], backup[count], "{count}");
    }
    assert_eq!(verifies(&home)["events"], backup["events"]);
    let kept: Vec<usize> = runs
        .iter()
        .map(|run| there(&home, &["events", "--json", run]).expect_code(0).json_lines().len())
        .collect();
    assert!(kept[0] >= 12, "five steps had ended: {kept:?}");
    assert!(kept.iter().all(|events| *events < 42), "they should be under way: {kept:?}");

    there(&home, &["resume", "--all", "--json"]).expect_code(0);
    for (run, before) in runs.iter().zip(before) {
        let summary = there(&home, &["show", "--json", run]).expect_code(0).json();
        assert_eq!(
            (&summary["status"], &summary["output"]["n"]),
            (&"completed".into(), &20.into())
        );
        let after = there(&home, &["events", "--json", run]).expect_code(0).json_lines();
        let (old, new) = (keys_in(&before), keys_in(&after));
        assert!(old.iter().all(|(step, key)| new[step] == *key), "the keys should be the same");
    }
    verifies(&home);
}

#[test]
fn a_backup_is_private_and_never_replaced_by_chance() {
    let home = Home::with(Chain::new(1, 0).manifest());
    home.run(&["backup", "all.piton"]).expect_code(2).expect_said("no data directory");
    home.run(&["run", "pipeline.toml"]).expect_code(0);
    home.write("all.piton", "a letter");
    home.run(&["backup", "all.piton"]).expect_code(2).expect_said("--force");
    assert_eq!(fs::read(home.path("all.piton")).expect("a file"), b"a letter");
    there(&home, &["restore", "all.piton"]).expect_code(2).expect_said("cannot be restored");
    there(&home, &["restore", "none.piton"]).expect_code(1).expect_said("none.piton");
    assert!(!home.path("restored").exists(), "nothing should be made of no backup");
    home.run(&["backup", "--force", "all.piton"]).expect_code(0);
    let mode = fs::metadata(home.path("all.piton")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for inside in [".piton/all.piton", ".piton/components/../x", ".piton/journal.redb"] {
        home.run(&["backup", "--force", inside]).expect_code(2).expect_said("data directory");
    }
    home.run(&["restore", "all.piton"]).expect_code(2).expect_said("only where nothing is");
    fs::create_dir(home.path("restored")).expect("a folder should be made");
    there(&home, &["restore", "all.piton"]).expect_code(0);
    verifies(&home);
}

#[test]
fn a_damaged_backup_is_refused_or_whole() {
    let home = Home::with(Chain::new(3, 0).manifest());
    home.run(&["run", "--key", "k", "pipeline.toml"]).expect_code(0);
    home.run(&["backup", "all.piton"]).expect_code(0);
    let runs = home.run(&["runs", "--json"]).expect_code(0).stdout;
    let good = fs::read(home.path("all.piton")).expect("a file");
    let used: Vec<usize> = (0..good.len()).filter(|place| good[*place] != 0).collect();
    let mut random = Random::new("damaged backup");
    let mut refused = 0;
    for round in 0..60_usize {
        let mut bytes = good.clone();
        match round % 4 {
            0 => bytes.truncate(random.below(good.len() as u64) as usize),
            _ => bytes[used[random.below(used.len() as u64) as usize]] ^= 1 << random.below(8),
        }
        home.write("bad.piton", &bytes);
        let told = there(&home, &["restore", "bad.piton"]);
        match told.code {
            Some(0) => {
                verifies(&home);
                assert_eq!(there(&home, &["runs", "--json"]).stdout, runs);
                fs::remove_dir_all(home.path("restored")).expect("a folder should be removed");
            }
            _ => {
                assert!(told.stderr.contains("error: "), "{told}");
                assert!(!home.path("restored").exists(), "{told}");
                refused += 1;
            }
        }
    }
    assert!(refused > 30, "most damage should be seen: {refused}");
    let left = fs::read_dir(home.folder()).expect("a folder").flatten();
    let left = left.filter(|entry| entry.file_name().to_string_lossy().ends_with(".new"));
    assert_eq!(left.count(), 0, "nothing unfinished should be left");
}

#[test]
fn a_damaged_content_is_told_and_the_rest_backed_up() {
    let home = Home::with(Chain::new(1, 0).manifest());
    home.run(&["run", "pipeline.toml"]).expect_code(0);
    home.write("other.toml", Chain::new(2, 0).manifest());
    home.run(&["run", "other.toml"]).expect_code(0);
    let contents = fs::read_dir(home.data().join("components")).expect("a folder").flatten();
    let smallest = contents.min_by_key(|entry| entry.metadata().expect("a file").len());
    fs::write(smallest.expect("a content").path(), "not that").expect("a file");
    let verified = home.run(&["verify", "--json"]).expect_code(1).json();
    assert!(verified["problems"].to_string().contains("is not the content"), "{verified}");
    let backup = home.run(&["backup", "--json", "all.piton"]).expect_code(1).json();
    assert_eq!((&backup["runs"], &backup["contents"]), (&2.into(), &2.into()));
    there(&home, &["restore", "all.piton"]).expect_code(0);
    let runs = there(&home, &["runs", "--json"]).expect_code(0).stdout;
    assert_eq!(runs, home.run(&["runs", "--json"]).stdout);
    // And what is damaged is not pruned away: nobody knows what it was for.
    let pruning = home.run(&["prune", "--json", "--older-than", "0s"]).expect_code(1).json();
    assert_eq!(pruning["removed"]["runs"], 1, "{pruning}");
}

/// Killed after each write: there is the old one or the new one, whole.
#[test]
fn a_kill_anywhere_in_a_backup_leaves_the_old_one() {
    let home = Home::with(Chain::new(1, 0).manifest());
    home.run(&["run", "pipeline.toml"]).expect_code(0);
    let shim = Shim::build(&home);
    // The shim counts what is written to files of this name.
    let file = home.path("out/journal.redb");
    home.run(&["backup", "out/journal.redb"]).expect_code(0);
    let old = fs::read(&file).expect("a backup");
    home.run(&["run", "pipeline.toml"]).expect_code(0);
    let again = ["backup", "--force", "out/journal.redb"];
    let (mut kills, mut kept) = (0, 0);
    loop {
        let killed = home.piton(&again).with_shim(&shim, Moment::KilledAfterWrite(kills + 1)).run();
        if !killed.was_killed() {
            killed.expect_code(0);
            break;
        }
        kills += 1;
        if fs::read(&file).expect("a backup") == old {
            kept += 1;
            continue;
        }
        // The new one is there: what was cut off is how the process closed its own journal.
        there(&home, &["restore", "out/journal.redb"]).expect_code(0);
        assert_eq!(verifies(&home)["runs"], 2, "killed at {kills}");
        fs::remove_dir_all(home.path("restored")).expect("a folder should be removed");
        fs::write(&file, &old).expect("a file should be written");
    }
    assert!(kept >= 10, "only {kept} places to be killed at");
    there(&home, &["restore", "out/journal.redb"]).expect_code(0);
    assert_eq!(verifies(&home)["runs"], 2);
}
