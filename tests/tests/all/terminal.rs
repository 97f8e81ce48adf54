//! What a step says is text from a stranger: no control character of it reaches a terminal, nor
//! can it forge a line of the host's.

use piton_tests::Home;

const MANIFEST: &str = r#"
[pipeline]
name = "codes"
[steps.it]
component = "steps/hostile"
input = { how = "control-codes" }
effect = "none"
"#;

#[test]
fn control_codes_never_reach_a_terminal() {
    let home = Home::with(MANIFEST);
    let run = home.run(&["run", "pipeline.toml"]).expect_code(3);
    run.expect_inert();
    assert!(run.stderr.contains("\\u{1b}[31mred"), "it should be told, made harmless\n{run}");
    for command in ["show", "events", "logs", "runs"] {
        home.run(&[command]).expect_code(0).expect_inert();
    }
}

/// JSON may be looked at on a terminal, too.
#[test]
fn control_codes_are_escaped_in_json() {
    let home = Home::with(MANIFEST);
    home.run(&["run", "--json", "pipeline.toml"]).expect_code(3).expect_inert();
    for command in ["show", "events", "logs", "runs"] {
        home.run(&[command, "--json"]).expect_code(0).expect_inert();
    }
}

#[test]
fn control_codes_in_an_output_are_escaped() {
    let home = Home::with(
        r#"
[pipeline]
name = "codes"
[steps.it]
component = "steps/echo"
effect = "none"
input = { text = "\u001b[31mred\u009b1m\u202etxt" }
"#,
    );
    home.run(&["run", "pipeline.toml"]).expect_code(0).expect_inert();
    home.run(&["show"]).expect_code(0).expect_inert();
}
