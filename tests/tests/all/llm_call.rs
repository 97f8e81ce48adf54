//! The step `llm_call` against a provider that fails in every way it knows: what becomes of the run, what
//! the provider counts, and what is booked.
//! Nothing here leaves this machine.

use piton_tests::provider::{Counts, Provider, Script, Settings, Stage};
use piton_tests::{Home, Moment, Shim, guest};
use serde_json::{Value, json};

const KEY: &str = "correct-horse-battery";

/// How one call is asked and answered.
struct Case {
    api: &'static str,
    /// What the provider does.
    script: Value,
    settings: Settings,
    /// What stands in the step's input besides.
    input: &'static str,
    /// What stands in the step besides.
    step: &'static str,
}

impl Default for Case {
    fn default() -> Self {
        let settings = Settings { key: Some(KEY.into()), ..Settings::default() };
        Self { api: "anthropic", script: json!([]), settings, input: "", step: "" }
    }
}

/// What came of it.
struct Outcome {
    summary: Value,
    events: Vec<Value>,
    counts: Counts,
}

impl Case {
    fn failing(script: Value) -> Self {
        Self { script, ..Self::default() }
    }

    fn provider(&self) -> Provider {
        let script = Script::of(&self.script).expect("it should be a script");
        let settings = Settings { script, ..self.settings.clone() };
        Provider::start(0, settings).expect("a port should be free")
    }

    /// Writes the manifest. A home is used for many cases, so that the step is compiled once.
    fn write(&self, home: &Home, provider: &Provider) {
        let Self { api, input, step, .. } = self;
        let url = format!("http://{}", provider.address());
        let base_url = if *api == "anthropic" { url.clone() } else { format!("{url}/v1") };
        let manifest = format!(
            r#"
[pipeline]
name = "ask"
[steps.ask]
component = "{component}"
effect = "none"
retry = {{ attempts = 4, base = "5ms", cap = "20ms", floor = "1ms" }}
grants.http = ["{url}"]
grants.secrets.X = {{ env = "KEY", header = "x-api-key", hosts = ["{url}"] }}
grants.secrets.B = {{ env = "KEY", header = "authorization", format = "Bearer ${{secret}}", hosts = ["{url}"] }}
{step}
[steps.ask.input]
service = {{ api = "{api}", base_url = "{base_url}", model = "m-1", prices = {{ input = 3_000_001, output = 15_000_000 }} }}
prompt = """
<question>Who holds the rope?</question>
<passages>
The second man holds the rope with both hands.
</passages>
"""
max_tokens = 100
{input}
"#,
            component = guest("llm_call").display()
        );
        home.write("pipeline.toml", manifest);
    }

    fn run(&self, home: &Home) -> Outcome {
        let provider = self.provider();
        self.write(home, &provider);
        let run = home.piton(&["run", "--json", "pipeline.toml"]).env("KEY", KEY).run();
        let summary = run.json();
        let id = summary["run"].as_str().expect("a run should have an id");
        Outcome { events: home.events(id), counts: provider.counts(), summary }
    }
}

impl Outcome {
    /// The ends of all attempts, each with its code where it has one.
    fn ends(&self) -> Vec<String> {
        let ends = self.events.iter().filter(|event| event["event"] == "attempt-ended");
        ends.map(|event| match event["code"].as_str() {
            Some(code) => format!("{} {code}", event["end"].as_str().unwrap_or_default()),
            None => event["end"].as_str().unwrap_or_default().to_owned(),
        })
        .collect()
    }

    #[track_caller]
    fn check_ends(&self, expected: &[&str]) {
        assert_eq!(self.ends(), expected, "{}", self.told());
    }

    /// Checks how often the provider was asked, made an answer, and got one through.
    #[track_caller]
    fn check_counts(&self, requests: u64, charged: usize, answered: u64) {
        let sent: u64 = self.counts.calls.iter().map(|call| call.answered).sum();
        let counted = (self.counts.requests, self.counts.calls.len(), sent);
        assert_eq!(counted, (requests, charged, answered), "{}", self.told());
    }

    /// Checks that so many answers were booked, all of them equal, at their price.
    #[track_caller]
    fn check_booked(&self, answers: u64) {
        let call = self.counts.calls.last().expect("there should be an answer");
        let micros =
            (call.input_tokens * 3_000_001 + call.output_tokens * 15_000_000).div_ceil(1_000_000);
        let expected = json!({
            "input_tokens": (answers * call.input_tokens) as f64,
            "output_tokens": (answers * call.output_tokens) as f64,
            "tokens": (answers * (call.input_tokens + call.output_tokens)) as f64,
            "usd": (answers * micros) as f64 / 1e6,
        });
        assert_eq!(self.summary["usage"]["spent"], expected, "{}", self.told());
    }

    fn told(&self) -> String {
        let events: Vec<String> = self.events.iter().map(Value::to_string).collect();
        format!("{}\n{}\n{}", self.summary, self.counts.json(), events.join("\n"))
    }
}

