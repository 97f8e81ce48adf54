//! What an operator's file says, and what manifests are told that it holds down.

use super::super::keys::{CEILINGS, OF_OPERATOR};
use super::super::limits::LIMITS;
use super::super::tests::good;
use super::*;

const PAGE: &str = include_str!("../../../docs/operator.md");

fn operator(text: &str) -> Operator {
    match Operator::read(Path::new("piton.toml"), text) {
        Ok(operator) => operator,
        Err(complaints) => panic!("{complaints:?}"),
    }
}

/// A manifest of one step that says this.
fn manifest(step: &str) -> String {
    format!("[pipeline]\nname = \"it\"\n[steps.it]\ncomponent = \"it.wasm\"\n{step}\n")
}

/// What is told of a step, each as `place: message (label) | hint`.
fn told(file: &str, step: &str) -> Vec<String> {
    let text = manifest(step);
    let complaints = operator(file).hold(&mut good(&text));
    let show = |complaint: Complaint| {
        let place = complaint.place.map(|place| text[place].to_owned());
        let label = complaint.label.map(|label| format!(" ({label})"));
        format!(
            "{}: {}{} | {}",
            place.unwrap_or_default(),
            complaint.message,
            label.unwrap_or_default(),
            complaint.hint.unwrap_or_default()
        )
    };
    complaints.into_iter().map(show).collect()
}

#[track_caller]
fn check(file: &str, step: &str, expected: &[&str]) {
    assert_eq!(told(file, step), expected, "{file}\n{step}");
}

#[test]
fn every_limit_has_a_ceiling() {
    let limits: Vec<&str> = LIMITS.iter().map(|limit| limit.key).collect();
    assert_eq!(CEILINGS.keys, limits);
    for (key, ceiling, above, at_most) in [
        ("timeout", "\"10s\"", "\"11s\"", "10s"),
        ("fuel", "1_000", "1_001", "1000"),
        ("memory", "\"1MiB\"", "\"2MiB\"", "1MiB"),
        ("table_max", "10", "11", "10"),
        ("input_max", "\"1KiB\"", "\"2KiB\"", "1KiB"),
        ("output_max", "\"1KiB\"", "\"2KiB\"", "1KiB"),
        ("log_max", "\"0B\"", "\"1B\"", "0B"),
        ("memo_max", "\"1KiB\"", "\"2KiB\"", "1KiB"),
        ("memo_count_max", "3", "4", "3"),
        ("http_requests_max", "3", "4", "3"),
        ("http_connections_max", "3", "4", "3"),
        ("http_sent_max", "\"1KiB\"", "\"2KiB\"", "1KiB"),
        ("http_received_max", "\"1KiB\"", "\"2KiB\"", "1KiB"),
        ("http_headers_max", "\"1KiB\"", "\"2KiB\"", "1KiB"),
    ] {
        assert!(limits.contains(&key), "{key}");
        let file = format!("# ours\n[ceilings]\n{key} = {ceiling}\n");
        let expected = format!(
            "{above}: `{key}` is above the operator's ceiling (it may be at most {at_most}) | the \
             ceiling is set at `piton.toml:3`; ask for less, or have it raised there"
        );
        check(&file, &format!("{key} = {above}"), &[&expected]);
        check(&file, &format!("{key} = {ceiling}"), &[]);
    }
}

#[test]
fn a_default_above_a_ceiling_becomes_the_ceiling() {
    let operator =
        operator("[ceilings]\nmemory = \"1MiB\"\ntimeout = \"2s\"\nfuel = 90_000_000_000");
    let mut held = good(&manifest("table_max = 7"));
    assert_eq!(operator.hold(&mut held), []);
    assert_eq!(held.steps[0].limits.memory_bytes, 1 << 20);
    assert_eq!(held.steps[0].limits.table_elements, 7);
    assert_eq!(held.steps[0].limits.fuel, Limits::default().fuel);
    assert_eq!(held.pipeline.steps[0].timeout, Duration::from_secs(2));
}

#[test]
fn what_defaults_ask_is_told_once_for_all_steps() {
    let text = "[pipeline]\nname = \"it\"\n[defaults]\nfuel = 11\n[steps.a]\ncomponent = \"a\"\n\
                [steps.b]\ncomponent = \"b\"\n[steps.c]\ncomponent = \"c\"\nfuel = 9\n";
    let complaints = operator("[ceilings]\nfuel = 10").hold(&mut good(text));
    let places: Vec<_> = complaints.into_iter().flat_map(|complaint| complaint.place).collect();
    assert_eq!(places.iter().map(|place| &text[place.clone()]).collect::<Vec<_>>(), ["11"]);
}

