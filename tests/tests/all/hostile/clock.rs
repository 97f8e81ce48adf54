//! A clock that is set between two processes: no wait is lost, and no retry comes in a storm. A clock
//! that is set back makes waits longer by as much: that is not promised away.

use piton_tests::{Home, Moment, Shim};

const YEAR: i64 = 365 * 24 * 3_600;

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

#[test]
fn a_clock_that_jumps_loses_no_wait_and_starts_no_storm() {
    let shim_home = Home::new();
    let shim = Shim::build(&shim_home);
    for ahead in [YEAR, -2] {
        let home = Home::with(MANIFEST);
        let mut begun = home.start(&["run", "--json", "pipeline.toml"]);
        let run = begun.run_id();
        begun.wait_for_stderr("wait: waits");
        begun.kill();
        let resume = home.piton(&["resume", "--json", &run]);
        let resumed = resume.with_shim(&shim, Moment::ClockAhead(ahead)).run();
        let summary = resumed.expect_code(0).json();
        assert_eq!(summary["steps"][1]["attempts"], 3, "{ahead}: {summary}");
        // The journal now has moments that have not come yet.
        let again = home.run(&["run", "--json", "pipeline.toml"]).expect_code(0);
        assert_eq!(again.json()["status"], "completed");
        home.run(&["verify"]).expect_code(0);
    }
}
