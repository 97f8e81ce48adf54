//! What people may say to a run, and when it is refused.
//! Never knows who they are or how they said it.

use super::{Deciding, Refusal};
use crate::event::{Cause, Event, Limit, Settlement};
use crate::id::{InstanceId, Phase, StepIndex};
use crate::pipeline::{StepKind, Waiting};
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
        let stuck: Vec<InstanceId> = match instance {
            None => self.run.stuck.iter().copied().collect(),
            Some(one) => self.run.stuck.iter().copied().filter(|other| *other == one).collect(),
        };
        if stuck.is_empty() {
            return Err(Refusal::NotStuck);
        }
        let may_repeat: Vec<InstanceId> =
            stuck.into_iter().filter(|instance| self.may_be_repeated(*instance)).collect();
        if may_repeat.is_empty() {
            return Err(Refusal::MustBeSettled);
        }
        for instance in may_repeat {
            self.retry_one(instance, by);
        }
        Ok(())
    }

    fn may_be_repeated(&self, instance: InstanceId) -> bool {
        let failure = self.run.instance(instance).failure.as_ref();
        failure.is_none_or(|failure| {
            !matches!(failure.limit, Limit::UnknownOutcome | Limit::IdempotencyWindow)
        })
    }

    fn retry_one(&mut self, instance: InstanceId, by: &str) {
        let found = self.run.instance(instance);
        let phase = found.stuck.expect("what is stuck should say in which phase");
        let has_begun = found.has_started();
        let is_cut_off = found.knowledge == Knowledge::Unknown;
        self.emit(Event::RetryRequested { instance, by: by.into() });
        let is_backward = phase == Phase::Compensate || self.run.rollback.is_some();
        if is_backward {
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
        let undoing = self.run.rollback.is_some() || self.is_tolerated(instance);
        let found = self.run.instance(instance);
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
        // A recorded result never changes.
        if matches!(settlement, Settlement::Done(_)) && found.output.is_some() {
            return Err(Refusal::NothingToSettle);
        }
        if found.retry.is_some() && matches!(settlement, Settlement::Done(_)) {
            return Err(Refusal::UnderWay);
        }
        let goes_again = settlement == Settlement::NotDone && !undoing;
        self.emit(Event::Settled { instance, settlement, because, by });
        if goes_again && self.run.turn_wanted.is_none() {
            self.go_again_after_settling(instance);
        }
        self.end_map_if_done(instance.step);
        Ok(())
    }

    fn go_again_after_settling(&mut self, instance: InstanceId) {
        if self.run.step_of(instance).calls() {
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
        let kind = &self.run.pipeline().step(step).kind;
        let is_approval = matches!(kind, StepKind::Wait(Waiting::Approval { .. }));
        let is_waiting = self.run.waiting_until(step).is_some();
        if is_approval && is_waiting { Ok(()) } else { Err(Refusal::NotAwaitingApproval) }
    }
}
