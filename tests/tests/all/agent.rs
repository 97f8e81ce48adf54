//! The research agent of `manifests`, whole: killed again and again, and against a provider that fails.
//! Nothing here leaves this machine.

use piton_tests::provider::{Provider, Script, Settings, Stage};
use piton_tests::{Home, Random, Running, Story, guest};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The calls of a language model in one run of it: plan, four times summarise, criticise, summarise
/// again, write, revise.
const ANSWERS: usize = 9;
/// All its steps, each element of a map for one.
const STEPS: usize = 20;

const KEY: &str = "correct-horse-battery";

fn repository() -> PathBuf {
    let here = guest("llm_call");
    here.ancestors().nth(2).expect("a plugin should lie in the repository").to_owned()
}

/// A home with the agent's manifest in it, unchanged but for where things are and how long it waits.
fn home(provider: &Provider, api: &str) -> Home {
    let root = repository();
    let read = |name: &str| {
        let text = std::fs::read_to_string(root.join("manifests").join(name));
        text.unwrap_or_else(|error| panic!("`{name}`: {error}"))
    };
    let manifest = read("research-agent.toml")
        .replace("127.0.0.1:8089", &provider.address().to_string())
        .replace("\"../plugins/", &format!("\"{}/plugins/", root.display()))
        .replace("\"../host/docs\"", &format!("\"{}/host/docs\"", root.display()))
        .replace("base = \"1s\"", "base = \"5ms\"");
    let mut input: Value = serde_json::from_str(&read("research-agent.json")).expect("it is JSON");
    input["service"]["api"] = json!(api);
    let path = if api == "anthropic" { "" } else { "/v1" };
    input["service"]["base_url"] = json!(format!("http://{}{path}", provider.address()));
    let home = Home::with(manifest);
    home.write("research-agent.schema.json", read("research-agent.schema.json"));
    home.write("input.json", input.to_string());
    home
}

fn provider(settings: Settings) -> Provider {
    let settings = Settings { key: Some(KEY.to_owned()), ..settings };
    Provider::start(0, settings).expect("a port should be free")
}

fn start(home: &Home, arguments: &[&str]) -> Running {
    home.piton(arguments).env("LLM_API_KEY", KEY).start()
}

/// The run's last summary, once it has completed.
fn completed(running: Running) -> Value {
    let summary = running.finish().expect_code(0).json();
    assert_eq!(summary["status"], "completed", "{summary}");
    summary
}

/// The file that the run saved.
fn saved(home: &Home, summary: &Value) -> String {
    let name = summary["output"]["file"].as_str().expect("a report should have a file");
    std::fs::read_to_string(home.path("out").join(name)).expect("the report should be saved")
}

fn story(home: &Home, summary: &Value) -> Story {
    let run = summary["run"].as_str().expect("a run should have an id");
    home.story(run)
}

/// Checks that what the run has spent is what the provider has counted, to the last token.
#[track_caller]
fn check_spent(summary: &Value, provider: &Provider) {
    let (input, output) = provider.counts().tokens();
    let spent = &summary["usage"]["spent"];
    let prices = &summary["input"]["service"]["prices"];
    let price = |name: &str| prices[name].as_u64().expect("a price should be a number");
    let cost = |call: &piton_tests::provider::Call| {
        let sum = call.input_tokens * price("input") + call.output_tokens * price("output");
        sum.div_ceil(1_000_000)
    };
    let micros: u64 = provider.counts().calls.iter().map(cost).sum();
    assert_eq!(
        *spent,
        json!({
            "input_tokens": input as f64,
            "output_tokens": output as f64,
            "tokens": (input + output) as f64,
            "usd": micros as f64 / 1e6,
        })
    );
}

#[test]
fn the_agent_writes_a_report_of_what_it_has_read() {
    let provider = provider(Settings::default());
    let home = home(&provider, "anthropic");
    let summary =
        completed(start(&home, &["run", "--json", "pipeline.toml", "--input", "@input.json"]));
    let report = summary["output"]["report"].as_str().expect("it should be a text");
    assert!(report.contains("[recovery.md:"), "{report}");
    assert!(saved(&home, &summary).contains(report));
    let story = story(&home, &summary);
    assert_eq!(story.of("attempt-ended").len(), STEPS, "{story}");
    assert_eq!(provider.counts().calls.len(), ANSWERS);
    check_spent(&summary, &provider);
}

