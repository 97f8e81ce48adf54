//! A chain of steps that all succeed, led from its start to its end: what is counted here and in the host.
//! Never reads a clock.

use piton_core::{
    Call, Digest, Draw, End, Evaluate, EvaluationError, Event, IdempotencyKey, Input, InstanceId,
    Json, Moment, Phase, Pipeline, Run, RunId, Step, StepIndex, Timestamp, Usage, advance, due,
};
use std::sync::Arc;

/// A chain of steps and the value that goes through it.
pub(crate) struct Chain {
    pub(crate) pipeline: Arc<Pipeline>,
    value: Json,
}

impl Chain {
    pub(crate) fn new(steps: u32) -> Self {
        let step = |index: u32| {
            let before = index.checked_sub(1).map(StepIndex);
            Step::call(format!("s{index}"), before.into_iter().collect())
        };
        let pipeline = Arc::new(Pipeline::new("chain", (0..steps).map(step).collect()));
        let value = Json::from_checked(format!(r#"{{"n":0,"pad":"{}"}}"#, "x".repeat(184)));
        Self { pipeline, value }
    }

    pub(crate) fn run(&self) -> Run {
        Run::new(RunId::from_bits(1), Arc::clone(&self.pipeline))
    }

    fn start(&self) -> Input {
        let digest = Digest::from_bytes([0; 32]);
        let components = vec![Some(digest); self.pipeline.steps.len()];
        let (folder, input) = (String::new(), self.value.clone());
        Input::Start { manifest: digest, folder, components, input, key: None }
    }

    /// All events, from the start to the end.
    pub(crate) fn decided(&self) -> Vec<Event> {
        let mut run = self.run();
        let mut next = Some(self.start());
        let mut all = Vec::new();
        while let Some(input) = next {
            let moment = Moment {
                now: Timestamp::from_millis(1_000 + all.len() as u64),
                random: Draw(1),
                fence: 1,
                may_start: true,
                evaluate: self,
            };
            all.extend(advance(&mut run, input, moment).expect("the input should fit"));
            next = due(&run).calls.first().map(|call| self.ended(call));
        }
        assert!(run.finished_at().is_some(), "the chain should be at its end");
        all
    }

    fn ended(&self, call: &Call) -> Input {
        Input::AttemptEnded {
            instance: call.instance,
            phase: call.phase,
            attempt: call.attempt,
            end: End::Succeeded(Some(self.value.clone())),
            usage: Usage::new(),
            log_cursor: 0,
        }
    }
}

impl Evaluate for Chain {
    fn when(&self, _: &Run, _: StepIndex) -> Result<bool, EvaluationError> {
        Ok(true)
    }

    fn input(&self, _: &Run, _: InstanceId) -> Result<(Json, Digest), EvaluationError> {
        Ok((self.value.clone(), Digest::from_bytes([0; 32])))
    }

    fn items(&self, _: &Run, _: StepIndex) -> Result<Vec<Json>, EvaluationError> {
        Err(EvaluationError::new("a chain has no maps"))
    }

    fn until(&self, _: &Run, _: StepIndex) -> Result<Timestamp, EvaluationError> {
        Err(EvaluationError::new("a chain does not wait"))
    }

    fn output(&self, _: &Run) -> Result<Json, EvaluationError> {
        Ok(self.value.clone())
    }

    fn key(&self, _: RunId, _: &str, _: Phase) -> IdempotencyKey {
        IdempotencyKey::from_bits(1)
    }
}
