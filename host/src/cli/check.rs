//! `piton check`: reports every mistake in manifests, each with its place.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::exit;
use piton::manifest::{self, Level};
use piton::runner::{Checking, ManifestRefused};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The manifests.
    #[arg(required = true)]
    manifests: Vec<PathBuf>,
}

/// A complaint as `--json` tells it.
#[derive(Serialize)]
struct ComplaintDocument<'a> {
    file: &'a Path,
    level: &'static str,
    message: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    hint: Option<&'a str>,
}

pub(crate) async fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let mut is_refused = false;
    let checking =
        Checking::new(&context.globals.data, &context.settings()?).map_err(Complaint::from)?;
    for path in &arguments.manifests {
        // What is refused may be the lock file beside the manifest.
        let (path, text, complaints, is_good) = match checking.check(path) {
            Ok(checked) => (checked.path, checked.text, checked.remarks, true),
            Err(piton::runner::LoadFailed::Manifest(refused)) => {
                let ManifestRefused { path, text, complaints } = refused;
                (path, text, complaints, false)
            }
            Err(piton::runner::LoadFailed::Host(message)) => {
                return Err(Complaint::of_host(message));
            }
        };
        is_refused |= !is_good;
        if context.globals.json {
            for complaint in &complaints {
                let place =
                    complaint.place.as_ref().map(|place| line_and_column(&text, place.start));
                print_json(&ComplaintDocument {
                    file: &path,
                    level: level_word(complaint.level),
                    message: &complaint.message,
                    line: place.map(|(line, _)| line),
                    column: place.map(|(_, column)| column),
                    hint: complaint.hint.as_deref(),
                });
            }
            continue;
        }
        let name = path.display().to_string();
        // Whoever wants to hear less still wants to hear why it says no.
        let is_told = |complaint: &manifest::Complaint| {
            !context.globals.quiet || complaint.level == Level::Error
        };
        let told: Vec<_> = complaints.into_iter().filter(is_told).collect();
        let drawn = manifest::render(&name, &text, &told, context.has_color, context.width);
        if !told.is_empty() {
            let _ = writeln!(std::io::stderr(), "{}", drawn.trim_end());
        }
        if is_good {
            print(&format!("{name}: good"));
        }
    }
    Ok(ExitCode::from(if is_refused { exit::MISTAKE } else { exit::COMPLETED }))
}

/// Line and column of a byte, each from 1, columns in characters.
fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

const fn level_word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
    }
}
