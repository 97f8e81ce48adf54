//! `piton logs`: shows what the steps of a run logged and printed.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::{exit, text};
use piton::runner::{Answer, Ask};
use piton::sandbox::inert;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The run: its id, the beginning of its id, or `last`.
    #[arg(default_value = "last")]
    run: String,

    /// Only this step: `name`, or `name[3]` for an element of a map.
    step: Option<String>,
}

pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let Arguments { run, step } = arguments;
    let lines = match context.glance(Ask::Logs { run, step }).await? {
        Answer::Logs(lines) => lines,
        _ => return Err(Complaint::of_host("the host answers something else")),
    };
    if context.globals.json {
        lines.iter().for_each(print_json);
        return Ok(ExitCode::from(exit::COMPLETED));
    }
    if lines.is_empty() {
        context.say("no log lines");
    }
    for line in &lines {
        let phase =
            if line.phase == "execute" { String::new() } else { format!(" {}", line.phase) };
        let head = format!(
            "{} {}{phase} #{} {:<6}",
            text::clock(&line.at),
            line.step,
            line.attempt,
            line.channel
        );
        print(&format!("{} {}", context.paint(&head, "2"), inert(&line.text)));
    }
    Ok(ExitCode::from(exit::COMPLETED))
}
