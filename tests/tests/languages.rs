//! Steps in every language: made by `piton new`, built by `piton build`, called by `piton try`, and mixed in
//! one pipeline. The steps and the calls are in `tests/languages`.
//! Never passes where a language's tools are missing: what `piton build` says then is the test's failure.

use piton_tests::{Finished, Home, Invocation, binary, eventually_some};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A language, and where its step is in `tests/languages` and in a step's folder.
struct Language {
    name: &'static str,
    kept: &'static str,
    file: &'static str,
    /// What tests the template on this machine.
    own_test: &'static str,
}

const RUST: Language =
    Language { name: "rust", kept: "rust/lib.rs", file: "src/lib.rs", own_test: "cargo test" };
const PYTHON: Language = Language {
    name: "python",
    kept: "python/step.py",
    file: "step.py",
    own_test: "python3 -m unittest",
};
const JS: Language =
    Language { name: "js", kept: "js/step.js", file: "step.js", own_test: "node --test" };
const C: Language = Language {
    name: "c",
    kept: "c/step.c",
    file: "step.c",
    own_test: "mkdir -p target && cc -I. -o target/test *.c piton_step/*.c -lm && target/test",
};

#[test]
fn a_step_in_rust_does_all_that_a_step_can() {
    check_language(&RUST);
}

#[test]
fn a_step_in_python_does_all_that_a_step_can() {
    check_language(&PYTHON);
}

#[test]
fn a_step_in_javascript_does_all_that_a_step_can() {
    check_language(&JS);
}

#[test]
fn a_step_in_c_does_all_that_a_step_can() {
    check_language(&C);
}

#[track_caller]
fn check_language(language: &Language) {
    let home = Home::new();
    check_template(&home, language);
    let step = conforming_step(&home, language);
    check_failure_in_full(&home, &step);
    check_reconciling(&home, &step);
    let cases = fs::read_to_string(kept("cases.json")).expect("the cases should be there");
    let cases: Vec<Value> = serde_json::from_str(&cases).expect("the cases should be JSON");
    for case in cases {
        check_case(&home, &step, language, &case);
    }
}

/// What `piton new` writes passes its own test, can be built, and runs by its own manifest.
fn check_template(home: &Home, language: &Language) {
    let step = new_step(home, language, "fresh");
    let mut test = Command::new("sh");
    test.args(["-c", language.own_test]).current_dir(home.path(&step));
    test.env("CARGO_TARGET_DIR", target_folder());
    let tested = test.output().expect("a shell should start");
    let said = [tested.stdout, tested.stderr].concat();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&said));

    let again = new(home, language, "fresh").run().expect_code(2).expect_said("is there already");
    assert!(again.stdout.is_empty(), "{again}");

    build(home, &step);
    let manifest = format!("{step}/pipeline.toml");
    let order = r#"{"sku":"rope","quantity":2}"#;
    let run = home.run(&["run", &manifest, "--json", "--input", order]).expect_code(0).json();
    assert_eq!(run["output"]["price_cents"], 208, "{run}");
    assert_eq!(run["usage"]["spent"]["usd"], 0.001, "{run}");
    let too_many = r#"{"sku":"rope","quantity":101}"#;
    let run = home.run(&["run", &manifest, "--json", "--input", too_many]).expect_code(3).json();
    assert_eq!(run["failure"]["code"], "no-stock", "{run}");
}

/// Writes the conformance suite's step in this language over a new one, and builds it.
fn conforming_step(home: &Home, language: &Language) -> String {
    let step = new_step(home, language, &format!("{}_step", language.name));
    let file = home.path(&step).join(language.file);
    fs::copy(kept(language.kept), &file).expect("the step should be copied");
    let manifest = home.path(&step).join("Cargo.toml");
    if let Ok(text) = fs::read_to_string(&manifest) {
        let text = text.replace("[dependencies]", "[dependencies]\nserde_json = \"1\"");
        fs::write(&manifest, text).expect("the manifest should be written");
    }
    build(home, &step);
    step
}

