//! What can be wrong at the end of a story.
//! Only data and its text.

use crate::checker::{Rule, Violation};
use std::fmt;

/// A story that went wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    /// A rule of recovery is broken.
    Broken(Violation),
    /// The journal does not fold, or folds into another state than the live one.
    Fold(String),
    /// Nothing will happen, nobody is asked, and yet the run is not over.
    DeadEnd(String),
    /// The run goes on and on.
    Endless,
    /// The run wants to be woken at a time that has passed.
    Spins(String),
    /// The status says something else than what goes on.
    Status(String),
    /// A refused input has changed the run.
    RefusedButChanged(String),
    /// What the run says stays is not what stays.
    Stays(String),
}

impl Problem {
    /// The rule that is broken, where it is one of the checker's.
    pub const fn rule(&self) -> Option<Rule> {
        match self {
            Self::Broken(violation) => Some(violation.rule),
            _ => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(violation) => violation.fmt(f),
            Self::Fold(what) => write!(f, "the journal does not give the live state: {what}"),
            Self::DeadEnd(what) => write!(f, "the run is at a dead end: {what}"),
            Self::Endless => f.write_str("the run does not come to an end"),
            Self::Spins(what) => write!(f, "the run would be woken for nothing: {what}"),
            Self::Status(what) => write!(f, "the status is wrong: {what}"),
            Self::RefusedButChanged(what) => write!(f, "a refused input changed the run: {what}"),
            Self::Stays(what) => write!(f, "what stays is told wrong: {what}"),
        }
    }
}
