//! Where the time of a run went: the trace file and the table of `--profile`. Never how long
//! anything took.

use piton_tests::{Chain, GRANT, Home, Manner, Server, attack_manifest, guest};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const SECRET: &str = "correct-horse-battery";

/// Nanoseconds of a number of microseconds: what is compared is compared whole.
fn nanos(micros: &Value) -> u64 {
    (micros.as_f64().unwrap_or_else(|| panic!("no number: {micros}")) * 1_000.0).round() as u64
}

/// A trace file, read and held against what all of them keep to.
struct Trace {
    text: String,
    whole: Value,
    /// The slices.
    slices: Vec<Value>,
}

impl Trace {
    #[track_caller]
    fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).expect("there should be a profile");
        let whole: Value = serde_json::from_str(&text).expect("a profile should be JSON");
        let events = whole["traceEvents"].as_array().expect("it should have events").clone();
        let (slices, metadata): (Vec<Value>, Vec<Value>) =
            events.into_iter().partition(|event| event["ph"] == "X");
        let trace = Self { text, whole, slices };
        trace.check_fields(&metadata);
        trace.check_nesting();
        trace.check_sums();
        trace
    }

    /// Each has what the format asks for, and each row has a name.
    fn check_fields(&self, metadata: &[Value]) {
        let rows: BTreeSet<_> = metadata
            .iter()
            .filter(|event| event["name"] == "thread_name")
            .map(|event| (event["pid"].as_u64(), event["tid"].as_u64()))
            .collect();
        assert!(metadata.iter().all(|event| event["ph"] == "M" && event["args"].is_object()));
        for slice in &self.slices {
            assert!(slice["name"].is_string() && slice["args"].is_object(), "{slice}");
            for key in ["ts", "dur"] {
                assert!(slice[key].as_f64().is_some_and(|micros| micros >= 0.0), "{slice}");
            }
            let row = (slice["pid"].as_u64(), slice["tid"].as_u64());
            assert!(row.0.is_some() && rows.contains(&row), "{slice} is on no named row");
        }
    }

    /// Of two slices of one row, either one lies within the other or they do not meet.
    fn check_nesting(&self) {
        let mut rows: BTreeMap<_, Vec<(u64, u64)>> = BTreeMap::new();
        for slice in &self.slices {
            let from = nanos(&slice["ts"]);
            let row = rows.entry((slice["pid"].as_u64(), slice["tid"].as_u64())).or_default();
            row.push((from, from + nanos(&slice["dur"])));
        }
        for (row, slices) in rows {
            for (nth, one) in slices.iter().enumerate() {
                for other in &slices[..nth] {
                    let is_apart = one.1 <= other.0 || other.1 <= one.0;
                    let is_within = (other.0 <= one.0 && one.1 <= other.1)
                        || (one.0 <= other.0 && other.1 <= one.1);
                    assert!(is_apart || is_within, "{one:?} crosses {other:?} on {row:?}");
                }
            }
        }
    }

    /// What is told of all is what its slices add up to.
    fn check_sums(&self) {
        for what in
            ["attempt", "queue", "instantiate", "commit", "load", "compile", "backoff", "wait"]
        {
            let sum: u64 = self.of(what).iter().map(|slice| nanos(&slice["dur"])).sum();
            let key = if what == "attempt" { "attempts_us".into() } else { format!("{what}_us") };
            assert_eq!(nanos(&self.whole["otherData"][&key]), sum, "{what}");
        }
        let mut parts = 0;
        for guest in self.of("guest") {
            let args = guest["args"].as_object().expect("it should have arguments");
            let told = args.iter().filter(|(key, _)| key.ends_with("_us"));
            let told: u64 = told.map(|(_, micros)| nanos(micros)).sum();
            assert_eq!(told, nanos(&guest["dur"]), "{guest}");
            parts += told;
        }
        let totals = &self.whole["otherData"];
        let calls = totals["host_calls_us"].as_object().expect("there should be sums of calls");
        let calls: u64 = calls.values().map(nanos).sum();
        assert_eq!(nanos(&totals["guest_us"]) + nanos(&totals["idle_us"]) + calls, parts);
    }

    /// The slices of one category.
    fn of(&self, category: &str) -> Vec<&Value> {
        self.slices.iter().filter(|slice| slice["cat"] == category).collect()
    }

    /// The calls of one name.
    fn calls(&self, name: &str) -> usize {
        self.of("call").iter().filter(|slice| slice["name"] == name).count()
    }

    /// Step, phase, attempt, key and end of each attempt, without order.
    fn attempts(&self) -> Vec<[String; 5]> {
        let of = |slice: &&Value| {
            let args = &slice["args"];
            let text = |key: &str| args[key].as_str().expect("it should be a text").to_owned();
            let attempt = args["attempt"].to_string();
            [text("step"), text("phase"), attempt, text("key"), text("end")]
        };
        let mut attempts: Vec<_> = self.of("attempt").iter().map(of).collect();
        attempts.sort();
        attempts
    }

    /// How long a sum is, as the table tells it.
    fn told(&self, sums: &[&str]) -> String {
        let sum: u64 = sums.iter().map(|sum| nanos(&self.whole["otherData"][*sum])).sum();
        match sum as f64 / 1_000_000.0 {
            millis if millis < 10.0 => format!("{millis:.2} ms"),
            millis if millis < 1_000.0 => format!("{millis:.0} ms"),
            millis => format!("{:.2} s", millis / 1_000.0),
        }
    }
}

