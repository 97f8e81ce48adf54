//! `--profile FILE` of `piton run` and `piton resume`: where the time went, as a table on stderr and
//! as a file for Perfetto or `chrome://tracing`.
//! The file is there whole or not at all, however the command ends; never changes what it ends with.

use super::complain::Complaint;
use super::context::Context;
use super::text;
use piton::runner::{HostCallKind, Profile, Reach, Recording, Share, Sums};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The option, for the commands that carry runs.
#[derive(clap::Args)]
pub(crate) struct ProfileOption {
    /// Tell at the end where the time went, and write it into this file for Perfetto or
    /// chrome://tracing.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
}

/// A profile that is being taken.
pub(crate) struct Profiling {
    recorder: Arc<Profile>,
    /// As the user named it.
    named: PathBuf,
    file: PathBuf,
    is_told: AtomicBool,
}

impl ProfileOption {
    /// Begins to take a profile, where one is wanted.
    ///
    /// # Errors
    /// Where its file could not be written: nothing is run for nothing.
    pub(crate) fn begin(&self, context: &Context) -> Result<(), Complaint> {
        let Some(named) = &self.profile else { return Ok(()) };
        let file = place(named)?;
        let tried = make(&file).and_then(|(_, unfinished)| std::fs::remove_file(unfinished));
        tried.map_err(|error| cannot_write(named, &error))?;
        let recorder = Arc::new(Profile::new());
        let _ = context.profiling.set(Profiling {
            recorder,
            named: named.clone(),
            file,
            is_told: AtomicBool::new(false),
        });
        Ok(())
    }
}

impl Profiling {
    pub(crate) fn recorder(&self) -> Arc<Profile> {
        Arc::clone(&self.recorder)
    }

    /// Only the process that carries a run knows where its time goes.
    pub(crate) fn is_possible(&self, reach: &Reach) -> Result<(), Complaint> {
        let Reach::Other(holder) = reach else { return Ok(()) };
        let holder = holder.pid.map_or("another process".into(), |pid| format!("process {pid}"));
        Err(Complaint::mistake(
            format!(
                "{holder} carries the runs of this data directory, and only it could profile them"
            ),
            "leave `--profile` out, or wait until it has ended",
        ))
    }

    /// Writes the file and tells the table, once.
    fn end(&self, context: &Context) {
        if self.is_told.swap(true, Ordering::SeqCst) {
            return;
        }
        let recording = self.recorder.close();
        if recording.is_empty() {
            context.say("no profile: nothing was carried out here");
            return;
        }
        context.say(&table(&recording.sums));
        match self.write(&recording) {
            Ok(()) => context.say(&format!(
                "written into {}; open it in https://ui.perfetto.dev or chrome://tracing",
                self.named.display()
            )),
            // What came of the run is told by the exit code all the same.
            Err(error) => drop(context.complain(&cannot_write(&self.named, &error))),
        }
    }

    fn write(&self, recording: &Recording) -> std::io::Result<()> {
        let (file, unfinished) = make(&self.file)?;
        let written = (|| {
            let mut out = BufWriter::new(file);
            recording.write_trace(&mut out)?;
            out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
            std::fs::rename(&unfinished, &self.file)
        })();
        if written.is_err() {
            // Half of it is of no use to anybody; that it could not be written is told.
            let _ = std::fs::remove_file(&unfinished);
        }
        written
    }
}

impl Context {
    /// Ends a profile that is being taken. To be called before the process ends, however it does.
    pub(crate) fn end_profile(&self) {
        if let Some(profiling) = self.profiling.get() {
            profiling.end(self);
        }
    }
}

/// The file that a name means: what a link leads to, and nothing but a plain file.
fn place(named: &Path) -> Result<PathBuf, Complaint> {
    let file = match std::fs::canonicalize(named) {
        Err(error) if error.kind() == ErrorKind::NotFound => std::path::absolute(named),
        found => found,
    };
    let file = file.map_err(|error| cannot_write(named, &error))?;
    if file.exists() && !file.is_file() {
        let message = format!("`{}` is no plain file", named.display());
        return Err(Complaint::mistake(message, "name a file to write the profile into"));
    }
    Ok(file)
}

