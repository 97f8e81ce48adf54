//! What a person's word changes: settling and asking for further attempts.
//! Never asks whether it should have been taken: `decide` has.

use super::{Fits, require};
use crate::event::{Settlement, StepFailure};
use crate::id::{InstanceId, Phase};
use crate::run::{Knowledge, PhaseState, Run, Undo};

impl Run {
    pub(super) fn settled(&mut self, instance: InstanceId, settlement: &Settlement) -> Fits {
        let undoing = self.rollback.is_some() || self.is_tolerated(instance)?;
        self.unstick(instance)?;
        match settlement {
            Settlement::Undone => {
                require(undoing, "nothing is undone before the run turns back")?;
                self.undo_ended(instance, Undo::Settled)
            }
            Settlement::NotDone => {
                self.instance_mut(instance)?.knowledge = Knowledge::Clean;
                if undoing {
                    return self.undo_ended(instance, Undo::NotNeeded);
                }
                self.make_ready_again(instance);
                self.touch(instance)
            }
            Settlement::Done(output) => {
                self.enter_start_order(instance)?;
                let found = self.instance_mut(instance)?;
                found.knowledge = Knowledge::Done;
                if undoing {
                    found.output = Some(output.clone());
                } else {
                    self.record(instance, output)?;
                }
                self.touch(instance)
            }
        }
    }

    /// What never started begins like any other; elements do so by a scheduled attempt.
    pub(super) fn make_ready_again(&mut self, instance: InstanceId) {
        let is_whole = instance.element.is_none() && self.step_state(instance.step).map.is_none();
        if is_whole && !self.instance(instance).has_started() && self.rollback.is_none() {
            self.ready.insert(instance.step);
        }
    }

    pub(super) fn retry_requested(&mut self, instance: InstanceId) -> Fits {
        require(self.instance(instance).stuck.is_some(), "the step is not stuck")?;
        self.unstick(instance)?;
        let found = self.instance_mut(instance)?;
        for phase in Phase::ALL {
            let counts = found.phase_mut(phase);
            let fresh = PhaseState {
                attempts: counts.attempts,
                key: counts.key,
                key_first_used_at: counts.key_first_used_at,
                ..PhaseState::default()
            };
            *counts = fresh;
        }
        self.make_ready_again(instance);
        self.touch(instance)
    }

    pub(super) fn unstick(&mut self, instance: InstanceId) -> Fits {
        let found = self.instance_mut(instance)?;
        found.stuck = None;
        found.failure = None;
        self.stuck.remove(&instance);
        let is_told = self.failure.as_ref().is_some_and(|(told, ..)| *told == instance);
        if is_told && self.rollback.is_none() {
            self.failure = self.some_stuck_failure();
        }
        Ok(())
    }

    /// Where one failure is mended, another may be left to tell.
    pub(super) fn some_stuck_failure(&self) -> Option<(InstanceId, Phase, StepFailure)> {
        let stuck = *self.stuck.first()?;
        let found = self.find(stuck)?;
        Some((stuck, found.stuck?, found.failure.clone()?))
    }
}
