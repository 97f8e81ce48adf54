//! The faults of one run with its guests: drawn from a seed, each by the place where it strikes.
//! Owns their words and what they make of a call; never strikes by itself.

use piton_core::simulation::{Choose, Drawn};
use piton_core::{Draw, End, Failure, FailureKind, HostEnd, Phase, Reconciled};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// What goes wrong at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// The host dies at this append, counted from 1 over all its lives.
    Crash {
        append: u64,
        /// Whether the append is durable; the host never learns of it.
        is_durable: bool,
    },
    /// A call goes wrong.
    Call { step: String, phase: Phase, attempt: u32, kind: Kind },
}

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    ReplyLost,
    RateLimited,
    Slow,
    WrongJson,
    TrapBefore,
    TrapAfter,
    Refused,
}

impl Kind {
    /// A refusal ends a step for good, so only one of many is one.
    const DRAWN: [Self; 13] = [
        Self::ReplyLost,
        Self::ReplyLost,
        Self::RateLimited,
        Self::RateLimited,
        Self::Slow,
        Self::Slow,
        Self::WrongJson,
        Self::WrongJson,
        Self::TrapBefore,
        Self::TrapBefore,
        Self::TrapAfter,
        Self::TrapAfter,
        Self::Refused,
    ];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::ReplyLost => "reply-lost",
            Self::RateLimited => "429",
            Self::Slow => "slow",
            Self::WrongJson => "wrong-json",
            Self::TrapBefore => "trap-before",
            Self::TrapAfter => "trap-after",
            Self::Refused => "refused",
        }
    }

    /// Whether it strikes before the guest is called.
    pub(super) const fn is_before(self) -> bool {
        matches!(self, Self::RateLimited | Self::TrapBefore | Self::Refused)
    }

    /// How the call then ends.
    pub(super) fn end(self, phase: Phase) -> End {
        let by_host = |host_end| End::Host(host_end, "rehearsed".into());
        match (self, phase) {
            (Self::ReplyLost, Phase::Reconcile) => End::Reconciled(Reconciled::Unknown),
            (Self::ReplyLost, _) => failed(FailureKind::Unknown, "reply-lost"),
            (Self::RateLimited, _) => {
                failed(FailureKind::RetryAfter(Duration::from_millis(1)), "too-many-requests")
            }
            (Self::Slow, _) => by_host(HostEnd::TimedOut),
            (Self::WrongJson, _) => by_host(HostEnd::InvalidOutput),
            (Self::TrapBefore | Self::TrapAfter, _) => by_host(HostEnd::Trapped),
            (Self::Refused, _) => failed(FailureKind::Permanent, "refused"),
        }
    }
}

fn failed(kind: FailureKind, code: &str) -> End {
    let message = "rehearsed".into();
    End::Failed(Failure { kind, clean: false, code: code.into(), message, details: None })
}

impl Fault {
    /// The word for its kind.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Crash { .. } => "crash",
            Self::Call { kind, .. } => kind.word(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash { append, is_durable } => {
                let when = if *is_durable { "after" } else { "before" };
                write!(f, "the host dies {when} append {append}")
            }
            Self::Call { step, phase, attempt, kind } => {
                write!(f, "{step} {phase} {attempt}: {}", kind.word())
            }
        }
    }
}

/// What may strike one run.
#[derive(Debug, Clone, Default)]
pub(super) struct FaultPlan {
    seed: u64,
    /// How many calls in a thousand go wrong.
    failing: u32,
    crashes: Vec<(u64, bool)>,
    /// Where set, nothing but these.
    only: Option<BTreeSet<Fault>>,
}

impl FaultPlan {
    /// Draws the plan of a run of about this many calls.
    pub(super) fn draw(seed: u64, calls: usize) -> Self {
        let mut choose = Drawn::new(seed);
        let failing = [0, 100, 300][choose.pick(3)];
        let crashes = choose.pick(3);
        let appends = 2 * calls + 2;
        let crashes =
            (0..crashes).map(|_| (1 + choose.pick(appends) as u64, choose.happens(500))).collect();
        Self { seed, failing, crashes, only: None }
    }

    /// The same plan, with nothing but these faults.
    pub(super) fn only(&self, faults: BTreeSet<Fault>) -> Self {
        Self { only: Some(faults), ..self.clone() }
    }

    /// What strikes at this append.
    pub(super) fn at_append(&self, append: u64) -> Option<Fault> {
        let found = self.crashes.iter().find(|(at, _)| *at == append);
        self.allowed(found.map(|(_, is_durable)| Fault::Crash { append, is_durable: *is_durable }))
    }

    /// What strikes at this call. The same call meets the same fault, whatever came before.
    pub(super) fn at_call(&self, step: &str, phase: Phase, attempt: u32) -> Option<Fault> {
        let mut draw = Draw(self.seed).nth(phase as u64).nth(u64::from(attempt));
        for byte in step.bytes() {
            draw = draw.nth(u64::from(byte));
        }
        let mut choose = Drawn::new(draw.0);
        if !choose.happens(self.failing) {
            return None;
        }
        let kind = Kind::DRAWN[choose.pick(Kind::DRAWN.len())];
        // Only work is refused for good: an undo or a question that is would need a person.
        let kind = if phase == Phase::Execute || kind != Kind::Refused { kind } else { Kind::Slow };
        self.allowed(Some(Fault::Call { step: step.into(), phase, attempt, kind }))
    }

    fn allowed(&self, fault: Option<Fault>) -> Option<Fault> {
        fault.filter(|fault| self.only.as_ref().is_none_or(|only| only.contains(fault)))
    }
}