#[test]
fn each_api_is_spoken() {
    let home = Home::new();
    for api in ["anthropic", "openai", "openai-compatible"] {
        let outcome = Case { api, ..Case::default() }.run(&home);
        outcome.check_ends(&["succeeded"]);
        outcome.check_counts(1, 1, 1);
        outcome.check_booked(1);
        let output = &outcome.summary["output"];
        assert_eq!(output["text"], "The second man holds the rope with both hands.", "{api}");
        let call = &outcome.counts.calls[0];
        assert_eq!(output["input_tokens"], call.input_tokens);
        assert_eq!(output["output_tokens"], call.output_tokens);
        let longest = if api == "openai" { "max_completion_tokens" } else { "max_tokens" };
        assert_eq!(call.question[longest], 100, "{api}");
    }
}

#[test]
fn a_busy_service_is_asked_again() {
    let home = Home::new();
    for (status, end) in
        [(503, "retryable http-503"), (500, "retryable http-500"), (529, "retryable http-529")]
    {
        let outcome = Case::failing(json!([{ "times": 2, "do": status }])).run(&home);
        outcome.check_ends(&[end, end, "succeeded"]);
        outcome.check_counts(3, 1, 1);
        outcome.check_booked(1);
    }
}

#[test]
fn retry_after_is_waited_for() {
    let home = Home::new();
    for api in ["anthropic", "openai"] {
        let script = json!([{ "nth": 1, "do": 429, "retry_after_s": 1 }]);
        let outcome = Case { api, ..Case::failing(script) }.run(&home);
        outcome.check_ends(&["retry-after http-429", "succeeded"]);
        let retry = outcome.events.iter().find(|event| event["event"] == "retry-scheduled");
        let retry = retry.expect("there should be a retry");
        assert!(retry["delay_ms"].as_u64() >= Some(1_000), "{retry}");
        outcome.check_counts(2, 1, 1);
        outcome.check_booked(1);
    }
}

/// The provider made an answer each time. One that ignores keys counts both; what never arrived cannot be
/// booked.
#[test]
fn a_lost_answer_is_asked_for_again() {
    let home = Home::new();
    for (fault, end) in [("cut", "retryable http-lost"), ("half-json", "retryable http-bad-answer")]
    {
        for api in ["anthropic", "openai"] {
            let script = json!([{ "nth": 1, "do": fault }]);
            let outcome = Case { api, ..Case::failing(script) }.run(&home);
            outcome.check_ends(&[end, "succeeded"]);
            outcome.check_counts(2, 2, 1);
            outcome.check_booked(1);
            let keys: Vec<_> = outcome.counts.calls.iter().map(|call| &call.key).collect();
            assert_eq!(keys[0], keys[1], "it is the same call");
        }
    }
}

#[test]
fn a_service_that_honours_keys_counts_a_lost_answer_once() {
    let home = Home::new();
    let settings = Settings { honours_keys: true, ..Case::default().settings };
    let script = json!([{ "nth": 1, "do": "cut" }, { "nth": 2, "do": "half-json" }]);
    let outcome = Case { settings, ..Case::failing(script) }.run(&home);
    outcome.check_counts(3, 1, 1);
    assert_eq!(outcome.counts.replayed, 2);
    outcome.check_booked(1);
}

#[test]
fn an_answer_that_comes_too_slowly_is_timed_out() {
    let home = Home::new();
    for fault in
        [json!({ "nth": 1, "do": "drip", "pause_ms": 200 }), json!({ "nth": 1, "do": "hang" })]
    {
        let step = "timeout = \"2s\"";
        let outcome = Case { step, ..Case::failing(json!([fault])) }.run(&home);
        outcome.check_ends(&["timed-out", "succeeded"]);
        assert_eq!(outcome.counts.requests, 2, "{}", outcome.told());
        outcome.check_booked(1);
    }
}

#[test]
fn what_no_attempt_mends_ends_at_once() {
    let home = Home::new();
    let case = Case::default;
    let with_key = |key: &str| Settings { key: Some(key.into()), ..case().settings };
    let narrow = Settings { context_tokens: 5, ..case().settings };
    for api in ["anthropic", "openai"] {
        for (case, code) in [
            (Case { settings: with_key("another"), ..case() }, "key-refused"),
            (Case { settings: narrow.clone(), ..case() }, "context-too-long"),
            (Case::failing(json!([{ "do": 404 }])), "http-404"),
            (Case::failing(json!([{ "do": 402 }])), "no-credit"),
        ] {
            let outcome = Case { api, ..case }.run(&home);
            outcome.check_ends(&[&format!("permanent {code}")]);
            outcome.check_counts(1, 0, 0);
            assert_eq!(outcome.summary["failure"]["code"], code);
            assert_eq!(outcome.summary["usage"]["spent"], json!({}));
        }
    }
}

/// It was paid for, so it is booked.
#[test]
fn an_answer_of_no_use_is_booked() {
    let home = Home::new();
    for api in ["anthropic", "openai"] {
        for (fault, code) in [("refuse", "refused"), ("length", "cut-short")] {
            let outcome = Case { api, ..Case::failing(json!([{ "do": fault }])) }.run(&home);
            outcome.check_ends(&[&format!("permanent {code}")]);
            outcome.check_counts(1, 1, 1);
            outcome.check_booked(1);
        }
    }
    let outcome =
        Case { input: "allow_cut = true", ..Case::failing(json!([{ "do": "length" }])) }.run(&home);
    outcome.check_ends(&["succeeded"]);
    assert_eq!(outcome.summary["output"]["stop_reason"], "max_tokens");
}