#[test]
fn of_very_many_mistakes_some_are_told() {
    let mut text = String::from("[pipeline]\nname = \"it\"\n");
    for step in 0..9_000 {
        text += &format!("[steps.s{step}]\ncomponent = \"a\"\nfuel = 11\nlog_max = \"2B\"\n");
    }
    let operator = operator("[ceilings]\nfuel = 10\nlog_max = \"1B\"");
    let complaints = operator.hold(&mut good(&text));
    let last = complaints.last().map(|complaint| complaint.message.as_str());
    assert_eq!(last, Some("17900 more mistakes are not shown"));
}

#[test]
fn a_step_that_waits_uses_nothing() {
    let text =
        "[pipeline]\nname = \"it\"\n[defaults]\ntimeout = \"1h\"\n[steps.a]\nwait = \"1h\"\n";
    assert_eq!(operator("[ceilings]\ntimeout = \"1s\"").hold(&mut good(text)), []);
}

#[test]
fn only_listed_hosts_may_be_granted() {
    let file = "[allow]\nhttp = [\"https://*.example.com\", \"http://127.0.0.1:80\"]";
    let allows = "`http` at `piton.toml:2` allows `https://*.example.com`, `http://127.0.0.1`";
    check(
        file,
        "grants.http = [\"a.example.com\", \"example.com\", { host = \"http://10.0.0.1\" }, \"http://127.0.0.1\"]",
        &[
            &format!(
                "\"example.com\": the operator does not allow requests to https://example.com | {allows}"
            ),
            &format!(
                "{{ host = \"http://10.0.0.1\" }}: the operator does not allow requests to http://10.0.0.1 | {allows}"
            ),
        ],
    );
    check(
        "[allow]\nhttp = [\"a.example.com\"]",
        "grants.http = [\"*.example.com\"]",
        &["\"*.example.com\": the operator does not allow requests to https://*.example.com | \
         `http` at `piton.toml:2` allows `https://a.example.com`"],
    );
    check("[ceilings]", "grants.http = [\"example.com\"]", &[]);
    check(
        "[allow]\nhttp = []",
        "grants.http = [\"example.com\"]",
        &[
            "\"example.com\": the operator does not allow requests to https://example.com | `http` at \
         `piton.toml:2` allows nothing",
        ],
    );
}

#[test]
fn only_listed_variables_may_be_granted() {
    check(
        "[allow]\nenv = [\"TZ\"]",
        "grants.env = { TZ = \"UTC\", PATH = \"/\" }",
        &[
            "PATH: the operator does not allow the variable `PATH` | `env` at `piton.toml:2` allows `TZ`",
        ],
    );
    check("[allow]\nenv = []", "", &[]);
}

#[test]
fn only_listed_secrets_may_be_granted() {
    let secret = |source: &str| {
        format!(
            "grants.http = [\"a.example\"]\n[steps.it.grants.secrets.KEY]\nheader = \"x-key\"\n\
             hosts = [\"a.example\"]\n{source}"
        )
    };
    check("[allow]\nsecrets = [\"KEY\", \"OTHER\"]", &secret("env = \"OTHER\""), &[]);
    check(
        "[allow]\nsecrets = [\"OTHER\", \"./KEY\"]",
        &secret(""),
        &["KEY: the operator does not allow a secret from the variable `KEY` | `secrets` at \
         `piton.toml:2` allows `OTHER`, `./KEY`"],
    );
    check(
        "[allow]\nsecrets = [\"/a/KEY\"]",
        &secret("env = \"/a/KEY\""),
        &["KEY: the operator does not allow a secret from the variable `/a/KEY` | `secrets` at \
         `piton.toml:2` allows `/a/KEY`"],
    );
    let within_secrets = |path: &Path| Path::new("secrets/pay").starts_with(path);
    let allowing = |list: &str| operator(&format!("[allow]\nsecrets = {list}"));
    let refused = |list: &str| allowing(list).refuse_secret_file("pay", within_secrets).is_some();
    assert!(refused("[]") && refused("[\"secrets\"]") && refused("[\"other/\"]"));
    assert!(!refused("[\"secrets/\"]") && !refused("[\"x\", \"secrets/pay\"]"));
}

