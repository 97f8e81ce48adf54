//! Mistakes of users: each is named, with its place, before anything is done.

use piton_tests::Home;

pub(crate) const SEVEN_MISTAKES: &str = r#"[pipeline]
name = "order"

[steps.reserve]
componnent = "steps/counter"
timeout = "30 seconds"

[steps.charge]
component = "steps/counter"
after = ["reserv"]
input = { amount = "${steps.reserve.output.price * inptu.quantity}" }
retry = { attempts = 0, base = "2m" }
grants.http = ["api.payments.example/v1"]
"#;

/// Where the mistakes are: line and column.
const PLACES: [(u64, u64); 7] = [(5, 1), (6, 11), (10, 10), (11, 52), (12, 22), (12, 32), (13, 16)];

#[test]
fn seven_mistakes_are_all_named() {
    let home = Home::with(SEVEN_MISTAKES);
    let told = home.run(&["check", "--json", "pipeline.toml"]).expect_code(2);
    let errors: Vec<_> =
        told.json_lines().into_iter().filter(|complaint| complaint["level"] == "error").collect();
    let places: Vec<_> = errors
        .iter()
        .map(|error| (error["line"].as_u64().unwrap_or(0), error["column"].as_u64().unwrap_or(0)))
        .collect();
    assert_eq!(places, PLACES, "{told}");
    for command in ["check", "run", "graph", "--quiet check"] {
        let words: Vec<&str> = command.split(' ').chain(["pipeline.toml"]).collect();
        let told = home.run(&words).expect_code(2);
        for (line, column) in PLACES {
            let place = format!("pipeline.toml:{line}:{column}\n");
            assert!(told.stderr.contains(&place), "{place}\n{told}");
        }
        assert!(told.stdout.is_empty(), "{told}");
    }
    assert!(!home.data().exists() || home.runs().is_empty(), "a refused manifest left a run");
}

/// One go is all it takes: a component is not kept for after the other mistakes are mended.
#[test]
fn a_missing_component_is_named_beside_mistakes() {
    let home = Home::with(
        "[pipeline]\nname = \"it\"\n[steps.it]\ncomponent = \"nowhere\"\ntimeout = \"soon\"\n",
    );
    let told = home.run(&["check", "pipeline.toml"]).expect_code(2);
    told.expect_said("pipeline.toml:5:11\n").expect_said("pipeline.toml:4:13\n");
}

#[test]
fn a_component_that_is_no_step_is_refused() {
    let home = Home::new();
    // An empty component, an empty core module, and a text.
    for (name, bytes) in [
        ("empty.wasm", &b"\0asm\x0d\0\x01\0"[..]),
        ("module.wasm", b"\0asm\x01\0\0\0"),
        ("text.wasm", b"(component)"),
    ] {
        home.write(name, bytes);
        home.write(
            "pipeline.toml",
            format!("[pipeline]\nname = \"it\"\n[steps.it]\ncomponent = \"{name}\"\n"),
        );
        for command in ["check", "run"] {
            home.run(&[command, "pipeline.toml"])
                .expect_code(2)
                .expect_said("pipeline.toml:4:13\n");
        }
    }
}

#[test]
fn inspect_tells_what_is_no_step() {
    let home = Home::new();
    home.write("empty.wasm", b"\0asm\x0d\0\x01\0");
    let told = home.run(&["inspect", "empty.wasm"]);
    assert!(format!("{told}").contains("it is no step"), "{told}");
    home.write("module.wasm", b"\0asm\x01\0\0\0");
    home.run(&["inspect", "module.wasm"]).expect_code(2).expect_said("module");
    home.write("text.wasm", b"no component at all");
    home.run(&["inspect", "text.wasm"]).expect_code(2);
    home.run(&["inspect", "nowhere.wasm"]).expect_code(2).expect_said("nowhere.wasm");
}

#[test]
fn inspect_tells_a_step_and_its_needs() {
    let home = Home::new();
    let told = home.run(&["inspect", "--json", "steps/counter"]).expect_code(0).json();
    assert_eq!(told["world"], "plugin");
    assert_eq!(told["digest"].as_str().map(str::len), Some(64));
    let needs: Vec<_> = told["imports"].as_array().into_iter().flatten().collect();
    assert!(needs.iter().any(|import| import["grant"] == "grants.dirs"), "{told}");
    let told = home.run(&["inspect", "--json", "steps/reconcilable"]).expect_code(0).json();
    assert_eq!(told["world"], "reconcilable-plugin");
}

#[test]
fn wrong_usage_leaves_nothing_behind() {
    let home = Home::new();
    for arguments in [
        &["run"][..],
        &["run", "nowhere.toml"],
        &["nonsense"],
        &["show", "last"],
        &["resume"],
        &["resume", "--all"],
        &["events", "01a21017"],
        &["settle", "last", "it"],
        &["cancel", "last"],
    ] {
        let told = home.run(arguments).expect_code(2);
        assert!(told.stderr.contains("error: "), "{told}");
        assert!(told.stdout.is_empty(), "{told}");
        assert!(!home.data().exists(), "{told}");
    }
}

#[test]
fn an_input_that_is_no_json_is_refused() {
    let home = Home::with("[pipeline]\nname = \"it\"\n[steps.it]\ncomponent = \"steps/echo\"\n");
    home.write("bad.json", "{");
    home.run(&["run", "pipeline.toml", "--input", "{"]).expect_code(2);
    home.run(&["run", "pipeline.toml", "--input", "@bad.json"]).expect_code(2);
    home.run(&["run", "pipeline.toml", "--input", "@nowhere.json"]).expect_code(2);
    home.piton(&["run", "pipeline.toml", "--input", "-"]).input("{").run().expect_code(2);
    let told = home.piton(&["run", "--json", "pipeline.toml", "--input", "-"]).input(r#"{"a":1}"#);
    assert_eq!(told.run().expect_code(0).json()["output"]["a"], 1);
    assert_eq!(home.runs().len(), 1, "a refused input started a run");
}
