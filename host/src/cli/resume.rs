//! `piton resume`: goes on with what a crash or Ctrl-C left.

use super::complain::Complaint;
use super::context::{Context, print_json};
use super::profile::ProfileOption;
use super::{exit, follow, show};
use piton::runner::{Answer, Ask, Opening, Reach, Update};
use std::process::ExitCode;
use tokio::task::JoinSet;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The runs: ids, beginnings of ids, or `last`. None: the only unfinished one.
    #[arg(value_name = "RUN")]
    runs: Vec<String>,

    /// Go on with all runs that can go on by themselves.
    #[arg(long, conflicts_with = "runs")]
    all: bool,

    #[command(flatten)]
    profile: ProfileOption,
}

pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let Arguments { runs, all, profile } = arguments;
    profile.begin(context)?;
    let code = resume(runs, all, context).await;
    context.end_profile();
    code
}

async fn resume(
    mut runs: Vec<String>,
    is_all: bool,
    context: &Context,
) -> Result<ExitCode, Complaint> {
    let mut reach = None;
    if runs.is_empty() && !is_all {
        let (asked, only) = only_unfinished(context).await?;
        runs.push(only);
        reach = Some(asked);
    }
    let mut known = 0;
    if let [only] = runs.as_slice() {
        let (asked, count) = follow::events_so_far(context, reach, only).await?;
        known = count;
        reach = Some(asked);
    }
    let (reach, answer) = context.ask_next(reach, Opening::Existing, Ask::Resume { runs }).await?;
    let resumed = match answer {
        Answer::Resumed { runs } => runs,
        _ => return Err(Complaint::of_host("the host answers something else")),
    };
    if let [only] = resumed.as_slice()
        && !is_all
    {
        return follow::to_the_end(context, reach, only, known).await;
    }
    if resumed.is_empty() {
        context.say("nothing to resume: no run is unfinished, or those that are need a person");
        return Ok(ExitCode::from(exit::COMPLETED));
    }
    all(context, reach, resumed).await
}

async fn only_unfinished(context: &Context) -> Result<(Reach, String), Complaint> {
    let (reach, answer) = context.ask(Opening::Existing, Ask::Unfinished).await?;
    let rows = match answer {
        Answer::Rows(rows) => rows,
        _ => return Err(Complaint::of_host("the host answers something else")),
    };
    match rows.as_slice() {
        [] => Err(Complaint::mistake("no run is unfinished", "list runs with `piton runs`")),
        [only] => Ok((reach, only.run.clone())),
        several => {
            let message = format!("{} runs are unfinished", several.len());
            Err(Complaint::mistake(message, "name one, or go on with all by `--all`"))
        }
    }
}

/// Follows many runs at once; a summary for each as it ends.
async fn all(context: &Context, reach: Reach, runs: Vec<String>) -> Result<ExitCode, Complaint> {
    let Reach::Own(host, server) = reach else {
        context.say("another process goes on with them");
        return Ok(ExitCode::from(exit::UNFINISHED));
    };
    let mut interrupts = follow::Interrupts::new()?;
    let mut under_way = JoinSet::new();
    for run in runs {
        let (id, host) = (host.find_run(&run)?, host.clone());
        under_way.spawn(async move { host.rest_of(id).await });
    }
    let mut worst = exit::COMPLETED;
    let mut refused = None;
    while !under_way.is_empty() {
        tokio::select! {
            Some(ended) = under_way.join_next() => {
                let ended = ended.map_err(|error| Complaint::of_host(error.to_string()))?;
                let update = match ended {
                    Ok(update) => update,
                    // One run that cannot go on is no reason to leave the others.
                    Err(told) => {
                        let complaint = Complaint::from(told);
                        context.complain(&complaint);
                        refused.get_or_insert(complaint.exit);
                        continue;
                    }
                };
                match update {
                    Update::Rests(summary) | Update::Left(summary) => {
                        worst = worst.max(exit::of_status(&summary.status));
                        if context.globals.json {
                            print_json(&summary);
                        } else {
                            super::context::print(&show::one_line(&summary));
                        }
                    }
                    Update::HostFailed(failure) => return Err(failure.into()),
                    _ => {}
                }
            }
            () = interrupts.next() => {
                if host.is_leaving() {
                    context.end_profile();
                    std::process::exit(i32::from(exit::UNFINISHED));
                }
                host.begin_leaving();
                context.say("stopping: attempts under way may end; go on with `piton resume --all`");
            }
        }
    }
    follow::close(context, Reach::Own(host, server), &mut interrupts).await?;
    Ok(ExitCode::from(refused.unwrap_or(worst)))
}
