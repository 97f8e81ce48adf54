//! The fold: how each event changes the state of a run.
//! Checks that an event fits the state it meets; never decides what should follow from it.

mod attempts;
mod flow;
mod money;
mod people;
mod turning;

use super::{Instance, MapState, Outcome, Retry, Run, Started, Timer, UnderWay, Undo};
use crate::event::Event;
use crate::id::{InstanceId, Phase, StepIndex};
use crate::value::Timestamp;
use std::fmt;

/// An event that cannot be true of the run it is applied to: a damaged journal, or a bug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyError {
    /// The event's word.
    pub event: &'static str,
    /// Its sequence number in the run, from 0.
    pub seq: u64,
    /// What it contradicts.
    pub reason: &'static str,
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {} (`{}`) does not fit its run: {}", self.seq, self.event, self.reason)
    }
}

impl std::error::Error for ApplyError {}

type Fits = Result<(), &'static str>;

fn require(fits: bool, reason: &'static str) -> Fits {
    if fits { Ok(()) } else { Err(reason) }
}

impl Run {
    /// Takes an event, recorded at `at`, into the state.
    ///
    /// # Errors
    /// [`ApplyError`] where the event contradicts the state. The state is then not to be used.
    pub fn apply(&mut self, at: Timestamp, event: &Event) -> Result<(), ApplyError> {
        let seq = self.next_seq;
        self.take_in(at, event).map_err(|reason| ApplyError {
            event: event.word(),
            seq,
            reason,
        })?;
        self.next_seq += 1;
        self.last_at = at;
        Ok(())
    }

    fn take_in(&mut self, at: Timestamp, event: &Event) -> Fits {
        let is_first = matches!(event, Event::RunStarted { .. });
        require(is_first != self.is_started(), "a run begins once, with its first event")?;
        require(!self.is_finished(), "the run is over")?;
        let is_known = event.instance().is_none_or(|instance| self.find(instance).is_some());
        require(is_known, "the run has no such step or element")?;
        match event {
            Event::RunStarted { manifest, folder, components, input, key, pipeline: _ } => {
                let started = Started {
                    at,
                    manifest: *manifest,
                    folder: folder.clone(),
                    components: components.clone(),
                    input: input.clone(),
                    key: key.clone(),
                };
                self.run_started(started)
            }
            Event::AttemptStarted {
                instance, phase, attempt, input_hash, key, deadline, ..
            } => {
                let (attempt, deadline, key) = (*attempt, *deadline, *key);
                let under_way = UnderWay { phase: *phase, attempt, started_at: at, deadline, key };
                self.attempt_started(*instance, under_way, *input_hash)
            }
            Event::MemoRemembered { instance, phase, attempt, key, value, usage } => {
                self.check_under_way(*instance, *phase, *attempt)?;
                let found = self.instance_mut(*instance)?;
                if found.memos.contains_key(key) {
                    found.attempt_usage.add_all(usage);
                } else {
                    found.memos.insert(key.clone(), value.clone());
                    found.attempt_remembered.add_all(usage);
                }
                self.count_against_budget(usage);
                Ok(())
            }
            Event::AttemptEnded { instance, phase, attempt, end, usage, .. } => {
                self.check_under_way(*instance, *phase, *attempt)?;
                self.count_against_budget(usage);
                self.attempt_ended(*instance, *phase, end, usage)
            }
            Event::RetryScheduled { instance, phase, attempt, due, delay, .. } => {
                let retry = Retry { phase: *phase, attempt: *attempt, due: *due, delay: *delay };
                self.retry_scheduled(*instance, retry)
            }
            Event::StepSkipped { step } => {
                self.begin(*step)?;
                self.end_well(InstanceId::of(*step), Outcome::Skipped)
            }
            Event::MapStarted { step, items } => self.map_started(*step, items),
            Event::MapEnded { step, output } => {
                self.instance_mut(InstanceId::of(*step))?.output = Some(output.clone());
                self.end_well(InstanceId::of(*step), Outcome::Succeeded)
            }
            Event::WaitStarted { step, until } => self.wait_started(*step, *until),
            Event::WaitEnded { step, output } => self.wait_ended(*step, output),
            Event::SignalReceived { name, data, .. } => {
                self.signals.receive(name, data.clone());
                Ok(())
            }
            Event::StepFailed { instance, failure, verdict } => {
                self.step_failed(*instance, failure, *verdict)
            }
            Event::StepStuck { instance, phase, failure } => {
                self.step_stuck(*instance, *phase, failure)
            }
            Event::TurnRequested { cause } => {
                self.turn_wanted = Some(cause.clone());
                Ok(())
            }
            Event::TurnRefused => {
                require(self.turn_wanted.take().is_some(), "no turn was requested")
            }
            Event::RollbackStarted { cause } => self.rollback_started(cause),
            Event::UndoNotNeeded { instance } => {
                require(
                    self.rollback.is_some() || self.is_tolerated(*instance)?,
                    "nothing is undone",
                )?;
                self.undo_ended(*instance, Undo::NotNeeded)
            }
            Event::Settled { instance, settlement, .. } => self.settled(*instance, settlement),
            Event::RetryRequested { instance, .. } => self.retry_requested(*instance),
            Event::CancelRequested { .. } => {
                self.cancel_keeping_effects = true;
                Ok(())
            }
            Event::BudgetWarned { unit, .. } => self.budget_warned(unit),
            Event::BudgetUsedUp { unit, .. } => self.budget_used_up(unit),
            Event::BudgetRenewed { .. } => self.budget_renewed(),
            Event::OutputFailed { message } => {
                self.output_failure = Some(message.clone());
                Ok(())
            }
            Event::RunFinished { status, output } => self.run_finished(at, *status, output),
        }
    }

