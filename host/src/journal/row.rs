//! One line of the list of runs: what is known of a run without reading its records.
//! Owns its stored form; never decides what stands in it.

use super::stored::Object;
use piton_core::{Ledger, RunId, RunStatus, Timestamp, Usage};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The row of one run in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// The run.
    pub run: RunId,
    /// The name of its pipeline.
    pub pipeline: String,
    /// Where it stands.
    pub status: RunStatus,
    /// What `--key` said.
    pub key: Option<String>,
    /// When its first event was decided.
    pub started_at: Timestamp,
    /// When its last event was decided.
    pub updated_at: Timestamp,
    /// When it ended; none while it has not.
    pub ended_at: Option<Timestamp>,
    /// When it next goes on by itself, where all it does is wait; none where nothing is due.
    pub wake_at: Option<Timestamp>,
    /// What it has spent.
    pub totals: Totals,
    /// Why it did not complete, or will not as things stand.
    pub failure: Option<FailureSummary>,
}

/// The three sums of a run's ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// All usage.
    pub spent: Usage,
    /// Usage of attempts whose result was not kept.
    pub wasted: Usage,
    /// What a start from the top would have paid again at each failure.
    pub restart: Usage,
}

impl From<&Ledger> for Totals {
    fn from(ledger: &Ledger) -> Self {
        Self {
            spent: ledger.spent.clone(),
            wasted: ledger.wasted.clone(),
            restart: ledger.restart.clone(),
        }
    }
}

/// Why a run did not complete, in one line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FailureSummary {
    /// The step, `name` or `name[3]`; empty where the run failed as a whole.
    pub step: String,
    /// The phase's word.
    pub phase: String,
    /// The word for how its last attempt ended.
    pub end: String,
    /// The guest's code, or the host's word.
    pub code: String,
    /// For people.
    pub message: String,
}

/// What the row's JSON holds; the run and its status stand beside it, where the store needs them.
#[derive(Deserialize)]
struct Stored {
    pipeline: String,
    key: Option<String>,
    started_ms: u64,
    updated_ms: u64,
    ended_ms: Option<u64>,
    wake_ms: Option<u64>,
    #[serde(default)]
    spent: BTreeMap<String, u64>,
    #[serde(default)]
    wasted: BTreeMap<String, u64>,
    #[serde(default)]
    restart: BTreeMap<String, u64>,
    failure: Option<FailureSummary>,
}

impl RunRow {
    pub(super) fn to_json(&self) -> Vec<u8> {
        let mut object = Object::with_capacity(192);
        object.text("pipeline", &self.pipeline);
        if let Some(key) = &self.key {
            object.text("key", key);
        }
        object.number("started_ms", self.started_at.as_millis());
        object.number("updated_ms", self.updated_at.as_millis());
        if let Some(ended_at) = self.ended_at {
            object.number("ended_ms", ended_at.as_millis());
        }
        if let Some(wake_at) = self.wake_at {
            object.number("wake_ms", wake_at.as_millis());
        }
        let Totals { spent, wasted, restart } = &self.totals;
        for (name, usage) in [("spent", spent), ("wasted", wasted), ("restart", restart)] {
            if !usage.is_empty() {
                object.usage(name, usage);
            }
        }
        if let Some(FailureSummary { step, phase, end, code, message }) = &self.failure {
            let mut inner = Object::with_capacity(128);
            inner.text("step", step).text("phase", phase).text("end", end);
            inner.text("code", code).text("message", message);
            object.object("failure", inner);
        }
        object.finish().expect("a row should have no payload")
    }

    pub(super) fn from_json(run: RunId, status: RunStatus, json: &[u8]) -> Result<Self, String> {
        let stored: Stored = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        Ok(Self {
            run,
            pipeline: stored.pipeline,
            status,
            key: stored.key,
            started_at: Timestamp::from_millis(stored.started_ms),
            updated_at: Timestamp::from_millis(stored.updated_ms),
            ended_at: stored.ended_ms.map(Timestamp::from_millis),
            wake_at: stored.wake_ms.map(Timestamp::from_millis),
            totals: Totals {
                spent: usage(&stored.spent)?,
                wasted: usage(&stored.wasted)?,
                restart: usage(&stored.restart)?,
            },
            failure: stored.failure,
        })
    }
}

fn usage(stored: &BTreeMap<String, u64>) -> Result<Usage, String> {
    let mut usage = Usage::new();
    for (unit, micros) in stored {
        usage.add(unit, *micros).map_err(|error| error.to_string())?;
    }
    Ok(usage)
}
