//! `piton backup` and `piton restore`: everything that is kept, in one file and back.

use super::complain::Complaint;
use super::context::{Context, let_go, print, print_json};
use super::{exit, text};
use indicatif::{ProgressBar, ProgressStyle};
use piton::runner::{Answer, Ask, Backup, Opening, Progress, restore};
use piton::sandbox::inert;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The file to write. It holds the secret that idempotency keys are cut from: keep it as safe
    /// as the data directory.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
}

#[derive(clap::Args)]
pub(crate) struct RestoreArguments {
    /// A file that `piton backup` has made.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let file = std::path::absolute(&arguments.file)
        .map_err(|error| Complaint::of_host(error.to_string()))?;
    let reach = context.reach(Opening::Existing).await?;
    let bar = Bar::new(context, "backing up");
    let ask = Ask::Backup { file, force: arguments.force };
    let answer = reach.ask_telling(ask, &mut |progress| bar.tell(progress)).await?;
    drop(bar);
    let_go(reach).await?;
    match answer {
        Answer::BackedUp(backup) => Ok(tell(context, &backup, "backed up", "to")),
        Answer::Refused(refused) => Err(refused.into()),
        _ => Err(Complaint::of_host("the host answers something else")),
    }
}

pub(crate) fn run_restore(
    arguments: &RestoreArguments,
    context: &Context,
) -> Result<ExitCode, Complaint> {
    let bar = Bar::new(context, "restoring");
    let data = std::path::absolute(&context.globals.data)
        .map_err(|error| Complaint::of_host(error.to_string()))?;
    let backup = restore(&arguments.file, &data, &mut |progress| bar.tell(progress))?;
    drop(bar);
    let code = tell(context, &backup, "restored", "from");
    context.say(
        "do not go on with the directory that was backed up: both would do the same runs; \
         go on here with `piton resume --all`",
    );
    Ok(code)
}

fn tell(context: &Context, backup: &Backup, did: &str, direction: &str) -> ExitCode {
    if context.globals.json {
        print_json(backup);
    } else {
        backup.problems.iter().for_each(|problem| print(&inert(problem)));
        context.say(&format!(
            "{did} {}, {}, {}, {} {direction} `{}` ({})",
            text::count(backup.runs, "run"),
            text::count(backup.events, "event"),
            text::count(backup.log_lines, "log line"),
            text::count(backup.contents, "content"),
            backup.file.display(),
            text::bytes(backup.bytes),
        ));
    }
    ExitCode::from(if backup.problems.is_empty() { exit::COMPLETED } else { exit::HOST })
}

/// How far it is, for people at a terminal.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new(context: &Context, what: &'static str) -> Self {
        Self(context.is_live.then(|| {
            let style = ProgressStyle::with_template("{msg} {percent} % {elapsed}");
            let bar = ProgressBar::new(0).with_message(what);
            bar.with_style(style.expect("a template should be one"))
        }))
    }

    fn tell(&self, Progress { done, all }: Progress) {
        if let Some(bar) = &self.0 {
            bar.set_length(all);
            bar.set_position(done);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
