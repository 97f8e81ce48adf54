//! Attempts and what they leave: counts, keys, knowledge and results.
//! Never says what follows from an end.

use super::money::Spent;
use super::{Fits, require};
use crate::end::{End, FailureKind, HostEnd, Reconciled};
use crate::id::{Digest, IdempotencyKey, InstanceId, Phase};
use crate::ledger::Usage;
use crate::run::instance::knowledge_after;
use crate::run::{Knowledge, Outcome, PhaseState, Retry, Run, Timer, UnderWay, Undo};
use crate::value::Json;
use std::sync::Arc;

impl Run {
    pub(super) fn attempt_started(
        &mut self,
        instance: InstanceId,
        under_way: UnderWay,
        input_hash: Digest,
    ) -> Fits {
        let phase = under_way.phase;
        self.check_may_start(instance, phase)?;
        self.drop_retry(instance)?;
        if phase == Phase::Execute {
            self.ready.remove(&instance.step);
            self.begin_if_new_element(instance)?;
        }
        self.enter_start_order(instance)?;
        let found = self.instance_mut(instance)?;
        require(found.under_way.is_none(), "another attempt is under way")?;
        let counts = found.phase_mut(phase);
        require(under_way.attempt == counts.attempts + 1, "an attempt has the wrong number")?;
        let same_key = counts.key.is_none_or(|key: IdempotencyKey| key == under_way.key);
        require(same_key, "the idempotency key of a phase never changes")?;
        counts.key = Some(under_way.key);
        counts.attempts += 1;
        counts.counted += 1;
        counts.first_started_at.get_or_insert(under_way.started_at);
        counts.key_first_used_at.get_or_insert(under_way.started_at);
        let same_input = found.input_hash.is_none_or(|hash| hash == input_hash);
        require(same_input, "the input of a step never changes")?;
        found.input_hash = Some(input_hash);
        found.last_started_at = Some(under_way.started_at);
        found.attempt_usage = Usage::new();
        found.attempt_remembered = Usage::new();
        found.under_way = Some(under_way);
        self.under_way.insert(instance);
        self.undo_begun(instance, phase)
    }

    /// What began later is undone sooner. What a person did in place of a call counts as begun.
    pub(super) fn enter_start_order(&mut self, instance: InstanceId) -> Fits {
        let next = self.next_start;
        let found = self.instance_mut(instance)?;
        if found.start_order.is_none() {
            found.start_order = Some(next);
            self.next_start += 1;
        }
        Ok(())
    }

    /// What may be called when: the rules that no event may break, whatever was decided.
    pub(super) fn check_may_start(&self, instance: InstanceId, phase: Phase) -> Fits {
        let found = self.find(instance).ok_or("the run has no such instance")?;
        let undoing = self.rollback.is_some() || found.outcome == Some(Outcome::Tolerated);
        match phase {
            Phase::Execute => {
                require(!undoing, "a run that turned back executes nothing")?;
                let is_paid_for = !self.is_out_of_budget();
                require(is_paid_for, "no attempt starts once the budget is used up")?;
                require(found.outcome.is_none(), "a finished step is never called again")?;
                let is_ready = self.step_state(instance.step).unmet == 0;
                require(is_ready, "a step starts after those it depends on")
            }
            Phase::Reconcile => require(found.has_started(), "there is nothing to reconcile"),
            Phase::Compensate => {
                require(undoing, "nothing is undone before the run turns back")?;
                require(found.undo.is_none(), "a step is undone once")?;
                require(found.may_have_had_an_effect(), "there is nothing to undo")
            }
        }
    }

