//! What a step check demands: careful steps pass, and each sin is found in its own row.
//! Never reaches a host: all that a step is granted is made up.

use piton_tests::{Finished, Home, check_snapshot, guest};
use serde_json::{Value, json};
use std::fs;

const CHECKS: [&str; 11] = [
    "executes",
    "repeats-by-key",
    "survives-cuts",
    "undoes",
    "undoes-twice",
    "undoes-unseen",
    "undoes-nothing",
    "reconciles",
    "only-declared-hosts",
    "ends-in-time",
    "fuel-stable",
];

/// Checks a step, granted an empty folder and whatever more.
fn checked(home: &Home, step: &str, input: &str, more: &[&str]) -> Finished {
    let step = guest(step).display().to_string();
    let mut arguments = vec!["step-check", &step, "--json", "--dir", ":/data", "--input", input];
    arguments.extend(more);
    home.run(&arguments)
}

/// The names of the checks with this verdict.
fn with(report: &Value, verdict: &str) -> Vec<String> {
    let rows = report["checks"].as_array().into_iter().flatten();
    let rows = rows.filter(|row| row["verdict"] == verdict);
    rows.map(|row| row["check"].as_str().expect("it should have a name").to_owned()).collect()
}

fn evidence<'a>(report: &'a Value, check: &str) -> &'a str {
    let mut rows = report["checks"].as_array().into_iter().flatten();
    let row = rows.find(|row| row["check"] == check).expect("it should be there");
    row["evidence"].as_str().expect("it should be a text")
}

#[track_caller]
fn check_sin(sin: &str, expected: &[&str]) {
    let home = Home::new();
    let input = json!({ "sin": sin }).to_string();
    let more = ["--http", "api.example", "--timeout", "10s"];
    let code = if expected.is_empty() { 0 } else { 3 };
    let report = checked(&home, "careless", &input, &more).expect_code(code).json();
    assert_eq!(with(&report, "fail"), expected, "{report:#}");
    assert_eq!(report["passed"], expected.is_empty());
}