#[test]
fn only_listed_folders_may_be_granted() {
    let path = Path::new("/etc/piton/piton.toml");
    let file = "[allow]\ndirs = [\"data\", \"/srv/shared\"]";
    let operator = Operator::read(path, file).expect("it should be read");
    let refused = |path: &'static str| {
        operator.refuse_dir(path, move |allowed| Path::new(path).starts_with(allowed))
    };
    assert_eq!(refused("/srv/shared/orders"), None);
    assert_eq!(refused("/etc/piton/data"), None);
    let told = refused("/srv").expect("it should be refused");
    assert_eq!(told.message, "the operator does not allow the folder `/srv`");
    assert_eq!(
        told.hint.as_deref(),
        Some("`dirs` at `/etc/piton/piton.toml:2` allows `data`, `/srv/shared`")
    );
}

#[test]
fn only_listed_components_may_be_called() {
    let (listed, other) = (Digest::from_bytes([0xa5; 32]), Digest::from_bytes([0; 32]));
    let operator = operator(&format!("[allow]\ncomponents = [\"sha256:{listed}\"]"));
    assert_eq!(operator.refuse_component(&listed), None);
    let told = operator.refuse_component(&other).expect("it should be refused").message;
    assert_eq!(told, format!("the operator does not allow the component sha256:{other}"));
}

#[test]
fn a_call_is_held_like_a_step() {
    let operator = operator("[ceilings]\ntimeout = \"1s\"\nfuel = 9\n[allow]\nenv = []");
    let call = |is_timeout_given| Allowance {
        timeout: Duration::from_secs(30),
        limits: Limits::default(),
        grants: Grants::default(),
        is_timeout_given,
    };
    let mut by_default = call(false);
    assert_eq!(operator.hold_call(&mut by_default), []);
    assert_eq!((by_default.timeout, by_default.limits.fuel), (Duration::from_secs(1), 9));
    assert_eq!(operator.hold_call(&mut call(true)).len(), 1);
    let mut with_variable = call(false);
    with_variable.grants.env.insert("TZ".into(), "UTC".into());
    assert_eq!(operator.hold_call(&mut with_variable).len(), 1);
}

#[test]
fn all_mistakes_of_the_file_are_told() {
    let text = "[ceilings]\nmemry = \"1MiB\"\nfuel = \"much\"\nmemory = \"1TiB\"\n[alow]\n[allow]\n\
                http = [\"a.example/x\"]\ncomponents = [\"sha256:00\", 5]\ndirs = \"out\"\nenv = [1, \"\"]\n";
    let complaints = Operator::read(Path::new("piton.toml"), text).expect_err("it has mistakes");
    let told: Vec<_> = complaints
        .iter()
        .map(|told| (&text[told.place.clone().unwrap_or_default()], told.message.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("memry", "`[ceilings]` has no key `memry`"),
            ("\"much\"", "`fuel` must be a whole number"),
            ("\"1TiB\"", "`memory` is no size"),
            ("alow", "`piton.toml` has no key `alow`"),
            ("\"a.example/x\"", "`a.example/x` is no host that can be granted"),
            ("\"sha256:00\"", "this is no digest of a component"),
            ("5", "this is no digest of a component"),
            ("\"out\"", "`dirs` must be a list in brackets"),
            ("1", "this must be a variable in quotes"),
            ("\"\"", "this must be a variable in quotes"),
        ]
    );
    assert_eq!(complaints[0].hint.as_deref(), Some("did you mean `memory`?"));
    let no_toml = Operator::read(Path::new("piton.toml"), "[ceilings\n").expect_err("no TOML");
    assert_eq!(no_toml[0].message, "the configuration is not TOML");
}

#[test]
fn every_key_is_on_the_page_of_the_operator() {
    let keys = OF_OPERATOR.iter().flat_map(|table| table.keys);
    let is_told =
        |key: &str| [format!("`{key}`"), format!("`[{key}]`")].iter().any(|key| PAGE.contains(key));
    let missing: Vec<_> = keys.filter(|key| !is_told(key)).collect();
    assert_eq!(missing, Vec::<&&str>::new());
}

#[test]
fn the_example_on_the_page_is_without_mistakes() {
    let example =
        PAGE.split("```toml piton.toml\n").nth(1).and_then(|rest| rest.split("```").next());
    operator(example.expect("the page should have an example"));
}
