//! The ways in which a step can end badly, and what its calls answer then.
//! Owns their words, which the JSON document uses; never knows what follows.

use piton_core::{Call, End, Failure, FailureKind, HostEnd, Json, Phase, Reconciled, Step};
use serde::{Serialize, Serializer};

/// How a step ends badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The guest gives up; it may have had its effect.
    Permanent,
    /// The guest gives up, and says that it has had no effect.
    PermanentClean,
    /// Every attempt asks for another, until none is left.
    Exhausted,
    /// The reply to the first attempt is lost after its effect; all else is well.
    ReplyLost,
    /// No attempt can know its outcome, nor can `reconcile`.
    Unknown,
    /// Every attempt takes too long, and has had no effect where it can be asked.
    TimedOut,
    /// Every attempt traps, and has had no effect where it can be asked.
    Trapped,
    /// The host dies with every attempt.
    HostLost,
    /// Somebody cancels the run during the first attempt.
    Cancelled,
    /// Its `when` is false.
    Skipped,
    /// It is undone, and its undo gives up.
    UndoFails,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Permanent,
        Self::PermanentClean,
        Self::Exhausted,
        Self::ReplyLost,
        Self::Unknown,
        Self::TimedOut,
        Self::Trapped,
        Self::HostLost,
        Self::Cancelled,
        Self::Skipped,
        Self::UndoFails,
    ];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::PermanentClean => "permanent-clean",
            Self::Exhausted => "exhausted",
            Self::ReplyLost => "reply-lost",
            Self::Unknown => "unknown",
            Self::TimedOut => "timed-out",
            Self::Trapped => "trapped",
            Self::HostLost => "host-lost",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::UndoFails => "undo-fails",
        }
    }

    /// Whether the step can end so at all.
    pub(super) fn fits(self, step: &Step) -> bool {
        match self {
            Self::Skipped => step.has_when,
            Self::UndoFails => step.may_owe_an_undo(),
            _ => true,
        }
    }

    /// How a call of the step that this is about ends.
    pub(super) fn end(self, call: &Call) -> End {
        match (call.phase, self) {
            (Phase::Execute, _) => self.end_of_execute(call.attempt),
            (Phase::Reconcile, Self::Unknown) => End::Reconciled(Reconciled::Unknown),
            (Phase::Reconcile, Self::ReplyLost | Self::Cancelled | Self::UndoFails) => {
                End::Reconciled(Reconciled::Done(Json::null()))
            }
            (Phase::Reconcile, _) => End::Reconciled(Reconciled::NotDone),
            (Phase::Compensate, Self::UndoFails) => failed(FailureKind::Permanent, false),
            (Phase::Compensate, _) => End::Succeeded(None),
        }
    }

    fn end_of_execute(self, attempt: u32) -> End {
        let host = |host_end: HostEnd| End::Host(host_end, String::new());
        match self {
            Self::Permanent => failed(FailureKind::Permanent, false),
            Self::PermanentClean => failed(FailureKind::Permanent, true),
            Self::Exhausted => failed(FailureKind::Retryable, false),
            Self::ReplyLost if attempt == 1 => failed(FailureKind::Unknown, false),
            Self::Unknown => failed(FailureKind::Unknown, false),
            Self::TimedOut => host(HostEnd::TimedOut),
            Self::Trapped => host(HostEnd::Trapped),
            Self::HostLost => host(HostEnd::Lost),
            Self::ReplyLost | Self::Cancelled | Self::Skipped | Self::UndoFails => {
                End::Succeeded(Some(Json::null()))
            }
        }
    }
}

impl Serialize for Way {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

fn failed(kind: FailureKind, clean: bool) -> End {
    let (code, message) = ("foreseen".into(), "as foreseen".into());
    End::Failed(Failure { kind, clean, code, message, details: None })
}
