//! `piton graph`: draws a manifest's steps and their order.

use super::complain::Complaint;
use super::context::{Context, print};
use super::exit;
use clap::ValueEnum;
use piton::manifest::{self, GraphFormat};
use piton::runner::read_manifest;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The manifest.
    manifest: PathBuf,

    /// What to draw it as.
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Mermaid's text, as GitHub shows it.
    Mermaid,
    /// Graphviz's text.
    Dot,
    /// A picture.
    Svg,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let checked = read_manifest(&arguments.manifest).map_err(|refused| {
        let name = refused.path.display().to_string();
        let complaints = &refused.complaints;
        let message =
            manifest::render(&name, &refused.text, complaints, context.has_color, context.width);
        Complaint { message, hint: None, is_drawn: true, exit: exit::MISTAKE }
    })?;
    let format = match arguments.format {
        Format::Mermaid => GraphFormat::Mermaid,
        Format::Dot => GraphFormat::Dot,
        Format::Svg => GraphFormat::Svg,
    };
    print(checked.manifest.graph(format).trim_end());
    Ok(ExitCode::from(exit::COMPLETED))
}
