//! What is told about runs: the JSON documents of the command line and of the socket.
//! Built from a run or its row, for programs first; the same documents are drawn for people.
//! Owns their shape: fields may be added, none may change. Never decides what is true of a run.

use super::tally::Tally;
use crate::journal::{LogLine, Record, RunRow, Totals};
use piton_core::{
    Amount, InstanceId, Json, Ledger, Outcome, Phase, Run, RunStatus, StepFailure, StepIndex,
    StepKind, StepStatus, Timestamp, Undo, Usage, Waiting,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Units and their amounts: `{"usd": 1.05}`. Amounts are exact to the millionth up to 2^53 of them.
pub type Amounts = BTreeMap<String, f64>;

/// A run as `run`, `resume` and `show` tell it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// The run's id.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The word for where it stands.
    pub status: String,
    /// Its output; null unless it completed.
    pub output: Option<Box<RawValue>>,
    /// Its steps, in the order of the manifest.
    pub steps: Vec<StepSummary>,
    /// What it has spent.
    pub usage: UsageSummary,
    /// Why it turned back, or what it is stuck at; null otherwise.
    pub failure: Option<FailureDocument>,
    /// Why it turned back: a word; null where it did not.
    pub cause: Option<String>,
    /// What `--key` said.
    pub key: Option<String>,
    /// When it started, RFC 3339.
    pub started_at: String,
    /// When something last became true of it, RFC 3339.
    pub updated_at: String,
    /// When it ended, RFC 3339; null while it has not.
    pub finished_at: Option<String>,
    /// Steps whose effects stay though the run did not complete.
    pub stays: Vec<String>,
    /// Its input.
    pub input: Box<RawValue>,
    /// What is damaged of what it began with, for people; left out where nothing is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<String>,
}

/// A step of a [`Summary`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StepSummary {
    /// Its name.
    pub step: String,
    /// The word for where it stands.
    pub status: String,
    /// Attempts of `execute` started; of a map, of all its elements.
    pub attempts: u64,
    /// Whether its effects were undone.
    pub compensated: bool,
    /// Its recorded output; null where there is none.
    pub output: Option<Box<RawValue>>,
    /// Attempts of `compensate` started; left out where there was none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub undo_attempts: u64,
    /// Why it failed or is stuck; left out where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureDocument>,
    /// When its next attempt or the end of its wait is due, RFC 3339; left out where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// What a waiting node waits for; left out elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// How many elements of a map stand how; left out elsewhere.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub elements: BTreeMap<String, u64>,
    /// The elements of a map that failed or are stuck, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubled: Vec<StepSummary>,
    /// How its last attempt ended, where it is tried again; left out elsewhere. Partly text from a
    /// stranger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// The name of the phase that is under way or due; left out where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// When the attempt under way is ended by the host, RFC 3339; left out where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
}

/// How many troubled elements of a map a summary lists.
pub(super) const ELEMENTS_SHOWN: usize = 20;

/// What a run has spent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UsageSummary {
    /// All of it.
    pub spent: Amounts,
    /// What went into attempts whose result was not kept.
    pub wasted: Amounts,
    /// What a start from the top would have paid again at each failure.
    pub restart: Amounts,
}

/// Why something failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FailureDocument {
    /// The step, `name` or `name[3]`.
    pub step: String,
    /// The phase's word.
    pub phase: String,
    /// How its last attempt ended, or `not-started`.
    pub end: String,
    /// The guest's code, or the host's word. Text from a stranger.
    pub code: String,
    /// For people. Text from a stranger.
    pub message: String,
    /// Which limit left no further attempt.
    #[serde(default)]
    pub limit: String,
}

