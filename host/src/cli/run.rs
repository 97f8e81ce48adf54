//! `piton run`: starts a run of a manifest and follows it, or one run for each line of a file.

use super::complain::Complaint;
use super::context::{Context, print_json};
use super::profile::ProfileOption;
use super::{exit, follow};
use piton::runner::{
    Answer, Ask, Client, ClientError, Host, Look, Opening, Prepared, Reach, Refused, Update,
    start_refused,
};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The manifest: a TOML file.
    manifest: PathBuf,

    /// The run's input: JSON, `@FILE` for a file's content, or `-` for stdin.
    #[arg(long, value_name = "JSON|@FILE|-")]
    input: Option<String>,

    /// A name for this run of your own choosing: the same key never starts a second run.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    /// Leave the run to a process in the background.
    #[arg(long, conflicts_with = "profile")]
    detach: bool,

    /// Start one run for each line of this file of JSON values (`-` for stdin).
    #[arg(long, value_name = "FILE.ndjson", conflicts_with_all = ["input", "key", "detach"])]
    each: Option<PathBuf>,

    /// With --each: how many runs are under way at once.
    #[arg(long, value_name = "N", default_value_t = 16, requires = "each")]
    parallel: u32,

    #[command(flatten)]
    profile: ProfileOption,
}

pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let manifest = std::path::absolute(&arguments.manifest)
        .map_err(|error| Complaint::of_host(error.to_string()))?;
    // Before the data directory is made: a mistyped name leaves nothing behind.
    if !manifest.is_file() {
        let message = format!("there is no manifest at `{}`", arguments.manifest.display());
        return Err(Complaint::mistake(message, "name a TOML file"));
    }
    arguments.profile.begin(context)?;
    let code = match &arguments.each {
        Some(file) => each(context, &manifest, file, arguments.parallel.max(1)).await,
        None => one(arguments, manifest, context).await,
    };
    context.end_profile();
    code
}

async fn one(
    arguments: Arguments,
    manifest: PathBuf,
    context: &Context,
) -> Result<ExitCode, Complaint> {
    let input = read_input(arguments.input.as_deref())?;
    let (key, look, detach) = (arguments.key, context.look(), arguments.detach);
    let ask = Ask::Run { manifest, input, key, look, detach };
    let (reach, answer) = context.ask(Opening::OrMake, ask).await?;
    let Answer::Started { run, is_new, remarks } = answer else {
        return Err(Complaint::of_host("the host answers something else"));
    };
    context.say(remarks.trim_end());
    if !is_new {
        context.say(&format!("run {run} was started with this key before; following it"));
    }
    if arguments.detach {
        return self::detach(context, reach, &run).await;
    }
    follow::to_the_end(context, reach, &run, 0).await
}

/// Leaves a run to a process of its own.
pub(crate) async fn detach(
    context: &Context,
    reach: Reach,
    run: &str,
) -> Result<ExitCode, Complaint> {
    if let Answer::Summary(summary) = reach.ask(Ask::Show { run: run.into() }).await? {
        if context.globals.json {
            print_json(&summary);
        } else {
            super::context::print(run);
        }
    }
    if matches!(reach, Reach::Own(..)) {
        // Attempts that had started are let end here: the other process must not repeat them.
        super::context::let_go(reach).await?;
        let exe = std::env::current_exe().map_err(|error| Complaint::of_host(error.to_string()))?;
        let data = std::path::absolute(&context.globals.data)
            .map_err(|error| Complaint::of_host(error.to_string()))?;
        let mut carrier = Command::new(exe);
        carrier.arg("--data").arg(data).args(["--quiet", "resume", run]);
        if let Some(config) = &context.globals.config {
            carrier.arg("--config").arg(config);
        }
        carrier.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own: the terminal's Ctrl-C is not meant for it.
        std::os::unix::process::CommandExt::process_group(&mut carrier, 0);
        carrier.spawn().map_err(|error| Complaint::of_host(error.to_string()))?;
    }
    context.say(&format!("the run goes on in the background; follow it with `piton resume {run}`"));
    Ok(ExitCode::from(exit::UNFINISHED))
}

/// One run for each line, some at a time; a summary for each as it ends.
async fn each(
    context: &Context,
    manifest: &Path,
    file: &Path,
    parallel: u32,
) -> Result<ExitCode, Complaint> {
    let cannot_read = |error: std::io::Error| {
        Complaint::mistake(format!("cannot read `{}`: {error}", file.display()), "")
    };
    let mut lines: Box<dyn tokio::io::AsyncBufRead + Unpin> = if file == Path::new("-") {
        Box::new(BufReader::new(tokio::io::stdin()))
    } else {
        Box::new(BufReader::new(tokio::fs::File::open(file).await.map_err(cannot_read)?))
    };
    let reach = context.reach(Opening::OrMake).await?;
    context.can_serve(&reach)?;
    let lane = Lane::new(context, &reach, manifest).await?;
    let mut interrupts = follow::Interrupts::new()?;
    let mut tally = Tally::new(context);
    let mut under_way: JoinSet<Result<Update, Refused>> = JoinSet::new();
    let mut line = String::new();
    let mut number = 0_u64;
    let mut has_more = true;
    while has_more || !under_way.is_empty() {
        while has_more && under_way.len() < parallel as usize {
            line.clear();
            has_more = lines.read_line(&mut line).await.map_err(cannot_read)? > 0;
            number += 1;
            if line.trim().is_empty() {
                continue;
            }
            let (lane, input) = (lane.clone(), line.trim().to_owned());
            let place = format!("{}:{number}", file.display());
            // Each starts in a task of its own, so that many starts share a commit.
            under_way.spawn(async move {
                lane.run(input).await.map_err(|mut refused| {
                    if !refused.is_drawn {
                        refused.message = format!("{place}: {}", refused.message);
                    }
                    refused
                })
            });
        }
        if under_way.is_empty() {
            continue;
        }
        tokio::select! {
            Some(ended) = under_way.join_next() => {
                tally.ended(ended)?;
                // The runs under way go on to their end; no further one starts.
                has_more &= tally.complaint.is_none();
            }
            () = interrupts.next() => {
                let Reach::Own(host, _) = &reach else { break };
                if host.is_leaving() {
                    context.end_profile();
                    std::process::exit(i32::from(exit::UNFINISHED));
                }
                host.begin_leaving();
                has_more = false;
                context.say("stopping: attempts under way may end; go on with `piton resume --all`");
            }
        }
    }
    tally.close();
    // It has the host, and the directory is given up only by the last who does.
    drop(lane);
    follow::close(context, reach, &mut interrupts).await?;
    match tally.complaint {
        Some(complaint) => Err(complaint),
        None => Ok(ExitCode::from(tally.worst)),
    }
}

