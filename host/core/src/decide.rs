//! What follows from what happened: every decision of a run.
//! A function of the state, the input and the [`Moment`]; never acts on what it decides.

mod backward;
mod forward;
mod operator;
mod outcome;

use crate::backoff::Draw;
use crate::end::{End, HostEnd};
use crate::event::{Cause, Event, Limit, Settlement, StepFailure};
use crate::id::{Digest, IdempotencyKey, InstanceId, Phase, RunId, StepIndex};
use crate::ledger::Usage;
use crate::pipeline::OnSiblingFailure;
use crate::run::{Run, RunStatus, Timer};
use crate::value::{Json, Timestamp};
use std::fmt;

/// All that can happen to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// It is to begin.
    Start {
        /// The digest of the manifest's text.
        manifest: Digest,
        /// The folder that the manifest's relative paths are relative to.
        folder: String,
        /// The component of each step that calls one.
        components: Vec<Option<Digest>>,
        /// The run's input.
        input: Json,
        /// The user's key.
        key: Option<String>,
    },
    /// Another host holds the run now: what was under way is lost.
    HostRestarted,
    /// A call is over.
    AttemptEnded {
        /// What was called.
        instance: InstanceId,
        /// Which of its functions.
        phase: Phase,
        /// Which attempt.
        attempt: u32,
        /// How it ended.
        end: End,
        /// What it spent since its last durable report.
        usage: Usage,
        /// Log lines of the step that belong to this attempt and those before.
        log_cursor: u64,
    },
    /// A guest notes something for later attempts.
    Remember {
        /// Whose memo.
        instance: InstanceId,
        /// The phase that notes it.
        phase: Phase,
        /// The attempt that notes it.
        attempt: u32,
        /// The memo's key.
        key: String,
        /// Its value.
        value: String,
        /// What the attempt has spent since its last durable report.
        usage: Usage,
    },
    /// Time has passed: something may be due.
    TimeReached,
    /// Somebody sends a signal.
    Signal {
        /// Its name.
        name: String,
        /// What comes with it.
        data: Json,
        /// Who sends it.
        by: String,
    },
    /// Somebody approves.
    Approve {
        /// The approval node.
        step: StepIndex,
        /// The node's output: who, why, and what they say.
        output: Json,
    },
    /// Somebody refuses to approve.
    Disapprove {
        /// The approval node.
        step: StepIndex,
        /// Who and why, for people.
        message: String,
    },
    /// Somebody cancels the run.
    Cancel {
        /// Who.
        by: String,
        /// Whether its effects are to stay.
        keep: bool,
    },
    /// Somebody asks for a rollback.
    RollBack {
        /// Who.
        by: String,
    },
    /// Somebody asks for further attempts of what is stuck.
    Retry {
        /// What; none: all that is stuck.
        instance: Option<InstanceId>,
        /// Who.
        by: String,
    },
    /// Somebody says what became of a step.
    Settle {
        /// Which.
        instance: InstanceId,
        /// What became of it.
        settlement: Settlement,
        /// Why, in their words.
        because: String,
        /// Who.
        by: String,
    },
}

/// When a decision is made, and by whom.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// The time.
    pub now: Timestamp,
    /// A fresh random number.
    pub random: Draw,
    /// The number of the host's hold on the journal.
    pub fence: u64,
    /// Whether calls may be started. False while the host leaves: what is ready then stays ready.
    pub may_start: bool,
    /// The values of expressions.
    pub evaluate: &'a dyn Evaluate,
}

/// What the core cannot compute from std alone: pure functions of their arguments.
pub trait Evaluate {
    /// Whether a step with `when` is to run.
    ///
    /// # Errors
    /// [`EvaluationError`] where the expression has no value of the right type, here and below.
    fn when(&self, run: &Run, step: StepIndex) -> Result<bool, EvaluationError>;

    /// The input of an instance, and its hash. The same for all attempts of all phases.
    ///
    /// # Errors
    /// As above.
    fn input(&self, run: &Run, instance: InstanceId) -> Result<(Json, Digest), EvaluationError>;

    /// The items of a map.
    ///
    /// # Errors
    /// As above, and where there are more than the map may have.
    fn items(&self, run: &Run, step: StepIndex) -> Result<Vec<Json>, EvaluationError>;

    /// When a `wait_until` node ends.
    ///
    /// # Errors
    /// As above.
    fn until(&self, run: &Run, step: StepIndex) -> Result<Timestamp, EvaluationError>;

