//! Owns the list of calls that a step received, in `/data/calls.ndjson`.
//! Never reads it back: it is for the people and tests outside. The guests for tests share this file.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use piton_step::{Context, Failure};
use serde::Serialize;

const FOLDER: &str = "/data";
const CALLS: &str = "/data/calls.ndjson";

/// Which function of the step is called, and with what besides the input.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase<'a> {
    Execute,
    Compensate {
        with_output: bool,
        cause: Option<&'a str>,
    },
    #[allow(dead_code, reason = "only a guest for tests can be asked")]
    Reconcile,
}

impl<'a> Phase<'a> {
    pub(crate) fn compensate(output: Option<&str>, cause: Option<&'a Failure>) -> Self {
        let cause = cause.map(|failure| failure.code.as_str());
        Phase::Compensate { with_output: output.is_some(), cause }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    step: &'a str,
    phase: &'a str,
    attempt: u32,
    key: &'a str,
    execute_key: &'a str,
    run: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    with_output: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<bool>,
}

/// Notes that a call began. Where there is no folder `/data`, it does nothing.
pub(crate) fn began(ctx: &Context, phase: Phase<'_>) -> Result<(), Failure> {
    append(&line(ctx, phase))
}

/// Notes that a call is about to return.
#[allow(dead_code, reason = "only the guests for tests note an end")]
pub(crate) fn ended(ctx: &Context, phase: Phase<'_>) -> Result<(), Failure> {
    append(&Line { ended: Some(true), ..line(ctx, phase) })
}

fn line<'a>(ctx: &'a Context, phase: Phase<'a>) -> Line<'a> {
    let (phase, with_output, cause) = match phase {
        Phase::Execute => ("execute", None, None),
        Phase::Compensate { with_output, cause } => ("compensate", Some(with_output), cause),
        Phase::Reconcile => ("reconcile", None, None),
    };
    Line {
        step: &ctx.step,
        phase,
        attempt: ctx.attempt,
        key: &ctx.idempotency_key,
        execute_key: &ctx.execute_key,
        run: &ctx.run_id,
        with_output,
        cause,
        ended: None,
    }
}

/// In one write to the end of the file, because calls of other steps write to it, too.
fn append(line: &Line<'_>) -> Result<(), Failure> {
    if !Path::new(FOLDER).is_dir() {
        return Ok(());
    }
    let mut file = OpenOptions::new().append(true).create(true).open(CALLS)?;
    let mut text = serde_json::to_vec(line).expect("a line should have a form in JSON");
    text.push(b'\n');
    file.write_all(&text)?;
    file.sync_data()?;
    Ok(())
}
