//! Owns `cargo gate`: every check and every test, in stages, the same here and in CI.
//! Never mends what it finds, and never goes by less than the whole: a stage that fails does not keep
//! the others from being told.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::chore::{Problem, ask, repository, run as run_command, say};
use crate::{count, guests, readme, supply, tidy, wasm_target};

type Stage = (&'static str, fn() -> Result<(), Problem>);

/// In the order of what is quick to tell, and what later stages need.
const STAGES: [Stage; 10] = [
    ("tidy", tidy::check),
    ("format", format),
    ("supply", supply::check),
    ("guests", build_guests),
    ("lint", lint),
    ("lint-steps", lint_steps),
    ("test", test),
    ("test-sdk", test_sdk),
    ("count", count::check),
    ("docs", docs),
];

/// Workspaces of their own, which are compiled to WebAssembly: here they are only looked at.
const STEPS: [&str; 4] =
    ["plugins", "tests/guests", "step-sdk/rust", "step-sdk/rust/bindings-generator"];

/// Runs the stages named, or all.
pub(crate) fn run(named: &[&str]) -> Result<(), Problem> {
    let known: Vec<&str> = STAGES.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = named.iter().find(|name| !known.contains(name)) {
        let hint = format!("its stages are {}", known.join(", "));
        return Err(Problem::new(format!("the gate has no stage `{unknown}`"), hint));
    }
    let mut took = Vec::new();
    for (name, stage) in STAGES {
        if named.is_empty() || named.contains(&name) {
            took.push(time(name, stage));
        }
    }
    tell(&took)
}

struct Took {
    name: &'static str,
    time: Duration,
    has_failed: bool,
}

fn time(name: &'static str, stage: fn() -> Result<(), Problem>) -> Took {
    say(&format!("gate: {name}"));
    let began = Instant::now();
    let result = stage();
    let took = Took { name, time: began.elapsed(), has_failed: result.is_err() };
    match result {
        Ok(()) => say(&format!("gate: {name}: {:.1} s", took.time.as_secs_f64())),
        Err(problem) => eprintln!("{problem}"),
    }
    took
}

fn tell(took: &[Took]) -> Result<(), Problem> {
    eprintln!();
    for Took { name, time, has_failed } in took {
        let mark = if *has_failed { "FAILED" } else { "" };
        eprintln!("{name:<12} {:>8.1} s  {mark}", time.as_secs_f64());
    }
    let total: Duration = took.iter().map(|took| took.time).sum();
    eprintln!("{:<12} {:>8.1} s", "all", total.as_secs_f64());
    let failed: Vec<&str> =
        took.iter().filter(|took| took.has_failed).map(|took| took.name).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let hint = format!("run `cargo gate {}` for these alone", failed.join(" "));
    Err(Problem::new(format!("the gate is shut: {}", failed.join(", ")), hint))
}

fn build_guests() -> Result<(), Problem> {
    wasm_target::ensure()?;
    guests::build(&[guests::PLUGINS, guests::GUESTS])
}

fn format() -> Result<(), Problem> {
    ensure_component("rustfmt", "fmt")?;
    let mut faults = Vec::new();
    for folder in ["", "host/fuzz"].into_iter().chain(STEPS) {
        let mut cargo = cargo(folder, &["fmt", "--all", "--check"]);
        faults.extend(run_command(&mut cargo).err().map(|_| format!("`{folder}/`")));
    }
    if faults.is_empty() {
        return Ok(());
    }
    let message = format!("not formatted: {}", faults.join(", "));
    Err(Problem::new(message, "run `cargo fmt --all` there"))
}

fn lint() -> Result<(), Problem> {
    ensure_component("clippy", "clippy")?;
    let words = ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny=warnings"];
    run_command(&mut cargo("", &words))
}

/// For this machine and not for the wasm target: the same code, and clippy need not have a std for it.
fn lint_steps() -> Result<(), Problem> {
    ensure_component("clippy", "clippy")?;
    for folder in STEPS {
        let mut clippy = natively(folder, &["clippy", "--workspace", "--all-targets"]);
        run_command(clippy.args(["--all-features", "--locked", "--", "--deny=warnings"]))?;
    }
    Ok(())
}

fn test() -> Result<(), Problem> {
    run_command(&mut cargo("", &["test", "--workspace", "--locked", "--no-fail-fast"]))
}

/// The SDK, that its kept bindings are what the generator makes, and the example steps as far as they do
/// not need a host.
fn test_sdk() -> Result<(), Problem> {
    for folder in ["step-sdk/rust", "step-sdk/rust/bindings-generator", "plugins"] {
        run_command(&mut natively(folder, &["test", "--locked", "--all-features"]))?;
    }
    Ok(())
}

fn docs() -> Result<(), Problem> {
    let mut cargo = cargo("", &["doc", "--workspace", "--no-deps", "--locked"]);
    run_command(cargo.env("RUSTDOCFLAGS", "--deny=warnings"))?;
    readme::check()
}

/// Of the steps' workspaces, all that is compiled for this machine is in one folder.
fn natively(folder: &str, words: &[&str]) -> Command {
    let mut cargo = cargo(folder, words);
    cargo.env("CARGO_TARGET_DIR", repository().join("target/steps-native"));
    cargo
}

fn cargo(folder: &str, words: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(words).current_dir(repository().join(folder));
    let place = if folder.is_empty() { "." } else { folder };
    eprintln!("$ (cd {place} && cargo {})", words.join(" "));
    cargo
}

/// Rustup's smallest profile has neither formatter nor linter. Where the machine's owner says that it
/// installs nothing on its own, neither does this.
fn ensure_component(component: &str, command: &str) -> Result<(), Problem> {
    let is_there = || ask(Command::new("cargo").args([command, "--version"])).is_ok();
    if is_there() {
        return Ok(());
    }
    if wasm_target::may_use_rustup() {
        // What it says is enough; whether it worked is looked at below.
        drop(run_command(Command::new("rustup").args(["component", "add", component])));
    }
    if is_there() {
        return Ok(());
    }
    let message = format!("there is no `cargo {command}` here");
    Err(Problem::new(message, format!("run `rustup component add {component}`")))
}
