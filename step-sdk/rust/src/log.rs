//! Owns the log lines of a step.
//! Never filters: which levels are shown is the reader's choice.

use crate::bindings::plugin::piton::step::log;

/// How much a line matters, rising.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For following every move.
    Trace,
    /// For finding a mistake.
    Debug,
    /// What the step did.
    Info,
    /// What should not have been so, and did no harm.
    Warn,
    /// What went wrong.
    Error,
}

/// Adds a line to the run's log. The macros [`info!`](crate::info!) and its kin format one, too.
pub fn log(level: Level, message: &str) {
    let level = match level {
        Level::Trace => log::Level::Trace,
        Level::Debug => log::Level::Debug,
        Level::Info => log::Level::Info,
        Level::Warn => log::Level::Warn,
        Level::Error => log::Level::Error,
    };
    crate::host::log(level, message);
}

/// Logs a formatted line for following every move.
#[macro_export]
macro_rules! trace {
    ($($arg:tt)+) => { $crate::log($crate::Level::Trace, &::std::format!($($arg)+)) };
}

/// Logs a formatted line for finding a mistake.
#[macro_export]
macro_rules! debug {
    ($($arg:tt)+) => { $crate::log($crate::Level::Debug, &::std::format!($($arg)+)) };
}

/// Logs a formatted line about what the step did.
#[macro_export]
macro_rules! info {
    ($($arg:tt)+) => { $crate::log($crate::Level::Info, &::std::format!($($arg)+)) };
}

/// Logs a formatted line about what should not have been so, and did no harm.
#[macro_export]
macro_rules! warn {
    ($($arg:tt)+) => { $crate::log($crate::Level::Warn, &::std::format!($($arg)+)) };
}

/// Logs a formatted line about what went wrong.
#[macro_export]
macro_rules! error {
    ($($arg:tt)+) => { $crate::log($crate::Level::Error, &::std::format!($($arg)+)) };
}
