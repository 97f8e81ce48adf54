//! `piton events`: lists what became true of a run, in order.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::{exit, view};
use piton::runner::{Answer, Ask};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The run: its id, the beginning of its id, or `last`.
    #[arg(default_value = "last")]
    run: String,
}

pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let ask = Ask::Events { run: arguments.run };
    let events = match context.glance(ask).await? {
        Answer::Events(events) => events,
        _ => return Err(Complaint::of_host("the host answers something else")),
    };
    for event in &events {
        if context.globals.json {
            print_json(event);
        } else {
            print(&format!("{:>4}  {}  {}", event.seq, event.at, view::event_text(&event.fields)));
        }
    }
    Ok(ExitCode::from(exit::COMPLETED))
}