    fn run_started(&mut self, started: Started) -> Fits {
        let fits = started.components.len() == self.pipeline.steps.len();
        require(fits, "it names components for another pipeline")?;
        if let Some(deadline) = self.pipeline.deadline_from(started.at) {
            self.timers.insert((deadline, Timer::Deadline));
        }
        self.started = Some(started);
        let first = self.pipeline.indexes().filter(|step| self.step_state(*step).unmet == 0);
        self.ready = first.collect();
        Ok(())
    }

    /// Brings the indexes up to date with what an event has changed about an instance.
    fn touch(&mut self, instance: InstanceId) -> Fits {
        if self.pipeline.step(instance.step).pivot {
            if self.is_open_pivot(instance) {
                self.open_pivots.insert(instance);
            } else {
                self.open_pivots.remove(&instance);
            }
        }
        if self.rollback.is_some() || self.is_tolerated(instance)? {
            self.refresh_undo(instance);
        }
        Ok(())
    }

    fn is_tolerated(&self, instance: InstanceId) -> Result<bool, &'static str> {
        let found = self.find(instance).ok_or("the run has no such instance")?;
        Ok(found.outcome == Some(Outcome::Tolerated))
    }

    fn check_under_way(&self, instance: InstanceId, phase: Phase, attempt: u32) -> Fits {
        let found = self.find(instance).ok_or("the run has no such instance")?;
        let fits = (found.under_way.as_ref())
            .is_some_and(|under_way| under_way.phase == phase && under_way.attempt == attempt);
        require(fits, "that attempt is not under way")
    }

    fn instance_mut(&mut self, instance: InstanceId) -> Result<&mut Instance, &'static str> {
        let state = self.steps.get_mut(instance.step.0 as usize);
        let state = state.ok_or("the run has no such step")?;
        let found = match (instance.element, &mut state.map) {
            (None, _) => Some(&mut state.whole),
            (Some(element), Some(map)) => map.elements.get_mut(element as usize),
            (Some(_), None) => None,
        };
        found.ok_or("the run has no such element")
    }

    fn map_mut(&mut self, step: StepIndex) -> Result<&mut MapState, &'static str> {
        self.steps[step.0 as usize].map.as_mut().ok_or("the step is no map")
    }
}

#[cfg(test)]
mod tests;
