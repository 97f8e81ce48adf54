//! Turning back, or not: what a failure, a person or the deadline may bring about.
//! Never undoes anything itself.

use super::Deciding;
use crate::end::{End, HostEnd};
use crate::event::{Cause, Event, Limit};
use crate::id::{InstanceId, Phase};
use crate::ledger::Usage;
use crate::pipeline::OnSiblingFailure;
use crate::run::{RunStatus, Timer};

impl Deciding<'_> {
    /// Turns the run back, or asks for it where a pivot's outcome is open.
    pub(super) fn turn(&mut self, cause: Cause) {
        let is_settled = self.run.rollback.is_some()
            || self.run.turn_wanted.is_some()
            || self.run.cancel_keeping_effects;
        if is_settled || self.run.pivot_passed {
            return;
        }
        if self.run.is_pivot_undecided() {
            self.emit(Event::TurnRequested { cause });
        } else {
            self.turn_now(cause);
        }
    }

    pub(super) fn turn_now(&mut self, cause: Cause) {
        self.emit(Event::RollbackStarted { cause });
        if self.run.pipeline().on_sibling_failure == OnSiblingFailure::Interrupt {
            self.interrupt_executes();
        }
    }

    pub(super) fn interrupt_executes(&mut self) {
        let under_way: Vec<InstanceId> = self.run.under_way.iter().copied().collect();
        for instance in under_way {
            let Some(call) = self.run.instance(instance).under_way.clone() else { continue };
            if call.phase != Phase::Execute {
                continue;
            }
            let message = "the run turned back and did not wait for it";
            self.emit(Event::AttemptEnded {
                instance,
                phase: call.phase,
                attempt: call.attempt,
                end: End::Host(HostEnd::Interrupted, message.into()),
                usage: Usage::new(),
                log_cursor: 0,
            });
        }
    }

    /// A turn that waited for a pivot's outcome: which way does the run go now?
    pub(super) fn turn_if_held(&mut self) {
        let Some(cause) = self.run.turn_wanted.clone() else { return };
        if self.run.pivot_passed {
            self.emit(Event::TurnRefused);
            // Besides the one that caused it, others may have failed meanwhile.
            for instance in self.run.failed.clone() {
                let failure = self.run.instance(instance).failure.clone();
                let mut failure = failure.expect("a failed step should say why");
                failure.limit = Limit::BehindPivot;
                self.emit(Event::StepStuck { instance, phase: Phase::Execute, failure });
            }
        } else if !self.run.is_pivot_undecided() {
            self.turn_now(cause);
        }
    }

    pub(super) fn end_if_cancelled(&mut self) {
        let is_idle = self.run.under_way.is_empty();
        if self.run.cancel_keeping_effects && is_idle && !self.run.is_finished() {
            self.emit(Event::RunFinished { status: RunStatus::Cancelled, output: None });
        }
    }

    pub(super) fn turn_at_deadline(&mut self) {
        let deadline = self.run.deadline().filter(|deadline| *deadline <= self.moment.now);
        let is_due =
            deadline.is_some_and(|deadline| self.run.timers.contains(&(deadline, Timer::Deadline)));
        if is_due && !self.run.is_held(Timer::Deadline) {
            self.turn(Cause::Deadline);
        }
    }
}