/// The attempts of a run that have ended, as its events tell them.
fn recorded(home: &Home, run: &str) -> Vec<[String; 5]> {
    let events = home.events(run);
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let is_same = |one: &Value, other: &Value| {
        ["step", "phase", "attempt"].iter().all(|key| one[key] == other[key])
    };
    let started = events.iter().filter(|event| event["event"] == "attempt-started");
    let attempts = started.map(|start| {
        let ended = |event: &&Value| event["event"] == "attempt-ended" && is_same(event, start);
        let ended = events.iter().find(ended).unwrap_or_else(|| panic!("it never ended: {start}"));
        [
            text(start, "step"),
            text(start, "phase"),
            start["attempt"].to_string(),
            text(start, "key"),
            text(ended, "end"),
        ]
    });
    let mut attempts: Vec<_> = attempts.collect();
    attempts.sort();
    attempts
}

/// Steps that retry, wait, remember, and send a request with a secret.
fn pipeline(url: &str) -> String {
    let http_call = guest("http_call");
    format!(
        r#"
[pipeline]
name = "profiled"
[defaults]
effect = "idempotent"
[steps.retries]
component = "steps/counter"
input = {{ fail = "retryable", times = 2, value = "${{input.private}}" }}
retry = {{ attempts = 4, base = "20ms", cap = "20ms", floor = "10ms" }}
{GRANT}
[steps.remembers]
component = "steps/reconcilable"
input = {{ n = 1 }}
effect = "reconcilable"
{GRANT}
[steps.asks]
component = "{}"
input = {{ url = "{url}/path", method = "GET" }}
grants.http = ["{url}"]
grants.secrets.TOKEN = {{ header = "x-token", hosts = ["{url}"] }}
[steps.waits]
wait = "50ms"
after = ["asks", "retries", "remembers"]
"#,
        http_call.display()
    )
}

#[test]
fn a_profile_tells_all_attempts_and_adds_up() {
    let home = Home::with(pipeline(&Server::start(Manner::Echoes).url()));
    let arguments = [
        "run",
        "--json",
        "pipeline.toml",
        "--profile",
        "profile.json",
        "--input",
        r#"{"private":"hush-7"}"#,
    ];
    let done = home.piton(&arguments).env("TOKEN", SECRET).run().expect_code(0);
    let run = done.json()["run"].as_str().expect("a run should have an id").to_owned();
    let trace = Trace::read(&home.path("profile.json"));
    assert_eq!(trace.attempts(), recorded(&home, &run));
    assert_eq!(trace.attempts().len(), 5);
    assert_eq!([trace.calls("http"), trace.calls("remember")], [1, 1]);
    assert_eq!([trace.of("backoff").len(), trace.of("wait").len()], [2, 1]);
    let answered = trace.of("call").into_iter().find(|call| call["name"] == "http");
    assert_eq!(answered.map(|call| &call["args"]["status"]), Some(&Value::from(200)));
    assert!(!trace.of("commit").is_empty() && !trace.of("writer").is_empty());
    for secret in ["hush-7", SECRET, "x-token", "/path"] {
        assert!(!trace.text.contains(secret), "it holds {secret}:\n{}", trace.text);
    }
    assert!(!trace.text.contains("private"), "{}", trace.text);
}