fn check_case(home: &Home, step: &str, language: &Language, case: &Value) {
    let name = case["name"].as_str().expect("a case should have a name");
    let expected = |field: &str| {
        let here = &case["in"][language.name][field];
        if here.is_null() { &case[field] } else { here }
    };
    let input = case["input"].to_string();
    let mut arguments = vec!["try", step, "--json", "--input", &input];
    let output = case["with_output"].to_string();
    if case["compensate"] == true {
        arguments.push("--compensate");
    }
    if !case["with_output"].is_null() {
        arguments.extend(["--output", &output]);
    }
    if case["lines"].is_null() {
        // What a guest that panics says would look like a panic of the host.
        arguments.push("--quiet");
    }
    let tried = home.run(&arguments);
    let found = tried.json();
    let end = expected("end").as_str().unwrap_or("succeeded");
    let code = expected("code").as_str().unwrap_or("succeeded");
    assert_eq!((&found["end"], &found["code"]), (&json!(end), &json!(code)), "{name}\n{tried}");
    let message = found["message"].as_str().expect("there should be a message");
    let part = expected("message").as_str().unwrap_or_default();
    assert!(message.contains(part), "{name}: `{message}` should say `{part}`\n{tried}");
    if let Some(bytes) = case["output_bytes"].as_u64() {
        assert_eq!(found["output"].to_string().len() as u64, bytes, "{name}");
    } else if end == "succeeded" {
        assert!(is_same(&found["output"], &case["output"]), "{name}\n{tried}");
    }
    for field in ["usage", "memos"] {
        if !case[field].is_null() {
            assert_eq!(found[field], case[field], "{name}: {field}\n{tried}");
        }
    }
    for line in case["lines"].as_array().into_iter().flatten() {
        let line = line.as_str().expect("a line should be a text");
        assert!(tried.stderr.lines().any(|said| said == line), "{name}: `{line}`\n{tried}");
    }
}

/// Whether two values mean the same. 1000 and 1000.0 are one number in JSON.
fn is_same(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Number(found), Value::Number(expected)) => found.as_f64() == expected.as_f64(),
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len()
                && found.iter().zip(expected).all(|(found, expected)| is_same(found, expected))
        }
        (Value::Object(found), Value::Object(expected)) => {
            found.len() == expected.len()
                && expected.iter().all(|(name, expected)| {
                    found.get(name).is_some_and(|found| is_same(found, expected))
                })
        }
        _ => found == expected,
    }
}

/// All that a failure says reaches the journal.
fn check_failure_in_full(home: &Home, step: &str) {
    home.write("failing.toml", manifest(&[(step, "failing", "\"fail\"", "fail = \"${input}\"")]));
    let failure = json!({
        "kind": "permanent", "code": "declined", "message": "the bank says é",
        "clean": true, "details": { "by": ["the bank"] },
    });
    let arguments = ["run", "failing.toml", "--json", "--input", &failure.to_string()];
    let run = home.run(&arguments).expect_code(3).json();
    let events = home.events(run["run"].as_str().expect("a run should have an id"));
    let ended = events.iter().find(|event| event["event"] == "attempt-ended");
    let told = ended.expect("an attempt should have ended").to_string();
    for part in [r#""clean":true"#, "declined", "the bank says é", "the bank"] {
        assert!(told.contains(part), "`{part}` should be in {told}");
    }
}

/// A call whose outcome is unknown is looked up, and repeated only where there is no effect.
fn check_reconciling(home: &Home, step: &str) {
    for (found, output) in
        [("done", json!({ "value": "found" })), ("not-done", json!({ "value": 7, "attempt": 2 }))]
    {
        let rest = format!("times = 1, value = 7, found = \"{found}\"");
        let text = manifest(&[(step, "asked", "\"lost\"", &rest)]);
        home.write("lost.toml", text.replace("\"idempotent\"", "\"reconcilable\""));
        let run = home.run(&["run", "lost.toml", "--json"]).expect_code(0).json();
        assert_eq!(run["output"], output, "{run}");
    }
}

#[test]
fn a_pipeline_mixes_the_languages() {
    let home = Home::new();
    let steps = [RUST, PYTHON, JS, C].map(|language| conforming_step(&home, &language));

    // Each passes on what the one before it returned.
    let chained = |what: &str, more: &str| {
        let mut value = "\"${input.value}\"".to_owned();
        let mut tables = Vec::new();
        for step in &steps {
            tables.push((step.as_str(), step.as_str(), what, format!("value = {value}{more}")));
            value = format!("\"${{steps.{step}.output.value}}\"");
        }
        let tables: Vec<_> =
            tables.iter().map(|(step, name, what, rest)| (*step, *name, *what, &**rest)).collect();
        manifest(&tables)
    };
    let value = json!({ "value": { "text": "é😀", "list": [1, 2.5, null, true] } });
    let input = value.to_string();

    // Retried.
    home.write("busy.toml", chained("\"busy\"", ", times = 1"));
    let run = home.run(&["run", "busy.toml", "--json", "--input", &input]).expect_code(0).json();
    assert_eq!(run["output"]["value"], value["value"], "{run}");
    check_each(&run, &steps, |step| step["attempts"] == 2 && step["status"] == "succeeded");

    // Undone, where the first undo of each fails.
    let failing = "[steps.last]\ncomponent = \"steps/flaky\"\neffect = \"idempotent\"\n\
         after = [\"c_step\"]\ninput = { fail = \"permanent\", code = \"enough\" }\n";
    let text = chained("\"echo\"", ", undo = \"busy\"") + failing;
    home.write("undone.toml", text);
    let run = home.run(&["run", "undone.toml", "--json", "--input", &input]).expect_code(3).json();
    check_each(&run, &steps, |step| step["compensated"] == true);
    let id = run["run"].as_str().expect("a run should have an id");
    let logs = home.run(&["logs", id]).expect_code(0);
    assert_eq!(logs.stdout.matches("cause=enough").count(), 4, "{logs}");

    // Killed in each of them, one after the other.
    home.write("hang.toml", chained("\"hang\"", ", times = 1"));
    let arguments = ["run", "hang.toml", "--key", "killed", "--input", &input];
    let mut running = home.start(&arguments);
    for step in &steps {
        running.wait_for_stderr(&format!("{step}: attempt 1"));
        running.kill();
        let run = eventually_some(|| home.run_of_key("killed")).expect("a run should be there");
        running = home.start(&["resume", &run]);
    }
    running.finish().expect_code(0);
    let run = home.run_of_key("killed").expect("the run should be there");
    let run = home.summary(&run);
    assert_eq!(run["status"], "completed", "{run}");
    check_each(&run, &steps, |step| step["attempts"] == 2);
}

