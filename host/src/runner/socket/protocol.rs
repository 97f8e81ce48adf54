//! What is asked of a host and what it answers: one JSON line each. Following a run is answered by
//! a line for each update.
//! Both sides are the same version of piton by the user's own hand; there is no older one to know.

use crate::runner::HostFailure;
use crate::runner::backup::{Backup, Progress};
use crate::runner::cost::Cost;
use crate::runner::document::{EventDocument, LogDocument, RowDocument, Summary, Verification};
use crate::runner::explain::Explanation;
use crate::runner::prune::{PruneOrder, Pruning};
use crate::runner::update::Update;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A question, or something to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Starts a run, or finds the one that its key started.
    Run {
        /// The manifest's path, absolute.
        manifest: PathBuf,
        /// The input's JSON text.
        input: String,
        /// What `--key` says.
        key: Option<String>,
        /// How complaints about the manifest are drawn.
        look: Look,
        /// Whether it is only recorded where the asking process itself would carry it.
        detach: bool,
    },
    /// Goes on with runs; none named: with all that can go on by themselves.
    Resume {
        /// Ids, or beginnings of ids.
        runs: Vec<String>,
    },
    /// Lists runs.
    Rows(RowFilter),
    /// Lists the runs to which something can still happen, oldest first.
    Unfinished,
    /// Where a run stands.
    Show {
        /// An id, the beginning of one, or `last`.
        run: String,
    },
    /// Why a run stands where it stands.
    Explain {
        /// An id, the beginning of one, or `last`.
        run: String,
    },
    /// The events of a run.
    Events {
        /// An id, the beginning of one, or `last`.
        run: String,
    },
    /// The log lines of a run.
    Logs {
        /// An id, the beginning of one, or `last`.
        run: String,
        /// Of this step only.
        step: Option<String>,
    },
    /// What runs have spent.
    Cost {
        /// An id, the beginning of one, or `last`; none: all runs that the rest lets through.
        run: Option<String>,
        /// Only those of this pipeline.
        pipeline: Option<String>,
        /// Only those that started then or later, in milliseconds since the epoch.
        since_ms: u64,
        /// Whether to tell each payment.
        payments: bool,
    },
    /// Checks everything that is kept.
    Verify,
    /// Backs everything up. Answered by lines of progress before the last.
    Backup {
        /// The file, absolute.
        file: PathBuf,
        /// Whether a file that is there is replaced.
        force: bool,
    },
    /// Removes what ended long ago.
    Prune(PruneOrder),
    /// Does something to a run.
    Act {
        /// An id, the beginning of one, or `last`.
        run: String,
        /// What.
        act: Act,
    },
    /// Follows a run until it rests.
    Follow {
        /// An id.
        run: String,
    },
}

impl Ask {
    /// Whether steps may be called for it.
    pub const fn may_start_attempts(&self) -> bool {
        matches!(self, Self::Run { .. } | Self::Resume { .. } | Self::Act { .. })
    }

    /// Whether asking it twice is the same as asking it once.
    pub const fn may_be_repeated(&self) -> bool {
        match self {
            Self::Run { key, .. } => key.is_some(),
            Self::Act { .. } => false,
            _ => true,
        }
    }
}

/// How text for people is to look.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Look {
    /// Whether with colours.
    pub color: bool,
    /// Columns.
    pub width: usize,
}

/// Which runs to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RowFilter {
    /// Only those that stand so: a status's word.
    pub status: Option<String>,
    /// Only those of this pipeline.
    pub pipeline: Option<String>,
    /// At most this many.
    pub limit: usize,
}

/// Something to do to a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Stops and undoes it.
    Cancel {
        /// Keeps its effects instead.
        keep: bool,
    },
    /// Undoes it.
    RollBack,
    /// Tries again what is stuck.
    Retry {
        /// Only this step.
        step: Option<String>,
    },
    /// Records what a person found out or did.
    Settle {
        /// The step, `name` or `name[3]`.
        step: String,
        /// `done`, `not-done` or `undone`.
        settlement: String,
        /// The output of a step that is settled as done.
        output: String,
        /// Why.
        because: String,
    },
    /// Answers an approval.
    Approve {
        /// The node.
        step: String,
        /// Yes or no.
        approved: bool,
        /// Why.
        because: String,
    },
    /// Sends a signal.
    Signal {
        /// Its name.
        name: String,
        /// What comes with it: JSON.
        data: String,
    },
}

/// An answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// A run was started, or found.
    Started {
        /// Its id.
        run: String,
        /// False where its key had started it before.
        is_new: bool,
        /// Remarks about its manifest, drawn.
        remarks: String,
    },
    /// These runs go on.
    Resumed {
        /// Their ids.
        runs: Vec<String>,
    },
    /// Runs, newest first.
    Rows(Vec<RowDocument>),
    /// Where a run stands.
    Summary(Box<Summary>),
    /// Why a run stands where it stands.
    Explanation(Explanation),
    /// A run's events.
    Events(Vec<EventDocument>),
    /// A run's log lines.
    Logs(Vec<LogDocument>),
    /// What runs have spent.
    Cost(Box<Cost>),
    /// What was checked, and what is wrong.
    Verified(Verification),
    /// How far it is; a further answer follows.
    Progress(Progress),
    /// What was backed up.
    BackedUp(Backup),
    /// What was removed, and what was kept.
    Pruned(Pruning),
    /// It is done, and recorded.
    Done {
        /// The run.
        run: String,
    },
    /// Something new about a run that is followed.
    Update(Box<Update>),
    /// It is not done: this process is about to go and would not carry on with it. Whoever holds the
    /// directory next is to be asked.
    Leaving,
    /// It was refused.
    Refused(Refused),
}

/// Why something was refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refused {
    /// What happened: a fragment, or, if `is_drawn`, whole lines as they are to be shown.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Whether `message` is drawn.
    pub is_drawn: bool,
    /// Whether the host could not go on, rather than the user having made a mistake.
    pub is_of_host: bool,
}

impl From<HostFailure> for Refused {
    fn from(failure: HostFailure) -> Self {
        Self::of_host(failure.message, failure.hint)
    }
}

impl Refused {
    /// The user's mistake.
    pub fn mistake(message: impl Into<String>, hint: Option<String>) -> Self {
        Self { message: message.into(), hint, is_drawn: false, is_of_host: false }
    }

    /// The host's failure.
    pub fn of_host(message: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into()).filter(|hint: &String| !hint.is_empty());
        Self { message: message.into(), hint, is_drawn: false, is_of_host: true }
    }
}