#[test]
fn careful_steps_pass() {
    let home = Home::new();
    for (step, input) in [
        ("charge_card", r#"{ "card": "4242 4242 4242 4242", "amount_cents": 100 }"#),
        ("reserve_stock", r#"{ "sku": "piton", "quantity": 2 }"#),
        ("ship", r#"{ "address": "1 Main Street", "sku": "piton", "quantity": 2 }"#),
        ("notify", r#"{ "to": "ada@example.com", "message": "hello" }"#),
        ("echo", r#""hello""#),
    ] {
        let report = checked(&home, step, input, &[]).expect_code(0).json();
        assert_eq!(with(&report, "fail"), Vec::<String>::new(), "{report:#}");
        let names: Vec<&str> = report["checks"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|row| row["check"].as_str())
            .collect();
        assert_eq!(names, CHECKS);
    }
}

#[test]
fn a_step_without_a_sin_passes_every_check() {
    let home = Home::new();
    let input = r#"{ "sin": "none" }"#;
    let told = checked(&home, "careless", input, &["--http", "api.example"]).expect_code(0);
    let report = told.json();
    assert_eq!(with(&report, "pass"), CHECKS);
    assert_eq!(
        report["granted"],
        json!({ "dirs": ["/data"], "env": [], "http": ["https://api.example"] })
    );
    assert_eq!((&report["input_given"], &report["timeout_ms"]), (&json!(true), &json!(30_000)));
    for digest in ["component", "input_sha256"] {
        assert_eq!(report[digest].as_str().map(str::len), Some(64), "{digest}");
    }
}

#[test]
fn a_second_execute_with_more_effect_is_found() {
    check_sin("new-receipt", &["repeats-by-key"]);
    check_sin("other-body", &["repeats-by-key", "survives-cuts"]);
}

#[test]
fn a_note_on_the_wrong_side_of_the_effect_is_found() {
    check_sin("early-note", &["survives-cuts"]);
    check_sin("late-note", &["survives-cuts"]);
    check_sin("late-undo-note", &["survives-cuts"]);
}

#[test]
fn an_undo_that_undoes_nothing_is_found() {
    check_sin("no-undo", &["undoes"]);
    check_sin("needs-output", &["undoes-unseen"]);
}

#[test]
fn an_undo_that_works_once_is_found() {
    check_sin("new-refund", &["undoes-twice"]);
    check_sin("undo-once", &["survives-cuts", "undoes-twice"]);
}

#[test]
fn an_undo_that_insists_on_an_effect_is_found() {
    check_sin("needs-effect", &["undoes-nothing"]);
}

#[test]
fn a_wrong_answer_about_a_lost_call_is_found() {
    check_sin("forgets", &["reconciles"]);
    check_sin("remembers-all", &["reconciles"]);
}

#[test]
fn a_request_to_anybody_else_is_found_and_named() {
    check_sin("phones-home", &["only-declared-hosts"]);
    let home = Home::new();
    let input = r#"{ "sin": "phones-home" }"#;
    let report = checked(&home, "careless", input, &["--http", "api.example"]).json();
    assert_eq!(evidence(&report, "only-declared-hosts"), "not granted: `GET https://home.example`");
    // Granted, it is no sin, and still goes nowhere.
    let both = ["--http", "api.example", "--http", "home.example"];
    checked(&home, "careless", input, &both).expect_code(0);
}

#[test]
fn a_call_that_never_ends_is_found() {
    let home = Home::new();
    let more = ["--http", "api.example", "--timeout", "2s"];
    let report =
        checked(&home, "careless", r#"{ "sin": "never-ends" }"#, &more).expect_code(3).json();
    assert_eq!(with(&report, "fail"), ["executes", "ends-in-time"], "{report:#}");
    assert_eq!(with(&report, "pass"), ["undoes-nothing", "only-declared-hosts"], "{report:#}");
    assert_eq!(evidence(&report, "ends-in-time"), "a call of `execute` was ended after 2 s");
}

#[test]
fn uneven_fuel_is_found() {
    check_sin("uneven", &["fuel-stable"]);
}

#[test]
fn an_output_that_is_no_json_is_found() {
    let home = Home::new();
    let report = checked(&home, "hostile", r#"{ "how": "bad-json" }"#, &[]).expect_code(3).json();
    assert_eq!(with(&report, "fail"), ["executes"]);
    assert!(evidence(&report, "executes").contains("invalid-output"), "{report:#}");
}

#[test]
fn a_log_in_a_granted_folder_is_an_effect() {
    let home = Home::new();
    let report = checked(&home, "counter", "{}", &[]).expect_code(3).json();
    let expected = ["repeats-by-key", "undoes-twice", "undoes-nothing"];
    assert_eq!(with(&report, "fail"), expected, "{report:#}");
    // Without the folder it keeps none.
    let step = guest("counter").display().to_string();
    home.run(&["step-check", &step, "--input", "{}"]).expect_code(0);
}

#[test]
fn what_is_meant_to_stay_is_not_undone() {
    let home = Home::new();
    let more = ["--http", "api.example", "--no-undo"];
    let report = checked(&home, "careless", r#"{ "sin": "no-undo" }"#, &more).expect_code(0).json();
    let undoes = ["undoes", "undoes-twice", "undoes-unseen", "undoes-nothing"];
    assert_eq!(with(&report, "not-tried"), undoes, "{report:#}");
}

#[test]
fn the_server_answers_as_it_is_told() {
    let home = Home::new();
    let step = guest("http_call").display().to_string();
    let input = r#"{ "url": "https://api.example/charges", "method": "POST", "body": "x" }"#;
    let answers = |status: u16| json!([{ "method": "POST", "url": "https://api.example/*", "status": status, "body": { "id": 7 } }]);
    home.write("answers.json", answers(402).to_string());
    let arguments = [
        "step-check",
        "--json",
        &step,
        "--input",
        input,
        "--http",
        "api.example",
        "--no-undo",
        "--answers",
        "answers.json",
    ];
    let report = home.run(&arguments).expect_code(3).json();
    assert!(evidence(&report, "executes").contains("permanent: http-402"), "{report:#}");
    home.write("answers.json", answers(201).to_string());
    home.run(&arguments).expect_code(0);
    home.write("answers.json", r#"[{ "uri": "https://api.example/" }]"#);
    home.run(&arguments).expect_code(2).expect_said("`answers.json` is no list of answers");
}

#[test]
fn granted_folders_and_variables_are_seen_and_the_folders_stay_as_they_are() {
    let home = Home::new();
    home.write("out/inside.txt", "inside");
    let step = guest("hostile").display().to_string();
    let read = r#"{ "how": "read-file:/data/inside.txt" }"#;
    // It works, and has no answer to what became of a call.
    let arguments = ["step-check", "--json", &step, "--input", read, "--dir", "out:/data"];
    let report = home.run(&arguments).expect_code(3).json();
    assert!(evidence(&report, "executes").contains("succeeded"), "{report:#}");
    let step = guest("charge_card").display().to_string();
    let charge = r#"{ "card": "4242", "amount_cents": 100 }"#;
    let granted = ["--dir", "out:/data", "--env", "TZ=UTC"];
    let told =
        home.run(&[&["step-check", "--json", &step, "--input", charge], &granted[..]].concat());
    assert_eq!(told.expect_code(0).json()["granted"]["env"], json!(["TZ"]));
    let inside: Vec<_> = fs::read_dir(home.path("out")).expect("a folder").flatten().collect();
    assert_eq!(inside.len(), 1, "{inside:?}");
    assert!(!home.data().exists(), "a check needs no data directory, and makes none");
}

#[test]
fn mistakes_are_told_before_anything_is_called() {
    let home = Home::new();
    let step = guest("echo").display().to_string();
    for (arguments, said) in [
        (["--dir", "nowhere:/data"], "there is no folder `nowhere`"),
        (["--dir", "out"], "`out` names no two folders"),
        (["--dir", "out:data"], "`data` is no path that a step can see"),
        (["--env", "TZ"], "`--env TZ` gives no value"),
        (["--input", "{"], "the input is no JSON"),
        (["--timeout", "soon"], "`--timeout soon`"),
        (["--answers", "none.json"], "cannot read `none.json`"),
    ] {
        let told = home.run(&[&["step-check", &step], &arguments[..]].concat());
        let told = told.expect_code(2).expect_said(said);
        assert_eq!(told.stdout, "");
    }
    home.run(&["step-check", "nothing.wasm"]).expect_code(2);
}

#[test]
fn the_table_reads_as_before() {
    let home = Home::new();
    let step = guest("careless").display().to_string();
    let table = |name: &str, sin: &str| {
        let input = json!({ "sin": sin }).to_string();
        let granted = ["--dir", ":/data", "--http", "api.example", "--timeout", "10s"];
        let mut told =
            home.run(&[&["step-check", "-q", &step, "--input", &input], &granted[..]].concat());
        told.stdout = without_figures(&told.stdout);
        check_snapshot(&home, name, &told);
    };
    table("step_check_passed.txt", "none");
    table("step_check_failed.txt", "no-undo");
    let mut told = home.run(&["step-check", &guest("echo").display().to_string()]);
    told.stdout = without_figures(&told.stdout);
    told.stderr = told.stderr.lines().filter(|line| !line.starts_with("compiling")).collect();
    told.stderr.push('\n');
    check_snapshot(&home, "step_check_no_input.txt", &told);
}

/// Fuel, spans and shares depend on compiler and machine.
fn without_figures(text: &str) -> String {
    let figures = |line: &str| {
        if !line.contains("ends-in-time") && !line.contains("fuel-stable") {
            return format!("{line}\n");
        }
        let mut shown = String::new();
        for character in line.chars() {
            let is_figure =
                character.is_ascii_digit() || (character == '.' && shown.ends_with('N'));
            match is_figure {
                true if shown.ends_with('N') => {}
                true => shown.push('N'),
                false => shown.push(character),
            }
        }
        shown + "\n"
    };
    text.lines().map(figures).collect()
}
