//! Steps that take what they can get: time, memory, output. Each is ended at its limit, and the
//! word for its end says which; nothing else on the host notices.

use piton_tests::{Chain, Home};
use serde_json::Value;

/// A pipeline of one attempt of the step that misbehaves in this way.
fn misbehaving(how: &str, besides: &str) -> String {
    format!(
        r#"
[pipeline]
name = "misbehaving"
[steps.it]
component = "steps/hostile"
input = {{ how = "{how}" }}
effect = "none"
retry = {{ attempts = 1 }}
{besides}
"#
    )
}

/// Runs it and checks how its one attempt ended.
#[track_caller]
fn ends_as(how: &str, besides: &str, end: &str) -> Value {
    let home = Home::with(misbehaving(how, besides));
    let summary = home.run(&["run", "--json", "pipeline.toml"]).expect_code(3).json();
    let run = summary["run"].as_str().expect("a run should have an id");
    assert_eq!(home.story(run).ends("it", "execute"), [end], "{summary}");
    assert_eq!(summary["failure"]["end"], end);
    summary
}

/// Loops that would go on for an hour, as many as there are cores and more: another run that the same
/// process carries comes to its end among them.
#[test]
fn an_endless_loop_holds_up_nobody_else() {
    let home = Home::with(misbehaving("loop", "timeout = \"1h\"\nfuel = 1_000_000_000_000_000"));
    home.write("chain.toml", Chain::new(5, 1).manifest());
    let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get());
    let loops = (cores + 2).min(16);
    home.write("inputs.ndjson", "{}\n".repeat(loops));
    let mut looping = home.start(&["run", "--json", "--each", "inputs.ndjson", "pipeline.toml"]);
    let under_way = || {
        let runs = home.runs();
        let loops = runs.iter().filter(|run| run["pipeline"] == "misbehaving");
        loops.filter(|run| run["status"] == "running").count()
    };
    looping.wait_until("all loops are under way", |_| {
        home.data().join("socket").exists() && under_way() == loops
    });
    home.run(&["run", "--json", "chain.toml"]).expect_code(0);
    assert_eq!(under_way(), loops, "no loop should have made room for it");
    looping.kill();
}

#[test]
fn each_kind_of_excess_has_its_word() {
    ends_as("deep", "", "stack-overflow");
    ends_as("loop", "fuel = 10_000_000", "out-of-fuel");
    ends_as("sleep", r#"timeout = "300ms""#, "timed-out");
    ends_as("trap", "", "trapped");
    ends_as("panic", "", "trapped");
    ends_as("exit", "", "trapped");
    ends_as("memo-flood", "", "denied");
    ends_as("nan", "", "invalid-output");
    ends_as("bad-utf8", "", "invalid-output");
    ends_as("deep-json", "", "invalid-output");
    ends_as("big-failure", r#"memory = "1GiB""#, "invalid-output");
}

/// Runs a step that wants more memory than it may have beside one that keeps the host there, and
/// returns the host's peak.
fn peak_memory_mib(how: &str, memory: &str, end: &str) -> u64 {
    let beside = "[steps.beside]\ncomponent = \"steps/counter\"\neffect = \"none\"\ninput = { takes_ms = 3_600_000 }\ntimeout = \"2h\"";
    let home = Home::with(misbehaving(how, &format!("memory = \"{memory}\"\n{beside}")));
    let mut running = home.start(&["run", "--json", "pipeline.toml"]);
    let run = running.run_id();
    running.wait_until("the attempt has ended", |_| {
        !home.story(&run).ends("it", "execute").is_empty()
    });
    assert_eq!(home.story(&run).ends("it", "execute"), [end]);
    running.peak_memory_bytes() >> 20
}

#[test]
fn memory_growth_ends_at_its_limit() {
    let peak = peak_memory_mib("grow", "64MiB", "out-of-memory");
    // The limit, and what the host needs for itself.
    assert!(peak < 64 + 128, "the host held {peak} MiB");
}

#[test]
fn a_huge_output_is_refused_unread() {
    let peak = peak_memory_mib("big-output", "1GiB", "invalid-output");
    // The guest itself fills three times 100 MiB while it makes it; the host has no copy.
    assert!(peak < 300 + 128, "the host held {peak} MiB");
}

#[test]
fn floods_of_words_are_cut() {
    for how in ["stdout-flood", "stderr-flood", "log-flood", "progress-flood"] {
        let home = Home::with(misbehaving(how, r#"timeout = "60s""#));
        home.run(&["run", "--json", "pipeline.toml"]).expect_code(0);
        let logs = home.run(&["logs", "last"]).expect_code(0);
        assert!(logs.stdout.len() < 4 << 20, "{how}: {} bytes of logs", logs.stdout.len());
    }
}
