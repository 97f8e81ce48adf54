//! Where a run and its steps stand, in the words that people are told.
//! Never decides: the same state always has the same status.

use super::{Outcome, Run, Timer, Undo};
use crate::id::{InstanceId, StepIndex};
use crate::pipeline::Effect;
use std::collections::BTreeSet;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunStatus {
    /// It goes forward.
    Running,
    /// It waits for a moment, a signal or an approval, and for nothing else.
    Waiting,
    /// It undoes what it did.
    RollingBack,
    /// All steps ended well.
    Completed,
    /// It turned back, and everything owed an undo has its outcome.
    RolledBack,
    /// It was cancelled, and everything owed an undo has its outcome, or its effects were kept.
    Cancelled,
    /// It needs a person.
    Stuck,
}

impl RunStatus {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Running,
        Self::Waiting,
        Self::RollingBack,
        Self::Completed,
        Self::RolledBack,
        Self::Cancelled,
        Self::Stuck,
    ];

    /// The word for it in the journal and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::RollingBack => "rolling-back",
            Self::Completed => "completed",
            Self::RolledBack => "rolled-back",
            Self::Cancelled => "cancelled",
            Self::Stuck => "stuck",
        }
    }

    /// Whether nothing can happen to the run any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::RolledBack | Self::Cancelled)
    }

    /// Whether the run has no further work for a host, as it stands.
    pub const fn rests(self) -> bool {
        self.is_final() || matches!(self, Self::Stuck)
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepStatus {
    /// It has not begun.
    Pending,
    /// An attempt is under way.
    Running,
    /// It waits for a moment, a signal or an approval.
    Waiting,
    /// A further attempt is due later.
    Retrying,
    /// Its result is recorded.
    Succeeded,
    /// It failed.
    Failed,
    /// Its `when` was false.
    Skipped,
    /// It is being undone.
    Compensating,
    /// It was undone.
    Compensated,
    /// It needs a person.
    Stuck,
}

impl StepStatus {
    /// The word for it on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Retrying => "retrying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Compensating => "compensating",
            Self::Compensated => "compensated",
            Self::Stuck => "stuck",
        }
    }
}

impl Run {
    /// Where the run stands.
    pub fn status(&self) -> RunStatus {
        if let Some(finished) = &self.finished {
            return finished.status;
        }
        let goes_on = !self.under_way.is_empty() || self.has_retry_ahead() || !self.undo.is_idle();
        if self.rollback.is_some() {
            let is_stuck = !goes_on && !self.stuck.is_empty();
            return if is_stuck { RunStatus::Stuck } else { RunStatus::RollingBack };
        }
        let begins = self.turn_wanted.is_none()
            && !self.cancel_keeping_effects
            && !self.is_out_of_budget()
            && (!self.ready.is_empty() || !self.open_maps.is_empty());
        if goes_on || begins {
            RunStatus::Running
        } else if !self.stuck.is_empty() || self.output_failure.is_some() || self.is_out_of_budget()
        {
            RunStatus::Stuck
        } else if !self.waiting.is_empty() {
            RunStatus::Waiting
        } else {
            RunStatus::Running
        }
    }

    fn has_retry_ahead(&self) -> bool {
        if self.turn_wanted.is_none() && !self.is_out_of_budget() {
            return self.retries > 0;
        }
        let mut timers = self.timers.iter();
        timers.any(|(_, timer)| matches!(timer, Timer::Retry(_)) && !self.is_held(*timer))
    }

    /// Where a step stands; of a map, where the whole stands.
    pub fn step_status(&self, step: StepIndex) -> StepStatus {
        let state = self.step_state(step);
        if state.map.is_none() {
            if state.waiting.is_some() && self.rollback.is_none() && self.finished.is_none() {
                return StepStatus::Waiting;
            }
            return self.instance_status(InstanceId::of(step));
        }
        let elements = self.instances_of(step).into_iter();
        let statuses: BTreeSet<StepStatus> =
            elements.map(|element| self.instance_status(element)).collect();
        self.map_status(step, &|wanted| statuses.contains(&wanted))
    }

    /// Where the whole of a map stands, by whether any of its elements stands so: for who keeps
    /// count of them.
    pub fn map_status(&self, step: StepIndex, any: &dyn Fn(StepStatus) -> bool) -> StepStatus {
        for first in [StepStatus::Stuck, StepStatus::Compensating, StepStatus::Running] {
            if any(first) {
                return first;
            }
        }
        let has_turned = self.rollback.is_some();
        if has_turned && any(StepStatus::Compensated) && !any(StepStatus::Succeeded) {
            return StepStatus::Compensated;
        }
        match self.step_state(step).whole.outcome {
            Some(Outcome::Succeeded) => StepStatus::Succeeded,
            // Cut off or dropped when the run turned back or ended.
            _ if has_turned || self.is_finished() => StepStatus::Failed,
            _ if any(StepStatus::Retrying) => StepStatus::Retrying,
            _ => StepStatus::Running,
        }
    }

    /// Where one instance stands.
    pub fn instance_status(&self, instance: InstanceId) -> StepStatus {
        let found = self.instance(instance);
        if found.stuck.is_some() {
            return StepStatus::Stuck;
        }
        let is_undoing = self.undo.is_active(instance);
        if is_undoing || self.undo.is_ready(instance, found.start_order) {
            return StepStatus::Compensating;
        }
        if found.under_way.is_some() {
            return StepStatus::Running;
        }
        if found.retry.is_some() && !self.is_finished() {
            return StepStatus::Retrying;
        }
        let was_undone = matches!(found.undo, Some(Undo::Compensated | Undo::Settled));
        match found.outcome {
            Some(Outcome::Succeeded) if was_undone => StepStatus::Compensated,
            Some(Outcome::Succeeded) => StepStatus::Succeeded,
            Some(Outcome::Skipped) => StepStatus::Skipped,
            Some(_) => StepStatus::Failed,
            None if was_undone => StepStatus::Compensated,
            // Cut off or dropped when the run turned back.
            None if found.has_started() => StepStatus::Failed,
            None => StepStatus::Pending,
        }
    }

    /// What may have had an effect that was not undone, in the order of the pipeline.
    pub fn effects_that_stay(&self) -> Vec<InstanceId> {
        let stays = |instance: &InstanceId| {
            let found = self.instance(*instance);
            let step = self.step_of(*instance);
            let may_have = step.calls_as(*instance) && step.effect != Effect::None;
            may_have && found.may_have_had_an_effect() && found.undo.is_none()
        };
        self.instances().into_iter().filter(stays).collect()
    }
}
