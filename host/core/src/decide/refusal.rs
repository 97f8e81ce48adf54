//! Why an input changes nothing, in words for people.

use crate::run::RunStatus;
use std::fmt;

/// Why an input changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The run is over.
    Finished(RunStatus),
    /// The run has not begun.
    NotStarted,
    /// The run has begun.
    AlreadyStarted,
    /// The run is already turning back.
    RollingBack,
    /// A pivot's result is recorded.
    PastPivot,
    /// The run is already being cancelled.
    Cancelling,
    /// The attempt is not the one under way: it was dropped, and its end no longer counts.
    StaleAttempt,
    /// Nothing of it is stuck.
    NotStuck,
    /// Its outcome is unknown: it must be settled before it may be repeated.
    MustBeSettled,
    /// It has not turned back: it cannot be settled as undone.
    NotRollingBack,
    /// A call of it is under way.
    UnderWay,
    /// There is nothing to settle: its outcome is known.
    NothingToSettle,
    /// The node does not wait for an approval.
    NotAwaitingApproval,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Finished(status) => return write!(f, "the run is over ({})", status.word()),
            Self::NotStarted => "the run has not begun",
            Self::AlreadyStarted => "the run has already begun",
            Self::RollingBack => "the run is already rolling back",
            Self::PastPivot => {
                "the run is past its pivot and can only go forward; \
                 `piton cancel --keep` ends it and keeps its effects"
            }
            Self::Cancelling => "the run is already being cancelled",
            Self::StaleAttempt => "the attempt is no longer the one under way",
            Self::NotStuck => "nothing there is stuck",
            Self::MustBeSettled => {
                "its outcome is unknown, so repeating it might do it twice; \
                 find out what became of it and say so with `piton settle`"
            }
            Self::NotRollingBack => {
                "the run is not rolling back, so nothing is undone yet; \
                 settle it as `done` or `not-done`, or begin with `piton rollback`"
            }
            Self::UnderWay => "a call of it is under way",
            Self::NothingToSettle => "there is nothing to settle: what became of it is known",
            Self::NotAwaitingApproval => "it does not wait for an approval",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Refusal {}
