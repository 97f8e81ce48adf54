//! What follows from the end of an attempt: a further one, a failure, or a question to a person.
//! Never starts a call itself: it schedules, and what is due is started like anything else.

use super::{Deciding, Ended};
use crate::end::{End, FailureKind, HostEnd, Reconciled};
use crate::event::{Cause, Event, Limit, StepFailure, Verdict};
use crate::id::{InstanceId, Phase};
use crate::pipeline::{Effect, OnExhausted, RetryPolicy, RuleVerdict, StepKind};
use crate::run::{Knowledge, Outcome, Undo};
use crate::value::Timestamp;
use std::time::Duration;

/// What an end asks for, before any limit is looked at.
enum Wish {
    /// Try again, after the policy's wait.
    Again,
    /// Try again, not before this much time has passed.
    AgainAfter(Duration),
    /// Try again at once: nothing was said against it.
    AgainNow,
    /// Find out first, or ask.
    FindOut,
    /// No further attempt.
    GiveUp(Limit),
}

impl Deciding<'_> {
    pub(super) fn attempt_ended(&mut self, ended: Ended) {
        let Ended { instance, phase, attempt, end, usage, log_cursor } = ended;
        let event =
            Event::AttemptEnded { instance, phase, attempt, end: end.clone(), usage, log_cursor };
        self.emit(event);
        let undoing = self.run.rollback.is_some() || self.is_tolerated(instance);
        match (phase, undoing) {
            (Phase::Execute, true) => {}
            (Phase::Execute, false) => self.execute_ended(instance, &end),
            (Phase::Reconcile, false) => self.reconcile_ended_forward(instance, &end),
            (Phase::Reconcile, true) => self.reconcile_ended_backward(instance, &end),
            (Phase::Compensate, _) => self.compensate_ended(instance, &end),
        }
        self.end_map_if_done(instance.step);
    }

    pub(super) fn is_tolerated(&self, instance: InstanceId) -> bool {
        self.run.instance(instance).outcome == Some(Outcome::Tolerated)
    }

    fn execute_ended(&mut self, instance: InstanceId, end: &End) {
        if matches!(end, End::Succeeded(_)) {
            return;
        }
        if self.is_lost_too_often(instance, Phase::Execute) {
            return self.stick(instance, Phase::Execute, end, Limit::LostAttempts);
        }
        let (policy, verdict, rule) = self.run.step_of(instance).retry.for_code(end.code());
        let chosen = Chosen { policy, rule };
        match self.wish(instance, Phase::Execute, end, verdict) {
            Wish::FindOut => self.find_out(instance, end, &chosen),
            wish => self.again_or_fail(instance, end, &wish, &chosen),
        }
    }

    /// What an end asks for, by the table of ends and the first rule that matches.
    fn wish(
        &self,
        instance: InstanceId,
        phase: Phase,
        end: &End,
        verdict: Option<RuleVerdict>,
    ) -> Wish {
        let counts = self.run.instance(instance).phase(phase);
        let effect = self.run.step_of(instance).effect;
        let knows_no_key = matches!(effect, Effect::Unsafe | Effect::Reconcilable);
        let asks = phase == Phase::Execute;
        match (verdict, end) {
            (Some(RuleVerdict::Permanent), _) => Wish::GiveUp(Limit::Permanent),
            (Some(RuleVerdict::Unknown), _) if asks => Wish::FindOut,
            (Some(RuleVerdict::Retryable), End::Failed(failure)) => match failure.kind {
                FailureKind::RetryAfter(wait) => Wish::AgainAfter(wait),
                _ => Wish::Again,
            },
            (Some(_), _) => Wish::Again,
            (None, End::Failed(failure)) => match failure.kind {
                FailureKind::Retryable => Wish::Again,
                FailureKind::RetryAfter(wait) => Wish::AgainAfter(wait),
                FailureKind::Permanent => Wish::GiveUp(Limit::Permanent),
                FailureKind::Unknown if asks => Wish::FindOut,
                FailureKind::Unknown => Wish::Again,
            },
            (None, End::Host(HostEnd::Denied, _)) => Wish::GiveUp(Limit::Denied),
            (None, End::Host(HostEnd::InvalidOutput, _)) => {
                if counts.invalid_outputs >= 2 {
                    Wish::GiveUp(Limit::SameEnd)
                } else if knows_no_key && asks {
                    Wish::FindOut
                } else {
                    Wish::Again
                }
            }
            (None, End::Host(host_end, _)) if host_end.is_fault() => {
                if counts.faults >= 2 {
                    Wish::GiveUp(Limit::SameEnd)
                } else if asks {
                    Wish::FindOut
                } else {
                    Wish::Again
                }
            }
            (None, End::Host(..)) if asks => Wish::FindOut,
            // The service was not the reason: come back at once after a first loss.
            (None, End::Host(HostEnd::Lost, _)) if counts.lost_in_a_row == 1 => Wish::AgainNow,
            (None, _) => Wish::Again,
        }
    }

    /// The outcome of an `execute` is unknown: what to do goes by the step's `effect`.
    fn find_out(&mut self, instance: InstanceId, end: &End, chosen: &Chosen) {
        let step = self.run.step_of(instance);
        match (step.effect, step.reconciles) {
            (Effect::None, _) => self.repeat(instance, end, chosen),
            (Effect::Unsafe, _) | (Effect::Reconcilable, false) => {
                self.stick(instance, Phase::Execute, end, Limit::UnknownOutcome);
            }
            (Effect::Idempotent | Effect::Reconcilable, true) => {
                self.schedule(instance, Phase::Reconcile, Duration::ZERO, None);
            }
            (Effect::Idempotent, false) => self.repeat_under_its_key(instance, end, chosen),
        }
    }

    /// Repeats a call whose outcome is unknown, if the service still knows its key.
    fn repeat_under_its_key(&mut self, instance: InstanceId, end: &End, chosen: &Chosen) {
        if self.is_key_forgotten(instance, self.moment.now) {
            self.stick(instance, Phase::Execute, end, Limit::IdempotencyWindow);
        } else {
            self.repeat(instance, end, chosen);
        }
    }

    /// Whether a call with unknown outcome would, at that moment, be no longer recognised.
    pub(super) fn is_key_forgotten(&self, instance: InstanceId, at: Timestamp) -> bool {
        let step = self.run.step_of(instance);
        let found = self.run.instance(instance);
        let first = found.phase(Phase::Execute).key_first_used_at;
        let is_past = match (step.idempotency_window, first) {
            (Some(window), Some(first)) => at > first.after(window),
            _ => false,
        };
        is_past && step.effect == Effect::Idempotent && found.is_cut_off()
    }

    fn repeat(&mut self, instance: InstanceId, end: &End, chosen: &Chosen) {
        let counts = self.run.instance(instance).phase(Phase::Execute);
        let wish = if counts.lost_in_a_row == 1 { Wish::AgainNow } else { Wish::Again };
        self.again_or_fail(instance, end, &wish, chosen);
    }

    fn again_or_fail(&mut self, instance: InstanceId, end: &End, wish: &Wish, chosen: &Chosen) {
        match self.next_delay(instance, Phase::Execute, wish, chosen) {
            Ok(delay) => self.schedule(instance, Phase::Execute, delay, chosen.rule),
            Err(limit) => self.fail_forward(instance, failure_of(end, limit)),
        }
    }

    /// How long to wait before the next attempt, or the limit that allows none. Decided before
    /// waiting: an attempt that would come too late is not waited for.
    fn next_delay(
        &mut self,
        instance: InstanceId,
        phase: Phase,
        wish: &Wish,
        chosen: &Chosen,
    ) -> Result<Duration, Limit> {
        let policy = &chosen.policy;
        let counts = self.run.instance(instance).phase(phase).clone();
        let draw = self.draw();
        let delay = match wish {
            Wish::GiveUp(limit) => return Err(*limit),
            Wish::AgainAfter(wished) => {
                if counts.throttled >= policy.throttled_attempts {
                    return Err(Limit::ThrottledAttempts);
                }
                if *wished > policy.retry_after_max {
                    return Err(Limit::RetryAfterMax);
                }
                // Nobody comes back early, nor all at once.
                let spread = policy.backoff.delay(counts.throttled, None, draw);
                wished.saturating_add(spread)
            }
            Wish::Again | Wish::AgainNow | Wish::FindOut => {
                if counts.counted >= policy.attempts {
                    return Err(Limit::Attempts);
                }
                if matches!(wish, Wish::AgainNow) {
                    Duration::ZERO
                } else {
                    policy.backoff.delay(counts.counted, counts.previous_delay, draw)
                }
            }
        };
        let due = self.moment.now.after(delay);
        let first = counts.first_started_at.unwrap_or(self.moment.now);
        if due > first.after(policy.max_elapsed) {
            return Err(Limit::MaxElapsed);
        }
        let goes_forward = self.run.rollback.is_none() && !self.is_tolerated(instance);
        if goes_forward && self.run.deadline().is_some_and(|deadline| due > deadline) {
            return Err(Limit::RunDeadline);
        }
        Ok(delay)
    }

    pub(super) fn schedule(
        &mut self,
        instance: InstanceId,
        phase: Phase,
        delay: Duration,
        rule: Option<u32>,
    ) {
        let attempt = self.run.instance(instance).phase(phase).attempts + 1;
        let due = self.moment.now.after(delay);
        self.emit(Event::RetryScheduled { instance, phase, attempt, due, delay, rule });
    }

    /// A step has failed going forward: turn, pause or go on, as the manifest says.
    pub(super) fn fail_forward(&mut self, instance: InstanceId, failure: StepFailure) {
        self.fail_as_the_manifest_says(instance, failure);
        self.end_map_if_done(instance.step);
    }

    fn fail_as_the_manifest_says(&mut self, instance: InstanceId, mut failure: StepFailure) {
        let step = self.run.step_of(instance);
        let found = self.run.instance(instance);
        if step.pivot && found.is_cut_off() {
            // The run may go neither way before it is known whether the pivot took effect.
            if found.knowledge == Knowledge::Unknown && step.reconciles && found.retry.is_none() {
                return self.schedule(instance, Phase::Reconcile, Duration::ZERO, None);
            }
            failure.limit = Limit::UnknownOutcome;
            return self.emit(Event::StepStuck { instance, phase: Phase::Execute, failure });
        }
        if self.is_within_tolerance(instance) {
            return self.emit(Event::StepFailed { instance, failure, verdict: Verdict::Tolerated });
        }
        let on_exhausted = self.run.step_of(instance).on_exhausted;
        match on_exhausted {
            OnExhausted::Continue => {
                self.emit(Event::StepFailed { instance, failure, verdict: Verdict::GoOn });
            }
            OnExhausted::Compensate if !self.run.pivot_passed => {
                let verdict = Verdict::TurnBack;
                self.emit(Event::StepFailed { instance, failure, verdict });
                self.turn(Cause::StepFailed(instance));
            }
            OnExhausted::Compensate | OnExhausted::Pause => {
                self.emit(Event::StepStuck { instance, phase: Phase::Execute, failure });
            }
        }
    }

    fn is_within_tolerance(&self, instance: InstanceId) -> bool {
        let StepKind::Map(policy) = &self.run.step_of(instance).kind else { return false };
        let Some(map) = &self.run.step_state(instance.step).map else { return false };
        instance.element.is_some() && (map.failed as usize) < policy.tolerate.of(map.elements.len())
    }

    fn reconcile_ended_forward(&mut self, instance: InstanceId, end: &End) {
        let step = self.run.step_of(instance);
        match end {
            End::Reconciled(Reconciled::Done(_)) => {}
            End::Reconciled(reconciled) => {
                // Whether another attempt is left goes by how `execute` was lost.
                let chosen = Chosen { policy: step.retry.clone(), rule: None };
                let knows_not = *reconciled == Reconciled::Unknown;
                if knows_not && step.effect == Effect::Idempotent {
                    self.repeat_under_its_key(instance, end, &chosen);
                } else if knows_not {
                    self.stick(instance, Phase::Reconcile, end, Limit::UnknownOutcome);
                } else {
                    self.repeat(instance, end, &chosen);
                }
            }
            _ => {
                let (policy, verdict, rule) = step.retry.for_code(end.code());
                self.again_or_stick(
                    instance,
                    Phase::Reconcile,
                    end,
                    (verdict, Chosen { policy, rule }),
                );
            }
        }
    }

    fn reconcile_ended_backward(&mut self, instance: InstanceId, end: &End) {
        match end {
            End::Reconciled(Reconciled::NotDone) => self.emit(Event::UndoNotNeeded { instance }),
            // It was asked before the run turned back: its undo waits for its place like any other.
            _ if !self.run.undo.is_active(instance) => {}
            // Undone with the output found, or with none where it cannot be known.
            End::Reconciled(_) => self.schedule(instance, Phase::Compensate, Duration::ZERO, None),
            _ => {
                if self.is_lost_too_often(instance, Phase::Reconcile) {
                    return self.stick(instance, Phase::Reconcile, end, Limit::LostAttempts);
                }
                let (policy, verdict, rule) = self.run.step_of(instance).undo.for_code(end.code());
                let chosen = Chosen { policy, rule };
                let wish = self.wish(instance, Phase::Reconcile, end, verdict);
                match self.next_delay(instance, Phase::Reconcile, &wish, &chosen) {
                    Ok(delay) => self.schedule(instance, Phase::Reconcile, delay, chosen.rule),
                    Err(_) => self.schedule(instance, Phase::Compensate, Duration::ZERO, None),
                }
            }
        }
    }

    fn compensate_ended(&mut self, instance: InstanceId, end: &End) {
        if self.run.instance(instance).undo == Some(Undo::Compensated) {
            return;
        }
        let (policy, verdict, rule) = self.run.step_of(instance).undo.for_code(end.code());
        self.again_or_stick(instance, Phase::Compensate, end, (verdict, Chosen { policy, rule }));
    }

    fn again_or_stick(
        &mut self,
        instance: InstanceId,
        phase: Phase,
        end: &End,
        (verdict, chosen): (Option<RuleVerdict>, Chosen),
    ) {
        if self.is_lost_too_often(instance, phase) {
            return self.stick(instance, phase, end, Limit::LostAttempts);
        }
        let wish = self.wish(instance, phase, end, verdict);
        match self.next_delay(instance, phase, &wish, &chosen) {
            Ok(delay) => self.schedule(instance, phase, delay, chosen.rule),
            Err(limit) => self.stick(instance, phase, end, limit),
        }
    }

    /// Whether its host has died of it, or beside it, too many times in a row.
    fn is_lost_too_often(&self, instance: InstanceId, phase: Phase) -> bool {
        let lost = self.run.instance(instance).phase(phase).lost_in_a_row;
        lost > 0 && lost >= self.run.step_of(instance).lost_attempts_max
    }

    pub(super) fn stick(&mut self, instance: InstanceId, phase: Phase, end: &End, limit: Limit) {
        self.emit(Event::StepStuck { instance, phase, failure: failure_of(end, limit) });
    }
}

/// The policy for a failure, and the rule that made it.
struct Chosen {
    policy: RetryPolicy,
    rule: Option<u32>,
}

fn failure_of(end: &End, limit: Limit) -> StepFailure {
    StepFailure {
        end: end.word().into(),
        code: end.code().into(),
        message: end.message().into(),
        limit,
    }
}
