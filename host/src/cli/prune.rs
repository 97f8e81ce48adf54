//! `piton prune`: removes runs that ended long ago, and what only they needed.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::{exit, text};
use piton::runner::{Answer, Ask, KeptRuns, Opening, PruneOrder, Pruning};
use piton::sandbox::inert;
use std::process::ExitCode;
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only runs that ended longer ago than this, such as `30d` or `12h`.
    #[arg(long, value_name = "SPAN", value_parser = piton::manifest::parse_duration)]
    older_than: Duration,

    /// Only runs of this pipeline.
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,

    /// Only tell what would be removed.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let Arguments { older_than, pipeline, dry_run } = arguments;
    let ask = Ask::Prune(PruneOrder { older_than, pipeline, dry_run });
    let pruning = match context.ask_once(Opening::Existing, ask).await? {
        Answer::Pruned(pruning) => pruning,
        _ => return Err(Complaint::of_host("the host answers something else")),
    };
    if context.globals.json {
        print_json(&pruning);
    } else {
        pruning.problems.iter().for_each(|problem| print(&inert(problem)));
        lines(&pruning).iter().for_each(|line| context.say(line));
    }
    let is_sound = pruning.problems.is_empty();
    Ok(ExitCode::from(if is_sound { exit::COMPLETED } else { exit::HOST }))
}

fn lines(pruning: &Pruning) -> Vec<String> {
    let removed = &pruning.removed;
    let did = if pruning.dry_run { "would remove" } else { "removed" };
    let mut lines = vec![format!(
        "{did} {} that ended before {}: {}, {}, {}, {}",
        text::count(removed.runs, "run"),
        pruning.ended_before,
        text::count(removed.events, "event"),
        text::count(removed.log_lines, "log line"),
        text::count(removed.contents, "content"),
        text::bytes(removed.bytes),
    )];
    if removed.code_bytes > 0 {
        lines.push(format!("removed {} of compiled code", text::bytes(removed.code_bytes)));
    }
    lines.extend(pruning.kept.iter().map(kept));
    match pruning.journal {
        Some(sizes) => lines.push(format!(
            "the journal shrank from {} to {}",
            text::bytes(sizes.before),
            text::bytes(sizes.after)
        )),
        None if removed.runs > 0 && !pruning.dry_run => lines.push(
            "the journal keeps its size and uses the space again; it shrinks where no run is under way"
                .into(),
        ),
        None => {}
    }
    lines
}

fn kept(kept: &KeptRuns) -> String {
    let runs = text::count(kept.runs, "run");
    let why = match kept.why.as_str() {
        "ended-later" => "ended later",
        "not-finished" => "not finished",
        "stuck" => "stuck",
        "in-use" => "in use",
        "unsound" => "damaged or against the rules: see `piton verify`",
        other => other,
    };
    let mut line = format!("kept {runs}: {why}");
    if !kept.named.is_empty() {
        line.push_str(&format!(" ({}", kept.named.join(", ")));
        line.push_str(if kept.named.len() as u64 == kept.runs { ")" } else { ", …)" });
    }
    line
}
