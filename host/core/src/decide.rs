//! What follows from what happened: every decision of a run.
//! A function of the state, the input and the [`Moment`]; never acts on what it decides.

mod backward;
mod budget;
mod forward;
mod input;
mod moment;
mod operator;
mod outcome;
mod refusal;
mod starting;
mod turning;

pub use input::Input;
pub use moment::{Evaluate, EvaluationError, Moment};
pub use refusal::Refusal;

use crate::backoff::Draw;
use crate::end::{End, HostEnd};
use crate::event::{Cause, Event};
use crate::id::{InstanceId, Phase};
use crate::ledger::Usage;
use crate::run::{Run, RunStatus};

/// Decides what `input` makes true, and leaves the run as it is.
///
/// # Errors
/// [`Refusal`] where the input does not fit the state; nothing has become true then.
pub fn decide(run: &Run, input: Input, moment: Moment<'_>) -> Result<Vec<Event>, Refusal> {
    advance(&mut run.clone(), input, moment)
}

/// Decides what `input` makes true, and takes it into the state.
///
/// As [`decide`], without a copy of the run. The caller must make the events durable before it
/// acts on the state or shows it; where that fails, the run is to be thrown away.
///
/// # Errors
/// [`Refusal`] where the input does not fit the state; the run is then as it was.
pub fn advance(run: &mut Run, input: Input, moment: Moment<'_>) -> Result<Vec<Event>, Refusal> {
    let mut deciding = Deciding { run, moment, events: Vec::new(), draws: 0 };
    deciding.take_in(input)?;
    deciding.go_on();
    Ok(deciding.events)
}

/// A decision in the making.
struct Deciding<'a> {
    run: &'a mut Run,
    moment: Moment<'a>,
    events: Vec<Event>,
    draws: u64,
}

impl Deciding<'_> {
    fn take_in(&mut self, input: Input) -> Result<(), Refusal> {
        if self.run.is_finished() {
            return Err(Refusal::Finished(self.run.status()));
        }
        match (self.run.is_started(), &input) {
            (true, Input::Start { .. }) => return Err(Refusal::AlreadyStarted),
            (false, Input::Start { .. }) | (true, _) => {}
            (false, _) => return Err(Refusal::NotStarted),
        }
        match input {
            Input::Start { manifest, folder, components, input, key } => {
                let pipeline = self.run.pipeline().name.clone();
                self.emit(Event::RunStarted { pipeline, manifest, folder, components, input, key });
            }
            Input::HostRestarted => self.host_restarted(),
            Input::AttemptEnded { instance, phase, attempt, end, usage, log_cursor } => {
                self.check_under_way(instance, phase, attempt)?;
                self.attempt_ended(Ended { instance, phase, attempt, end, usage, log_cursor });
            }
            Input::Remember { instance, phase, attempt, key, value, usage } => {
                self.check_under_way(instance, phase, attempt)?;
                self.remember(Event::MemoRemembered {
                    instance,
                    phase,
                    attempt,
                    key,
                    value,
                    usage,
                });
            }
            Input::TimeReached => {}
            Input::Signal { name, data, by } => {
                self.emit(Event::SignalReceived { name, data, by });
            }
            Input::Approve { step, output } => self.approve(step, output)?,
            Input::Disapprove { step, message } => self.disapprove(step, message)?,
            Input::Cancel { by, keep } => self.cancel(by, keep)?,
            Input::RollBack { by } => self.roll_back(by)?,
            Input::Retry { instance, by } => self.retry_by_hand(instance, &by)?,
            Input::Settle { instance, settlement, because, by } => {
                self.settle(instance, settlement, because, by)?;
            }
        }
        Ok(())
    }

    /// Lets everything follow that follows by itself.
    fn go_on(&mut self) {
        loop {
            let before = self.events.len();
            if self.run.is_finished() {
                return;
            }
            self.turn_if_held();
            self.end_if_cancelled();
            self.turn_at_deadline();
            self.warn_of_budget();
            self.reach_timers();
            self.go_forward();
            self.go_backward();
            self.finish();
            if self.events.len() == before {
                return;
            }
        }
    }

    fn emit(&mut self, event: Event) {
        let applied = self.run.apply(self.moment.now, &event);
        applied.expect("a decided event should fit its run");
        self.events.push(event);
    }

    fn draw(&mut self) -> Draw {
        let draw = self.moment.random.nth(self.draws);
        self.draws += 1;
        draw
    }

    fn check_under_way(
        &self,
        instance: InstanceId,
        phase: Phase,
        attempt: u32,
    ) -> Result<(), Refusal> {
        let under_way = self.run.find(instance).and_then(|found| found.under_way.as_ref());
        let fits = under_way.is_some_and(|call| call.phase == phase && call.attempt == attempt);
        if fits { Ok(()) } else { Err(Refusal::StaleAttempt) }
    }

    /// Every attempt that the journal says is under way was another host's, and is lost.
    fn host_restarted(&mut self) {
        let under_way: Vec<InstanceId> = self.run.under_way.iter().copied().collect();
        for instance in under_way {
            let Some(call) = self.run.instance(instance).under_way.clone() else { continue };
            let message = "the host stopped while the attempt was under way";
            self.attempt_ended(Ended {
                instance,
                phase: call.phase,
                attempt: call.attempt,
                end: End::Host(HostEnd::Lost, message.into()),
                usage: Usage::new(),
                log_cursor: 0,
            });
        }
    }

    /// The first value of a key stays; what was spent is recorded either way.
    fn remember(&mut self, event: Event) {
        let Event::MemoRemembered { instance, key, usage, .. } = &event else { return };
        let is_known = self.run.instance(*instance).memos.contains_key(key);
        if !is_known || !usage.is_empty() {
            self.emit(event);
        }
    }

    fn finish(&mut self) {
        let run = &*self.run;
        let is_idle = run.under_way.is_empty() && run.undo.is_idle();
        if run.is_finished() || !is_idle || !run.stuck.is_empty() {
            return;
        }
        if let Some(cause) = run.rollback.clone() {
            let status = match cause {
                Cause::Cancelled { .. } => RunStatus::Cancelled,
                _ => RunStatus::RolledBack,
            };
            self.emit(Event::RunFinished { status, output: None });
        } else if run.unfinished_steps == 0
            && run.turn_wanted.is_none()
            && run.output_failure().is_none()
        {
            match self.moment.evaluate.output(self.run) {
                Ok(output) => self.emit(Event::RunFinished {
                    status: RunStatus::Completed,
                    output: Some(output),
                }),
                Err(error) => self.output_failed(error.message),
            }
        }
    }

    /// The steps are done, and their result cannot be told: undo them where that may still be.
    fn output_failed(&mut self, message: String) {
        self.emit(Event::OutputFailed { message });
        self.turn(Cause::OutputFailed);
    }
}

/// An attempt's end, with all that belongs to it.
struct Ended {
    instance: InstanceId,
    phase: Phase,
    attempt: u32,
    end: End,
    usage: Usage,
    log_cursor: u64,
}

#[cfg(test)]
mod tests;
