//! Steps that want time, or blow themselves up: each ends at its limit, in every phase.

use super::{check_ends, names};
use piton_tests::{ATTACK_MIB, Arena};
use serde_json::json;

#[test]
fn whoever_wants_time_for_ever_is_timed_out() {
    let mut arena = Arena::new();
    let attacks = [
        ("loop", "timed-out"),
        ("sleep", "timed-out"),
        ("fill", "timed-out"),
        ("host-calls", "timed-out"),
    ];
    let fuel = "timeout = \"500ms\"\nfuel = 1_000_000_000_000";
    check_ends(&arena.attack(fuel, &names(&attacks)), &attacks);
    arena.end(ATTACK_MIB);
}

#[test]
fn whoever_computes_too_much_is_out_of_fuel() {
    let mut arena = Arena::new();
    let attacks =
        [("loop", "out-of-fuel"), ("fill", "out-of-fuel"), ("clock-reads", "out-of-fuel")];
    let first = arena.attack("fuel = 30_000_000", &names(&attacks));
    check_ends(&first, &attacks);
    let second = arena.attack("fuel = 30_000_000", &names(&attacks));
    for (name, summary) in &first {
        assert_eq!(second[name]["failure"], summary["failure"], "it should end at the same place");
    }
    arena.end(ATTACK_MIB);
}

#[test]
fn whoever_blows_up_ends_alone() {
    let mut arena = Arena::new();
    let attacks = [
        ("trap", "trapped"),
        ("panic", "trapped"),
        ("exit", "trapped"),
        ("deep", "stack-overflow"),
        ("fail-unknown", "unknown"),
    ];
    check_ends(&arena.attack("", &names(&attacks)), &attacks);
    arena.end(ATTACK_MIB);
}

/// `compensate` and `reconcile` have the limits of `execute`, and what cannot be undone is never
/// taken for undone.
#[test]
fn an_attack_in_another_phase_ends_the_same() {
    let arena = Arena::new();
    let steps = |phase: &str, how: &str, effect: &str| {
        // Long enough for a call that does nothing on a machine with much to do.
        let timeout = if how == "loop" { "2s" } else { "60s" };
        format!(
            r#"
[pipeline]
name = "{phase}"
on_compensation_failure = "continue"
[defaults]
retry = {{ attempts = 1, base = "1ms", cap = "1ms", floor = "1ms" }}
undo = {{ attempts = 2, base = "1ms", cap = "1ms", floor = "1ms" }}
[steps.first]
component = "steps/counter"
input = {{ n = 1 }}
[steps.it]
component = "steps/hostile"
after = ["first"]
effect = "{effect}"
timeout = "{timeout}"
input = {{ how = "{how}", phase = "{phase}" }}
[steps.last]
component = "steps/counter"
after = ["it"]
input = {{ n = 1, fail = "permanent" }}
"#
        )
    };
    for (how, end) in [("loop", "timed-out"), ("trap", "trapped"), ("grow", "out-of-memory")] {
        for (phase, effect) in [("compensate", "idempotent"), ("reconcile", "reconcilable")] {
            arena.home.write("phase.toml", steps(phase, how, effect));
            let stuck = arena.home.run(&["run", "--json", "phase.toml"]).expect_code(5);
            stuck.expect_inert();
            let run = stuck.json()["run"].as_str().expect("a run should have an id").to_owned();
            let story = arena.home.story(&run);
            let ends = story.ends("it", phase);
            assert!(
                !ends.is_empty() && ends.iter().all(|found| *found == end),
                "{phase}: {ends:?}"
            );
            let summary = stuck.json();
            assert_eq!(summary["steps"][1]["compensated"], json!(false), "{summary}");
            if phase == "compensate" {
                assert_eq!(ends.len(), 2, "it should be tried again, and not for ever");
                assert_eq!(summary["steps"][0]["compensated"], json!(true), "{summary}");
            }
        }
    }
    arena.end(ATTACK_MIB);
}
