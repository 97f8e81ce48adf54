//! Starting calls: what is due, and what cannot be called after all.
//! Never says how a call ended.

use super::Deciding;
use crate::event::{Event, Limit, StepFailure};
use crate::id::{InstanceId, Phase};
use crate::run::Timer;

impl Deciding<'_> {
    pub(super) fn reach_timers(&mut self) {
        let now = self.moment.now;
        let due: Vec<Timer> = (self.run.timers.iter())
            .take_while(|(at, _)| *at <= now)
            .map(|(_, timer)| *timer)
            .collect();
        for timer in due {
            if self.run.is_held(timer) {
                continue;
            }
            match timer {
                Timer::Retry(instance) => self.retry_is_due(instance),
                Timer::Wait(step) => self.wait_is_over(step),
                Timer::Deadline => {}
            }
        }
    }

    pub(super) fn retry_is_due(&mut self, instance: InstanceId) {
        if !self.moment.may_start {
            return;
        }
        // Turning back drops scheduled attempts, and one timer may have turned the run.
        let Some(retry) = self.run.instance(instance).retry.clone() else { return };
        if retry.due > self.moment.now {
            return;
        }
        if retry.phase == Phase::Execute && self.is_key_forgotten(instance, self.moment.now) {
            // No host was there while the service still knew the key.
            let last_end = self.run.instance(instance).last_end().cloned();
            let end = last_end.expect("an unknown outcome should come from an end");
            return self.stick(instance, Phase::Execute, &end, Limit::IdempotencyWindow);
        }
        if retry.phase != Phase::Execute || self.may_spend() {
            self.start_attempt(instance, retry.phase);
        }
    }

    /// Calls a phase of an instance, unless its input has no value.
    pub(super) fn start_attempt(&mut self, instance: InstanceId, phase: Phase) {
        let input_hash = match self.moment.evaluate.input(self.run, instance) {
            Ok((_, hash)) => hash,
            Err(error) => {
                return self.cannot_start(instance, phase, Limit::Expression, error.message);
            }
        };
        let found = self.run.instance(instance);
        if found.input_hash.is_some_and(|recorded| recorded != input_hash) {
            let message = "its input would differ from the one its first attempt had";
            return self.cannot_start(instance, phase, Limit::InputChanged, message.into());
        }
        let attempt = found.phase(phase).attempts + 1;
        let step = self.run.step_of(instance);
        let deadline = self.moment.now.after(step.timeout);
        let key = self.moment.evaluate.key(self.run.id(), &self.run.name_of(instance), phase);
        let digest = self.run.component(instance.step);
        self.emit(Event::AttemptStarted {
            instance,
            phase,
            attempt,
            digest: digest.expect("a step that is called should have a component"),
            input_hash,
            key,
            deadline,
            fence: self.moment.fence,
        });
    }

    pub(super) fn cannot_start(
        &mut self,
        instance: InstanceId,
        phase: Phase,
        limit: Limit,
        message: String,
    ) {
        let failure =
            StepFailure { end: "not-started".into(), code: limit.word().into(), message, limit };
        let is_forward = self.run.rollback.is_none() && !self.is_tolerated(instance);
        if is_forward && phase == Phase::Execute && limit == Limit::Expression {
            self.fail_forward(instance, failure);
        } else {
            self.emit(Event::StepStuck { instance, phase, failure });
        }
    }
}
