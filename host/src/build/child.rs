//! Owns how a tool is run and what it says is read.
//! Never knows which tool it is.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::BuildError;

/// Runs a tool to its end. What it says is told once it is there: by `progress` where it succeeds, by the
/// error where it fails, and never by both.
///
/// # Errors
///
/// [`BuildError::NoTool`] where it cannot be started, [`BuildError::Refused`] with all that it said where it
/// fails.
pub(super) fn run(
    command: &mut Command,
    tool: &'static str,
    folder: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<(), BuildError> {
    // Where in a tool's own code it gave up is of no use to the author of a step.
    command.env("RUST_BACKTRACE", "0");
    let (mut output, mut child) = (String::new(), start(command, tool)?);
    let errors =
        collect_lines(&mut child, &mut |line| output = format!("{output}{line}\n"), &mut |_| {});
    let status = child.wait().map_err(|source| BuildError::NoTool { tool, source })?;
    if status.success() {
        errors.lines().for_each(progress);
        return Ok(());
    }
    Err(BuildError::Refused { folder: folder.to_owned(), tool, output: output + &errors })
}

pub(super) fn start(command: &mut Command, tool: &'static str) -> Result<Child, BuildError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().map_err(|source| BuildError::NoTool { tool, source })
}

/// Reads both streams to their end and returns what came over standard error. They are read at the
/// same time, because a child waits where nobody reads.
pub(super) fn collect_lines(
    child: &mut Child,
    on_output: &mut (dyn FnMut(&str) + Send),
    on_error: &mut dyn FnMut(&str),
) -> String {
    let output = child.stdout.take().expect("standard output should be piped");
    let errors = child.stderr.take().expect("standard error should be piped");
    let mut said = String::new();
    thread::scope(|scope| {
        scope.spawn(|| for_each_line(output, on_output));
        for_each_line(errors, &mut |line| {
            on_error(line);
            said += line;
            said.push('\n');
        });
    });
    said
}

/// Bytes that are no text are shown as such, and a stream that breaks is at its end.
fn for_each_line(stream: impl Read, on_line: &mut (impl FnMut(&str) + ?Sized)) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while matches!(stream.read_until(b'\n', &mut line), Ok(length) if length > 0) {
        on_line(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}
