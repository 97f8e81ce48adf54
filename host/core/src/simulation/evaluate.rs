//! Stands in for the expressions of a manifest: values that depend on what they would depend on.
//! Never changes its answer for the same run, step and outputs.

use crate::backoff::Draw;
use crate::decide::{Evaluate, EvaluationError};
use crate::id::{Digest, IdempotencyKey, InstanceId, Phase, RunId, StepIndex};
use crate::run::Run;
use crate::value::{Json, Timestamp};
use std::time::Duration;

/// Expressions whose values follow from a seed and from the outputs they refer to.
#[derive(Debug, Clone)]
pub struct StubEvaluate {
    /// What all values follow from.
    pub seed: u64,
    /// How many expressions in a thousand have no value.
    pub broken: u32,
    /// How many `when` in a thousand are false.
    pub skipped: u32,
    /// The most items a list has.
    pub items_max: u32,
}

impl StubEvaluate {
    /// Expressions that all have a value, with every `when` true.
    pub const fn sound(seed: u64) -> Self {
        Self { seed, broken: 0, skipped: 0, items_max: 3 }
    }

    fn value(&self, kind: u64, instance: InstanceId) -> u64 {
        let element = instance.element.map_or(0, |element| u64::from(element) + 1);
        Draw(self.seed).nth(kind).nth(u64::from(instance.step.0)).nth(element).0
    }

    fn sound_or(&self, kind: u64, instance: InstanceId, what: &str) -> Result<(), EvaluationError> {
        if self.value(kind, instance) % 1_000 < u64::from(self.broken) {
            return Err(EvaluationError::new(format!("{what} has no value")));
        }
        Ok(())
    }
}

impl Evaluate for StubEvaluate {
    fn when(&self, _run: &Run, step: StepIndex) -> Result<bool, EvaluationError> {
        let step = InstanceId::of(step);
        self.sound_or(1, step, "`when`")?;
        Ok(self.value(2, step) % 1_000 >= u64::from(self.skipped))
    }

    fn input(&self, run: &Run, instance: InstanceId) -> Result<(Json, Digest), EvaluationError> {
        self.sound_or(3, instance, "`input`")?;
        let mut hash = self.value(4, instance);
        let mut mix = |text: &str| {
            // FNV-1a: any function of the text would do.
            for byte in text.bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        };
        for before in &run.pipeline().step(instance.step).after {
            mix(run.output_of(*before).map_or("null", Json::as_str));
        }
        mix(run.item_of(instance).map_or("null", Json::as_str));
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&hash.to_be_bytes());
        Ok((Json::from_checked(format!("{{\"input\":{hash}}}")), Digest::from_bytes(bytes)))
    }

    fn items(&self, _run: &Run, step: StepIndex) -> Result<Vec<Json>, EvaluationError> {
        let step = InstanceId::of(step);
        self.sound_or(5, step, "`map`")?;
        let count = self.value(6, step) % (u64::from(self.items_max) + 1);
        Ok((0..count).map(|item| Json::from_checked(item.to_string())).collect())
    }

    fn until(&self, run: &Run, step: StepIndex) -> Result<Timestamp, EvaluationError> {
        let step = InstanceId::of(step);
        self.sound_or(7, step, "`wait_until`")?;
        Ok(run.started_at().after(Duration::from_millis(self.value(8, step) % 600_000)))
    }

    fn output(&self, _run: &Run) -> Result<Json, EvaluationError> {
        self.sound_or(9, InstanceId::of(StepIndex(u32::MAX)), "`output`")?;
        Ok(Json::from_checked("{\"done\":true}"))
    }

    fn key(&self, run: RunId, step: &str, phase: Phase) -> IdempotencyKey {
        let mut draw = Draw((run.bits() >> 64) as u64 ^ run.bits() as u64).nth(phase as u64);
        for byte in step.bytes() {
            draw = draw.nth(u64::from(byte));
        }
        IdempotencyKey::from_bits(u128::from(draw.0) << 64 | u128::from(draw.nth(1).0))
    }
}
