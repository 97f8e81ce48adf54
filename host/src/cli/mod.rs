//! The command line: one file per command, and what they share.
//! stdout is for the result, stderr for people and progress. Never decides about a run.

mod act;
mod backup;
mod build;
mod chaos;
mod check;
mod complain;
mod context;
mod cost;
mod cost_chart;
mod events;
mod exit;
mod explain;
mod follow;
mod granted;
mod graph;
mod inspect;
mod lock;
mod logs;
mod memory;
mod new;
mod plan;
mod profile;
mod prune;
mod resume;
mod run;
mod runs;
mod show;
mod step_check;
mod text;
mod try_step;
mod verify;
mod view;

use clap::{Parser, Subcommand};
use complain::Complaint;
use context::{Context, Globals};
use piton::journal::Panicked;
use std::process::ExitCode;

/// Runs pipelines of sandboxed WebAssembly steps that survive a crash, retry, and undo.
#[derive(Parser)]
#[command(name = "piton", version = version(), propagate_version = true, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    globals: Globals,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a run of a manifest and follow it to its end.
    Run(run::Arguments),
    /// Go on with runs that a crash or Ctrl-C left.
    Resume(resume::Arguments),
    /// Report every mistake in manifests, each with its place.
    Check(check::Arguments),
    /// Draw a manifest's steps and their order.
    Graph(graph::Arguments),
    /// Tell where each failure of each step would lead.
    Plan(plan::Arguments),
    /// Rehearse a manifest under drawn faults, and see whether every rule holds.
    Chaos(chaos::Arguments),
    /// List runs, newest first.
    Runs(runs::Arguments),
    /// Tell where a run stands.
    Show(show::Arguments),
    /// Tell why a run stands where it stands, and what to type next.
    Explain(explain::Arguments),
    /// List what became true of a run, in order.
    Events(events::Arguments),
    /// Show what the steps of a run logged and printed.
    Logs(logs::Arguments),
    /// Tell what runs have spent, and what of it was wasted.
    Cost(cost::Arguments),
    /// Stop a run and undo what it did.
    Cancel(act::CancelArguments),
    /// Undo what a run did.
    Rollback(act::RollbackArguments),
    /// Try again what is stuck.
    Retry(act::RetryArguments),
    /// Record what became of a step, as a person found out or did it.
    Settle(act::SettleArguments),
    /// Answer a run that asks for an approval.
    Approve(act::ApproveArguments),
    /// Send a signal to a run.
    Signal(act::SignalArguments),
    /// Tell what a component is and which grants it needs.
    Inspect(inspect::Arguments),
    /// Pin a manifest's components and grants, or show how they differ from what is pinned.
    Lock(lock::Arguments),
    /// Write a new step, in a language of your choice.
    New(new::Arguments),
    /// Build steps into components.
    Build(build::Arguments),
    /// Check everything that is kept: checksums, folds, and the rules of recovery.
    Verify,
    /// Copy everything that is kept into one file, while runs go on.
    Backup(backup::Arguments),
    /// Make a data directory of a backup.
    Restore(backup::RestoreArguments),
    /// Remove runs that ended long ago, and what only they needed.
    Prune(prune::Arguments),
    /// Call a component once, without a run, and show what it does.
    Try(try_step::Arguments),
    /// Hold a component against what a step has to do: repeat, undo twice, undo nothing.
    StepCheck(step_check::Arguments),
}

/// The version, with that of the sandbox: advisories are about both.
const fn version() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), " (wasmtime 48.0.8)")
}

pub(crate) fn main() -> ExitCode {
    let raw: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some((first, rest)) = raw.split_first()
        && first == piton::sandbox::COMPILE_ARGUMENT
    {
        std::process::exit(piton::sandbox::compile_child(rest));
    }
    // A damaged journal makes redb panic; that is caught and told as an error.
    std::panic::set_hook(Box::new(|panic| match piton::journal::panicked() {
        Panicked::Unguarded => tell_panic(panic),
        Panicked::Guarded => {}
        Panicked::Unstoppable => {
            eprintln!("error: the journal is damaged: its pages make no sense");
            eprintln!("hint: restore the data directory from a backup");
            std::process::exit(i32::from(exit::HOST));
        }
    }));
    let arguments = Arguments::parse();
    let context = Context::new(arguments.globals);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().thread_keep_alive(memory::THREADS_KEPT).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let complaint = Complaint::of_host(format!("cannot start: {error}"));
            return context.complain(&complaint);
        }
    };
    let outcome = runtime.block_on(dispatch(arguments.command, &context));
    // A guest that sits in a blocking call must not keep the process.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|complaint| context.complain(&complaint))
}

/// Tells of a mistake in piton. What it says may have a stranger's text in it.
fn tell_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let text = panic.payload_as_str().unwrap_or("without a word");
    eprintln!("error: piton panicked at {place}: {}", piton::sandbox::inert(text));
    let backtrace = std::backtrace::Backtrace::capture();
    if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
        eprintln!("{backtrace}");
    }
}

async fn dispatch(command: Command, context: &Context) -> Result<ExitCode, Complaint> {
    match command {
        Command::Run(arguments) => run::run(arguments, context).await,
        Command::Resume(arguments) => resume::run(arguments, context).await,
        Command::Check(arguments) => check::run(&arguments, context).await,
        Command::Graph(arguments) => graph::run(&arguments, context),
        Command::Plan(arguments) => plan::run(&arguments, context).await,
        Command::Chaos(arguments) => chaos::run(arguments, context).await,
        Command::Runs(arguments) => runs::run(arguments, context).await,
        Command::Show(arguments) => show::run(arguments, context).await,
        Command::Explain(arguments) => explain::run(arguments, context).await,
        Command::Cost(arguments) => cost::run(arguments, context).await,
        Command::Events(arguments) => events::run(arguments, context).await,
        Command::Logs(arguments) => logs::run(arguments, context).await,
        Command::Cancel(arguments) => act::cancel(arguments, context).await,
        Command::Rollback(arguments) => act::rollback(arguments, context).await,
        Command::Retry(arguments) => act::retry(arguments, context).await,
        Command::Settle(arguments) => act::settle(arguments, context).await,
        Command::Approve(arguments) => act::approve(arguments, context).await,
        Command::Signal(arguments) => act::signal(arguments, context).await,
        Command::Inspect(arguments) => inspect::run(&arguments, context),
        Command::Lock(arguments) => lock::run(&arguments, context),
        Command::New(arguments) => new::run(&arguments, context),
        Command::Build(arguments) => build::run(&arguments, context),
        Command::Verify => verify::run(context).await,
        Command::Backup(arguments) => backup::run(arguments, context).await,
        Command::Restore(arguments) => backup::run_restore(&arguments, context),
        Command::Prune(arguments) => prune::run(arguments, context).await,
        Command::Try(arguments) => try_step::run(arguments, context).await,
        Command::StepCheck(arguments) => step_check::run(arguments, context).await,
    }
}