/// Where the runs of `--each` are carried out.
#[derive(Clone)]
enum Lane {
    /// In this process, by a manifest that was loaded once.
    Own(Host, Prepared, Look),
    /// By the process that holds the data directory.
    Other(Client, PathBuf, Look),
}

impl Lane {
    async fn new(context: &Context, reach: &Reach, manifest: &Path) -> Result<Self, Complaint> {
        let look = context.look();
        match reach {
            Reach::Other(client) => Ok(Self::Other(client.clone(), manifest.into(), look)),
            Reach::Own(host, _) => {
                let prepared = host.prepare(manifest).await;
                let (prepared, _) = prepared
                    .map_err(|failed| Complaint::from(start_refused(failed.into(), look)))?;
                Ok(Self::Own(host.clone(), prepared, look))
            }
        }
    }

    /// Starts a run and waits until it rests.
    async fn run(self, input: String) -> Result<Update, Refused> {
        match self {
            Self::Own(host, prepared, look) => {
                let started = host.start(&prepared, &input, None).await;
                let started = started.map_err(|failed| start_refused(failed, look))?;
                host.rest_of(started.run).await
            }
            Self::Other(client, manifest, look) => {
                let gone = |error: ClientError| Refused::of_host(error.to_string(), "");
                let ask = Ask::Run { manifest, input, key: None, look, detach: false };
                let run = match client.ask(&ask).await.map_err(gone)? {
                    Answer::Started { run, .. } => run,
                    Answer::Refused(refused) => return Err(refused),
                    _ => return Err(Refused::of_host("the host answers something else", "")),
                };
                let mut following = client.follow(&run).await.map_err(gone)?;
                let mut last = None;
                while let Some(update) = following.next().await.map_err(gone)? {
                    last = Some(update?);
                }
                last.ok_or_else(|| Refused::of_host("the process that carried it is gone", ""))
            }
        }
    }
}

/// What has come of the runs so far.
struct Tally<'a> {
    context: &'a Context,
    counts: std::collections::BTreeMap<String, u64>,
    worst: u8,
    complaint: Option<Complaint>,
    bar: Option<indicatif::ProgressBar>,
}

impl<'a> Tally<'a> {
    fn new(context: &'a Context) -> Self {
        let bar = context.is_live.then(|| {
            let bar = indicatif::ProgressBar::no_length();
            let style = indicatif::ProgressStyle::with_template("{spinner} {msg} · {elapsed}");
            bar.set_style(style.expect("the template should parse"));
            bar
        });
        Self { context, counts: std::collections::BTreeMap::new(), worst: 0, complaint: None, bar }
    }

    fn ended(
        &mut self,
        ended: Result<Result<Update, Refused>, tokio::task::JoinError>,
    ) -> Result<(), Complaint> {
        let ended = ended.map_err(|error| Complaint::of_host(error.to_string()))?;
        let update = match ended {
            Ok(update) => update,
            Err(refused) => {
                self.complaint.get_or_insert(refused.into());
                return Ok(());
            }
        };
        let summary = match update {
            Update::Rests(summary) | Update::Left(summary) => summary,
            Update::HostFailed(failure) => {
                self.complaint.get_or_insert(failure.into());
                return Ok(());
            }
            _ => return Ok(()),
        };
        *self.counts.entry(summary.status.clone()).or_default() += 1;
        self.worst = self.worst.max(exit::of_status(&summary.status));
        let print = || {
            if self.context.globals.json {
                print_json(&summary);
            } else {
                super::context::print(&super::show::one_line(&summary));
            }
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
        if let Some(bar) = &self.bar {
            bar.set_message(self.text());
            bar.tick();
        }
        Ok(())
    }

    fn text(&self) -> String {
        let parts: Vec<String> =
            self.counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
        parts.join(", ")
    }

    fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.context.say(&self.text());
    }
}

/// The input's JSON text, from wherever the user says it is.
pub(crate) fn read_input(given: Option<&str>) -> Result<String, Complaint> {
    let text = match given {
        None => return Ok("null".into()),
        Some("-") => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| Complaint::mistake(format!("cannot read stdin: {error}"), ""))?;
            text
        }
        Some(given) => match given.strip_prefix('@') {
            Some(file) => std::fs::read_to_string(file).map_err(|error| {
                Complaint::mistake(format!("cannot read the input `{file}`: {error}"), "")
            })?,
            None => given.to_owned(),
        },
    };
    Ok(text)
}