/// A run as `runs` lists it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RowDocument {
    /// The run's id.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The word for where it stands.
    pub status: String,
    /// What `--key` said.
    pub key: Option<String>,
    /// When it started, RFC 3339.
    pub started_at: String,
    /// When something last became true of it, RFC 3339.
    pub updated_at: String,
    /// When it ended, RFC 3339; null while it has not.
    pub finished_at: Option<String>,
    /// What it has spent.
    pub usage: UsageSummary,
    /// Why it did not complete; null where it did, or may yet.
    pub failure: Option<FailureDocument>,
}

/// What `verify` has checked and found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verification {
    /// Runs.
    pub runs: u64,
    /// Their events.
    pub events: u64,
    /// Their log lines.
    pub log_lines: u64,
    /// Components and manifests that are kept.
    pub contents: u64,
    /// What is wrong; empty where nothing is.
    pub problems: Vec<String>,
}

/// One event as `events` tells it: `seq` and `at`, then the event's own fields.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EventDocument {
    /// Its number in the run, from 1.
    pub seq: u64,
    /// When it became true, RFC 3339.
    pub at: String,
    /// Its word and its fields, as they are stored.
    #[serde(flatten)]
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// One log line as `logs` tells it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogDocument {
    /// The step, `name` or `name[3]`.
    pub step: String,
    /// The phase's word.
    pub phase: String,
    /// The attempt.
    pub attempt: u32,
    /// When it was said, RFC 3339.
    pub at: String,
    /// `trace` to `error`, `stdout`, `stderr`, or `host`.
    pub channel: String,
    /// What was said. Text from a stranger.
    pub text: String,
}

/// A moment in RFC 3339, UTC, with milliseconds.
pub fn rfc3339(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(at) => format!("{at:.3}"),
        // Past what a calendar can tell: the end of time, as `Timestamp::MAX` means it.
        Err(_) => "9999-12-31T23:59:59.999Z".into(),
    }
}

impl Summary {
    /// Tells where `run` stands.
    pub fn of(run: &Run) -> Self {
        Self {
            run: run.id().to_string(),
            pipeline: run.pipeline().name.clone(),
            status: run.status().word().into(),
            output: run.output().map(raw),
            steps: run.pipeline().indexes().map(|step| step_summary(run, step)).collect(),
            usage: UsageSummary::of(run.ledger()),
            failure: failure_of_run(run),
            cause: run.cause().map(|cause| cause_word(cause).into()),
            key: run.user_key().map(Into::into),
            started_at: rfc3339(run.started_at()),
            updated_at: rfc3339(run.updated_at()),
            finished_at: run.finished_at().map(rfc3339),
            stays: stays(run),
            input: raw(run.input()),
            damaged: Vec::new(),
        }
    }
}

impl UsageSummary {
    pub(super) fn of(ledger: &Ledger) -> Self {
        Self {
            spent: amounts(&ledger.spent),
            wasted: amounts(&ledger.wasted),
            restart: amounts(&ledger.restart),
        }
    }

    fn of_totals(totals: &Totals) -> Self {
        Self {
            spent: amounts(&totals.spent),
            wasted: amounts(&totals.wasted),
            restart: amounts(&totals.restart),
        }
    }
}

impl From<&RunRow> for RowDocument {
    fn from(row: &RunRow) -> Self {
        Self {
            run: row.run.to_string(),
            pipeline: row.pipeline.clone(),
            status: row.status.word().into(),
            key: row.key.clone(),
            started_at: rfc3339(row.started_at),
            updated_at: rfc3339(row.updated_at),
            finished_at: row.ended_at.map(rfc3339),
            usage: UsageSummary::of_totals(&row.totals),
            failure: row.failure.as_ref().map(|failure| FailureDocument {
                step: failure.step.clone(),
                phase: failure.phase.clone(),
                end: failure.end.clone(),
                code: failure.code.clone(),
                message: failure.message.clone(),
                limit: String::new(),
            }),
        }
    }
}