#[test]
fn the_table_tells_the_sums_of_the_file() {
    let home = Home::with(pipeline(&Server::start(Manner::Echoes).url()));
    let arguments =
        ["run", "pipeline.toml", "--profile", "profile.json", "--input", r#"{"private":"hush-7"}"#];
    let done = home.piton(&arguments).env("TOKEN", SECRET).run().expect_code(0);
    let trace = Trace::read(&home.path("profile.json"));
    for (row, sums) in [
        ("guest", &["guest_us"][..]),
        ("idle", &["idle_us"]),
        ("instantiate", &["instantiate_us"]),
        ("queue", &["queue_us"]),
        ("commit", &["commit_us"]),
        ("load", &["load_us"]),
        ("timers", &["backoff_us", "wait_us"]),
    ] {
        let line = done.stderr.lines().find(|line| line.starts_with(&format!("  {row} ")));
        let line = line.unwrap_or_else(|| panic!("no `{row}` in:\n{done}"));
        assert!(line.contains(&format!(" {} ", trace.told(sums))), "{line}\n{done}");
    }
    let commits = format!("{} commits, median", trace.of("commit").len());
    let head = format!("by the clock, {} added up)", trace.told(&["added_up_us"]));
    let host_calls = "memo ";
    for said in [head.as_str(), "5 attempts", "http ", host_calls, &commits] {
        assert!(done.stderr.contains(said), "no `{said}` in:\n{done}");
    }
}

#[test]
fn a_quiet_profile_is_written_without_a_word() {
    let home = Home::with(Chain::new(2, 0).manifest());
    home.write("profile.json", "another one");
    let done = home.run(&["run", "--quiet", "pipeline.toml", "--profile", "profile.json"]);
    let done = done.expect_code(0);
    assert_eq!(done.stderr, "", "{done}");
    assert_eq!(Trace::read(&home.path("profile.json")).attempts().len(), 2);
    let left = fs::read_dir(home.folder()).expect("it should be there").flatten();
    let names: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{names:?}");
}

#[test]
fn a_file_that_cannot_be_written_is_refused_before_anything_runs() {
    let home = Home::with(Chain::new(1, 0).manifest());
    for file in ["nowhere/profile.json", ".", "/dev/null", "/proc/profile.json", ""] {
        let refused = home.run(&["run", "pipeline.toml", "--profile", file]).expect_code(2);
        assert!(refused.stderr.contains("hint:") || file.is_empty(), "{refused}");
        assert!(!home.data().exists(), "it began: {refused}");
    }
    assert!(home.calls().0.is_empty());
}

#[test]
fn a_link_is_followed_to_its_file() {
    let home = Home::with(Chain::new(1, 0).manifest());
    home.write("real.json", "");
    std::os::unix::fs::symlink("real.json", home.path("link.json")).expect("it should be made");
    home.run(&["run", "pipeline.toml", "--profile", "link.json"]).expect_code(0);
    assert!(home.path("link.json").is_symlink());
    assert_eq!(Trace::read(&home.path("real.json")).attempts().len(), 1);
}

#[test]
fn a_run_that_is_undone_leaves_a_profile() {
    let chain = Chain { last_input: r#"fail = "permanent""#, ..Chain::new(3, 0) };
    let home = Home::with(chain.manifest());
    let done = home.run(&["run", "--json", "pipeline.toml", "--profile", "profile.json"]);
    let run = done.expect_code(3).json()["run"].as_str().expect("it has an id").to_owned();
    let trace = Trace::read(&home.path("profile.json"));
    assert_eq!(trace.attempts(), recorded(&home, &run));
    assert!(trace.attempts().iter().any(|[_, phase, ..]| phase == "compensate"));
}

#[test]
fn an_interrupted_run_leaves_a_whole_profile_and_so_does_its_rest() {
    let home = Home::with(Chain::new(3, 500).manifest());
    let mut running = home.start(&["run", "pipeline.toml", "--profile", "first.json"]);
    let run = running.run_id();
    running.wait_for_stderr("s02: attempt 1");
    running.interrupt();
    running.finish().expect_code(6).expect_said("where the time went");
    let first = Trace::read(&home.path("first.json"));
    assert_eq!(first.attempts(), recorded(&home, &run));
    assert_eq!(first.attempts().len(), 2);
    home.run(&["resume", &run, "--profile", "rest.json"]).expect_code(0);
    let mut all = first.attempts();
    all.extend(Trace::read(&home.path("rest.json")).attempts());
    all.sort();
    assert_eq!(all, recorded(&home, &run));
}

#[test]
fn an_attempt_that_is_left_at_once_is_in_the_profile() {
    let home = Home::with(Chain::new(2, 8_000).manifest());
    let mut running = home.start(&["run", "pipeline.toml", "--profile", "profile.json"]);
    running.wait_until("the step was called", |_| !home.calls().0.is_empty());
    running.interrupt();
    running.wait_for_stderr("again");
    running.interrupt();
    running.finish().expect_code(6).expect_said("left at once");
    let attempts = Trace::read(&home.path("profile.json")).attempts();
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    assert_eq!(attempts[0][4], "dropped");
}

#[test]
fn a_wait_that_goes_on_is_in_the_profile_of_who_goes_on() {
    let home = Home::with("[pipeline]\nname = \"it\"\n[steps.it]\nwait = \"1500ms\"\n");
    let mut running = home.start(&["run", "pipeline.toml", "--profile", "first.json"]);
    let run = running.run_id();
    running.wait_for_stderr("it: waits");
    running.interrupt();
    running.finish().expect_code(6);
    assert_eq!(Trace::read(&home.path("first.json")).of("wait").len(), 1);
    home.run(&["resume", &run, "--profile", "rest.json"]).expect_code(0);
    assert_eq!(Trace::read(&home.path("rest.json")).of("wait").len(), 1);
}

#[test]
fn many_runs_are_many_processes_of_one_picture() {
    let home = Home::with(Chain::new(2, 0).manifest());
    home.write("inputs.ndjson", "{}\n".repeat(5));
    let each = ["run", "pipeline.toml", "--each", "inputs.ndjson", "--profile", "profile.json"];
    home.run(&each).expect_code(0).expect_said("10 attempts");
    let trace = Trace::read(&home.path("profile.json"));
    let runs: BTreeSet<_> = trace.of("attempt").iter().map(|slice| slice["pid"].as_u64()).collect();
    assert_eq!((trace.attempts().len(), runs.len()), (10, 5));
}

#[test]
fn only_who_carries_a_run_can_profile_it() {
    let home = Home::with(Chain::new(1, 4_000).manifest());
    let mut running = home.start(&["run", "pipeline.toml"]);
    let run = running.run_id();
    running.wait_until("the step was called", |_| !home.calls().0.is_empty());
    let holder = running.id().to_string();
    for command in [&["run", "pipeline.toml"][..], &["resume", &run]] {
        let refused = home.run(&[command, &["--profile", "profile.json"]].concat()).expect_code(2);
        refused.expect_said(&holder).expect_said("leave `--profile` out");
    }
    assert!(!home.path("profile.json").exists());
    assert_eq!(home.runs().len(), 1, "a run was begun");
    running.interrupt();
    running.finish().expect_code(0);
}

#[test]
fn a_guest_that_logs_without_end_fills_no_profile() {
    let trace = profile_of_attack("log-flood", "http://127.0.0.1:1", "timeout = \"5s\"");
    let attempts = trace.of("attempt").len();
    assert!(trace.calls("log") <= 1_000 * attempts, "{}", trace.calls("log"));
    let left_out = trace.of("attempt")[0]["args"]["calls_left_out"].as_u64();
    assert!(left_out > Some(0), "{left_out:?}");
}

/// That slices do not cross is held against each profile that is read.
#[test]
fn requests_that_are_under_way_at_once_stand_on_rows_of_their_own() {
    let url = Server::start(Manner::Echoes).url();
    let trace = profile_of_attack(
        "many-connections",
        &url,
        &format!("timeout = \"2s\"\ngrants.http = [\"{url}\"]"),
    );
    assert!(trace.calls("http") > 100, "{}", trace.calls("http"));
    let rows: BTreeSet<_> = trace.of("call").iter().map(|slice| slice["tid"].as_u64()).collect();
    assert!(rows.len() > 1, "{rows:?}");
}

fn profile_of_attack(how: &str, url: &str, settings: &str) -> Trace {
    let home = Home::with(attack_manifest("steps/hostile", settings));
    let input = format!(r#"{{"how": "{how}", "url": "{url}"}}"#);
    home.run(&["run", "pipeline.toml", "--profile", "profile.json", "--input", &input]);
    Trace::read(&home.path("profile.json"))
}
