//! `piton explain`: tells why a run stands where it stands, and what to type next.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::{exit, show, text};
use piton::runner::{Answer, Ask, Explanation};
use piton::sandbox::inert;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The run: its id, the beginning of its id, or `last`.
    #[arg(default_value = "last")]
    run: String,
}

pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    match context.glance(Ask::Explain { run: arguments.run }).await? {
        Answer::Explanation(explanation) => {
            if context.globals.json {
                print_json(&explanation);
            } else {
                print(&page(context, &explanation));
            }
            Ok(ExitCode::from(exit::COMPLETED))
        }
        _ => Err(Complaint::of_host("the host answers something else")),
    }
}

fn page(context: &Context, explanation: &Explanation) -> String {
    let Explanation { run, pipeline, status, holder, reasons, next } = explanation;
    let status = show::painted_status(context, status);
    let holder = holder.map_or_else(String::new, |pid| format!(", carried by process {pid}"));
    let mut lines = vec![format!("{pipeline} is {status}{holder} · run {run}")];
    for reason in reasons {
        let step = reason.step.as_ref().map(|step| format!("{step}: ")).unwrap_or_default();
        lines.push(format!("  {step}{}", inert(&reason.text)));
        let mut notes = Vec::new();
        if let Some(due) = &reason.due {
            notes.push(format!("due {due} ({})", text::until(due)));
        }
        if let (Some(seq), Some(at)) = (reason.seq, &reason.at) {
            notes.push(format!("event {seq} at {at}"));
        }
        if !notes.is_empty() {
            lines.push(context.paint(&format!("      {}", notes.join(" · ")), "2"));
        }
    }
    let rows: Vec<Vec<String>> =
        next.iter().map(|next| vec![format!("  {}", next.command), next.what.clone()]).collect();
    if !rows.is_empty() {
        lines.push("next".into());
        lines.push(text::table(&rows));
    }
    lines.join("\n")
}
