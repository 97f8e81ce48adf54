//! What an expression can see of a run.
//! Never evaluates; hands out what is recorded.

use piton_core::{InstanceId, Json, Run, StepIndex, Timestamp};

/// The values of the variables, as recorded.
pub(super) trait Scope {
    /// `input`.
    fn input(&self) -> &Json;
    /// `steps.NAME.output`; none where it has none.
    fn output_of(&self, step: StepIndex) -> Option<&Json>;
    /// `item` and `index`; none outside a map.
    fn element(&self) -> Option<(&Json, u32)>;
    /// `run.id`.
    fn run_id(&self) -> String;
    /// `run.pipeline`.
    fn pipeline_name(&self) -> &str;
    /// `run.started_at`.
    fn started_at(&self) -> Timestamp;
}

/// A run, seen by what is evaluated for one of its instances.
pub(super) struct RunScope<'r> {
    pub(super) run: &'r Run,
    /// None where it is evaluated for the run as a whole.
    pub(super) instance: Option<InstanceId>,
}

impl Scope for RunScope<'_> {
    fn input(&self) -> &Json {
        self.run.input()
    }

    fn output_of(&self, step: StepIndex) -> Option<&Json> {
        self.run.output_of(step)
    }

    fn element(&self) -> Option<(&Json, u32)> {
        let instance = self.instance?;
        Some((self.run.item_of(instance)?, instance.element?))
    }

    fn run_id(&self) -> String {
        self.run.id().to_string()
    }

    fn pipeline_name(&self) -> &str {
        &self.run.pipeline().name
    }

    fn started_at(&self) -> Timestamp {
        self.run.started_at()
    }
}
