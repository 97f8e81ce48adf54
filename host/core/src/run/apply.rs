//! The fold: how each event changes the state of a run.
//! Checks that an event fits the state it meets; never decides what should follow from it.

use super::{
    Finished, Instance, Knowledge, MapState, Outcome, Retry, Run, RunStatus, Started, Timer,
    UnderWay, Undo, WaitingState, knowledge_after,
};
use crate::end::{End, Failure, FailureKind, HostEnd, Reconciled};
use crate::event::{Cause, Event, Settlement, StepFailure, Verdict};
use crate::id::{Digest, IdempotencyKey, InstanceId, Phase, StepIndex};
use crate::ledger::Usage;
use crate::pipeline::{StepKind, Waiting};
use crate::value::{Json, Timestamp};
use std::fmt;
use std::sync::Arc;

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
                found.memos.entry(key.clone()).or_insert_with(|| value.clone());
                found.attempt_usage.add_all(usage);
                Ok(())
            }
            Event::AttemptEnded { instance, phase, attempt, end, usage, .. } => {
                self.check_under_way(*instance, *phase, *attempt)?;
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

    fn attempt_started(
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
        found.under_way = Some(under_way);
        self.under_way.insert(instance);
        self.undo_begun(instance, phase)
    }

    /// What began later is undone sooner. What a person did in place of a call counts as begun.
    fn enter_start_order(&mut self, instance: InstanceId) -> Fits {
        let next = self.next_start;
        let found = self.instance_mut(instance)?;
        if found.start_order.is_none() {
            found.start_order = Some(next);
            self.next_start += 1;
        }
        Ok(())
    }

    /// What may be called when: the rules that no event may break, whatever was decided.
    fn check_may_start(&self, instance: InstanceId, phase: Phase) -> Fits {
        let found = self.find(instance).ok_or("the run has no such instance")?;
        let undoing = self.rollback.is_some() || found.outcome == Some(Outcome::Tolerated);
        match phase {
            Phase::Execute => {
                require(!undoing, "a run that turned back executes nothing")?;
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

    fn attempt_ended(
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
        let mut total = std::mem::take(&mut found.attempt_usage);
        total.add_all(usage);
        if phase == Phase::Execute {
            found.knowledge = knowledge_after(found.knowledge, end, step);
        }
        self.under_way.remove(&instance);
        self.enter_usage(instance, phase, end, &total)?;
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

    fn enter_usage(
        &mut self,
        instance: InstanceId,
        phase: Phase,
        end: &End,
        usage: &Usage,
    ) -> Fits {
        let is_kept = matches!(end, End::Succeeded(_) | End::Reconciled(_));
        let ledger = &mut self.ledger;
        if is_kept {
            ledger.keep(usage);
        } else {
            ledger.waste(usage);
            if phase == Phase::Execute {
                ledger.would_restart(usage);
            }
        }
        let found = self.instance_mut(instance)?;
        if is_kept {
            found.ledger.keep(usage);
        } else {
            found.ledger.waste(usage);
        }
        if phase == Phase::Execute {
            found.lost_usage = if is_kept { Usage::new() } else { usage.clone() };
        }
        Ok(())
    }

    fn reconciled(&mut self, instance: InstanceId, reconciled: &Reconciled) -> Fits {
        let found = self.instance_mut(instance)?;
        match reconciled {
            Reconciled::NotDone => found.knowledge = Knowledge::Clean,
            Reconciled::Unknown => found.knowledge = Knowledge::Unknowable,
            Reconciled::Done(output) => {
                // The lost attempt's result is kept after all, and so is what it cost.
                let rescued = std::mem::take(&mut found.lost_usage);
                found.ledger.rescue(&rescued);
                self.ledger.rescue(&rescued);
                self.instance_mut(instance)?.knowledge = Knowledge::Done;
                return self.record(instance, output);
            }
        }
        Ok(())
    }

    /// Records the output of `execute`. It never changes again.
    fn record(&mut self, instance: InstanceId, output: &Json) -> Fits {
        let found = self.instance_mut(instance)?;
        require(found.output.is_none(), "a result is recorded once")?;
        found.output = Some(output.clone());
        if found.outcome.is_some() {
            return Ok(());
        }
        self.end_well(instance, Outcome::Succeeded)
    }

    /// The instance has ended in a way that lets what comes after it go on.
    fn end_well(&mut self, instance: InstanceId, outcome: Outcome) -> Fits {
        let found = self.instance_mut(instance)?;
        require(found.outcome.is_none(), "a step ends once")?;
        found.outcome = Some(outcome);
        if instance.element.is_some() {
            let map = self.map_mut(instance.step)?;
            map.active = map.active.saturating_sub(1);
            self.refresh_open_map(instance.step);
            return Ok(());
        }
        self.unfinished_steps -= 1;
        if outcome == Outcome::Succeeded && self.pipeline.step(instance.step).pivot {
            self.pivot_passed = true;
            self.drop_deadline();
        }
        for dependent in Arc::clone(&self.dependents)[instance.step.0 as usize].iter().copied() {
            let state = &mut self.steps[dependent.0 as usize];
            state.unmet -= 1;
            if state.unmet == 0 {
                self.ready.insert(dependent);
            }
        }
        Ok(())
    }

    fn begin(&mut self, step: StepIndex) -> Fits {
        require(self.rollback.is_none(), "a run that turned back begins nothing")?;
        require(self.ready.remove(&step), "a step begins once, after those it depends on")
    }

    fn map_started(&mut self, step: StepIndex, items: &[Json]) -> Fits {
        self.begin(step)?;
        let is_map = matches!(self.pipeline.step(step).kind, StepKind::Map(_));
        require(is_map, "only a map has elements")?;
        let element = |item: &Json| Instance { item: Some(item.clone()), ..Instance::default() };
        let elements = items.iter().map(element).collect();
        self.steps[step.0 as usize].map = Some(MapState { elements, ..MapState::default() });
        self.refresh_open_map(step);
        Ok(())
    }

    /// An element begins with its first attempt, or by failing before it.
    fn begin_if_new_element(&mut self, instance: InstanceId) -> Fits {
        let Some(element) = instance.element else { return Ok(()) };
        if element < self.map_mut(instance.step)?.next {
            return Ok(());
        }
        self.element_begun(instance)
    }

    fn element_begun(&mut self, instance: InstanceId) -> Fits {
        let map = self.map_mut(instance.step)?;
        require(instance.element == Some(map.next), "elements begin in their order")?;
        map.next += 1;
        map.active += 1;
        self.refresh_open_map(instance.step);
        Ok(())
    }

    /// Keeps the index of maps that may begin an element: one is left, and a place is free.
    fn refresh_open_map(&mut self, step: StepIndex) {
        let StepKind::Map(policy) = &self.pipeline.step(step).kind else { return };
        let is_open = self.steps[step.0 as usize].map.as_ref().is_some_and(|map| {
            (map.next as usize) < map.elements.len() && map.active < policy.max_parallel
        });
        if is_open && self.rollback.is_none() {
            self.open_maps.insert(step);
        } else {
            self.open_maps.remove(&step);
        }
    }

    fn wait_started(&mut self, step: StepIndex, until: Option<Timestamp>) -> Fits {
        self.begin(step)?;
        require(!self.pipeline.step(step).calls(), "only a waiting node waits")?;
        self.steps[step.0 as usize].waiting = Some(WaitingState { until });
        self.waiting.insert(step);
        if let Some(name) = signal_of(&self.pipeline.step(step).kind) {
            self.signals.await_one(name, step);
        }
        if let Some(until) = until {
            self.timers.insert((until, Timer::Wait(step)));
        }
        Ok(())
    }

    fn wait_ended(&mut self, step: StepIndex, output: &Json) -> Fits {
        self.stop_waiting(step)?;
        // The oldest signal of that name is what ended the wait: it serves one node only.
        if let Some(name) = signal_of(&self.pipeline.step(step).kind) {
            require(self.signals.take(name), "no signal was received")?;
        }
        self.instance_mut(InstanceId::of(step))?.output = Some(output.clone());
        self.end_well(InstanceId::of(step), Outcome::Succeeded)
    }

    fn stop_waiting(&mut self, step: StepIndex) -> Fits {
        let waiting = self.steps[step.0 as usize].waiting.take();
        let waiting = waiting.ok_or("the node does not wait")?;
        self.waiting.remove(&step);
        if let Some(name) = signal_of(&self.pipeline.step(step).kind) {
            self.signals.give_up(name, step);
        }
        if let Some(until) = waiting.until {
            self.timers.remove(&(until, Timer::Wait(step)));
        }
        Ok(())
    }

    fn retry_scheduled(&mut self, instance: InstanceId, retry: Retry) -> Fits {
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

    fn drop_retry(&mut self, instance: InstanceId) -> Fits {
        if let Some(retry) = self.instance_mut(instance)?.retry.take() {
            self.timers.remove(&(retry.due, Timer::Retry(instance)));
            self.retries -= 1;
        }
        Ok(())
    }

    fn step_failed(
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

    fn step_stuck(&mut self, instance: InstanceId, phase: Phase, failure: &StepFailure) -> Fits {
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

    fn rollback_started(&mut self, cause: &Cause) -> Fits {
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
    fn failure_of(&self, instance: InstanceId) -> Failure {
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
    fn undo_begun(&mut self, instance: InstanceId, phase: Phase) -> Fits {
        let undoing = self.rollback.is_some() || self.is_tolerated(instance)?;
        if undoing && phase != Phase::Execute {
            self.undo.activate(instance);
        }
        self.touch(instance)
    }

    fn undo_ended(&mut self, instance: InstanceId, undo: Undo) -> Fits {
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

    fn settled(&mut self, instance: InstanceId, settlement: &Settlement) -> Fits {
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
    fn make_ready_again(&mut self, instance: InstanceId) {
        let is_whole = instance.element.is_none() && self.step_state(instance.step).map.is_none();
        if is_whole && !self.instance(instance).has_started() && self.rollback.is_none() {
            self.ready.insert(instance.step);
        }
    }

    fn retry_requested(&mut self, instance: InstanceId) -> Fits {
        require(self.instance(instance).stuck.is_some(), "the step is not stuck")?;
        self.unstick(instance)?;
        let found = self.instance_mut(instance)?;
        for phase in Phase::ALL {
            let counts = found.phase_mut(phase);
            let fresh = super::PhaseState {
                attempts: counts.attempts,
                key: counts.key,
                key_first_used_at: counts.key_first_used_at,
                ..super::PhaseState::default()
            };
            *counts = fresh;
        }
        self.make_ready_again(instance);
        self.touch(instance)
    }

    fn unstick(&mut self, instance: InstanceId) -> Fits {
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
    fn some_stuck_failure(&self) -> Option<(InstanceId, Phase, StepFailure)> {
        let stuck = *self.stuck.first()?;
        let found = self.find(stuck)?;
        Some((stuck, found.stuck?, found.failure.clone()?))
    }

    fn run_finished(&mut self, at: Timestamp, status: RunStatus, output: &Option<Json>) -> Fits {
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

    fn drop_deadline(&mut self) {
        if let Some(deadline) = self.deadline() {
            self.timers.remove(&(deadline, Timer::Deadline));
        }
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

fn signal_of(kind: &StepKind) -> Option<&str> {
    match kind {
        StepKind::Wait(Waiting::Signal(name)) => Some(name),
        _ => None,
    }
}

fn count_end(counts: &mut super::PhaseState, end: &End) {
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