    /// The run's output, once all its steps have ended well.
    ///
    /// # Errors
    /// As above.
    fn output(&self, run: &Run) -> Result<Json, EvaluationError>;

    /// The key that all calls of this phase carry, and no other.
    fn key(&self, run: RunId, step: &str, phase: Phase) -> IdempotencyKey;
}

/// An expression of the manifest that has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationError {
    /// Which expression, and why; for people.
    pub message: String,
}

impl EvaluationError {
    /// An error with this text.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EvaluationError {}

/// Why an input changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The run is over.
    Finished(RunStatus),
    /// The run has not begun.
    NotStarted,
    /// The run has begun.
    AlreadyStarted,
    /// The run is already turning back.
    RollingBack,
    /// A pivot's result is recorded.
    PastPivot,
    /// The run is already being cancelled.
    Cancelling,
    /// The attempt is not the one under way: it was dropped, and its end no longer counts.
    StaleAttempt,
    /// Nothing of it is stuck.
    NotStuck,
    /// Its outcome is unknown: it must be settled before it may be repeated.
    MustBeSettled,
    /// It has not turned back: it cannot be settled as undone.
    NotRollingBack,
    /// A call of it is under way.
    UnderWay,
    /// There is nothing to settle: its outcome is known.
    NothingToSettle,
    /// The node does not wait for an approval.
    NotAwaitingApproval,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Finished(status) => return write!(f, "the run is over ({})", status.word()),
            Self::NotStarted => "the run has not begun",
            Self::AlreadyStarted => "the run has already begun",
            Self::RollingBack => "the run is already rolling back",
            Self::PastPivot => {
                "the run is past its pivot and can only go forward; \
                 `piton cancel --keep` ends it and keeps its effects"
            }
            Self::Cancelling => "the run is already being cancelled",
            Self::StaleAttempt => "the attempt is no longer the one under way",
            Self::NotStuck => "nothing there is stuck",
            Self::MustBeSettled => {
                "its outcome is unknown, so repeating it might do it twice; \
                 find out what became of it and say so with `piton settle`"
            }
            Self::NotRollingBack => {
                "the run is not rolling back, so nothing is undone yet; \
                 settle it as `done` or `not-done`, or begin with `piton rollback`"
            }
            Self::UnderWay => "a call of it is under way",
            Self::NothingToSettle => "there is nothing to settle: what became of it is known",
            Self::NotAwaitingApproval => "it does not wait for an approval",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Refusal {}

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

    /// Turns the run back, or asks for it where a pivot's outcome is open.
    fn turn(&mut self, cause: Cause) {
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

    fn turn_now(&mut self, cause: Cause) {
        self.emit(Event::RollbackStarted { cause });
        if self.run.pipeline().on_sibling_failure == OnSiblingFailure::Interrupt {
            self.interrupt_executes();
        }
    }

    fn interrupt_executes(&mut self) {
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
    fn turn_if_held(&mut self) {
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

    fn end_if_cancelled(&mut self) {
        let is_idle = self.run.under_way.is_empty();
        if self.run.cancel_keeping_effects && is_idle && !self.run.is_finished() {
            self.emit(Event::RunFinished { status: RunStatus::Cancelled, output: None });
        }
    }

    fn turn_at_deadline(&mut self) {
        let deadline = self.run.deadline().filter(|deadline| *deadline <= self.moment.now);
        let is_due =
            deadline.is_some_and(|deadline| self.run.timers.contains(&(deadline, Timer::Deadline)));
        if is_due && !self.run.is_held(Timer::Deadline) {
            self.turn(Cause::Deadline);
        }
    }

    fn reach_timers(&mut self) {
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

    fn retry_is_due(&mut self, instance: InstanceId) {
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
        self.start_attempt(instance, retry.phase);
    }

    /// Calls a phase of an instance, unless its input has no value.
    fn start_attempt(&mut self, instance: InstanceId, phase: Phase) {
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

    fn cannot_start(&mut self, instance: InstanceId, phase: Phase, limit: Limit, message: String) {
        let failure =
            StepFailure { end: "not-started".into(), code: limit.word().into(), message, limit };
        let is_forward = self.run.rollback.is_none() && !self.is_tolerated(instance);
        if is_forward && phase == Phase::Execute && limit == Limit::Expression {
            self.fail_forward(instance, failure);
        } else {
            self.emit(Event::StepStuck { instance, phase, failure });
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
