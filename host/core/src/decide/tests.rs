//! The rules of recovery, one by one: a short play for each.
//! The simulation shows that they hold together; here it is seen that they are these.

mod budget;
mod guards;
mod maps;
mod people;
mod pivots;
mod retrying;
mod undoing;
mod unknown;

mod waiting;

use super::{Input, Moment, Refusal, advance};
use crate::backoff::{Draw, Jitter};
use crate::end::{End, Failure, FailureKind, HostEnd, Reconciled};
use crate::event::{Event, Settlement};
use crate::id::{Digest, InstanceId, RunId, StepIndex};
use crate::ledger::Usage;
use crate::pipeline::{MapPolicy, Pipeline, Step, StepKind, Tolerance};
use crate::run::{Run, RunStatus};
use crate::simulation::StubEvaluate;
use crate::simulation::words::words;
use crate::value::{Json, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// A run that is led through its inputs, and what was decided last.
struct Play {
    run: Run,
    now: u64,
    random: Draw,
    evaluate: StubEvaluate,
    decided: Vec<Event>,
}

impl Play {
    fn of(steps: impl Into<Vec<Step>>) -> Self {
        Self::of_pipeline(Pipeline::new("play", steps.into()))
    }

    fn of_pipeline(pipeline: Pipeline) -> Self {
        let mut play = Self::before(pipeline, StubEvaluate::sound(1));
        let start = play.start();
        play.does(start);
        play
    }

    /// A run that has not begun.
    fn before(pipeline: Pipeline, evaluate: StubEvaluate) -> Self {
        let run = Run::new(RunId::from_bits(1), Arc::new(pipeline));
        Self { run, now: 0, random: Draw(1), evaluate, decided: Vec::new() }
    }

    fn start(&self) -> Input {
        let digest = Digest::from_bytes([0; 32]);
        let steps = &self.run.pipeline().steps;
        let components = steps.iter().map(|step| step.calls().then_some(digest)).collect();
        let (folder, input) = (String::new(), Json::null());
        Input::Start { manifest: digest, folder, components, input, key: None }
    }

    fn take(&mut self, input: Input, may_start: bool) -> Result<(), Refusal> {
        let now = Timestamp::from_millis(self.now);
        let evaluate = &self.evaluate;
        let moment = Moment { now, random: self.random, fence: 1, may_start, evaluate };
        self.decided = advance(&mut self.run, input, moment)?;
        Ok(())
    }

    fn does(&mut self, input: Input) -> &mut Self {
        self.take(input, true).expect("the input should be taken");
        self
    }

    #[track_caller]
    fn refuses(&mut self, input: Input, expected: Refusal) -> &mut Self {
        assert_eq!(self.take(input, true), Err(expected));
        self
    }

    /// Ends what is under way there.
    fn ends(&mut self, name: &str, end: End) -> &mut Self {
        let instance = self.named(name);
        let call = self.run.instance(instance).under_way.clone();
        let call = call.unwrap_or_else(|| panic!("`{name}` should be under way"));
        let (phase, attempt, usage) = (call.phase, call.attempt, Usage::new());
        self.does(Input::AttemptEnded { instance, phase, attempt, end, usage, log_cursor: 0 })
    }

    /// Lets time pass up to so many milliseconds after the start.
    fn at(&mut self, now: u64) -> &mut Self {
        self.now = now;
        self.does(Input::TimeReached)
    }

    /// Compares what was decided last, but for the fact that was told, one event a line.
    #[track_caller]
    fn then(&mut self, expected: &[&str]) -> &mut Self {
        let told = |event: &&Event| {
            let is_told = matches!(event, Event::AttemptEnded { .. } | Event::RunStarted { .. });
            !is_told
        };
        let line =
            |event: &Event| format!("{} {}", event.word(), words(self.run.pipeline(), event));
        let lines: Vec<String> =
            self.decided.iter().filter(told).map(|event| line(event).trim().to_owned()).collect();
        assert_eq!(lines, expected);
        self
    }

    #[track_caller]
    fn is(&mut self, expected: RunStatus) -> &mut Self {
        assert_eq!(self.run.status(), expected);
        self
    }

    fn named(&self, name: &str) -> InstanceId {
        let found = self.run.instances().into_iter().find(|id| self.run.name_of(*id) == name);
        found.unwrap_or_else(|| panic!("the run should have `{name}`"))
    }

    fn settle(&self, name: &str, settlement: Settlement) -> Input {
        let (because, by) = ("looked".into(), "me".into());
        Input::Settle { instance: self.named(name), settlement, because, by }
    }

    fn retry(&self, name: &str) -> Input {
        Input::Retry { instance: Some(self.named(name)), by: "me".into() }
    }
}

/// A step whose waits are 1 s, 2 s, 4 s, without chance.
fn step(name: &str, after: &[u32]) -> Step {
    let mut step = Step::call(name, after.iter().copied().map(StepIndex).collect());
    step.retry.backoff.jitter = Jitter::None;
    step.undo.backoff.jitter = Jitter::None;
    step
}

fn with(mut step: Step, change: impl FnOnce(&mut Step)) -> Step {
    change(&mut step);
    step
}

/// A map over three items.
fn map(name: &str, tolerate: u32) -> Step {
    with(step(name, &[]), |step| {
        step.kind = StepKind::Map(MapPolicy {
            max_parallel: 16,
            tolerate: Tolerance::Count(tolerate),
            items_max: 3,
        });
    })
}

fn ok() -> End {
    End::Succeeded(Some(Json::from_checked("{}")))
}

fn undone() -> End {
    End::Succeeded(None)
}

fn failed(kind: FailureKind, clean: bool) -> End {
    let (code, message) = ("code".into(), "it failed".into());
    End::Failed(Failure { kind, clean, code, message, details: None })
}

fn busy() -> End {
    failed(FailureKind::Retryable, false)
}

fn refused() -> End {
    failed(FailureKind::Permanent, false)
}

fn refused_clean() -> End {
    failed(FailureKind::Permanent, true)
}

fn later(seconds: u64) -> End {
    failed(FailureKind::RetryAfter(Duration::from_secs(seconds)), false)
}

fn host(end: HostEnd) -> End {
    End::Host(end, "the host says so".into())
}

fn found(reconciled: Reconciled) -> End {
    End::Reconciled(reconciled)
}

fn cancel(keep: bool) -> Input {
    Input::Cancel { by: "me".into(), keep }
}

fn roll_back() -> Input {
    Input::RollBack { by: "me".into() }
}

const STEP_0_FAILED: &str =
    "rollback-started StepFailed(InstanceId { step: StepIndex(0), element: None })";
const STEP_1_FAILED: &str =
    "rollback-started StepFailed(InstanceId { step: StepIndex(1), element: None })";
const STEP_2_FAILED: &str =
    "rollback-started StepFailed(InstanceId { step: StepIndex(2), element: None })";
const REQUESTED: &str = "rollback-started Requested { by: \"me\" }";
const CANCELLED: &str = "rollback-started Cancelled { by: \"me\" }";
