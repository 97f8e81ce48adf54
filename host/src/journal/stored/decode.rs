//! Stored form -> event. The mirror of `encode.rs`: a field is written there and read here.
//! Never trusts what it reads, and never judges whether events make sense together.

use super::FORMAT_VERSION;
use super::fields::Fields;
use super::parts::{
    duration, end, failure, idempotency_key, malformed, moment, need, no_word, output, phase,
    settlement, text, usage, verdict,
};
use piton_core::{
    Cause, Digest, Event, InstanceId, Json, Pipeline, RunStatus, StepIndex, Timestamp,
};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// A stored event that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// It is of a kind that this version does not have.
    UnknownEvent {
        /// Its word.
        event: String,
        /// The version that this host reads.
        version: u32,
    },
    /// It speaks of a step that the run's pipeline does not have.
    UnknownStep {
        /// The event's word.
        event: String,
        /// The step, as it is written there.
        step: String,
    },
    /// It is not as it was written.
    Malformed {
        /// The event's word, or `?` where not even that can be read.
        event: String,
        /// What is wrong.
        what: String,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownEvent { event, version } => write!(
                f,
                "event `{event}` is not one that format version {version} has; a newer piton wrote it"
            ),
            Self::UnknownStep { event, step } => {
                write!(
                    f,
                    "event `{event}` is for step `{step}`, which the run's pipeline does not have"
                )
            }
            Self::Malformed { event, what } => write!(f, "event `{event}` cannot be read: {what}"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// What the first event of a run says before its pipeline is known: enough to fetch the manifest
/// and so the pipeline, with which the event itself can be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStartedStored {
    /// The pipeline's name.
    pub pipeline: String,
    /// The manifest's text, by its digest in the component store.
    pub manifest: Digest,
    /// The folder that the manifest's relative paths are relative to.
    pub folder: String,
    /// The components by the name of their step.
    pub components: BTreeMap<String, Digest>,
    /// The run's input.
    pub input: Json,
    /// What `--key` said.
    pub key: Option<String>,
}

impl RunStartedStored {
    /// Reads the first event of a run.
    ///
    /// # Errors
    /// [`DecodeError`] where it is no readable `run-started`.
    pub fn peek(json: &[u8]) -> Result<Self, DecodeError> {
        let fields = read(json)?;
        if fields.event != "run-started" {
            return Err(malformed(&fields, "the first event of a run is `run-started`"));
        }
        Self::from_fields(fields)
    }

    fn from_fields(mut fields: Fields<'_>) -> Result<Self, DecodeError> {
        let components = need(&fields, "components", fields.components.as_ref())?;
        let components = components.iter().map(|(step, digest)| (step.clone(), digest.0)).collect();
        Ok(Self {
            pipeline: text(&fields, "pipeline", &fields.pipeline)?,
            manifest: need(&fields, "manifest", fields.manifest.as_ref())?.0,
            folder: text(&fields, "folder", &fields.folder)?,
            components,
            input: need(&fields, "input", fields.input.get())?,
            key: fields.key.take(),
        })
    }
}

/// Decodes the events of runs of one pipeline.
pub struct Decoder<'a> {
    pipeline: &'a Pipeline,
    /// By name, because a run of 10,000 steps has as many events.
    steps: HashMap<&'a str, StepIndex>,
}

impl<'a> Decoder<'a> {
    /// Decodes the events of runs of `pipeline`.
    pub fn new(pipeline: &'a Pipeline) -> Self {
        let steps = pipeline.indexes().map(|index| (&*pipeline.step(index).name, index)).collect();
        Self { pipeline, steps }
    }

