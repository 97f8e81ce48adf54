//! Owns the step `flaky`: it fails in whichever way it is told to, and then works. For trying out what
//! a manifest makes of a failure.
//! Never does any work.
//!
//! | input | default | |
//! | --- | --- | --- |
//! | `fail` | no failure | `retryable`, `retry-after`, `permanent`, `unknown`, `trap`, `panic`, `loop`, `exit`, `sleep`, `bad-output` |
//! | `times` | every attempt | how many attempts fail before one works |
//! | `phase` | `execute` | the phase that fails, or `compensate` |
//! | `clean` | false | whether the failure says that nothing happened |
//! | `code` | `told-to-fail` | the failure's code |
//! | `wait_ms` | 1000 | how long to stay away, after `retry-after` |
//! | `takes_ms` | 0 | how long each call takes before it fails or works |
//! | `usage` | `{}` | what each call of `execute` costs, as `{ usd = 50_000 }` in millionths |
//! | `value` | `{ "attempts": N }` | the output |
//!
//! Where the manifest grants a folder as `/data`, each call first adds a line to `/data/calls.ndjson`:
//! `{"step":"…","phase":"execute","attempt":1,"key":"…","execute_key":"…","run":"…"}`; a call of
//! `compensate` has `with_output` and `cause` (the code that turned the run around), too.
//!
//! ```toml
//! [steps.flaky]
//! component = "../plugins/flaky"
//! input = { fail = "retryable", times = 2, value = { answer = 42 } }
//! ```

mod calls;
mod fail;

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use piton_step::raw::{RawStep, read_input, write_output};
use piton_step::{Context, Failure, info, progress, usage};
use serde::Deserialize;
use serde_json::{Value, json};

use calls::Phase;

const SLICE_MS: u64 = 50;

/// What to do besides failing; `fail::Plan` reads the rest of the same input.
#[derive(Debug, Deserialize)]
struct Input {
    #[serde(default)]
    takes_ms: u64,
    #[serde(default)]
    usage: BTreeMap<String, u64>,
    value: Option<Value>,
}

struct Flaky;

/// Without serde's help in between, because a `bad-output` is no JSON.
impl RawStep for Flaky {
    fn execute(ctx: &Context, input: String) -> Result<String, Failure> {
        calls::began(ctx, Phase::Execute)?;
        let plan: fail::Plan = read_input(&input)?;
        let input: Input = read_input(&input)?;
        for (unit, micros) in &input.usage {
            usage(unit, *micros);
        }
        spend(input.takes_ms);
        if let Some(way) = plan.due(Phase::Execute, ctx.attempt) {
            return plan.fail(way);
        }
        info!("attempt {} works", ctx.attempt);
        write_output(&input.value.unwrap_or_else(|| json!({ "attempts": ctx.attempt })))
    }

    fn compensate(
        ctx: &Context,
        input: String,
        output: Option<String>,
        cause: Option<Failure>,
    ) -> Result<(), Failure> {
        calls::began(ctx, Phase::compensate(output.as_deref(), cause.as_ref()))?;
        let plan: fail::Plan = read_input(&input)?;
        let input: Input = read_input(&input)?;
        spend(input.takes_ms);
        match plan.due(Phase::compensate(None, None), ctx.attempt) {
            Some(way) => plan.fail(way).map(drop),
            None => Ok(()),
        }
    }
}

fn spend(takes_ms: u64) {
    let mut done_ms = 0;
    while done_ms < takes_ms {
        let slice_ms = SLICE_MS.min(takes_ms - done_ms);
        sleep(Duration::from_millis(slice_ms));
        done_ms += slice_ms;
        progress(done_ms, takes_ms, "taking its time");
    }
}

piton_step::export!(Flaky);
