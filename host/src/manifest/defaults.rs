//! `[pipeline]` and `[defaults]`: what holds for all steps.

use super::FileRef;
use super::complaint::{Complaints, Place};
use super::limits::LimitsDraft;
use super::names::check_name;
use super::policy::PolicyDraft;
use super::shape::Table;
use piton_core::{OnCompensationFailure, OnSiblingFailure, Pipeline, RetryPolicy};
use std::time::Duration;

const PARALLEL_MAX: u32 = 1_000;

/// What `[defaults]` says.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    pub(super) limits: LimitsDraft,
    pub(super) retry: PolicyDraft,
    pub(super) undo: PolicyDraft,
}

impl Defaults {
    pub(super) fn read(table: &Table<'_>, complaints: &mut Complaints) -> Self {
        let mut policy = |key: &str, defaults: RetryPolicy| {
            let entry = table.get(key)?;
            let draft = PolicyDraft::read(entry, complaints);
            // What makes no sense by itself is complained about here, and not once per step.
            draft.over(&PolicyDraft::default(), defaults, complaints);
            Some(draft)
        };
        let retry = policy("retry", RetryPolicy::for_execute()).unwrap_or_default();
        let undo = policy("undo", RetryPolicy::for_compensate()).unwrap_or_default();
        let limits = LimitsDraft::read(table, complaints);
        if let Some(timeout) = limits.timeout() {
            limits.check_idle(timeout, complaints);
        }
        Self { limits, retry, undo }
    }
}

/// Reads `[pipeline]` into a pipeline without steps; `start` is where to miss the table.
pub(super) fn read_pipeline(
    table: Option<&Table<'_>>,
    start: &Place,
    complaints: &mut Complaints,
) -> (Pipeline, Option<FileRef>) {
    let mut pipeline = Pipeline::new("", Vec::new());
    let name = table.and_then(|table| table.get("name"));
    match name {
        Some(entry) => {
            if let Some(text) = entry.text(complaints) {
                check_name("a pipeline", text, &entry.place(), complaints);
                pipeline.name = text.to_owned();
            }
        }
        None => {
            let place = table.map_or(start, |table| &table.place);
            complaints
                .error(place, "the pipeline has no name")
                .hint("begin with `[pipeline]` and `name = \"…\"`");
        }
    }
    let Some(table) = table else { return (pipeline, None) };
    pipeline.deadline =
        table.get("deadline").and_then(|entry| entry.duration(Duration::from_secs(1), complaints));
    let siblings =
        [("finish", OnSiblingFailure::Finish), ("interrupt", OnSiblingFailure::Interrupt)];
    let failures =
        [("halt", OnCompensationFailure::Halt), ("continue", OnCompensationFailure::Continue)];
    if let Some(entry) = table.get("on_sibling_failure") {
        pipeline.on_sibling_failure = entry.choice(&siblings, complaints).unwrap_or_default();
    }
    if let Some(entry) = table.get("on_compensation_failure") {
        pipeline.on_compensation_failure = entry.choice(&failures, complaints).unwrap_or_default();
    }
    if let Some(entry) = table.get("compensation_parallel") {
        pipeline.compensation_parallel = entry.count(1, PARALLEL_MAX, complaints).unwrap_or(1);
    }
    let schema = table.get("input_schema").and_then(|entry| {
        Some(FileRef { path: entry.text(complaints)?.to_owned(), place: entry.place() })
    });
    (pipeline, schema)
}
