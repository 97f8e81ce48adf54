//! Event -> stored form. The mirror of `decode.rs`: a field is written here and read there.
//! Never reads a store.

use super::object::Object;
use piton_core::{
    Cause, End, Event, Failure, FailureKind, InstanceId, Pipeline, Reconciled, Settlement,
    StepFailure, StepIndex, Verdict,
};
use std::fmt;

/// An event that cannot be written so that it would be read back as it is: a bug of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncodeError {
    /// It speaks of a step that the pipeline does not have, or leaves one out.
    UnknownStep {
        /// The event's word.
        event: &'static str,
        /// The step's place.
        step: u32,
    },
    /// A payload is not exactly one JSON value without white space around it.
    NoJson {
        /// The event's word.
        event: &'static str,
        /// The field.
        field: &'static str,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownStep { event, step } => {
                write!(f, "event `{event}` is for step number {step}, not one of its pipeline")
            }
            Self::NoJson { event, field } => write!(
                f,
                "event `{event}` has a `{field}` that is no JSON value, or one with white space around it"
            ),
        }
    }
}

impl std::error::Error for EncodeError {}

/// The event in its stored form, its steps by their names in `pipeline`.
///
/// # Errors
/// [`EncodeError`] where it could not be read back: nothing of it may then be recorded.
pub fn encode(event: &Event, pipeline: &Pipeline) -> Result<Vec<u8>, EncodeError> {
    let mut object = Object::with_capacity(384);
    object.text("event", event.word());
    let mut fields = Fields { event: event.word(), object, pipeline };
    fields.write(event)?;
    let word = event.word();
    fields.object.finish().map_err(|field| EncodeError::NoJson { event: word, field })
}

struct Fields<'a> {
    event: &'static str,
    object: Object,
    pipeline: &'a Pipeline,
}