#[track_caller]
fn check_each(run: &Value, steps: &[String], holds: impl Fn(&Value) -> bool) {
    for name in steps {
        let found = run["steps"].as_array().into_iter().flatten();
        let step = found.into_iter().find(|step| step["step"] == name.as_str());
        assert!(step.is_some_and(&holds), "`{name}` in {run}");
    }
}

#[test]
fn missing_tools_are_named_with_what_brings_them() {
    let home = Home::new();
    // Beside this binary there are no tools.
    let alone = home.path("piton");
    fs::copy(binary(), &alone).expect("the binary should be copied");
    for (language, tool, command) in [
        (PYTHON, "componentize-py", "pip install componentize-py"),
        (JS, "rolldown", "npm install"),
        (C, "clang", "apt-get install clang"),
        (RUST, "wasm32-wasip2", "rustup target add"),
    ] {
        let step = new_step(&home, &language, &format!("no_{}", language.name));
        let mut command_alone = Command::new(&alone);
        command_alone.args(["build", &step]).current_dir(home.folder());
        let built = command_alone.env_clear().env("PATH", home.path("out")).output();
        let built = built.expect("the binary should start");
        let said = String::from_utf8_lossy(&built.stderr);
        assert_eq!(built.status.code(), Some(2), "{said}");
        assert!(said.contains(tool) && said.contains(command), "{said}");
    }
}

#[test]
fn a_step_that_changed_after_it_was_built_is_named() {
    let home = Home::new();
    let step = new_step(&home, &C, "changed");
    build(&home, &step);
    let source = home.path(&step).join("step.c");
    let text = fs::read_to_string(&source).expect("the step should be there");
    fs::write(&source, text.replace("100 + ", "200 + ")).expect("the step should be written");
    let order = r#"{"sku":"rope","quantity":2}"#;
    let manifest = format!("{step}/pipeline.toml");
    let run = home.run(&["run", &manifest, "--json", "--input", order]);
    let run = run.expect_code(0).expect_said("was changed after it was built");
    assert_eq!(run.json()["output"]["price_cents"], 208, "{run}");
    build(&home, &step);
    let run = home.run(&["run", &manifest, "--json", "--input", order]).expect_code(0).json();
    assert_eq!(run["output"]["price_cents"], 408, "{run}");
}

/// A manifest of steps by folder, name, what to do, and the rest of their input.
fn manifest(steps: &[(&str, &str, &str, &str)]) -> String {
    let mut text = "[pipeline]\nname = \"mixed\"\n\n[defaults]\nfuel = 1_000_000_000_000\n\
         retry = { attempts = 3, floor = \"1ms\", base = \"1ms\", cap = \"1ms\" }\n\n"
        .to_owned();
    for (folder, name, what, rest) in steps {
        text += &format!(
            "[steps.{name}]\ncomponent = \"{folder}\"\neffect = \"idempotent\"\n\
             input = {{ do = {what}, {rest} }}\n\n"
        );
    }
    text
}

fn new_step(home: &Home, language: &Language, name: &str) -> String {
    new(home, language, name).run().expect_code(0);
    name.to_owned()
}

fn new(home: &Home, language: &Language, name: &str) -> Invocation {
    home.piton(&["new", "step", name, "--lang", language.name])
}

fn build(home: &Home, step: &str) -> Finished {
    let mut invocation = home.piton(&["build", step]).env("CARGO_TARGET_DIR", target_folder());
    // The languages' own tools need the machine as it is.
    for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "PITON_WASM_TOOLCHAIN"] {
        if let Some(value) = std::env::var_os(name) {
            invocation = invocation.env(name, value);
        }
    }
    invocation.run().expect_code(0)
}

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("languages").join(name)
}

/// Where cargo keeps what the steps in Rust have in common.
fn target_folder() -> PathBuf {
    let executable = std::env::current_exe().expect("an executable should know where it is");
    let target = executable.ancestors().nth(3).expect("it should lie in `TARGET/PROFILE/deps`");
    target.join("tmp/languages")
}
