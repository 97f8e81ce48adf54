//! What a step says is text from a stranger: no control character of it reaches a terminal, nor
//! can it forge a line of the host's.

use piton_tests::{Finished, Home};

const MANIFEST: &str = r#"
[pipeline]
name = "codes"
[steps.it]
component = "steps/misbehave"
input = { how = "control-codes" }
effect = "none"
"#;

/// Characters that move a cursor, change colours or the order of letters. A newline is the host's
/// own: it ends each line.
fn is_dangerous(character: char) -> bool {
    let turns_letters_round = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (character.is_control() && character != '\n') || turns_letters_round
}

#[track_caller]
fn check_is_inert(finished: &Finished) {
    for text in [&finished.stdout, &finished.stderr] {
        let found: Vec<char> = text.chars().filter(|found| is_dangerous(*found)).collect();
        assert!(found.is_empty(), "{found:?} in\n{finished}");
        let is_forged = text.lines().any(|line| line.starts_with("error: forged"));
        assert!(!is_forged, "a forged line in\n{finished}");
    }
}

#[test]
fn control_codes_never_reach_a_terminal() {
    let home = Home::with(MANIFEST);
    let run = home.run(&["run", "pipeline.toml"]).expect_code(3);
    check_is_inert(&run);
    assert!(run.stderr.contains("\\u{1b}[31mred"), "it should be told, made harmless\n{run}");
    for command in ["show", "events", "logs", "runs"] {
        check_is_inert(&home.run(&[command]).expect_code(0));
    }
}

/// JSON may be looked at on a terminal, too.
#[test]
fn control_codes_are_escaped_in_json() {
    let home = Home::with(MANIFEST);
    check_is_inert(&home.run(&["run", "--json", "pipeline.toml"]).expect_code(3));
    for command in ["show", "events", "logs", "runs"] {
        check_is_inert(&home.run(&[command, "--json"]).expect_code(0));
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
    check_is_inert(&home.run(&["run", "pipeline.toml"]).expect_code(0));
    check_is_inert(&home.run(&["show"]).expect_code(0));
}
