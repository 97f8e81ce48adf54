//! Failing, turning back, and the end of the run.
//! The order of undoing is kept beside it; never picks what is undone next.

use super::{Fits, require};
use crate::end::{End, Failure, FailureKind};
use crate::event::{Cause, StepFailure, Verdict};
use crate::id::{InstanceId, Phase, StepIndex};
use crate::run::{Finished, Outcome, Run, RunStatus, Timer, Undo};
use crate::value::{Json, Timestamp};

impl Run {
    pub(super) fn step_failed(
        &mut self,
        instance: InstanceId,
        failure: &StepFailure,
        verdict: Verdict,
    ) -> Fits {
        if self.step_state(instance.step).waiting.is_some() {
            self.stop_waiting(instance.step)?;
        }
        self.ready.remove(&instance.step);
        self.begin_if_new_element(instance)?;
        self.drop_retry(instance)?;
        self.instance_mut(instance)?.failure = Some(failure.clone());
        match verdict {
            Verdict::TurnBack => {
                // An element keeps its place in the map: should the run not turn after all, it is
                // stuck there.
                self.instance_mut(instance)?.outcome = Some(Outcome::Failed);
                self.failed.insert(instance);
                self.failure = Some((instance, Phase::Execute, failure.clone()));
                Ok(())
            }
            Verdict::GoOn => {
                if instance.element.is_some() {
                    self.map_mut(instance.step)?.failed += 1;
                }
                self.end_well(instance, Outcome::FailedOnwards)
            }
            Verdict::Tolerated => {
                let is_owed = self.is_owed_an_undo(instance);
                let map = self.map_mut(instance.step)?;
                map.failed += 1;
                map.undoing += u32::from(is_owed);
                self.end_well(instance, Outcome::Tolerated)?;
                self.refresh_undo(instance);
                Ok(())
            }
        }
    }

    pub(super) fn step_stuck(
        &mut self,
        instance: InstanceId,
        phase: Phase,
        failure: &StepFailure,
    ) -> Fits {
        if self.step_state(instance.step).waiting.is_some() {
            self.stop_waiting(instance.step)?;
        }
        self.ready.remove(&instance.step);
        self.begin_if_new_element(instance)?;
        self.drop_retry(instance)?;
        let found = self.instance_mut(instance)?;
        require(found.under_way.is_none(), "an attempt is under way")?;
        found.stuck = Some(phase);
        found.failure = Some(failure.clone());
        // A step whose failure was to turn the run back, had a pivot not been reached meanwhile.
        if found.outcome == Some(Outcome::Failed) && self.rollback.is_none() {
            self.instance_mut(instance)?.outcome = None;
            self.failed.remove(&instance);
        }
        self.stuck.insert(instance);
        if self.rollback.is_none() {
            self.failure = Some((instance, phase, failure.clone()));
        }
        self.touch(instance)
    }

    pub(super) fn rollback_started(&mut self, cause: &Cause) -> Fits {
        require(self.rollback.is_none(), "a run turns back once")?;
        require(!self.pivot_passed, "behind a pivot a run only goes forward")?;
        require(!self.is_pivot_undecided(), "a pivot's outcome is open")?;
        let dropped: Vec<InstanceId> = (self.timers.iter())
            .filter_map(|(_, timer)| match timer {
                Timer::Retry(instance) => Some(*instance),
                Timer::Wait(_) | Timer::Deadline => None,
            })
            .filter(|instance| !self.undo.is_active(*instance))
            .collect();
        for instance in dropped {
            self.drop_retry(instance)?;
        }
        let waiting: Vec<StepIndex> = self.waiting.iter().copied().collect();
        for step in waiting {
            self.stop_waiting(step)?;
        }
        self.drop_deadline();
        self.ready.clear();
        self.open_maps.clear();
        self.failed.clear();
        let stuck_forward: Vec<InstanceId> = (self.stuck.iter().copied())
            .filter(|instance| self.instance(*instance).outcome != Some(Outcome::Tolerated))
            .collect();
        for instance in stuck_forward {
            self.instance_mut(instance)?.stuck = None;
            self.stuck.remove(&instance);
        }
        if let Cause::StepFailed(instance) = cause {
            self.turn_failure = Some(self.failure_of(*instance));
        }
        self.turn_wanted = None;
        self.rollback = Some(cause.clone());
        self.begin_undo_order();
        Ok(())
    }

    /// The failure that made the run turn back, in the shape that compensations are told it.
    pub(super) fn failure_of(&self, instance: InstanceId) -> Failure {
        let found = self.instance(instance);
        let failure = found.failure.as_ref();
        if let Some(End::Failed(of_guest)) = found.last_end() {
            return of_guest.clone();
        }
        Failure {
            kind: FailureKind::Permanent,
            clean: !found.may_have_had_an_effect(),
            code: failure.map_or_else(String::new, |failure| failure.code.clone()),
            message: failure.map_or_else(String::new, |failure| failure.message.clone()),
            details: None,
        }
    }

    /// A call or a scheduled call of the way back holds a place in the order of undoing.
    pub(super) fn undo_begun(&mut self, instance: InstanceId, phase: Phase) -> Fits {
        let undoing = self.rollback.is_some() || self.is_tolerated(instance)?;
        if undoing && phase != Phase::Execute {
            self.undo.activate(instance);
        }
        self.touch(instance)
    }

    pub(super) fn undo_ended(&mut self, instance: InstanceId, undo: Undo) -> Fits {
        self.drop_retry(instance)?;
        let found = self.instance_mut(instance)?;
        require(found.undo.is_none(), "an undo ends once")?;
        found.undo = Some(undo);
        found.stuck = None;
        self.stuck.remove(&instance);
        if self.is_tolerated(instance)? {
            let map = self.map_mut(instance.step)?;
            map.undoing = map.undoing.saturating_sub(1);
        }
        self.touch(instance)
    }

    pub(super) fn run_finished(
        &mut self,
        at: Timestamp,
        status: RunStatus,
        output: &Option<Json>,
    ) -> Fits {
        require(status.is_final(), "a run ends in a final status")?;
        require(self.under_way.is_empty(), "an attempt is under way")?;
        let fits = match status {
            RunStatus::Completed => self.unfinished_steps == 0 && self.rollback.is_none(),
            RunStatus::Cancelled => self.rollback.is_some() || self.cancel_keeping_effects,
            _ => self.rollback.is_some(),
        };
        require(fits, "the run ends in a way that its events do not lead to")?;
        self.timers.clear();
        self.retries = 0;
        self.finished = Some(Finished { at, status, output: output.clone() });
        self.waste_what_was_undone()
    }

    pub(super) fn drop_deadline(&mut self) {
        if let Some(deadline) = self.deadline() {
            self.timers.remove(&(deadline, Timer::Deadline));
        }
    }
}
