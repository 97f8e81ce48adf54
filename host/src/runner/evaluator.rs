//! Gives the core the values of a manifest's expressions, and the keys of calls.
//! Pure apart from a memory of inputs it has just computed; never decides anything.

use super::loaded::Loaded;
use crate::journal::Secret;
use piton_core::{
    Digest, Evaluate, EvaluationError, IdempotencyKey, InstanceId, Json, Phase, Run, RunId,
    StepIndex, StepKind, Timestamp,
};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The expressions of one run's manifest.
pub(crate) struct Evaluator {
    loaded: Arc<Loaded>,
    secret: Arc<Secret>,
    /// Inputs of calls that are about to be made: computed for the decision, used for the call.
    inputs: Mutex<BTreeMap<InstanceId, Json>>,
}

impl Evaluator {
    pub(crate) fn new(loaded: Arc<Loaded>, secret: Arc<Secret>) -> Self {
        Self { loaded, secret, inputs: Mutex::default() }
    }

    /// The input of a call that was decided on.
    pub(crate) fn take_input(
        &self,
        run: &Run,
        instance: InstanceId,
    ) -> Result<Json, EvaluationError> {
        let known = self.inputs.lock().expect("no holder panics").remove(&instance);
        known.map_or_else(|| self.loaded.manifest.programs.input(run, instance), Ok)
    }
}

impl Evaluate for Evaluator {
    fn when(&self, run: &Run, step: StepIndex) -> Result<bool, EvaluationError> {
        self.loaded.manifest.programs.when(run, step)
    }

    fn input(&self, run: &Run, instance: InstanceId) -> Result<(Json, Digest), EvaluationError> {
        let input = self.loaded.manifest.programs.input(run, instance)?;
        let most = self.loaded.manifest.steps[instance.step.0 as usize].limits.input_bytes;
        if input.as_str().len() as u64 > most {
            let bytes = input.as_str().len();
            let message = format!("its input has {bytes} bytes; at most {most} are allowed");
            return Err(EvaluationError::new(message));
        }
        let hash = Digest::from_bytes(Sha256::digest(input.as_str().as_bytes()).into());
        self.inputs.lock().expect("no holder panics").insert(instance, input.clone());
        Ok((input, hash))
    }

    fn items(&self, run: &Run, step: StepIndex) -> Result<Vec<Json>, EvaluationError> {
        let items = self.loaded.manifest.programs.items(run, step)?;
        if let StepKind::Map(policy) = &run.pipeline().step(step).kind
            && items.len() > policy.items_max as usize
        {
            let (count, most) = (items.len(), policy.items_max);
            let message =
                format!("its list has {count} items; at most {most} are allowed (`items_max`)");
            return Err(EvaluationError::new(message));
        }
        Ok(items)
    }

    fn until(&self, run: &Run, step: StepIndex) -> Result<Timestamp, EvaluationError> {
        self.loaded.manifest.programs.until(run, step)
    }

    fn output(&self, run: &Run) -> Result<Json, EvaluationError> {
        self.loaded.manifest.programs.output(run)
    }

    fn key(&self, run: RunId, step: &str, phase: Phase) -> IdempotencyKey {
        self.secret.idempotency_key(run, step, phase)
    }
}
