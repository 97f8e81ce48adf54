//! An event in one line for people.
//! Reads the stored form, so that it can tell events of any run, whatever became of its manifest.

use crate::cli::{show, text};
use piton::sandbox::inert;
use piton_core::Amount;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::time::Duration;

/// The event in one line.
pub(crate) fn event_text(fields: &Map<String, Value>) -> String {
    let word = text_of(fields, "event");
    let step = text_of(fields, "step");
    let phase = match fields.get("phase").and_then(Value::as_str) {
        None | Some("execute") => String::new(),
        Some(phase) => format!(" {phase}"),
    };
    let attempt = fields.get("attempt").and_then(Value::as_u64).unwrap_or(0);
    match word.as_ref() {
        "run-started" => format!("{} started", text_of(fields, "pipeline")),
        "attempt-started" => format!("{step}{phase}: attempt {attempt}"),
        "attempt-ended" => format!("{step}{phase}: {}", end_text(fields)),
        "retry-scheduled" => {
            let when = match fields.get("delay_ms").and_then(Value::as_u64) {
                Some(0) | None => "at once".into(),
                Some(millis) => format!("in {}", text::span(Duration::from_millis(millis))),
            };
            format!("{step}{phase}: attempt {attempt} {when}")
        }
        "memo-remembered" => format!("{step}{phase}: remembers `{}`", text_of(fields, "key")),
        "step-skipped" => format!("{step}: skipped, its `when` is false"),
        "step-failed" => format!("{step}: failed{}", failure_tail(fields)),
        "step-stuck" => format!("{step}{phase}: stuck{}", failure_tail(fields)),
        "map-started" => {
            let items = fields.get("items").and_then(Value::as_array).map_or(0, Vec::len);
            format!("{step}: {items} elements")
        }
        "map-ended" => format!("{step}: all elements ended"),
        "wait-started" => format!("{step}: waits"),
        "wait-ended" => format!("{step}: goes on"),
        "signal-received" => {
            format!("signal `{}` from {}", text_of(fields, "name"), text_of(fields, "by"))
        }
        "rollback-started" | "turn-requested" => {
            let turns = if word == "turn-requested" { "to turn back" } else { "turning back" };
            format!("{turns}: {}", cause_text(fields))
        }
        "undo-not-needed" => format!("{step}: nothing to undo"),
        "settled" => format!(
            "{step}: settled as {} by {}: {}",
            text_of(fields, "settlement"),
            text_of(fields, "by"),
            text_of(fields, "because")
        ),
        "retry-requested" => format!("{step}: tried again on request of {}", text_of(fields, "by")),
        "cancel-requested" => format!("cancelled by {}, effects kept", text_of(fields, "by")),
        "budget-warned" => format!("warning: {} of the budget is spent", budget_of(fields)),
        "budget-used-up" => format!("the budget is used up: {} spent", budget_of(fields)),
        "budget-renewed" => format!("the budget is renewed by {}", text_of(fields, "by")),
        "output-failed" => format!("the output has no value: {}", text_of(fields, "message")),
        "run-finished" => format!("run {}", text_of(fields, "status")),
        other => other.into(),
    }
}

/// How an attempt ended, with what came of it.
pub(super) fn end_text(fields: &Map<String, Value>) -> String {
    let end = text_of(fields, "end");
    let code = text_of(fields, "code");
    let message = text_of(fields, "message");
    let code = if code.is_empty() || code == end { String::new() } else { format!(" ({code})") };
    let message = if message.is_empty() { String::new() } else { format!(": {message}") };
    format!("{end}{code}{message}")
}

/// `1.6 of 2 usd`.
fn budget_of(fields: &Map<String, Value>) -> String {
    let amount = |name| Amount(fields.get(name).and_then(Value::as_u64).unwrap_or(0));
    format!("{} of {} {}", amount("spent"), amount("budget"), text_of(fields, "unit"))
}

/// Why a run turns back.
fn cause_text(fields: &Map<String, Value>) -> String {
    let by = text_of(fields, "by");
    match text_of(fields, "cause").as_ref() {
        "step-failed" => format!("`{}` failed", text_of(fields, "step")),
        "cancelled" => format!("{by} cancelled the run"),
        "requested" => format!("{by} asked for it"),
        "deadline" => "the run's deadline passed".into(),
        "budget" => "its budget is used up".into(),
        "output-failed" => "its output has no value".into(),
        other => other.into(),
    }
}

/// Why no attempt is left. What the last attempt said stands in the line of its end.
fn failure_tail(fields: &Map<String, Value>) -> String {
    let limit = text_of(fields, "limit");
    if text_of(fields, "end") == "not-started" || limit == "not-approved" {
        return format!(": {}", text_of(fields, "message"));
    }
    match limit.as_ref() {
        "" | "permanent" => String::new(),
        limit => format!(", {}", show::limit_text(limit)),
    }
}

/// A text field, made inert; empty where there is none.
pub(super) fn text_of<'a>(fields: &'a Map<String, Value>, name: &str) -> Cow<'a, str> {
    fields.get(name).and_then(Value::as_str).map_or(Cow::Borrowed(""), inert)
}