impl EventDocument {
    /// The document of a record.
    ///
    /// # Errors
    /// Where the record is no JSON object: a damaged journal.
    pub fn of(record: &Record) -> Result<Self, serde_json::Error> {
        let fields = serde_json::from_slice(&record.json)?;
        Ok(Self { seq: record.seq, at: rfc3339(record.at), fields })
    }
}

impl From<&LogLine> for LogDocument {
    fn from(line: &LogLine) -> Self {
        Self {
            step: line.step.clone(),
            phase: line.phase.word().into(),
            attempt: line.attempt,
            at: rfc3339(line.at),
            channel: line.channel.word().into(),
            text: line.text.clone(),
        }
    }
}

fn step_summary(run: &Run, step: StepIndex) -> StepSummary {
    let mut summary = match Tally::of(run, step) {
        None => plain_step_summary(run, step),
        Some(tally) => map_summary(run, step, &tally),
    };
    summary.output = run.output_of(step).map(raw);
    summary
}

/// A step that is no map, but for its output.
pub(super) fn plain_step_summary(run: &Run, step: StepIndex) -> StepSummary {
    let mut summary = instance_summary(run, InstanceId::of(step));
    summary.status = run.step_status(step).word().into();
    summary
}

/// A map whose elements were counted, but for its output.
pub(super) fn map_summary(run: &Run, step: StepIndex, tally: &Tally) -> StepSummary {
    let mut summary = instance_summary(run, InstanceId::of(step));
    summary.status = tally.status(run, step).word().into();
    summary.attempts = tally.attempts();
    summary.undo_attempts = tally.undo_attempts();
    let counts = tally.counts();
    summary.elements = counts.map(|(status, count)| (status.word().into(), count)).collect();
    let troubled = tally.troubled().take(ELEMENTS_SHOWN);
    let troubled = troubled.map(|element| InstanceId::element(step, element));
    summary.troubled = troubled.map(|element| instance_with_output(run, element)).collect();
    summary.compensated = summary.status == StepStatus::Compensated.word();
    summary
}

fn instance_with_output(run: &Run, instance: InstanceId) -> StepSummary {
    let output = run.instance(instance).output.as_ref().map(raw);
    StepSummary { output, ..instance_summary(run, instance) }
}

/// An instance, but for its output.
fn instance_summary(run: &Run, instance: InstanceId) -> StepSummary {
    let found = run.instance(instance);
    let under_way = found.under_way.as_ref();
    let retry = found.retry.as_ref();
    let phase = under_way.map(|call| call.phase).or(retry.map(|retry| retry.phase));
    let until = run.waiting_until(instance.step).flatten();
    let failure = found.failure.as_ref().map(|failure| {
        failure_document(run, instance, found.stuck.unwrap_or(Phase::Execute), failure)
    });
    StepSummary {
        step: run.name_of(instance),
        status: run.instance_status(instance).word().into(),
        attempts: found.phase(Phase::Execute).attempts.into(),
        compensated: matches!(found.undo, Some(Undo::Compensated | Undo::Settled)),
        output: None,
        undo_attempts: found.phase(Phase::Compensate).attempts.into(),
        failure,
        due: retry.map(|retry| retry.due).or(until).map(rfc3339),
        waits_for: waits_for(run, instance.step),
        elements: BTreeMap::new(),
        troubled: Vec::new(),
        last_failure: retry.and(found.last_end()).map(|end| match end.message() {
            "" => end.code().into(),
            message => format!("{}: {message}", end.code()),
        }),
        phase: phase.map(|phase| phase.word().into()),
        deadline: under_way.map(|call| rfc3339(call.deadline)),
    }
}

fn waits_for(run: &Run, step: StepIndex) -> Option<String> {
    run.waiting_until(step)?;
    let StepKind::Wait(waiting) = &run.pipeline().step(step).kind else { return None };
    Some(match waiting {
        Waiting::For(_) | Waiting::Until => "time".into(),
        Waiting::Signal(name) => format!("signal {name}"),
        Waiting::Approval { from, .. } => format!("approval from {from}"),
    })
}

