//! What those who follow a run are told while it goes on.
//! Text only: the same updates go over the socket. Never more than what is durable, progress aside.

use super::document::{StepSummary, Summary};
use super::shared::HostFailure;
use piton_core::RunStatus;
use serde::{Deserialize, Serialize};

/// Something to tell about a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Update {
    /// An event became true.
    Event {
        /// Its number in the run, from 1.
        seq: u64,
        /// When, in milliseconds since the epoch.
        at_ms: u64,
        /// The event in its stored form.
        event: serde_json::Value,
    },
    /// Where the run stands, all of it: told first, and where more became true than of single steps.
    Stands(Box<Summary>),
    /// Steps stand otherwise than was told before; all others as they did.
    Changed(Vec<ChangedStep>),
    /// How far a call is.
    Progress {
        /// The step, `name` or `name[3]`.
        step: String,
        /// How much is done.
        done: u64,
        /// Of how much, if that is known.
        total: Option<u64>,
        /// What it is doing. Text from a stranger.
        message: String,
    },
    /// The run has no further work for a host: it ended, is stuck, or waits.
    Rests(Box<Summary>),
    /// The host leaves; the run goes on when it is resumed.
    Left(Box<Summary>),
    /// The host cannot go on.
    HostFailed(HostFailure),
}

impl Update {
    /// The last word on a run that nobody carries: it rests, or goes on when somebody takes it up.
    pub(super) fn of_uncarried(summary: Box<Summary>) -> Self {
        let mut statuses = RunStatus::ALL.into_iter();
        let status = statuses.find(|status| status.word() == summary.status);
        let rests = status.is_some_and(RunStatus::rests);
        if rests { Self::Rests(summary) } else { Self::Left(summary) }
    }
}

/// A step that stands otherwise than before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChangedStep {
    /// Its place in [`Summary::steps`].
    pub index: usize,
    /// How it stands now. Without its output: that is in the next [`Summary`].
    pub step: StepSummary,
}
