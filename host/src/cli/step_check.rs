//! `piton step-check`: holds a component against what the contract asks of a step, and says what it saw.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::granted::{self, Granted};
use super::{exit, run, text};
use piton::manifest::Allowance;
use piton::rehearsal::step_check::{Answers, Report, Server, StepCheck, Verdict};
use piton::runner::Checking;
use piton::sandbox::inert;
use piton_core::Grants;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(clap::Args)]
#[command(
    after_help = "Folders are copied, and a made-up server stands in for every host: nothing that \
                        the step does leaves this machine, or stays on it."
)]
pub(crate) struct Arguments {
    /// The component: a `.wasm` file, or the folder of a step that was built.
    component: PathBuf,

    /// The input of every call: JSON, `@FILE` or `-`. Without it, `null`.
    #[arg(long, value_name = "JSON|@FILE|-")]
    input: Option<String>,

    /// What the made-up server answers: a file with a JSON list of `url`, `method`, `status`,
    /// `headers` and `body`.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,

    /// What the step does is meant to stay: do not try to undo it.
    #[arg(long)]
    no_undo: bool,

    #[command(flatten)]
    granted: Granted,
}

pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let input = granted::json(&run::read_input(arguments.input.as_deref())?, "the input")?;
    let mut allowance = arguments.granted.allowance(&arguments.component, context)?;
    check_folders(&allowance.grants)?;
    let server = Arc::new(Server::new(read_answers(arguments.answers.as_deref())?));
    let mut settings = context.settings()?;
    // Folders are copied and hosts made up: none of them is reached.
    settings.operator = settings.operator.map(|operator| Arc::new(operator.for_rehearsal()));
    settings.stand_in = Some(Arc::clone(&server) as _);
    let checking = Checking::new(&context.globals.data, &settings)?;
    let candidate = checking.load(&arguments.component);
    let candidate = candidate.map_err(|message| Complaint::mistake(message, ""))?;
    checking.hold(&mut allowance).map_err(|message| Complaint::mistake(message, ""))?;
    let Allowance { timeout, limits, grants, .. } = allowance;
    let check = StepCheck {
        checking: &checking,
        candidate: &candidate,
        server: &server,
        grants: &grants,
        input: &input,
        is_input_given: arguments.input.is_some(),
        is_kept: arguments.no_undo,
        timeout,
        limits: &limits,
    };
    check.check_grants().map_err(|message| Complaint::mistake(message, ""))?;
    let report = tokio::select! {
        report = check.check() => report.map_err(Complaint::of_host)?,
        // Copies of folders go with what holds them, and not by a signal's default.
        _ = tokio::signal::ctrl_c() => return Err(Complaint::of_host("stopped by Ctrl-C")),
    };
    if context.globals.json {
        print_json(&report);
    } else {
        tell(&report, context);
    }
    Ok(ExitCode::from(if report.passed { exit::COMPLETED } else { exit::ROLLED_BACK }))
}

/// A folder that is misspelt would be checked as an empty one.
fn check_folders(grants: &Grants) -> Result<(), Complaint> {
    for dir in &grants.dirs {
        if !dir.host.is_empty() && !Path::new(&dir.host).is_dir() {
            let (message, hint) = (
                format!("there is no folder `{}`", dir.host),
                format!("name one to copy, or write `--dir :{}` for an empty one", dir.guest),
            );
            return Err(Complaint::mistake(message, hint));
        }
    }
    Ok(())
}

fn read_answers(file: Option<&Path>) -> Result<Answers, Complaint> {
    let Some(file) = file else { return Ok(Answers::default()) };
    let named = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Complaint::mistake(format!("cannot read `{named}`: {error}"), ""))?;
    Answers::parse(&text).map_err(|why| {
        Complaint::mistake(
            format!("`{named}` is no list of answers: {why}"),
            r#"write `[{"method": "POST", "url": "https://api.example.com/*", "body": {}}]`"#,
        )
    })
}

fn tell(report: &Report, context: &Context) {
    let input = if report.input_given { "" } else { " (null: none was given)" };
    print(&format!("component  sha256:{}", report.component));
    print(&format!("input      sha256:{}{input}", report.input_sha256));
    let granted = &report.granted;
    let granted: Vec<&str> = [&granted.dirs, &granted.env, &granted.http]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    if !granted.is_empty() {
        print(&format!("granted    {}", inert(&granted.join(", "))));
    }
    let rows = report.checks.iter().map(|row| {
        vec![row.verdict.word().into(), row.check.into(), inert(&row.evidence).into_owned()]
    });
    print(&text::table(&rows.collect::<Vec<_>>()));
    let count = |verdict| report.checks.iter().filter(|row| row.verdict == verdict).count();
    context.say(&format!(
        "{} passed, {} failed, {} not tried, in {} calls",
        count(Verdict::Pass),
        count(Verdict::Fail),
        count(Verdict::NotTried),
        report.calls
    ));
}
