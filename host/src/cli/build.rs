//! `piton build`: builds steps into components. It never installs anything.

use super::complain::Complaint;
use super::context::{Context, beside_the_binary, print};
use super::exit;
use piton::build::{BuildError, Toolchains, build};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The steps' folders. Default: this folder.
    #[arg(value_name = "DIR", default_value = ".")]
    folders: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let toolchains = Toolchains {
        private: std::env::var_os("PITON_WASM_TOOLCHAIN").map(PathBuf::from),
        beside: beside_the_binary(),
    };
    for folder in &arguments.folders {
        let mut has_told = false;
        let mut progress = |line: &str| {
            has_told = !context.globals.quiet;
            context.say(line);
        };
        let component = build(folder, &toolchains, &mut progress)
            .map_err(|error| complaint(&error, has_told))?;
        print(&component.display().to_string());
    }
    Ok(ExitCode::from(exit::COMPLETED))
}

/// What a compiler said as it went is not said again.
fn complaint(error: &BuildError, has_told: bool) -> Complaint {
    let message = error.to_string();
    let is_told = has_told && matches!(error, BuildError::Refused { .. });
    let message = if is_told { message.lines().next().unwrap_or_default() } else { &message };
    Complaint::mistake(message, error.hint().unwrap_or_default())
}
