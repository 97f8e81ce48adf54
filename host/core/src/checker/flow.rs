//! What may be called when, going forward: order, numbers, due times, and one call at a time.
//! Never looks at undoing beyond handing it on.

use super::Rule;
use super::books::{Books, Known, known_after};
use crate::end::{End, Reconciled};
use crate::event::{Event, Verdict};
use crate::id::{IdempotencyKey, InstanceId, Phase, StepIndex};
use crate::value::Timestamp;
use std::time::Duration;

impl Books<'_> {
    pub(super) fn enter_kind(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::AttemptStarted { instance, phase, attempt, key, .. } => {
                self.attempt_started(at, (*instance, *phase, *attempt), *key);
            }
            Event::MemoRemembered { instance, phase, attempt, usage, .. } => {
                self.check_under_way((*instance, *phase, *attempt));
                self.spend(usage);
            }
            Event::AttemptEnded { instance, phase, attempt, end, usage, .. } => {
                self.check_under_way((*instance, *phase, *attempt));
                self.spend(usage);
                self.page(*instance).under_way = None;
                self.attempt_ended(*instance, *phase, end);
                self.recount(*instance);
            }
            Event::RetryScheduled { instance, phase, attempt, due, delay, .. } => {
                self.retry_scheduled(at, (*instance, *phase, *attempt), *due, *delay);
            }
            Event::StepSkipped { step } => {
                self.begins(InstanceId::of(*step));
                self.ended_well(InstanceId::of(*step), false);
            }
            Event::MapStarted { step, .. } | Event::WaitStarted { step, .. } => {
                self.begins(InstanceId::of(*step));
            }
            Event::MapEnded { step, .. } | Event::WaitEnded { step, .. } => {
                self.ended_well(InstanceId::of(*step), true);
            }
            Event::StepFailed { instance, verdict, .. } => self.step_failed(*instance, *verdict),
            Event::StepStuck { instance, .. } => {
                let page = self.page(*instance);
                (page.is_stuck, page.retry, page.has_ended) = (true, None, page.is_tolerated);
                self.recount(*instance);
            }
            Event::RollbackStarted { cause } => self.rollback_started(cause),
            Event::UndoNotNeeded { instance } => self.undo_ended(*instance),
            Event::Settled { instance, settlement, .. } => self.settled(*instance, settlement),
            Event::RetryRequested { instance, .. } => {
                let is_stuck = std::mem::take(&mut self.page(*instance).is_stuck);
                self.look_again();
                self.require(is_stuck, Rule::Order, Some(*instance), "it was not stuck");
                self.recount(*instance);
            }
            Event::CancelRequested { .. } => self.keeps_effects = true,
            Event::RunFinished { status, .. } => self.run_finished(*status),
            Event::BudgetWarned { unit, .. } => self.budget_warned(unit),
            Event::BudgetUsedUp { .. } => self.budget_used_up(),
            Event::BudgetRenewed { .. } => self.budget_renewed(),
            Event::TurnRequested { .. } => self.money.is_turn_wanted = true,
            Event::TurnRefused => self.money.is_turn_wanted = false,
            Event::RunStarted { .. }
            | Event::SignalReceived { .. }
            | Event::OutputFailed { .. } => {}
        }
    }

    fn attempt_started(
        &mut self,
        at: Timestamp,
        (instance, phase, attempt): (InstanceId, Phase, u32),
        key: IdempotencyKey,
    ) {
        self.enter_key(instance, phase, key);
        let page = self.page(instance).clone();
        let about = Some(instance);
        self.require(page.under_way.is_none(), Rule::TwoCallsAtOnce, about, phase.word());
        let expected = page.attempts[phase as usize] + 1;
        self.require(attempt == expected, Rule::AttemptNumbers, about, &format!("{attempt}"));
        match page.retry {
            Some((for_phase, number, due)) => {
                let fits = for_phase == phase && number == attempt;
                self.require(fits, Rule::AttemptNumbers, about, "another attempt was due");
                let detail = format!("{} ms early", due.since(at).as_millis());
                self.require(at >= due, Rule::RetryBeforeDue, about, &detail);
            }
            None => {
                let is_free = phase != Phase::Execute || attempt == 1;
                self.require(is_free, Rule::RetryBeforeDue, about, "nothing was due");
            }
        }
        match phase {
            Phase::Execute => self.execute_started(instance),
            Phase::Reconcile => {
                let finished = page.is_recorded || page.outcomes > 0;
                self.require(!finished, Rule::FinishedCalledAgain, about, phase.word());
            }
            Phase::Compensate => self.compensate_started(instance, page.retry.is_some()),
        }
        let page = self.page(instance);
        page.attempts[phase as usize] = attempt;
        page.retry = None;
        page.under_way = Some((phase, attempt));
        self.recount(instance);
    }

    fn execute_started(&mut self, instance: InstanceId) {
        self.begins(instance);
        self.check_budget(instance);
        let page = self.page(instance);
        let is_finished = page.is_recorded || page.has_ended || page.is_tolerated;
        let is_stuck = page.is_stuck;
        self.require(!is_finished, Rule::FinishedCalledAgain, Some(instance), "execute");
        self.require(!is_stuck, Rule::Order, Some(instance), "it is stuck");
        self.require(!self.keeps_effects, Rule::ForwardAfterTurn, Some(instance), "cancelled");
    }

    fn begins(&mut self, instance: InstanceId) {
        self.require(self.turned.is_none(), Rule::ForwardAfterTurn, Some(instance), "");
        let after = &self.step(instance).after;
        let is_ready = after.iter().all(|before| self.ended_well[before.0 as usize]);
        self.require(is_ready, Rule::BeforeDependencies, Some(instance), "");
    }

    fn check_under_way(&mut self, (instance, phase, attempt): (InstanceId, Phase, u32)) {
        let fits = self.page(instance).under_way == Some((phase, attempt));
        self.require(fits, Rule::Order, Some(instance), "that attempt is not under way");
    }

    fn attempt_ended(&mut self, instance: InstanceId, phase: Phase, end: &End) {
        let step = self.step(instance);
        let page = self.page(instance);
        match (phase, end) {
            (Phase::Execute, _) => {
                page.effect = known_after(step, page.effect, end);
                if matches!(end, End::Succeeded(_)) {
                    self.recorded(instance);
                }
            }
            (Phase::Reconcile, End::Reconciled(Reconciled::Done(_))) => {
                page.effect = Known::Maybe;
                self.recorded(instance);
            }
            (Phase::Reconcile, End::Reconciled(Reconciled::NotDone)) => page.effect = Known::None,
            (Phase::Compensate, End::Succeeded(_)) => self.undo_ended(instance),
            _ => {}
        }
    }

    pub(super) fn recorded(&mut self, instance: InstanceId) {
        let was_recorded = std::mem::replace(&mut self.page(instance).is_recorded, true);
        self.require(!was_recorded, Rule::OneOutcome, Some(instance), "a second result");
        self.ended_well(instance, true);
    }

    /// Lets what comes after a whole step begin; a pivot's result closes the way back.
    fn ended_well(&mut self, instance: InstanceId, has_result: bool) {
        self.page(instance).has_ended = true;
        if instance.element.is_none() {
            self.ended_well[instance.step.0 as usize] = true;
            self.pivot_recorded |= has_result && self.step(instance).pivot;
        }
    }

    fn retry_scheduled(
        &mut self,
        at: Timestamp,
        (instance, phase, attempt): (InstanceId, Phase, u32),
        due: Timestamp,
        delay: Duration,
    ) {
        let about = Some(instance);
        let page = self.page(instance).clone();
        self.require(page.retry.is_none(), Rule::RetryDrawnAgain, about, "one was due already");
        self.require(page.under_way.is_none(), Rule::TwoCallsAtOnce, about, "one is under way");
        let expected = page.attempts[phase as usize] + 1;
        self.require(attempt == expected, Rule::AttemptNumbers, about, &format!("{attempt}"));
        let detail = "its due time and its delay disagree";
        self.require(due == at.after(delay), Rule::RetryBeforeDue, about, detail);
        let page = self.page(instance);
        page.retry = Some((phase, attempt, due));
        page.scheduled[phase as usize] = attempt;
    }

    fn step_failed(&mut self, instance: InstanceId, verdict: Verdict) {
        let page = self.page(instance);
        page.retry = None;
        page.has_ended = true;
        match verdict {
            Verdict::TurnBack => {}
            Verdict::GoOn => self.ended_well(instance, false),
            Verdict::Tolerated => page.is_tolerated = true,
        }
        self.recount(instance);
    }

    pub(super) fn drop_retries_at_the_turn(&mut self) {
        for (_, page) in self.pages_mut() {
            if !page.is_tolerated {
                page.retry = None;
                page.is_stuck = false;
            }
        }
    }

    pub(super) fn all_ended_well(&self) -> Option<StepIndex> {
        self.pipeline.indexes().find(|step| !self.ended_well[step.0 as usize])
    }
}
