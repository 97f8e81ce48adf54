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
mod socket;
mod time;
mod words;

use serde_json::Value;
use std::collections::BTreeMap;

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