/// Moments for ten kills of one run: each time the provider has got so far with that request since the
/// host came up. At most eight answers can have arrived before the tenth kill, so that all of them hit.
fn moments(random: &mut Random) -> Vec<(u64, Stage)> {
    let stages = [Stage::Asked, Stage::Charged, Stage::Answered];
    let mut moments: Vec<(u64, Stage)> = (0..10)
        .map(|place| match place < 4 {
            true => (2, stages[random.below(3) as usize]),
            // None of these lets an answer out.
            false => (1, stages[random.below(2) as usize]),
        })
        .collect();
    for place in (1..moments.len()).rev() {
        moments.swap(place, random.below(place as u64 + 1) as usize);
    }
    moments
}

#[test]
fn the_agent_killed_ten_times_ends_with_the_same_report() {
    let mut random = Random::new("the agent killed");
    let undisturbed = provider(Settings::default());
    let calm = home(&undisturbed, "anthropic");
    let expected =
        completed(start(&calm, &["run", "--json", "pipeline.toml", "--input", "@input.json"]));

    // The service is one that honours keys: else an answer that was lost on its way is counted twice.
    let provider = provider(Settings { honours_keys: true, ..Settings::default() });
    let home = home(&provider, "anthropic");
    let first = ["run", "--json", "--key", "it", "pipeline.toml", "--input", "@input.json"];
    for (count, stage) in moments(&mut random) {
        println!("killed at request {count}, {stage:?}");
        provider.stop_at(count, stage);
        let mut running = start(&home, &first);
        running.wait_until("the provider has got there", |_| provider.has_stopped());
        assert!(running.kill().was_killed());
        provider.go_on();
    }
    let end = completed(start(&home, &first));
    assert_eq!(end["output"]["report"], expected["output"]["report"]);
    let without_id = |home: &Home, summary: &Value| {
        let run = summary["run"].as_str().expect("a run should have an id");
        saved(home, summary).replace(run, "RUN")
    };
    assert_eq!(without_id(&home, &end), without_id(&calm, &expected));

    // Each answer was charged once, under a key of its own, whatever came of it.
    let counts = provider.counts();
    assert_eq!(counts.calls.len(), ANSWERS, "{}", counts.json());
    let keys: BTreeSet<_> = counts.calls.iter().filter_map(|call| call.key.as_ref()).collect();
    assert_eq!(keys.len(), ANSWERS, "{}", counts.json());
    let questions = |provider: &Provider| -> BTreeSet<String> {
        provider.counts().calls.iter().map(|call| call.question.to_string()).collect()
    };
    assert_eq!(questions(&provider), questions(&undisturbed), "it asked something else");
    assert!(counts.replayed >= 1, "no answer was lost: {}", counts.json());
    check_spent(&end, &provider);
    assert_eq!(end["usage"]["spent"], expected["usage"]["spent"], "a kill costs nothing");

    // What was recorded was not called again, and what was called again had been lost.
    let story = story(&home, &end);
    assert!(story.lost() >= 6, "{story}");
    let succeeded =
        story.of("attempt-ended").iter().filter(|end| end["end"] == "succeeded").count();
    assert_eq!(succeeded, STEPS, "{story}");
    assert_eq!(story.of("memo-remembered").len(), ANSWERS, "{story}");
}

/// And neither does another API.
#[test]
fn a_provider_that_fails_every_few_calls_changes_nothing_but_time() {
    let undisturbed = provider(Settings::default());
    let calm = home(&undisturbed, "anthropic");
    let expected =
        completed(start(&calm, &["run", "--json", "pipeline.toml", "--input", "@input.json"]));
    let script = json!([
        { "nth": 1, "do": 503 },
        { "nth": 3, "do": 429, "retry_after_s": 1 },
        { "nth": 5, "do": "cut" },
        { "nth": 8, "do": "half-json" },
        { "nth": 10, "do": 529 },
    ]);
    let script = Script::of(&script).expect("it should be a script");
    let provider = provider(Settings { script, honours_keys: true, ..Settings::default() });
    let home = home(&provider, "openai");
    let end =
        completed(start(&home, &["run", "--json", "pipeline.toml", "--input", "@input.json"]));
    assert_eq!(end["output"]["report"], expected["output"]["report"]);
    let counts = provider.counts();
    assert_eq!(counts.faults.values().sum::<u64>(), 5, "{}", counts.json());
    assert_eq!(counts.calls.len(), ANSWERS, "{}", counts.json());
    assert_eq!(counts.replayed, 2, "{}", counts.json());
    assert_eq!(counts.requests as usize, ANSWERS + 5);
    check_spent(&end, &provider);
}