/// Under a key of its own, since a service that honours keys would send the same prose again.
#[test]
fn prose_instead_of_json_is_asked_anew() {
    let settings = Settings { honours_keys: true, ..Case::default().settings };
    let script = json!([{ "nth": 1, "do": "no-json" }]);
    let input = "json = true\nsystem = \"Answer in JSON.\"";
    let form = r#"messages = [{ role = "user", content = """<question>Who holds the rope?</question>
{"questions": ["…"]}""" }]"#;
    let case = Case { settings, input, ..Case::failing(script) };
    let provider = case.provider();
    let home = Home::new();
    case.write(&home, &provider);
    let manifest = std::fs::read_to_string(home.path("pipeline.toml")).expect("it is there");
    let (before, rest) = manifest.split_once("prompt = ").expect("it has a prompt");
    let (_, after) = rest.split_once("</passages>\n\"\"\"\n").expect("its prompt has an end");
    home.write("pipeline.toml", format!("{before}{form}\n{after}"));
    let run = home.piton(&["run", "--json", "pipeline.toml"]).env("KEY", KEY).run();
    let summary = run.expect_code(0).json();
    assert_eq!(
        summary["output"]["value"],
        json!({ "questions": ["What is said of holds and rope?"] })
    );
    let counts = provider.counts();
    assert_eq!(
        (counts.requests, counts.calls.len(), counts.replayed),
        (2, 2, 0),
        "{}",
        counts.json()
    );
    let keys: Vec<&str> = counts.calls.iter().filter_map(|call| call.key.as_deref()).collect();
    assert_eq!(keys[1], format!("{}-2", keys[0]));
    // Both were paid, and so both are booked.
    let (input_tokens, output_tokens) = counts.tokens();
    assert_eq!(summary["usage"]["spent"]["input_tokens"], json!(input_tokens as f64));
    assert_eq!(summary["usage"]["spent"]["output_tokens"], json!(output_tokens as f64));
}

/// The answer never reached the host. A service that ignores keys counts a second one: this is what
/// cannot be promised.
#[test]
fn a_host_killed_before_the_answer_came_asks_again_with_the_same_key() {
    let home = Home::new();
    for honours_keys in [false, true] {
        let case = Case {
            settings: Settings { honours_keys, ..Case::default().settings },
            ..Case::default()
        };
        let provider = case.provider();
        case.write(&home, &provider);
        provider.stop_at(1, Stage::Charged);
        let mut running = home.piton(&["run", "--json", "pipeline.toml"]).env("KEY", KEY).start();
        let id = running.run_id();
        running.wait_until("the answer is on its way", |_| provider.has_stopped());
        assert!(running.kill().was_killed());
        provider.go_on();
        let run = home.piton(&["resume", "--json", &id]).env("KEY", KEY).run();
        let outcome = Outcome {
            summary: run.expect_code(0).json(),
            events: home.events(&id),
            counts: provider.counts(),
        };
        outcome.check_ends(&["lost", "succeeded"]);
        let charged = if honours_keys { 1 } else { 2 };
        assert_eq!(outcome.counts.calls.len(), charged, "{}", outcome.told());
        let keys: Vec<_> = outcome.counts.calls.iter().map(|call| &call.key).collect();
        assert!(keys.iter().all(|key| *key == keys[0]), "{}", outcome.told());
        outcome.check_booked(1);
    }
}

/// Killed after each commit of the journal: once the answer is remembered, nobody is asked again, not even
/// a service that ignores keys.
#[test]
fn a_remembered_answer_is_not_paid_twice() {
    let home = Home::new();
    let shim = Shim::build(&home);
    let mut recalled = 0;
    for count in 1..100 {
        let case = Case::default();
        let provider = case.provider();
        case.write(&home, &provider);
        let key = format!("at-{count}");
        let start = ["run", "--json", "--key", &key, "pipeline.toml"];
        let run = || home.piton(&start).env("KEY", KEY);
        let killed = run().with_shim(&shim, Moment::KilledAfterSync(count)).run();
        let has_come_to_its_end = !killed.was_killed();
        let summary = if has_come_to_its_end { killed.json() } else { run().run().json() };
        let id = summary["run"].as_str().expect("a run should have an id");
        let outcome = Outcome { events: home.events(id), counts: provider.counts(), summary };
        let memo = outcome.events.iter().find(|event| event["event"] == "memo-remembered");
        let memo = memo.expect("the answer should be remembered");
        if outcome.ends() == ["lost", "succeeded"] && memo["attempt"] == 1 {
            outcome.check_counts(1, 1, 1);
            recalled += 1;
        }
        outcome.check_booked(1);
        if has_come_to_its_end {
            assert!(
                recalled > 0,
                "no kill came after the answer was remembered and before the end"
            );
            return;
        }
    }
    panic!("it never ran undisturbed");
}
