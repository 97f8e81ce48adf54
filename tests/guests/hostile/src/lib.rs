//! Owns the step that attacks its host: each `how` is one thing that a step must not be able to do, or
//! must not be able to do without limit. A function for each, a file for each subject.
//! Never hides what it got: where it is denied something, its output says what it saw.
//!
//! Input: `{ "how": "…" }`, with `"phase": "compensate"` or `"reconcile"` to do it there (default
//! `execute`), and `"url"` where it sends requests. What each attack must lead to is in the tests,
//! `tests/tests/all/hostile`.

mod files;
mod memory;
mod network;
mod output;
mod time;
mod words;

use piton_step::raw::{RawReconcile, RawStep, read_input};
use piton_step::{Context, Failure, Outcome};
use serde::Deserialize;

const MIB: usize = 1 << 20;

/// What an attack returns, where it comes that far.
type Done = Result<String, Failure>;

/// An attack and its name.
type Attack = (&'static str, fn(&Input) -> Done);

/// What the step is told to do.
#[derive(Deserialize)]
struct Input {
    how: String,
    #[serde(default = "execute")]
    phase: String,
    #[serde(default)]
    url: String,
    /// The key of the call, for what is sent along.
    #[serde(skip)]
    key: String,
}

fn execute() -> String {
    "execute".to_owned()
}

struct Hostile;

impl RawStep for Hostile {
    fn execute(ctx: &Context, input: String) -> Done {
        let input = Input { key: ctx.idempotency_key.clone(), ..read_input(&input)? };
        match input.phase.as_str() {
            "execute" => attack(&input),
            // Only a call with an unknown outcome is asked about.
            "reconcile" => Err(Failure::unknown("lost", "nobody knows")),
            _ => Ok("{}".to_owned()),
        }
    }

    fn compensate(
        _: &Context,
        input: String,
        _: Option<String>,
        _: Option<Failure>,
    ) -> Result<(), Failure> {
        let input: Input = read_input(&input)?;
        if input.phase == "compensate" { attack(&input).map(drop) } else { Ok(()) }
    }
}

impl RawReconcile for Hostile {
    fn reconcile(_: &Context, input: String) -> Result<Outcome<String>, Failure> {
        let input: Input = read_input(&input)?;
        if input.phase == "reconcile" {
            attack(&input).map(Outcome::Done)
        } else {
            Ok(Outcome::Unknown)
        }
    }
}

fn attack(input: &Input) -> Done {
    if let Some(path) = input.how.strip_prefix("read-file:") {
        return files::read_file(path);
    }
    let subjects = [
        time::ATTACKS,
        memory::ATTACKS,
        output::ATTACKS,
        words::ATTACKS,
        files::ATTACKS,
        network::ATTACKS,
    ];
    match subjects.into_iter().flatten().find(|(name, _)| *name == input.how) {
        Some((_, attack)) => attack(input),
        None => {
            let message = format!("no such attack: `{}`", input.how);
            Err(Failure::permanent("bad-input", message).clean())
        }
    }
}

piton_step::export_reconcilable!(Hostile);
