//! The `piton` command. Owns arguments, output and exit codes; never decides about a run.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