/// Makes the file that takes the other's name once it is whole.
fn make(file: &Path) -> std::io::Result<(File, PathBuf)> {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let unfinished = PathBuf::from(name);
    // What a process of this number left, which was killed as it wrote.
    let _ = std::fs::remove_file(&unfinished);
    let made = OpenOptions::new().write(true).create_new(true).open(&unfinished)?;
    Ok((made, unfinished))
}

fn cannot_write(named: &Path, error: &std::io::Error) -> Complaint {
    let message = format!("cannot write the profile `{}`: {error}", named.display());
    Complaint::mistake(message, "name a file in a folder that is there and can be written")
}

fn table(sums: &Sums) -> String {
    let all = sums.all();
    let mut lines = vec![format!(
        "where the time went ({} by the clock, {} added up)",
        span(sums.wall),
        span(all)
    )];
    let mut rows = rows(sums);
    rows.retain(|row| !row.time.is_zero());
    rows.sort_by_key(|row| std::cmp::Reverse(row.time));
    let share = |time: Duration| time.as_secs_f64() / all.as_secs_f64().max(f64::MIN_POSITIVE);
    let widest = rows.first().map_or(0.0, |row| share(row.time));
    let cells = rows.iter().map(|row| {
        let percent = format!("{:.0}", share(row.time) * 100.0);
        let time = span(row.time);
        vec![
            format!("  {}", row.what),
            format!("{time:>9}"),
            format!("{percent:>3} %"),
            bar(share(row.time) / widest),
            row.more.clone(),
        ]
    });
    lines.push(text::table(&cells.collect::<Vec<_>>()));
    if sums.slices_left_out > 0 {
        let left_out = text::count(sums.slices_left_out, "slice");
        lines.push(format!("  {left_out} did not fit into the file, and are in these sums alone"));
    }
    lines.join("\n")
}

struct TableRow {
    what: &'static str,
    time: Duration,
    more: String,
}

fn rows(sums: &Sums) -> Vec<TableRow> {
    let row = |what, time, more| TableRow { what, time, more };
    let calls = HostCallKind::ALL.iter().zip(sums.calls);
    let calls = calls.map(|(kind, share)| (kind.word(), share));
    let commits = text::count(sums.commit.count, "commit");
    let median = span(sums.commit_median);
    let mut loads = text::count(sums.load.count, "manifest");
    if sums.compile.count > 0 {
        let Share { time, count } = sums.compile;
        loads += &format!(", compiling {} ({count})", span(time));
    }
    let waits = [("backoff", sums.backoff), ("waiting steps", sums.wait)];
    vec![
        row("guest", sums.guest.time, text::count(sums.attempts.count, "attempt")),
        row("host calls", sums.host_calls().time, parts(calls)),
        row("idle", sums.idle.time, "guests that slept, or waited for files or a processor".into()),
        row("instantiate", sums.instantiate.time, text::count(sums.instantiate.count, "instance")),
        row("queue", sums.queue.time, "attempts before their start".into()),
        row("commit", sums.commit.time, format!("{commits}, median {median}")),
        row("load", sums.load.time, loads),
        row("timers", sums.backoff.time + sums.wait.time, parts(waits.into_iter())),
    ]
}

/// Parts with their time and how often: `http 0.30 s (9), memo 0.01 s (9)`.
fn parts<'a>(parts: impl Iterator<Item = (&'a str, Share)>) -> String {
    let told = parts.filter(|(_, share)| share.count > 0);
    let told = told.map(|(word, Share { time, count })| format!("{word} {} ({count})", span(time)));
    told.collect::<Vec<_>>().join(", ")
}

/// A bar of at most 16 characters, in eighths of them.
fn bar(share: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * 16.0 * 8.0).round() as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// A span, also where it is much shorter than what people wait for.
fn span(span: Duration) -> String {
    let millis = span.as_secs_f64() * 1_000.0;
    match millis {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms if ms < 60_000.0 => format!("{:.2} s", ms / 1_000.0),
        _ => text::span(span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!(bar(1.0), "█".repeat(16));
        assert_eq!(bar(0.5 / 16.0), "▌");
        assert_eq!(bar(0.0), "");
    }

    #[test]
    fn short_spans_keep_their_digits() {
        let of = |micros| span(Duration::from_micros(micros));
        assert_eq!([of(310), of(90_400), of(1_804_000)], ["0.31 ms", "90 ms", "1.80 s"]);
    }
}