impl Fields<'_> {
    fn write(&mut self, event: &Event) -> Result<(), EncodeError> {
        match event {
            Event::RunStarted { pipeline, manifest, folder, components, input, key } => {
                let steps = &self.pipeline.steps;
                if components.len() != steps.len() {
                    let step = u32::try_from(components.len()).unwrap_or(u32::MAX);
                    return Err(EncodeError::UnknownStep { event: self.event, step });
                }
                self.object.text("pipeline", pipeline).digest("manifest", manifest);
                self.object.text("folder", folder);
                let named = steps.iter().zip(components);
                let called =
                    named.filter_map(|(step, digest)| Some((&*step.name, digest.as_ref()?)));
                self.object.digests("components", called).payload("input", input);
                if let Some(key) = key {
                    self.object.text("key", key);
                }
            }
            Event::AttemptStarted {
                instance,
                phase,
                attempt,
                digest,
                input_hash,
                key,
                deadline,
                fence,
            } => {
                self.instance(*instance)?;
                self.object.text("phase", phase.word()).number("attempt", (*attempt).into());
                self.object.digest("digest", digest).digest("input_hash", input_hash);
                self.object.text("key", &key.to_string());
                self.object.number("deadline_ms", deadline.as_millis()).number("fence", *fence);
            }
            Event::MemoRemembered { instance, phase, attempt, key, value, usage } => {
                self.instance(*instance)?;
                self.object.text("phase", phase.word()).number("attempt", (*attempt).into());
                self.object.text("key", key).text("value", value).usage("usage", usage);
            }
            Event::AttemptEnded { instance, phase, attempt, end, usage, log_cursor } => {
                self.instance(*instance)?;
                self.object.text("phase", phase.word()).number("attempt", (*attempt).into());
                self.end(end);
                self.object.usage("usage", usage).number("log_cursor", *log_cursor);
            }
            Event::RetryScheduled { instance, phase, attempt, due, delay, rule } => {
                self.instance(*instance)?;
                self.object.text("phase", phase.word()).number("attempt", (*attempt).into());
                self.object.number("due_ms", due.as_millis()).span("delay_ms", *delay);
                if let Some(rule) = rule {
                    self.object.number("rule", (*rule).into());
                }
            }
            Event::StepSkipped { step } => self.step(*step)?,
            Event::MapStarted { step, items } => {
                self.step(*step)?;
                self.object.payloads("items", items);
            }
            Event::MapEnded { step, output } | Event::WaitEnded { step, output } => {
                self.step(*step)?;
                self.object.payload("output", output);
            }
            Event::WaitStarted { step, until } => {
                self.step(*step)?;
                if let Some(until) = until {
                    self.object.number("until_ms", until.as_millis());
                }
            }
            Event::SignalReceived { name, data, by } => {
                self.object.text("name", name).payload("data", data).text("by", by);
            }
            Event::StepFailed { instance, failure, verdict } => {
                self.instance(*instance)?;
                self.failure(failure);
                self.object.text("verdict", verdict_word(*verdict));
            }
            Event::StepStuck { instance, phase, failure } => {
                self.instance(*instance)?;
                self.object.text("phase", phase.word());
                self.failure(failure);
            }
            Event::TurnRequested { cause } | Event::RollbackStarted { cause } => {
                self.cause(cause)?;
            }
            Event::TurnRefused => {}
            Event::UndoNotNeeded { instance } => self.instance(*instance)?,
            Event::Settled { instance, settlement, because, by } => {
                self.instance(*instance)?;
                self.settlement(settlement);
                self.object.text("because", because).text("by", by);
            }
            Event::RetryRequested { instance, by } => {
                self.instance(*instance)?;
                self.object.text("by", by);
            }
            Event::CancelRequested { by } => {
                self.object.text("by", by);
            }
            Event::BudgetWarned { unit, spent, limit }
            | Event::BudgetUsedUp { unit, spent, limit } => {
                self.object.text("unit", unit).number("spent", *spent).number("budget", *limit);
            }
            Event::BudgetRenewed { by } => {
                self.object.text("by", by);
            }
            Event::OutputFailed { message } => {
                self.object.text("message", message);
            }
            Event::RunFinished { status, output } => {
                self.object.text("status", status.word());
                if let Some(output) = output {
                    self.object.payload("output", output);
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, step: StepIndex) -> Result<(), EncodeError> {
        self.instance(InstanceId::of(step))
    }

    fn instance(&mut self, instance: InstanceId) -> Result<(), EncodeError> {
        let place = instance.step.0;
        let step = self.pipeline.steps.get(place as usize);
        let step = step.ok_or(EncodeError::UnknownStep { event: self.event, step: place })?;
        match instance.element {
            None => self.object.text("step", &step.name),
            Some(element) => self.object.text("step", &format!("{}[{element}]", step.name)),
        };
        Ok(())
    }

    /// `unknown` is a word of a failing guest and of a reconciling one, so it is said who says it.
    fn end(&mut self, end: &End) {
        self.object.text("end", end.word());
        match end {
            End::Succeeded(output) => {
                self.object.text("said_by", "guest");
                if let Some(output) = output {
                    self.object.payload("output", output);
                }
            }
            End::Reconciled(reconciled) => {
                self.object.text("said_by", "reconcile");
                if let Reconciled::Done(output) = reconciled {
                    self.object.payload("output", output);
                }
            }
            End::Failed(Failure { kind, clean, code, message, details }) => {
                self.object.text("said_by", "guest");
                if let FailureKind::RetryAfter(wait) = kind {
                    self.object.span("retry_after_ms", *wait);
                }
                self.object.flag("clean", *clean).text("code", code).text("message", message);
                if let Some(details) = details {
                    self.object.payload("details", details);
                }
            }
            End::Host(_, message) => {
                self.object.text("said_by", "host").text("message", message);
            }
        }
    }

    fn failure(&mut self, failure: &StepFailure) {
        self.object.text("end", &failure.end).text("code", &failure.code);
        self.object.text("message", &failure.message).text("limit", failure.limit.word());
    }

    fn cause(&mut self, cause: &Cause) -> Result<(), EncodeError> {
        match cause {
            Cause::StepFailed(instance) => {
                self.object.text("cause", "step-failed");
                self.instance(*instance)?;
            }
            Cause::Cancelled { by } => {
                self.object.text("cause", "cancelled").text("by", by);
            }
            Cause::Requested { by } => {
                self.object.text("cause", "requested").text("by", by);
            }
            Cause::Deadline => {
                self.object.text("cause", "deadline");
            }
            Cause::Budget => {
                self.object.text("cause", "budget");
            }
            Cause::OutputFailed => {
                self.object.text("cause", "output-failed");
            }
        }
        Ok(())
    }

    fn settlement(&mut self, settlement: &Settlement) {
        match settlement {
            Settlement::Done(output) => {
                self.object.text("settlement", "done").payload("output", output);
            }
            Settlement::NotDone => {
                self.object.text("settlement", "not-done");
            }
            Settlement::Undone => {
                self.object.text("settlement", "undone");
            }
        }
    }
}

const fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::TurnBack => "turn-back",
        Verdict::GoOn => "go-on",
        Verdict::Tolerated => "tolerated",
    }
}