    pub(super) fn attempt_ended(
        &mut self,
        instance: InstanceId,
        phase: Phase,
        end: &End,
        usage: &Usage,
    ) -> Fits {
        let pipeline = Arc::clone(&self.pipeline);
        let step = pipeline.step(instance.step);
        let found = self.instance_mut(instance)?;
        found.under_way = None;
        found.last_end = Some(end.clone());
        let counts = found.phase_mut(phase);
        count_end(counts, end);
        let mut rest = std::mem::take(&mut found.attempt_usage);
        rest.add_all(usage);
        let spent = Spent { rest, remembered: std::mem::take(&mut found.attempt_remembered) };
        if phase == Phase::Execute {
            found.knowledge = knowledge_after(found.knowledge, end, step);
        }
        self.under_way.remove(&instance);
        self.enter_usage(instance, phase, end, spent)?;
        match (phase, end) {
            (Phase::Execute, End::Succeeded(output)) => {
                self.record(instance, output.as_ref().ok_or("execute ends with an output")?)?;
            }
            (Phase::Reconcile, End::Reconciled(reconciled)) => {
                self.reconciled(instance, reconciled)?;
            }
            (Phase::Compensate, End::Succeeded(_)) => {
                return self.undo_ended(instance, Undo::Compensated);
            }
            (Phase::Compensate, End::Reconciled(_))
            | (Phase::Reconcile, End::Succeeded(_))
            | (Phase::Execute, End::Reconciled(_)) => return Err("a phase ends in its own way"),
            _ => {}
        }
        self.touch(instance)
    }

    pub(super) fn reconciled(&mut self, instance: InstanceId, reconciled: &Reconciled) -> Fits {
        let found = self.instance_mut(instance)?;
        match reconciled {
            Reconciled::NotDone => found.knowledge = Knowledge::Clean,
            Reconciled::Unknown => found.knowledge = Knowledge::Unknowable,
            Reconciled::Done(output) => {
                // The lost attempt's result is kept after all, and so is what it cost.
                let mut rescued = std::mem::take(&mut found.lost_usage);
                rescued.add_all(&std::mem::take(&mut found.phase_mut(Phase::Execute).remembered));
                found.ledger.rescue(&rescued);
                self.ledger.rescue(&rescued);
                self.instance_mut(instance)?.knowledge = Knowledge::Done;
                return self.record(instance, output);
            }
        }
        Ok(())
    }

    /// Records the output of `execute`. It never changes again.
    pub(super) fn record(&mut self, instance: InstanceId, output: &Json) -> Fits {
        let found = self.instance_mut(instance)?;
        require(found.output.is_none(), "a result is recorded once")?;
        found.output = Some(output.clone());
        if found.outcome.is_some() {
            return Ok(());
        }
        self.end_well(instance, Outcome::Succeeded)
    }

    pub(super) fn retry_scheduled(&mut self, instance: InstanceId, retry: Retry) -> Fits {
        let found = self.instance_mut(instance)?;
        require(found.under_way.is_none(), "an attempt is under way")?;
        require(found.retry.is_none(), "a further attempt is already due")?;
        require(
            retry.attempt == found.phase(retry.phase).attempts + 1,
            "an attempt has the wrong number",
        )?;
        if !retry.delay.is_zero() {
            found.phase_mut(retry.phase).previous_delay = Some(retry.delay);
        }
        let (phase, due) = (retry.phase, retry.due);
        found.retry = Some(retry);
        self.ready.remove(&instance.step);
        self.timers.insert((due, Timer::Retry(instance)));
        self.retries += 1;
        self.undo_begun(instance, phase)
    }

    pub(super) fn drop_retry(&mut self, instance: InstanceId) -> Fits {
        if let Some(retry) = self.instance_mut(instance)?.retry.take() {
            self.timers.remove(&(retry.due, Timer::Retry(instance)));
            self.retries -= 1;
        }
        Ok(())
    }
}

pub(super) fn count_end(counts: &mut PhaseState, end: &End) {
    let is_lost = matches!(end, End::Host(HostEnd::Lost, _));
    counts.lost_in_a_row = if is_lost { counts.lost_in_a_row + 1 } else { 0 };
    match end {
        End::Failed(failure) if matches!(failure.kind, FailureKind::RetryAfter(_)) => {
            counts.throttled += 1;
            counts.counted -= 1;
        }
        End::Host(HostEnd::InvalidOutput, _) => counts.invalid_outputs += 1,
        End::Host(host_end, _) if host_end.is_fault() => counts.faults += 1,
        _ => {}
    }
}
