//! Owns the step that tests count by: each call leaves a line in `/data/calls.ndjson` when it begins
//! and, with `"ended":true`, just before it returns. Both are synced.
//! Never forgets a call, and never does anything else.
//!
//! Input, all of it optional: `n` (a number), `pad` (bytes of padding in the output), `value` (any
//! JSON), `takes_ms`, and what makes the step `flaky` fail: `fail`, `times`, `phase`, `clean`, `code`,
//! `wait_ms`. Output: `{ "n": n + 1, "pad": "xxx…", "value": … }`, the last two where asked for.

#[path = "../../../../plugins/flaky/src/calls.rs"]
mod calls;
#[path = "../../../../plugins/flaky/src/fail.rs"]
mod fail;

use std::thread::sleep;
use std::time::Duration;

use calls::Phase;
use piton_step::raw::{RawStep, read_input, write_output};
use piton_step::{Context, Failure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    n: u64,
    #[serde(default)]
    pad: usize,
    value: Option<Value>,
    #[serde(default)]
    takes_ms: u64,
}

#[derive(Serialize)]
struct Output {
    n: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pad: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
}

struct Counter;

impl RawStep for Counter {
    fn execute(ctx: &Context, input: String) -> Result<String, Failure> {
        let phase = Phase::Execute;
        calls::began(ctx, phase)?;
        let plan: fail::Plan = read_input(&input)?;
        let Input { n, pad, value, takes_ms } = read_input(&input)?;
        sleep(Duration::from_millis(takes_ms));
        let result = match plan.due(phase, ctx.attempt) {
            Some(way) => plan.fail(way),
            None => {
                let pad = (pad > 0).then(|| "x".repeat(pad));
                write_output(&Output { n: n + 1, pad, value })
            }
        };
        calls::ended(ctx, phase)?;
        result
    }

    fn compensate(
        ctx: &Context,
        input: String,
        output: Option<String>,
        cause: Option<Failure>,
    ) -> Result<(), Failure> {
        let phase = Phase::compensate(output.as_deref(), cause.as_ref());
        calls::began(ctx, phase)?;
        let plan: fail::Plan = read_input(&input)?;
        let input: Input = read_input(&input)?;
        sleep(Duration::from_millis(input.takes_ms));
        let result = match plan.due(phase, ctx.attempt) {
            Some(way) => plan.fail(way).map(drop),
            None => Ok(()),
        };
        calls::ended(ctx, phase)?;
        result
    }
}

piton_step::export!(Counter);
