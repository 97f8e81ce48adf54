//! Owns what all chores need: the repository's place, commands that fail with a reason, and how a
//! problem is told.
//! Never does a chore.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

/// Why a chore could not be done, and what to do about it.
#[derive(Debug)]
pub(crate) struct Problem {
    message: String,
    hint: String,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem { message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "\nhint: {}", self.hint.trim_end()) }
    }
}

/// Turns an error of the file system into a problem that names the file.
pub(crate) trait At<T> {
    fn at(self, path: &Path) -> Result<T, Problem>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, Problem> {
        self.map_err(|error| Problem::new(format!("`{}`: {error}", path.display()), ""))
    }
}

/// Tells people what happens.
pub(crate) fn say(what: &str) {
    eprintln!("xtask: {what}");
}

/// Returns the repository's folder.
pub(crate) fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("xtask should lie two folders down").to_owned()
}

/// Removes a folder and all in it, where there is one.
pub(crate) fn remove_folder(path: &Path) -> Result<(), Problem> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.at(path),
    }
}

/// Runs a command to its end. What it prints goes to standard error: a chore has no output.
pub(crate) fn run(command: &mut Command) -> Result<(), Problem> {
    let status = command.stdin(Stdio::null()).stdout(io::stderr()).status();
    check(command, status.map_err(|error| cannot_start(command, &error))?, "")
}

/// Runs a command to its end and returns what it printed.
pub(crate) fn ask(command: &mut Command) -> Result<String, Problem> {
    let output = command.stdin(Stdio::null()).output();
    let Output { status, stdout, stderr } =
        output.map_err(|error| cannot_start(command, &error))?;
    check(command, status, &String::from_utf8_lossy(&stderr))?;
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

pub(crate) fn cannot_start(command: &Command, error: &io::Error) -> Problem {
    Problem::new(format!("cannot start `{}`: {error}", command.get_program().display()), "")
}

/// Makes a problem of a bad end, which names the whole command: so it can be run by hand.
pub(crate) fn check(command: &Command, status: ExitStatus, errors: &str) -> Result<(), Problem> {
    if status.success() {
        return Ok(());
    }
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let program = command.get_program().display();
    let message = format!("`{program} {}` ended with {status}\n{errors}", words.join(" "));
    Err(Problem::new(message.trim_end(), ""))
}
