//! `piton chaos`: lets drawn faults loose on a manifest and says whether any rule was broken.
//! Touches no data directory, and no folder that the manifest lets its steps write to.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::{exit, follow, run};
use indicatif::{ProgressBar, ProgressStyle};
use piton::rehearsal::chaos::{Guests, Report, Stub, Violation};
use piton::rehearsal::pipeline_of;
use piton::runner::{Checking, start_refused};
use piton::sandbox::inert;
use std::path::PathBuf;
use std::process::ExitCode;

const STUB_RUNS: u64 = 10_000;
const GUEST_RUNS: u64 = 50;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The manifest: a TOML file.
    manifest: PathBuf,

    /// What the faults are drawn from: the same seed, the same faults. Default: any.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// How many runs. Default: 50, and 10000 with --stub.
    #[arg(long, value_name = "N")]
    runs: Option<u64>,

    /// Leave the guests out: only what the manifest says, in simulated time.
    #[arg(long)]
    stub: bool,

    /// The input of every run: JSON, `@FILE` for a file's content, or `-` for stdin.
    #[arg(long, value_name = "JSON|@FILE|-", conflicts_with = "stub")]
    input: Option<String>,
}

pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    // Drawn seeds are short, so that they can be typed.
    let seed = arguments.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let report = if arguments.stub {
        stub(&arguments, seed, context)?
    } else {
        guests(&arguments, seed, context).await?
    };
    if context.globals.json {
        print_json(&report);
    } else {
        tell(&arguments, context, &report);
    }
    Ok(ExitCode::from(if report.violations.is_empty() { exit::COMPLETED } else { exit::HOST }))
}

fn stub(arguments: &Arguments, seed: u64, context: &Context) -> Result<Report, Complaint> {
    let checked = context.read_manifest(&arguments.manifest)?;
    let checking = Checking::new(&context.globals.data, &context.settings()?)?;
    let pipeline = pipeline_of(&checked, &checking);
    let runs = arguments.runs.unwrap_or(STUB_RUNS);
    let bar = bar(context, runs);
    let report = Stub { pipeline, seed, runs, mutant: None }.rehearse(|done| {
        if done.is_multiple_of(100) {
            bar.set_position(done);
        }
        true
    });
    bar.finish_and_clear();
    Ok(report)
}

async fn guests(arguments: &Arguments, seed: u64, context: &Context) -> Result<Report, Complaint> {
    let input = run::read_input(arguments.input.as_deref())?;
    let settings = context.settings()?;
    let checking = Checking::new(&context.globals.data, &settings)?;
    let checked = checking.check(&arguments.manifest);
    let checked = checked.map_err(|failed| start_refused(failed.into(), context.look()))?;
    let runs = arguments.runs.unwrap_or(GUEST_RUNS);
    let bar = bar(context, runs);
    let pipeline = pipeline_of(&checked, &checking);
    let guests =
        Guests { checked: &checked, pipeline, settings: &settings, input: &input, seed, runs };
    let mut interrupts = follow::Interrupts::new()?;
    let report = tokio::select! {
        report = guests.rehearse(|done| bar.set_position(done)) => report,
        () = interrupts.next() => Err("interrupted; nothing is left behind".into()),
    };
    bar.finish_and_clear();
    report.map_err(Complaint::of_host)
}

fn bar(context: &Context, runs: u64) -> ProgressBar {
    if !context.is_live {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {pos} of {len} runs · {elapsed}");
    ProgressBar::new(runs).with_style(style.expect("the template should parse"))
}

fn tell(arguments: &Arguments, context: &Context, report: &Report) {
    for violation in &report.violations {
        tell_violation(arguments, context, violation);
    }
    if !report.faults.is_empty() {
        context.say(&format!("faults: {}; calls: {}", report.faults_line(), report.calls));
    }
    print(&report.summary());
}

fn tell_violation(arguments: &Arguments, context: &Context, violation: &Violation) {
    let Violation { seed, problems, faults, story } = violation;
    let mark = context.paint("violation:", "1;31");
    print(&format!("{mark} {}", inert(problems.first().map_or("", String::as_str))));
    problems.iter().skip(1).for_each(|problem| print(&format!("  and {}", inert(problem))));
    faults.iter().for_each(|fault| print(&format!("  fault  {}", inert(fault))));
    story.iter().for_each(|line| print(&format!("  {}", inert(line))));
    let how = match &arguments.input {
        _ if arguments.stub => " --stub".to_owned(),
        Some(input) => format!(" --input '{input}'"),
        None => String::new(),
    };
    let manifest = arguments.manifest.display();
    print(&format!("  again: piton chaos {manifest}{how} --seed {seed} --runs 1\n"));
}