/// What a run that stopped for its budget has spent of it.
pub(crate) fn budget_text(run: &Run) -> Option<String> {
    let unit = run.used_up_unit()?;
    let budget = run.pipeline().budget.as_ref()?;
    let (spent, limit) = (run.spent_of_budget().micros(unit), budget.limits.micros(unit));
    Some(format!("{} of {} {unit} are spent (`[budget]`)", Amount(spent), Amount(limit)))
}

/// Why a run turned back, or what it is stuck at.
pub(crate) fn failure_of_run(run: &Run) -> Option<FailureDocument> {
    if let Some((instance, phase, failure)) = run.failure() {
        return Some(failure_document(run, *instance, *phase, failure));
    }
    if let Some(message) = budget_text(run) {
        return Some(FailureDocument {
            step: String::new(),
            phase: Phase::Execute.word().into(),
            end: "not-started".into(),
            code: "budget".into(),
            message,
            limit: "budget".into(),
        });
    }
    run.output_failure().map(|message| FailureDocument {
        step: String::new(),
        phase: Phase::Execute.word().into(),
        end: "not-started".into(),
        code: "output".into(),
        message: message.into(),
        limit: "expression".into(),
    })
}

fn failure_document(
    run: &Run,
    instance: InstanceId,
    phase: Phase,
    failure: &StepFailure,
) -> FailureDocument {
    FailureDocument {
        step: run.name_of(instance),
        phase: phase.word().into(),
        end: failure.end.clone(),
        code: failure.code.clone(),
        message: failure.message.clone(),
        limit: failure.limit.word().into(),
    }
}

/// What a run that did not complete leaves in the world, as far as is known.
fn stays(run: &Run) -> Vec<String> {
    let ended_otherwise = matches!(
        run.status(),
        RunStatus::RolledBack | RunStatus::Cancelled | RunStatus::Stuck | RunStatus::RollingBack
    );
    if !ended_otherwise {
        return Vec::new();
    }
    let has_stayed = |instance: &InstanceId| {
        let found = run.instance(*instance);
        let calls = run.pipeline().step(instance.step).calls();
        let computes_only = run.pipeline().step(instance.step).effect == piton_core::Effect::None;
        calls
            && !computes_only
            && found.may_have_had_an_effect()
            && found.undo.is_none()
            && found.outcome != Some(Outcome::Skipped)
    };
    run.instances().into_iter().filter(has_stayed).map(|instance| run.name_of(instance)).collect()
}

/// The word for why a run turned back.
pub(crate) fn cause_word(cause: &piton_core::Cause) -> &'static str {
    use piton_core::Cause;
    match cause {
        Cause::StepFailed(_) => "step-failed",
        Cause::Cancelled { .. } => "cancelled",
        Cause::Requested { .. } => "requested",
        Cause::Deadline => "deadline",
        Cause::Budget => "budget",
        Cause::OutputFailed => "output-failed",
    }
}

pub(super) fn amounts(usage: &Usage) -> Amounts {
    usage.iter().map(|(unit, micros)| (unit.into(), micros as f64 / 1e6)).collect()
}

fn raw(json: &Json) -> Box<RawValue> {
    RawValue::from_string(json.as_str().into()).expect("a payload should be JSON")
}

const fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_in_rfc_3339() {
        assert_eq!(rfc3339(Timestamp::from_millis(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(Timestamp::from_millis(1_767_225_600_123)), "2026-01-01T00:00:00.123Z");
        assert_eq!(rfc3339(Timestamp::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn amounts_are_told_in_whole_units() {
        let mut usage = Usage::new();
        usage.add("usd", 1_050_000).expect("a small amount should fit");
        assert_eq!(
            serde_json::to_string(&amounts(&usage)).ok().as_deref(),
            Some(r#"{"usd":1.05}"#)
        );
    }
}
