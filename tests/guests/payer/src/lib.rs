//! Owns a step that is paid for: each of its attempts reports what it cost, also one that fails.
//! Never touches anything, so that thousands of its runs can be told in a moment.
//!
//! Input: `micros` (millionths of a dollar an attempt), `fails` (how many attempts fail first; 0),
//! `permanently` (whether they fail for good), `undo_micros` (what an undo costs; 0).

use piton_step::{Context, Failure, Step, usage};
use serde::Deserialize;

#[derive(Deserialize)]
struct Input {
    micros: u64,
    #[serde(default)]
    fails: u32,
    #[serde(default)]
    permanently: bool,
    #[serde(default)]
    undo_micros: u64,
}

struct Payer;

impl Step for Payer {
    type Input = Input;
    type Output = u32;

    fn execute(ctx: &Context, input: Input) -> Result<u32, Failure> {
        usage("usd", input.micros);
        usage("calls", 1_000_000);
        match (ctx.attempt <= input.fails, input.permanently) {
            (false, _) => Ok(ctx.attempt),
            (true, false) => Err(Failure::retryable("busy", "as told")),
            (true, true) => Err(Failure::permanent("refused", "as told")),
        }
    }

    fn compensate(
        _: &Context,
        input: Input,
        _: Option<u32>,
        _: Option<Failure>,
    ) -> Result<(), Failure> {
        usage("usd", input.undo_micros);
        Ok(())
    }
}

piton_step::export!(Payer);
