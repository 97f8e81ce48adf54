//! Owns the step that every language has for the conformance suite; this is it in Rust.
//! Never does more than its input says: see `tests/languages/README.md`.

use piton_step::{
    Context, Failure, FailureKind, Level, Outcome, Reconcile, Step, log, memo, progress, usage,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Deserialize)]
struct Input {
    r#do: String,
    #[serde(default)]
    value: Value,
    #[serde(default)]
    length: usize,
    #[serde(default)]
    times: u32,
    fail: Option<Told>,
    undo: Option<String>,
    found: Option<String>,
}

#[derive(Deserialize)]
struct Told {
    kind: String,
    code: String,
    message: String,
    #[serde(default)]
    clean: bool,
    details: Option<Value>,
    #[serde(default)]
    wait_ms: u64,
}

struct Conform;

impl Step for Conform {
    type Input = Input;
    type Output = Value;

    fn execute(ctx: &Context, input: Input) -> Result<Value, Failure> {
        match input.r#do.as_str() {
            "echo" => Ok(json!({ "value": input.value })),
            "large" => Ok(json!({ "text": "é".repeat(input.length) })),
            "tell" => tell(),
            "fail" => Err(failure(input.fail.expect("there should be a failure"))),
            "crash" => panic!("told to crash"),
            "busy" if ctx.attempt <= input.times => Err(Failure::retryable("busy", "come again")),
            "lost" if ctx.attempt <= input.times => Err(Failure::unknown("lost", "who knows")),
            "hang" if ctx.attempt <= input.times => loop {
                std::hint::black_box(());
            },
            "busy" | "lost" | "hang" => Ok(json!({ "value": input.value, "attempt": ctx.attempt })),
            other => {
                Err(Failure::permanent("bad-input", format!("`{other}` is nothing to do")).clean())
            }
        }
    }

    fn compensate(
        ctx: &Context,
        input: Input,
        output: Option<Value>,
        cause: Option<Failure>,
    ) -> Result<(), Failure> {
        if input.undo.as_deref() == Some("busy") && ctx.attempt == 1 {
            return Err(Failure::retryable("busy", "come again"));
        }
        let output = output.map_or("none".to_owned(), |output| output.to_string());
        let cause = cause.map_or("none".to_owned(), |cause| cause.code);
        log(Level::Info, &format!("undo output={output} cause={cause}"));
        Ok(())
    }
}

impl Reconcile for Conform {
    fn reconcile(_: &Context, input: Input) -> Result<Outcome<Value>, Failure> {
        Ok(match input.found.as_deref() {
            Some("done") => Outcome::Done(json!({ "value": "found" })),
            Some("not-done") => Outcome::NotDone,
            _ => Outcome::Unknown,
        })
    }
}

fn tell() -> Result<Value, Failure> {
    log(Level::Trace, "a trace");
    log(Level::Debug, "a debug");
    log(Level::Info, "an info: é😀");
    log(Level::Warn, "a warn");
    log(Level::Error, "an error");
    progress(1, 2, "half");
    progress(2, None, "all");
    usage("usd", 50_000);
    usage("tokens", 3_000_000);
    let mut asked = 0;
    let mut answer = || {
        memo::once("answer", || {
            asked += 1;
            Ok(42)
        })
    };
    answer()?;
    let answer: u32 = answer()?;
    Ok(json!({ "answer": answer, "asked": asked }))
}

fn failure(told: Told) -> Failure {
    let kind = match told.kind.as_str() {
        "retryable" => FailureKind::Retryable,
        "retry-after" => FailureKind::RetryAfter(Duration::from_millis(told.wait_ms)),
        "permanent" => FailureKind::Permanent,
        _ => FailureKind::Unknown,
    };
    let details = told.details.map(|details| details.to_string());
    Failure { kind, clean: told.clean, code: told.code, message: told.message, details }
}

piton_step::export_reconcilable!(Conform);
