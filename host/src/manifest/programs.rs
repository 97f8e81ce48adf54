//! All expressions of a manifest, evaluated against a run.
//! Pure: the same run gives the same value, in every process. Never parses, never decides.

use super::expression::Expression;
use super::path::kind_of;
use super::scope::{RunScope, Scope};
use super::template::Template;
use super::value::push_text;
use piton_core::{EvaluationError, InstanceId, Json, Run, StepIndex, Timestamp};
use serde_json::value::RawValue;

/// How to write a moment, for hints.
pub(super) const MOMENT_NOTATION: &str =
    "write it as RFC 3339 does, with its time zone: \"2026-01-31T09:00:00Z\"";

/// The expressions of one step.
#[derive(Debug, Default)]
pub(super) struct StepProgram {
    pub(super) when: Option<Expression>,
    pub(super) items: Option<Template>,
    pub(super) input: Option<Template>,
    pub(super) until: Option<Template>,
    pub(super) is_map: bool,
}

/// All expressions of a manifest, ready to be evaluated.
#[derive(Debug)]
pub struct Programs {
    pub(super) steps: Vec<StepProgram>,
    pub(super) output: Option<Template>,
    /// The steps that nothing comes after, with their names.
    pub(super) last: Vec<(StepIndex, String)>,
}

impl Programs {
    /// Whether the step is to run; true where it has no `when`.
    ///
    /// # Errors
    /// Where its `when` has no value, or one that is neither true nor false.
    pub fn when(&self, run: &Run, step: StepIndex) -> Result<bool, EvaluationError> {
        self.when_in(&RunScope { run, instance: None }, step)
    }

    /// The input of a call. A step without `input` gets the run's input, a map's element its item.
    ///
    /// # Errors
    /// Where an expression in it has no value.
    pub fn input(&self, run: &Run, instance: InstanceId) -> Result<Json, EvaluationError> {
        self.input_in(&RunScope { run, instance: Some(instance) }, instance.step)
    }

    /// The items of a map, in order; how many there may be is not checked.
    ///
    /// # Errors
    /// Where its `map` has no value, or one that is no list.
    pub fn items(&self, run: &Run, step: StepIndex) -> Result<Vec<Json>, EvaluationError> {
        self.items_in(&RunScope { run, instance: None }, step)
    }

    /// The moment that a `wait_until` waits for; one before 1970 is 1970, and so has passed.
    ///
    /// # Errors
    /// Where it has no value, or one that is no moment of RFC 3339.
    pub fn until(&self, run: &Run, step: StepIndex) -> Result<Timestamp, EvaluationError> {
        self.until_in(&RunScope { run, instance: None }, step)
    }

    /// The run's output: `[output]`, or the output of the last step, or an object of the outputs
    /// of all steps that nothing comes after.
    ///
    /// # Errors
    /// Where an expression in `[output]` has no value.
    pub fn output(&self, run: &Run) -> Result<Json, EvaluationError> {
        self.output_in(&RunScope { run, instance: None })
    }

    fn step(&self, step: StepIndex) -> &StepProgram {
        &self.steps[step.0 as usize]
    }

    pub(super) fn when_in(
        &self,
        scope: &dyn Scope,
        step: StepIndex,
    ) -> Result<bool, EvaluationError> {
        self.step(step).when.as_ref().map_or(Ok(true), |when| when.boolean(scope))
    }

    pub(super) fn input_in(
        &self,
        scope: &dyn Scope,
        step: StepIndex,
    ) -> Result<Json, EvaluationError> {
        let program = self.step(step);
        match (&program.input, scope.element()) {
            (Some(input), _) => input.json(scope),
            (None, Some((item, _))) if program.is_map => Ok(item.clone()),
            (None, _) => Ok(scope.input().clone()),
        }
    }

    pub(super) fn items_in(
        &self,
        scope: &dyn Scope,
        step: StepIndex,
    ) -> Result<Vec<Json>, EvaluationError> {
        let Some(items) = &self.step(step).items else {
            return Err(EvaluationError::new("the step has no `map`"));
        };
        let list = items.json(scope)?;
        let elements: Vec<&RawValue> = serde_json::from_str(list.as_str()).map_err(|_| {
            let kind = kind_of(list.as_str());
            EvaluationError::new(format!("`map` is {kind}, and must be a list"))
        })?;
        Ok(elements.into_iter().map(|element| Json::from_checked(element.get())).collect())
    }

    pub(super) fn until_in(
        &self,
        scope: &dyn Scope,
        step: StepIndex,
    ) -> Result<Timestamp, EvaluationError> {
        let Some(until) = &self.step(step).until else {
            return Err(EvaluationError::new("the step has no `wait_until`"));
        };
        moment(until.json(scope)?.as_str())
            .map_err(|reason| EvaluationError::new(format!("`wait_until` is no moment: {reason}")))
    }

    pub(super) fn output_in(&self, scope: &dyn Scope) -> Result<Json, EvaluationError> {
        if let Some(output) = &self.output {
            return output.json(scope);
        }
        let output_of = |step| scope.output_of(step).cloned().unwrap_or_else(Json::null);
        if let [(only, _)] = self.last.as_slice() {
            return Ok(output_of(*only));
        }
        let mut json = String::from("{");
        for (nth, (step, name)) in self.last.iter().enumerate() {
            if nth > 0 {
                json.push(',');
            }
            push_text(name, &mut json);
            json.push(':');
            json.push_str(output_of(*step).as_str());
        }
        json.push('}');
        Ok(Json::from_checked(json))
    }
}

/// Reads a moment from a JSON text.
///
/// # Errors
/// Why it is none, as a fragment.
pub(super) fn moment(json: &str) -> Result<Timestamp, String> {
    let text: String = serde_json::from_str(json)
        .map_err(|_| format!("it is {}, and must be a text", kind_of(json)))?;
    let moment: jiff::Timestamp = text.parse().map_err(|_| {
        let cut: String = text.chars().take(60).collect();
        format!("`{cut}` is not written as RFC 3339 does, with its time zone")
    })?;
    Ok(Timestamp::from_millis(u64::try_from(moment.as_millisecond()).unwrap_or(0)))
}
