//! `piton runs`: lists runs, newest first.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::{exit, show, text};
use piton::runner::{Answer, Ask, RowFilter};
use piton::sandbox::inert;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only runs that stand so: running, waiting, rolling-back, completed, rolled-back, cancelled
    /// or stuck.
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,

    /// Only runs of this pipeline.
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,

    /// At most this many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let Arguments { status, pipeline, limit } = arguments;
    let ask = Ask::Rows(RowFilter { status, pipeline, limit });
    let rows = match context.glance(ask).await? {
        Answer::Rows(rows) => rows,
        _ => return Err(Complaint::of_host("the host answers something else")),
    };
    if context.globals.json {
        rows.iter().for_each(print_json);
        return Ok(ExitCode::from(exit::COMPLETED));
    }
    if rows.is_empty() {
        context.say("no runs");
    }
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let took = text::between(&row.started_at, &row.updated_at).unwrap_or_default();
            let why = row.failure.as_ref().map(show::failure_text).unwrap_or_default();
            let key = row.key.as_ref().map(|key| format!("key {}", inert(key)));
            vec![
                row.run.clone(),
                row.pipeline.clone(),
                row.status.clone(),
                row.started_at.get(..19).unwrap_or(&row.started_at).replace('T', " "),
                text::span(took),
                text::amounts(&row.usage.spent),
                [key.unwrap_or_default(), why].join(" ").trim().to_owned(),
            ]
        })
        .collect();
    if !lines.is_empty() {
        print(&text::table(&lines));
    }
    Ok(ExitCode::from(exit::COMPLETED))
}
