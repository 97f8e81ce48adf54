//! Owns the project's own chores: `cargo xtask NAME`.
//! Never part of what users run, and never outside this repository's `target` folder with what it makes.

mod bench;
mod chore;
mod count;
mod demo;
mod gate;
mod guests;
mod private_toolchain;
mod programs;
mod readme;
mod supply;
mod tidy;
mod wasm_target;

/// Shared with `piton build`, so that both find the same compiler.
#[path = "../../src/build/toolchain.rs"]
mod toolchain;

/// Shared with `piton build`, so that both leave the same files.
#[path = "../../src/build/artifact.rs"]
mod artifact;

use std::process::ExitCode;

use chore::Problem;

const USAGE: &str = "\
usage: cargo xtask CHORE

  demo          sets all up, then kills a run, goes on with it, and undoes another
  gate [STAGE…] checks and tests all there is, or only the stages named
  wasm-target   makes steps in Rust buildable on this machine, if they are not
  guests        builds the example steps and the steps made for tests
  bench …       measures the binary beside the disk's floor and a loop written by hand
  count         writes the table of instruction counts that the gate compares with
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Problem> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["demo"] => demo::run(),
        ["gate", stages @ ..] => gate::run(stages),
        ["bench", options @ ..] => bench::run(options),
        ["count"] => count::write(),
        ["wasm-target"] => wasm_target::ensure().map(drop),
        ["guests"] => guests::build(&[guests::PLUGINS, guests::GUESTS]),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        [chore, ..] => {
            Err(Problem::new(format!("there is no chore `{chore}` with these arguments"), USAGE))
        }
    }
}
