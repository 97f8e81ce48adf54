//! A clock that is set, under a host and between two: no wait is lost or stretched, none ends early while
//! its host is there, and no retry comes in a storm.

use piton_tests::{Home, Moment, Shim};
use serde_json::Value;
use std::collections::BTreeSet;

const YEARS: i64 = 3 * 365 * 24 * 3_600;

/// A step that fails twice and then works, behind a wait.
const MANIFEST: &str = r#"
[pipeline]
name = "clock"
[steps.wait]
wait = "1s"
[steps.it]
component = "steps/counter"
after = ["wait"]
effect = "idempotent"
input = { n = 1, fail = "retryable", times = 2 }
retry = { attempts = 4, base = "200ms", cap = "200ms", jitter = "none" }
grants.dirs = [{ host = "out", guest = "/data", write = true }]
"#;

/// The same, beside a wait that outlives it.
fn beside_a_long_wait() -> String {
    format!("{MANIFEST}[steps.long]\nwait = \"1h\"\n")
}

/// Set ahead, waits are over, each of them once. Set back by more than all waits together, they take
/// as long as they were to: what is recorded has come.
#[test]
fn a_clock_that_jumps_loses_no_wait_and_starts_no_storm() {
    let shim_home = Home::new();
    let shim = Shim::build(&shim_home);
    for ahead in [YEARS, -YEARS] {
        let home = Home::with(MANIFEST);
        let mut begun = home.start(&["run", "--json", "pipeline.toml"]);
        let run = begun.run_id();
        begun.wait_for_stderr("wait: waits");
        begun.kill();
        let resume = home.piton(&["resume", "--json", &run]);
        let resumed = resume.with_shim(&shim, Moment::ClockAhead(ahead)).run();
        let summary = resumed.expect_code(0).json();
        assert_eq!(summary["steps"][1]["attempts"], 3, "{ahead}: {summary}");
        let events = home.events(&run);
        let moments = moments(&events);
        assert!(moments.is_sorted(), "{ahead}: a run's time goes on: {moments:?}");
        // The journal now has moments that have not come yet, or a run from long ago.
        let again = home.run(&["run", "--json", "pipeline.toml"]).expect_code(0);
        assert_eq!(again.json()["status"], "completed");
        home.run(&["verify"]).expect_code(0);
    }
}

/// Whichever way it is set while the host is there: a wait of an hour is not over because the clock
/// says that years have passed, and one of a second does not take the years that it was set back.
#[test]
fn a_clock_that_is_set_under_a_host_moves_no_wait() {
    for ahead in [YEARS, -YEARS] {
        let home = Home::with(beside_a_long_wait());
        let shim = Shim::build(&home);
        let host = home.piton(&["run", "--json", "pipeline.toml"]);
        let mut host = host.with_shim(&shim, Moment::ClockOfFile).start();
        let run = host.run_id();
        host.wait_for_stderr("wait: waits");
        home.write("clock", ahead.to_string());
        host.wait_for_stderr("it: succeeded");
        let summary = home.summary(&run);
        assert_eq!(summary["steps"][1]["attempts"], 3, "{ahead}: {summary}");
        assert_eq!(summary["status"], "waiting", "{ahead}: {summary}");
        let events = home.events(&run);
        let moments = moments(&events);
        assert!(moments.is_sorted(), "{ahead}: a run's time goes on: {moments:?}");
        assert!(years(&moments).len() <= 2, "{ahead}: {moments:?}");
        host.kill();
        home.run(&["verify"]).expect_code(0);
    }
}

/// The same for a run that only waits, which nobody follows: it is parked, not carried.
#[test]
fn a_parked_run_comes_back_though_the_clock_was_set_back() {
    let shim_home = Home::new();
    let shim = Shim::build(&shim_home);
    let home = Home::with("[pipeline]\nname = \"parked\"\n[steps.wait]\nwait = \"5s\"\n");
    let mut begun = home.start(&["run", "--json", "pipeline.toml"]);
    let run = begun.run_id();
    begun.wait_for_stderr("wait: waits");
    begun.kill();
    let host = home.piton(&["resume", "--json", "--all"]);
    let resumed = host.with_shim(&shim, Moment::ClockAhead(-YEARS)).run();
    assert_eq!(resumed.code, Some(0), "{resumed}");
    assert_eq!(home.summary(&run)["status"], "completed");
}

fn moments(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["at"].as_str().expect("an event has a moment")).collect()
}

/// The years that moments lie in.
fn years<'a>(moments: &[&'a str]) -> BTreeSet<&'a str> {
    moments
        .iter()
        .map(|moment| moment.split('-').next().expect("a moment begins with a year"))
        .collect()
}
