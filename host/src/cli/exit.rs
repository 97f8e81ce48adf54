//! Exit codes, for scripts. Documented in the README; none may change.

use std::process::ExitCode;

/// The run completed, or the command did what it says.
pub(crate) const COMPLETED: u8 = 0;
/// The host could not go on: disk, journal, bug.
pub(crate) const HOST: u8 = 1;
/// The user's mistake: usage, manifest, unknown run. clap uses the same.
pub(crate) const MISTAKE: u8 = 2;
/// The run was rolled back.
pub(crate) const ROLLED_BACK: u8 = 3;
/// The run was cancelled.
pub(crate) const CANCELLED: u8 = 4;
/// The run needs a person.
pub(crate) const STUCK: u8 = 5;
/// The run goes on another time, or elsewhere.
pub(crate) const UNFINISHED: u8 = 6;

/// The exit code for a run that stands so.
pub(crate) fn of_status(status: &str) -> u8 {
    match status {
        "completed" => COMPLETED,
        "rolled-back" => ROLLED_BACK,
        "cancelled" => CANCELLED,
        "stuck" => STUCK,
        _ => UNFINISHED,
    }
}

/// As [`of_status`], for the process.
pub(crate) fn code(status: &str) -> ExitCode {
    ExitCode::from(of_status(status))
}
