//! What events change of what followers were told: the steps that they are about, and hardly others, so
//! that telling of one event costs the same in a run of ten steps and of ten thousand.
//! Never decides where a step stands.

use super::document::{map_summary, plain_step_summary};
use super::tally::Tally;
use super::update::ChangedStep;
use piton_core::{Event, InstanceId, Run, StepIndex};
use std::collections::{BTreeMap, BTreeSet};

/// What to tell.
pub(super) enum Change {
    /// Any step may stand otherwise.
    Everything,
    /// Only these do.
    Steps(Vec<ChangedStep>),
}

/// Finds out what changed. Keeps the counts of maps meanwhile.
#[derive(Default)]
pub(super) struct Changes {
    maps: BTreeMap<StepIndex, Tally>,
}

impl Changes {
    /// Forgets all counts: events will become true that it does not hear of.
    pub(super) fn forget(&mut self) {
        self.maps.clear();
    }

    /// What these events, which the run has just taken in, have changed.
    pub(super) fn after(&mut self, run: &Run, events: &[Event]) -> Change {
        if events.iter().any(changes_everything) {
            self.forget();
            return Change::Everything;
        }
        let touched: BTreeSet<InstanceId> = events.iter().filter_map(Event::instance).collect();
        for InstanceId { step, element } in &touched {
            if let (Some(tally), Some(element)) = (self.maps.get_mut(step), element) {
                tally.recount(run, *step, *element);
            }
        }
        let mut steps: BTreeSet<StepIndex> = touched.iter().map(|instance| instance.step).collect();
        // No event names what may now be undone because a later step has been.
        for freed in steps.clone().into_iter().flat_map(|step| run.freed_by(step)) {
            self.maps.remove(&freed);
            steps.insert(freed);
        }
        Change::Steps(steps.into_iter().map(|step| self.changed(run, step)).collect())
    }

    fn changed(&mut self, run: &Run, step: StepIndex) -> ChangedStep {
        if !self.maps.contains_key(&step)
            && let Some(tally) = Tally::of(run, step)
        {
            self.maps.insert(step, tally);
        }
        let summary = match self.maps.get(&step) {
            Some(tally) => map_summary(run, step, tally),
            None => plain_step_summary(run, step),
        };
        ChangedStep { index: step.0 as usize, step: summary }
    }
}

/// Whether an event may change where steps stand that it does not name.
const fn changes_everything(event: &Event) -> bool {
    match event {
        Event::RunStarted { .. }
        | Event::TurnRequested { .. }
        | Event::TurnRefused
        | Event::RollbackStarted { .. }
        | Event::CancelRequested { .. }
        | Event::RetryRequested { .. }
        | Event::BudgetUsedUp { .. }
        | Event::BudgetRenewed { .. }
        | Event::OutputFailed { .. } => true,
        // The whole follows an end by itself: the run rests.
        Event::RunFinished { .. } | Event::BudgetWarned { .. } | Event::SignalReceived { .. } => {
            false
        }
        Event::AttemptStarted { .. }
        | Event::MemoRemembered { .. }
        | Event::AttemptEnded { .. }
        | Event::RetryScheduled { .. }
        | Event::StepSkipped { .. }
        | Event::MapStarted { .. }
        | Event::MapEnded { .. }
        | Event::WaitStarted { .. }
        | Event::WaitEnded { .. }
        | Event::StepFailed { .. }
        | Event::StepStuck { .. }
        | Event::UndoNotNeeded { .. }
        | Event::Settled { .. } => false,
    }
}

#[cfg(test)]
mod tests;
