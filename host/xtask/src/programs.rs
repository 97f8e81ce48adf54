//! Owns how the programs in `benches/` are built and found.
//! Never runs one.

use std::path::PathBuf;
use std::process::Command;

use crate::chore::{Problem, ask, repository};

/// Builds a package's program in a profile, and returns where it is: its name has a hash in it.
pub(crate) fn build(package: &str, program: &str, profile: &str) -> Result<PathBuf, Problem> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--locked", "--bench", program, "--message-format=json"]);
    cargo.args(["--package", package, "--profile", profile]).current_dir(repository());
    // What is counted and measured is the profile, whatever a developer's shell makes of it.
    cargo.env_remove("CARGO_PROFILE_DEV_OPT_LEVEL");
    let said = ask(&mut cargo)?;
    // The binary beside it is built, too.
    let benches = said.lines().filter(|line| line.contains(r#""kind":["bench"]"#));
    let mut paths = benches.filter_map(|line| {
        let (_, rest) = line.split_once("\"executable\":\"")?;
        rest.split_once('"').map(|(path, _)| PathBuf::from(path))
    });
    paths.next().ok_or_else(|| {
        Problem::new(format!("cargo does not say where `{program}` of `{package}` is"), "")
    })
}
