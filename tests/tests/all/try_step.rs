//! `piton try` by a manifest: one call with the limits and grants that a step of it has.

use piton_tests::{GRANT, Home};

fn home() -> Home {
    Home::with(format!(
        "[pipeline]\nname = \"it\"\n[steps.short]\ncomponent = \"steps/echo\"\nfuel = 5\n\
         [steps.long]\ncomponent = \"steps/echo\"\n[steps.counted]\ncomponent = \"steps/counter\"\n{GRANT}\n"
    ))
}

#[test]
fn a_call_has_the_limits_of_its_step() {
    let home = home();
    let by = |step: &str| {
        [
            "try",
            "steps/echo",
            "--input",
            "1",
            "--json",
            "--manifest",
            "pipeline.toml",
            "--step",
            step,
        ]
        .map(String::from)
    };
    let run = |step: &str| home.run(&by(step).each_ref().map(String::as_str));
    assert_eq!(run("short").expect_code(3).json()["code"], "out-of-fuel");
    assert_eq!(run("long").expect_code(0).json()["output"], 1);
    run("nobody").expect_code(2).expect_said("no step `nobody`");
}

#[test]
fn a_call_has_the_grants_of_the_one_step_that_calls_it() {
    let home = home();
    let told = home.run(&["try", "steps/counter", "--input", "{}", "--manifest", "pipeline.toml"]);
    told.expect_code(0);
    // The folder is the manifest's, and the call left its line there.
    assert_eq!(home.calls().0.len(), 1);
    let many = home.run(&["try", "steps/echo", "--input", "1", "--manifest", "pipeline.toml"]);
    many.expect_code(2).expect_said("say which by `--step`: short, long");
    let none = home.run(&["try", "steps/flaky", "--input", "1", "--manifest", "pipeline.toml"]);
    none.expect_code(2).expect_said("no step of `pipeline.toml` calls this component");
}
