//! Owns `cargo xtask bench`: builds the binary, the steps, the floor and the measuring program, and calls it.
//! Never measures, and never reads what was measured.

use std::path::Path;
use std::process::Command;

use crate::chore::{Problem, cannot_start, check, repository, run as run_command};
use crate::{guests, programs};

/// Measures what the arguments say; `tests/bench/options.rs` reads those that are not about building.
pub(crate) fn run(arguments: &[&str]) -> Result<(), Problem> {
    let is_release = arguments.contains(&"--release");
    let rest = arguments.iter().filter(|argument| **argument != "--release");
    guests::build(&[guests::PLUGINS, guests::GUESTS])?;
    let target = repository().join("target");
    build(&target, &["-p", "piton-tests", "--bin", "bench"])?;
    let mut bench = Command::new(target.join("debug/bench"));
    let (profile, folder) = if is_release { ("release", "release") } else { ("dev", "debug") };
    if !arguments.contains(&"--floor") {
        bench.arg("--floor").arg(programs::build("piton", "floor", profile)?);
    }
    if !arguments.contains(&"--binary") {
        build(&target, &["-p", "piton", "--bin", "piton", "--profile", profile])?;
        bench.arg("--binary").arg(target.join(folder).join("piton"));
    }
    // The table is this chore's output, unlike that of all others.
    let status = bench.args(rest).status();
    check(&bench, status.map_err(|error| cannot_start(&bench, &error))?, "")
}

fn build(target: &Path, words: &[&str]) -> Result<(), Problem> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--locked", "--target-dir"]).arg(target).args(words);
    run_command(cargo.current_dir(repository()))
}
