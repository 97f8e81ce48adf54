//! `piton cancel`, `rollback`, `retry`, `settle`, `approve`, `signal`: does something to a run, then
//! follows it to its end unless another process carries it.

use super::complain::Complaint;
use super::context::Context;
use super::{exit, follow, run};
use clap::ValueEnum;
use piton::runner::{Act, Answer, Ask, Opening, Reach};
use std::process::ExitCode;

/// What every command here takes.
#[derive(clap::Args)]
pub(crate) struct Target {
    /// The run: its id, the beginning of its id, or `last`.
    run: String,

    /// Do not follow the run: leave it to a process in the background.
    #[arg(long)]
    detach: bool,
}

#[derive(clap::Args)]
pub(crate) struct CancelArguments {
    #[command(flatten)]
    target: Target,

    /// Keep the effects of what was done, and undo nothing.
    #[arg(long)]
    keep: bool,
}

#[derive(clap::Args)]
pub(crate) struct RollbackArguments {
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Args)]
pub(crate) struct RetryArguments {
    #[command(flatten)]
    target: Target,

    /// Only this step: `name`, or `name[3]` for an element of a map.
    step: Option<String>,
}

#[derive(clap::Args)]
pub(crate) struct SettleArguments {
    #[command(flatten)]
    target: Target,

    /// The step: `name`, or `name[3]` for an element of a map.
    step: String,

    /// What became of it.
    #[arg(long = "as", value_enum)]
    settlement: SettledAs,

    /// How you know, or what you did. It is recorded.
    #[arg(long, value_name = "TEXT")]
    because: String,

    /// With `--as done`: the step's output, as JSON.
    #[arg(long, value_name = "JSON", default_value = "null")]
    output: String,
}

/// What a person says became of a step.
#[derive(Clone, Copy, ValueEnum)]
enum SettledAs {
    /// It happened.
    Done,
    /// It never happened.
    NotDone,
    /// It was undone.
    Undone,
}

#[derive(clap::Args)]
pub(crate) struct ApproveArguments {
    #[command(flatten)]
    target: Target,

    /// The step that waits for the approval.
    step: String,

    /// Refuse instead.
    #[arg(long)]
    refuse: bool,

    /// Why. It is recorded.
    #[arg(long, value_name = "TEXT", default_value = "")]
    because: String,
}

#[derive(clap::Args)]
pub(crate) struct SignalArguments {
    #[command(flatten)]
    target: Target,

    /// The signal's name.
    name: String,

    /// What comes with it: JSON, `@FILE` or `-`.
    #[arg(value_name = "JSON|@FILE|-")]
    payload: Option<String>,
}

pub(crate) async fn cancel(
    arguments: CancelArguments,
    context: &Context,
) -> Result<ExitCode, Complaint> {
    act(context, arguments.target, Act::Cancel { keep: arguments.keep }).await
}

pub(crate) async fn rollback(
    arguments: RollbackArguments,
    context: &Context,
) -> Result<ExitCode, Complaint> {
    act(context, arguments.target, Act::RollBack).await
}

pub(crate) async fn retry(
    arguments: RetryArguments,
    context: &Context,
) -> Result<ExitCode, Complaint> {
    act(context, arguments.target, Act::Retry { step: arguments.step }).await
}

pub(crate) async fn settle(
    arguments: SettleArguments,
    context: &Context,
) -> Result<ExitCode, Complaint> {
    let SettleArguments { target, step, settlement, because, output } = arguments;
    let settlement = match settlement {
        SettledAs::Done => "done",
        SettledAs::NotDone => "not-done",
        SettledAs::Undone => "undone",
    };
    let output = compact(&output, "--output")?;
    let act_on = Act::Settle { step, settlement: settlement.into(), output, because };
    act(context, target, act_on).await
}

pub(crate) async fn approve(
    arguments: ApproveArguments,
    context: &Context,
) -> Result<ExitCode, Complaint> {
    let ApproveArguments { target, step, refuse, because } = arguments;
    act(context, target, Act::Approve { step, approved: !refuse, because }).await
}

pub(crate) async fn signal(
    arguments: SignalArguments,
    context: &Context,
) -> Result<ExitCode, Complaint> {
    let data = run::read_input(arguments.payload.as_deref())?;
    let data = compact(&data, "the signal's data")?;
    act(context, arguments.target, Act::Signal { name: arguments.name, data }).await
}

/// The JSON text without white space around its parts.
fn compact(text: &str, what: &str) -> Result<String, Complaint> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        Complaint::mistake(format!("{what} is no JSON: {error}"), "text is written as '\"text\"'")
    })?;
    Ok(value.to_string())
}

async fn act(context: &Context, target: Target, act: Act) -> Result<ExitCode, Complaint> {
    let ask = Ask::Act { run: target.run.clone(), act };
    let (reach, known) = follow::events_so_far(context, None, &target.run).await?;
    let (reach, answer) = context.ask_next(Some(reach), Opening::Existing, ask).await?;
    let run = match answer {
        Answer::Done { run } => run,
        _ => return Err(Complaint::of_host("the host answers something else")),
    };
    match reach {
        Reach::Other(client) => {
            let holder = client.pid.map_or_else(String::new, |pid| format!(" {pid}"));
            context.say(&format!("recorded; process{holder} carries the run on"));
            Ok(ExitCode::from(exit::COMPLETED))
        }
        own if target.detach => run::detach(context, own, &run).await,
        own => follow::to_the_end(context, own, &run, known).await,
    }
}
