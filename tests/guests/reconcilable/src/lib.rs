//! Owns the step that tests ask about lost calls: its effect is a durable note, which `execute` leaves
//! half-way through its time, so that a host can be killed before it and after it.
//! Never has an effect but that note and the lines in `/data/calls.ndjson`, as `counter` leaves them.
//!
//! Input, all of it optional: `n` (a number), `takes_ms`, `answer` (what `reconcile` says: `look` for
//! the truth, which is the default, or `done`, `not-done`, `unknown`), and what makes the step `flaky`
//! fail: `fail`, `times`, `phase` (here `reconcile`, too), `clean`, `code`, `wait_ms`. With `fail` in
//! `execute` the effect is there all the same, unless `clean`. Output: `{ "n": n + 1 }`.

#[path = "../../../../plugins/flaky/src/calls.rs"]
mod calls;
#[path = "../../../../plugins/flaky/src/fail.rs"]
mod fail;

use std::thread::sleep;
use std::time::Duration;

use calls::Phase;
use piton_step::raw::{RawReconcile, RawStep, read_input, write_output};
use piton_step::{Context, Failure, Outcome, memo};
use serde::{Deserialize, Serialize};

const EFFECT: &str = "effect";
const UNDONE: &str = "undone";

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    n: u64,
    #[serde(default)]
    takes_ms: u64,
    #[serde(default)]
    answer: Answer,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    #[default]
    Look,
    Done,
    NotDone,
    Unknown,
}

#[derive(Serialize)]
struct Output {
    n: u64,
}

struct Reconcilable;

impl RawStep for Reconcilable {
    fn execute(ctx: &Context, input: String) -> Result<String, Failure> {
        let phase = Phase::Execute;
        calls::began(ctx, phase)?;
        let plan: fail::Plan = read_input(&input)?;
        let Input { n, takes_ms, .. } = read_input(&input)?;
        sleep(Duration::from_millis(takes_ms / 2));
        let failure = plan.due(phase, ctx.attempt);
        if failure.is_none() || !plan.is_clean() {
            memo::remember(EFFECT, &(n + 1))?;
        }
        sleep(Duration::from_millis(takes_ms / 2));
        let result = match failure {
            Some(way) => plan.fail(way),
            None => write_output(&Output { n: n + 1 }),
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
            None => memo::remember(UNDONE, &true).map(drop),
        };
        calls::ended(ctx, phase)?;
        result
    }
}

impl RawReconcile for Reconcilable {
    fn reconcile(ctx: &Context, input: String) -> Result<Outcome<String>, Failure> {
        let phase = Phase::Reconcile;
        calls::began(ctx, phase)?;
        let plan: fail::Plan = read_input(&input)?;
        let input: Input = read_input(&input)?;
        let result = match plan.due(phase, ctx.attempt) {
            Some(way) => plan.fail(way).map(Outcome::Done),
            None => answer(&input),
        };
        calls::ended(ctx, phase)?;
        result
    }
}

fn answer(input: &Input) -> Result<Outcome<String>, Failure> {
    Ok(match input.answer {
        Answer::Look => match memo::recall(EFFECT)? {
            Some(n) => Outcome::Done(write_output(&Output { n })?),
            None => Outcome::NotDone,
        },
        Answer::Done => Outcome::Done(write_output(&Output { n: input.n + 1 })?),
        Answer::NotDone => Outcome::NotDone,
        Answer::Unknown => Outcome::Unknown,
    })
}

piton_step::export_reconcilable!(Reconcilable);
