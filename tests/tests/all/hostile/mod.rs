//! Hostile guests and inputs, each with what it must end as. A file for each subject; `host/docs/security.md`
//! has the table of all.
//! Never one attack in a host of its own where several fit: what one leaves behind, the next one finds.

mod clock;
mod files;
mod loading;
mod manifests;
mod memory;
mod network;
mod output;
mod panics;
mod socket;
mod time;
mod words;

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Checks the word for the end of each attack.
#[track_caller]
fn check_ends(summaries: &BTreeMap<String, Value>, expected: &[(&str, &str)]) {
    for (name, end) in expected {
        let summary = &summaries[*name];
        assert_eq!(summary["failure"]["end"], *end, "{name}: {summary}");
        assert_eq!(summary["status"], "rolled-back", "{name}: {summary}");
    }
    assert_eq!(summaries.len(), expected.len());
}

/// The names of attacks.
fn names<'a>(expected: &[(&'a str, &str)]) -> Vec<&'a str> {
    expected.iter().map(|(name, _)| *name).collect()
}

/// Where a test is: a file of this name that has this function.
fn has_test(folder: &Path, file: &str, function: &str) -> bool {
    let entries = fs::read_dir(folder).expect("a folder should be readable").flatten();
    entries.map(|entry| entry.path()).any(|path| {
        if path.is_dir() {
            return has_test(&path, file, function);
        }
        let is_named = path.file_stem().is_some_and(|stem| stem == file);
        let text = || fs::read_to_string(&path).unwrap_or_default();
        is_named && text().contains(&format!("fn {function}("))
    })
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("host/docs/security.md")).expect("a page");
    let named = page.split('`').filter_map(|word| word.split_once("::"));
    let is_name = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let mut count = 0;
    for (file, function) in named.filter(|(file, function)| is_name(file) && is_name(function)) {
        let is_there = ["tests/tests", "host/src"]
            .iter()
            .any(|folder| has_test(&root.join(folder), file, function));
        assert!(is_there, "there is no test `{file}::{function}`");
        count += 1;
    }
    assert!(count > 60, "the page names {count} tests");
}

/// What holds against a function may not hold in the binary: each row has a test from outside.
#[test]
fn every_row_has_a_test_of_the_binary() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("host/docs/security.md")).expect("a page");
    let (_, table) = page.split_once("## Attacks").expect("the page should have its table");
    let table = table.split("\n## ").next().unwrap_or(table);
    let rows = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| #"));
    let is_row = |row: &&str| row[2..].starts_with(|first: char| first.is_ascii_digit());
    let mut count = 0;
    for row in rows.filter(is_row).filter(|row| !row.contains("in this version")) {
        let named = row.split('`').filter_map(|word| word.split_once("::"));
        let is_tried = named
            .into_iter()
            .any(|(file, function)| has_test(&root.join("tests/tests/all"), file, function));
        assert!(is_tried, "no test of the binary: {row}");
        count += 1;
    }
    assert!(count > 60, "the page has {count} attacks");
}

#[test]
fn every_attack_of_the_hostile_step_is_tried() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |folder: &str| -> String {
        let entries = fs::read_dir(root.join(folder)).expect("a folder").flatten();
        entries.map(|entry| fs::read_to_string(entry.path()).unwrap_or_default()).collect()
    };
    let (step, tests) = (read("guests/hostile/src"), read("tests/all/hostile"));
    let attacks = step.lines().filter_map(|line| line.strip_prefix("    (\"")?.split('"').next());
    // Those of folders and variables are tried where grants are. What is not held is only looked at
    // beside all others.
    let others = ["tests/all/grants.rs", "src/bin/soak.rs"];
    let others = others.map(|file| fs::read_to_string(root.join(file)).expect("a file")).concat();
    let mut count = 0;
    for attack in attacks {
        let quoted = format!("\"{attack}\"");
        assert!(tests.contains(&quoted) || others.contains(&quoted), "`{attack}` is not tried");
        count += 1;
    }
    assert!(count > 50, "the step has {count} attacks");
}