    /// Decodes one event.
    ///
    /// # Errors
    /// [`DecodeError`], which names the event and what is wrong with it.
    pub fn decode(&self, json: &[u8]) -> Result<Event, DecodeError> {
        let f = read(json)?;
        Ok(match &*f.event {
            "run-started" => return self.run_started(f),
            "attempt-started" => Event::AttemptStarted {
                instance: self.instance(&f)?,
                phase: phase(&f)?,
                attempt: need(&f, "attempt", f.attempt)?,
                digest: need(&f, "digest", f.digest.as_ref())?.0,
                input_hash: need(&f, "input_hash", f.input_hash.as_ref())?.0,
                key: idempotency_key(&f)?,
                deadline: moment(&f, "deadline_ms", f.deadline_ms)?,
                fence: need(&f, "fence", f.fence)?,
            },
            "memo-remembered" => Event::MemoRemembered {
                instance: self.instance(&f)?,
                phase: phase(&f)?,
                attempt: need(&f, "attempt", f.attempt)?,
                key: text(&f, "key", &f.key)?,
                value: text(&f, "value", &f.value)?,
                usage: usage(&f)?,
            },
            "attempt-ended" => Event::AttemptEnded {
                instance: self.instance(&f)?,
                phase: phase(&f)?,
                attempt: need(&f, "attempt", f.attempt)?,
                end: end(&f)?,
                usage: usage(&f)?,
                log_cursor: need(&f, "log_cursor", f.log_cursor)?,
            },
            "retry-scheduled" => Event::RetryScheduled {
                instance: self.instance(&f)?,
                phase: phase(&f)?,
                attempt: need(&f, "attempt", f.attempt)?,
                due: moment(&f, "due_ms", f.due_ms)?,
                delay: duration(&f, "delay_ms", f.delay_ms.map(|raw| raw.get()))?,
                rule: f.rule,
            },
            "step-skipped" => Event::StepSkipped { step: self.step(&f)? },
            "map-started" => {
                let items = need(&f, "items", f.items.as_ref())?;
                let items = items.iter().map(|raw| Json::from_checked(raw.get())).collect();
                Event::MapStarted { step: self.step(&f)?, items }
            }
            "map-ended" => Event::MapEnded { step: self.step(&f)?, output: output(&f)? },
            "wait-started" => Event::WaitStarted {
                step: self.step(&f)?,
                until: f.until_ms.map(Timestamp::from_millis),
            },
            "wait-ended" => Event::WaitEnded { step: self.step(&f)?, output: output(&f)? },
            "signal-received" => Event::SignalReceived {
                name: text(&f, "name", &f.name)?,
                data: need(&f, "data", f.data.get())?,
                by: text(&f, "by", &f.by)?,
            },
            "step-failed" => Event::StepFailed {
                instance: self.instance(&f)?,
                failure: failure(&f)?,
                verdict: verdict(&f)?,
            },
            "step-stuck" => Event::StepStuck {
                instance: self.instance(&f)?,
                phase: phase(&f)?,
                failure: failure(&f)?,
            },
            "turn-requested" => Event::TurnRequested { cause: self.cause(&f)? },
            "turn-refused" => Event::TurnRefused,
            "rollback-started" => Event::RollbackStarted { cause: self.cause(&f)? },
            "undo-not-needed" => Event::UndoNotNeeded { instance: self.instance(&f)? },
            "settled" => Event::Settled {
                instance: self.instance(&f)?,
                settlement: settlement(&f)?,
                because: text(&f, "because", &f.because)?,
                by: text(&f, "by", &f.by)?,
            },
            "retry-requested" => {
                Event::RetryRequested { instance: self.instance(&f)?, by: text(&f, "by", &f.by)? }
            }
            "cancel-requested" => Event::CancelRequested { by: text(&f, "by", &f.by)? },
            "budget-warned" => Event::BudgetWarned {
                unit: text(&f, "unit", &f.unit)?,
                spent: need(&f, "spent", f.spent)?,
                limit: need(&f, "budget", f.budget)?,
            },
            "budget-used-up" => Event::BudgetUsedUp {
                unit: text(&f, "unit", &f.unit)?,
                spent: need(&f, "spent", f.spent)?,
                limit: need(&f, "budget", f.budget)?,
            },
            "budget-renewed" => Event::BudgetRenewed { by: text(&f, "by", &f.by)? },
            "output-failed" => Event::OutputFailed { message: text(&f, "message", &f.message)? },
            "run-finished" => {
                let word = need(&f, "status", f.status.as_deref())?;
                let status = RunStatus::ALL.into_iter().find(|status| status.word() == word);
                let status = status.ok_or_else(|| no_word(&f, "status", word))?;
                Event::RunFinished { status, output: f.output.get() }
            }
            other => {
                return Err(DecodeError::UnknownEvent {
                    event: other.into(),
                    version: FORMAT_VERSION,
                });
            }
        })
    }

    fn run_started(&self, fields: Fields<'_>) -> Result<Event, DecodeError> {
        let stored = RunStartedStored::from_fields(fields)?;
        let mut components = vec![None; self.pipeline.steps.len()];
        for (step, digest) in &stored.components {
            components[self.named("run-started", step)?.0 as usize] = Some(*digest);
        }
        let RunStartedStored { pipeline, manifest, folder, input, key, .. } = stored;
        Ok(Event::RunStarted { pipeline, manifest, folder, components, input, key })
    }

    fn named(&self, event: &str, step: &str) -> Result<StepIndex, DecodeError> {
        self.steps
            .get(step)
            .copied()
            .ok_or_else(|| DecodeError::UnknownStep { event: event.into(), step: step.into() })
    }

    fn step(&self, fields: &Fields<'_>) -> Result<StepIndex, DecodeError> {
        self.named(&fields.event, need(fields, "step", fields.step.as_deref())?)
    }

    /// Reads `name` or `name[3]`; a step's name is an identifier, so brackets are never part of it.
    fn instance(&self, fields: &Fields<'_>) -> Result<InstanceId, DecodeError> {
        let written = need(fields, "step", fields.step.as_deref())?;
        let Some((name, element)) = written.strip_suffix(']').and_then(|s| s.rsplit_once('['))
        else {
            return self.named(&fields.event, written).map(InstanceId::of);
        };
        let step = self.named(&fields.event, name)?;
        let element = element.parse().map_err(|_| no_word(fields, "step", written))?;
        Ok(InstanceId::element(step, element))
    }

    fn cause(&self, fields: &Fields<'_>) -> Result<Cause, DecodeError> {
        Ok(match need(fields, "cause", fields.cause.as_deref())? {
            "step-failed" => Cause::StepFailed(self.instance(fields)?),
            "cancelled" => Cause::Cancelled { by: text(fields, "by", &fields.by)? },
            "requested" => Cause::Requested { by: text(fields, "by", &fields.by)? },
            "deadline" => Cause::Deadline,
            "budget" => Cause::Budget,
            "output-failed" => Cause::OutputFailed,
            other => return Err(no_word(fields, "cause", other)),
        })
    }
}

fn read(json: &[u8]) -> Result<Fields<'_>, DecodeError> {
    serde_json::from_slice(json).map_err(|error| {
        #[derive(serde::Deserialize)]
        struct OnlyEvent {
            event: String,
        }
        let event =
            serde_json::from_slice(json).map_or_else(|_| "?".into(), |o: OnlyEvent| o.event);
        DecodeError::Malformed { event, what: error.to_string() }
    })
}
