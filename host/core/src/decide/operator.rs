//! What people may say to a run, and when it is refused.
//! Never knows who they are or how they said it.

use super::{Deciding, Refusal};
use crate::event::{Cause, Event, Settlement};
use crate::id::{InstanceId, Phase, StepIndex};
use crate::pipeline::{Effect, StepKind, Waiting};
use crate::run::Knowledge;
use crate::value::Json;
use std::time::Duration;

impl Deciding<'_> {
    pub(super) fn cancel(&mut self, by: String, keep: bool) -> Result<(), Refusal> {
        self.check_may_turn()?;
        if keep {
            self.emit(Event::CancelRequested { by });
            return Ok(());
        }
        if self.run.pivot_passed {
            return Err(Refusal::PastPivot);
        }
        self.turn(Cause::Cancelled { by });
        Ok(())
    }

    pub(super) fn roll_back(&mut self, by: String) -> Result<(), Refusal> {
        self.check_may_turn()?;
        if self.run.pivot_passed {
            return Err(Refusal::PastPivot);
        }
        self.turn(Cause::Requested { by });
        Ok(())
    }

    fn check_may_turn(&self) -> Result<(), Refusal> {
        if self.run.rollback.is_some() || self.run.turn_wanted.is_some() {
            return Err(Refusal::RollingBack);
        }
        if self.run.cancel_keeping_effects {
            return Err(Refusal::Cancelling);
        }
        Ok(())
    }

    pub(super) fn retry_by_hand(
        &mut self,
        instance: Option<InstanceId>,
        by: &str,
    ) -> Result<(), Refusal> {
        // Whoever says which step does not speak of the budget.
        let renews = instance.is_none() && self.run.is_out_of_budget();
        let stuck: Vec<InstanceId> = match instance {
            None => self.run.stuck.iter().copied().collect(),
            Some(one) => self.run.stuck.iter().copied().filter(|other| *other == one).collect(),
        };
        if stuck.is_empty() && !renews {
            return Err(Refusal::NotStuck);
        }
        let may_repeat: Vec<InstanceId> =
            stuck.into_iter().filter(|instance| self.may_be_repeated(*instance)).collect();
        if may_repeat.is_empty() && !renews {
            return Err(Refusal::MustBeSettled);
        }
        if renews {
            self.emit(Event::BudgetRenewed { by: by.into() });
        }
        for instance in may_repeat {
            self.retry_one(instance, by);
        }
        Ok(())
    }

    fn may_be_repeated(&self, instance: InstanceId) -> bool {
        if self.is_undoing(instance) {
            return true;
        }
        let step = self.run.step_of(instance);
        let found = self.run.instance(instance);
        let can_ask = found.knowledge == Knowledge::Unknown && step.reconciles;
        !found.is_cut_off()
            || match step.effect {
                Effect::None => true,
                Effect::Idempotent => can_ask || !self.is_key_forgotten(instance, self.moment.now),
                Effect::Reconcilable => can_ask,
                Effect::Unsafe => false,
            }
    }

    /// Whether its undo is what is under way or wanted.
    fn is_undoing(&self, instance: InstanceId) -> bool {
        self.run.rollback.is_some() || self.is_tolerated(instance)
    }

    fn retry_one(&mut self, instance: InstanceId, by: &str) {
        let found = self.run.instance(instance);
        let phase = found.stuck.expect("what is stuck should say in which phase");
        let has_begun = found.has_started();
        let is_cut_off = found.knowledge == Knowledge::Unknown;
        self.emit(Event::RetryRequested { instance, by: by.into() });
        if self.is_undoing(instance) {
            return;
        }
        let asks_first = is_cut_off && self.run.step_of(instance).reconciles;
        if has_begun {
            let phase = if asks_first { Phase::Reconcile } else { phase };
            self.schedule(instance, phase, Duration::ZERO, None);
        } else if instance.element.is_some() {
            self.schedule(instance, Phase::Execute, Duration::ZERO, None);
        }
    }

    pub(super) fn settle(
        &mut self,
        instance: InstanceId,
        settlement: Settlement,
        because: String,
        by: String,
    ) -> Result<(), Refusal> {
        let Some(found) = self.run.find(instance) else { return Err(Refusal::NothingToSettle) };
        let undoing = self.is_undoing(instance);
        if found.under_way.is_some() {
            return Err(Refusal::UnderWay);
        }
        let is_open = if undoing {
            self.run.is_owed_an_undo(instance) && found.undo.is_none()
        } else {
            found.stuck.is_some()
        };
        if !is_open {
            return Err(Refusal::NothingToSettle);
        }
        if settlement == Settlement::Undone && !undoing {
            return Err(Refusal::NotRollingBack);
        }
        // A recorded result never changes: it can be undone, but neither replaced nor denied.
        if settlement != Settlement::Undone && found.output.is_some() {
            return Err(Refusal::NothingToSettle);
        }
        if found.retry.is_some() && matches!(settlement, Settlement::Done(_)) {
            return Err(Refusal::UnderWay);
        }
        let goes_again = settlement == Settlement::NotDone && !undoing;
        self.emit(Event::Settled { instance, settlement, because, by });
        if goes_again {
            self.go_again_after_settling(instance);
        }
        self.end_map_if_done(instance.step);
        Ok(())
    }

    fn go_again_after_settling(&mut self, instance: InstanceId) {
        let is_map = instance.element.is_none() && self.run.elements_of(instance.step).is_some();
        let has_begun = instance.element.is_some() || self.run.instance(instance).has_started();
        if has_begun && !is_map {
            self.schedule(instance, Phase::Execute, Duration::ZERO, None);
        }
    }

    pub(super) fn approve(&mut self, step: StepIndex, output: Json) -> Result<(), Refusal> {
        self.check_awaits_approval(step)?;
        self.emit(Event::WaitEnded { step, output });
        Ok(())
    }

    pub(super) fn disapprove(&mut self, step: StepIndex, message: String) -> Result<(), Refusal> {
        self.check_awaits_approval(step)?;
        self.not_approved(step, message);
        Ok(())
    }

    fn check_awaits_approval(&self, step: StepIndex) -> Result<(), Refusal> {
        let found = self.run.pipeline().steps.get(step.0 as usize);
        let found = found.ok_or(Refusal::NotAwaitingApproval)?;
        let is_approval = matches!(found.kind, StepKind::Wait(Waiting::Approval { .. }));
        let is_waiting = self.run.waiting_until(step).is_some();
        if is_approval && is_waiting { Ok(()) } else { Err(Refusal::NotAwaitingApproval) }
    }
}
