//! How an attempt ends, in the words of the journal.
//! Says what an end is, never what follows from it: that is `decide`'s.

use crate::value::Json;
use std::time::Duration;

/// The end of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The guest returned: `execute` with an output, `compensate` with none.
    Succeeded(Option<Json>),
    /// `reconcile` returned what became of the call it was asked about.
    Reconciled(Reconciled),
    /// The guest returned a failure.
    Failed(Failure),
    /// The host ended the attempt, or lost it. The text says more, for people.
    Host(HostEnd, String),
}

/// What `reconcile` found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reconciled {
    /// It happened; this is its output.
    Done(Json),
    /// It never happened, and will not.
    NotDone,
    /// It cannot be known.
    Unknown,
}

/// A failed call, as its guest tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the host may do next.
    pub kind: FailureKind,
    /// Whether the step knows that no attempt of this phase has had any effect.
    pub clean: bool,
    /// A short stable word for programs.
    pub code: String,
    /// One or two sentences for people.
    pub message: String,
    /// More for programs.
    pub details: Option<Json>,
}

/// What a guest says about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// A later attempt may succeed.
    Retryable,
    /// As `Retryable`, but not before this much time has passed.
    RetryAfter(Duration),
    /// No later attempt can succeed.
    Permanent,
    /// The step cannot know whether its effect happened.
    Unknown,
}

/// Why the host ended an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostEnd {
    /// The attempt's wall time was up.
    TimedOut,
    /// The host died, or lost its lease, while the attempt was under way.
    Lost,
    /// The run turned back and did not wait for the attempt.
    Interrupted,
    /// The guest trapped.
    Trapped,
    /// The guest used up its instructions.
    OutOfFuel,
    /// The guest wanted more memory or table space than it may have.
    OutOfMemory,
    /// The guest's calls nested too deep.
    StackOverflow,
    /// The guest returned what is no JSON, is too large, or is against its schema.
    InvalidOutput,
    /// The guest wanted what the manifest does not grant, or did what the host forbids.
    Denied,
}

impl HostEnd {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::TimedOut,
        Self::Lost,
        Self::Interrupted,
        Self::Trapped,
        Self::OutOfFuel,
        Self::OutOfMemory,
        Self::StackOverflow,
        Self::InvalidOutput,
        Self::Denied,
    ];

    /// The word for it in the journal, in retry rules and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TimedOut => "timed-out",
            Self::Lost => "lost",
            Self::Interrupted => "interrupted",
            Self::Trapped => "trapped",
            Self::OutOfFuel => "out-of-fuel",
            Self::OutOfMemory => "out-of-memory",
            Self::StackOverflow => "stack-overflow",
            Self::InvalidOutput => "invalid-output",
            Self::Denied => "denied",
        }
    }

    /// Whether the outcome of the call is unknown: it was cut off, whatever it was doing.
    pub const fn is_unknown(self) -> bool {
        matches!(self, Self::TimedOut | Self::Lost | Self::Interrupted)
    }

    /// Whether the same input and limits would end the same way again.
    pub const fn is_fault(self) -> bool {
        matches!(self, Self::Trapped | Self::OutOfFuel | Self::OutOfMemory | Self::StackOverflow)
    }
}

impl FailureKind {
    /// The word for it in the journal and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Retryable => "retryable",
            Self::RetryAfter(_) => "retry-after",
            Self::Permanent => "permanent",
            Self::Unknown => "unknown",
        }
    }
}

impl End {
    /// The word for it in the journal and on the command line.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Succeeded(_) => "succeeded",
            Self::Reconciled(Reconciled::Done(_)) => "done",
            Self::Reconciled(Reconciled::NotDone) => "not-done",
            Self::Reconciled(Reconciled::Unknown) => "unknown",
            Self::Failed(failure) => failure.kind.word(),
            Self::Host(host_end, _) => host_end.word(),
        }
    }

    /// What retry rules match against: the guest's code, or the host's word.
    pub fn code(&self) -> &str {
        match self {
            Self::Failed(failure) => &failure.code,
            other => other.word(),
        }
    }

    /// The text for people; empty where the attempt succeeded.
    pub fn message(&self) -> &str {
        match self {
            Self::Failed(failure) => &failure.message,
            Self::Host(_, message) => message,
            Self::Succeeded(_) | Self::Reconciled(_) => "",
        }
    }
}
