//! Owns the step that is careful but for one thing, which its input names: for trying who notices.
//! Never commits two sins at once.
//!
//! Without a sin it charges by `POST https://api.example/charges`, with its key in the body, and keeps a
//! receipt in `/data/KEY`; it undoes both by that key, and looks the charge up by it. Input:
//! `{ "sin": "…" }`. Output: `{ "charge": KEY }`.
//!
//! | `sin` | what it does |
//! | --- | --- |
//! | `none` | nothing wrong |
//! | `new-receipt` | each call of `execute` keeps another receipt |
//! | `other-body` | each attempt sends another body under the same key |
//! | `early-note` | it notes that it has charged before it charges |
//! | `late-note` | it charges under a key that it draws, and notes it only once it has the answer |
//! | `late-undo-note` | the same with its undo, which is a refund |
//! | `no-undo` | `compensate` does nothing |
//! | `undo-once` | `compensate` with an output fails where there is nothing left to undo |
//! | `new-refund` | each call of `compensate` with an output notes another refund in `/data` |
//! | `needs-output` | `compensate` does nothing without an output |
//! | `needs-effect` | `compensate` fails where there is nothing to undo |
//! | `forgets` | `reconcile` has never heard of any call |
//! | `remembers-all` | `reconcile` takes every call for done |
//! | `phones-home` | it sends a request to a host that nobody granted |
//! | `never-ends` | `execute` never returns |
//! | `uneven` | `execute` works as long as chance will have it |

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::io::ErrorKind;

use piton_step::http::Request;
use piton_step::{Context, Failure, Outcome, Reconcile, Step, memo};
use serde::{Deserialize, Serialize};

const CHARGES: &str = "https://api.example/charges";
const REFUNDS: &str = "https://api.example/refunds";

#[derive(Deserialize)]
struct Input {
    sin: Sin,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Sin {
    None,
    NewReceipt,
    OtherBody,
    EarlyNote,
    LateNote,
    LateUndoNote,
    NoUndo,
    UndoOnce,
    NewRefund,
    NeedsOutput,
    NeedsEffect,
    Forgets,
    RemembersAll,
    PhonesHome,
    NeverEnds,
    Uneven,
}

#[derive(Serialize, Deserialize)]
struct Output {
    charge: String,
}

struct Careless;

impl Step for Careless {
    type Input = Input;
    type Output = Output;

    fn execute(ctx: &Context, Input { sin }: Input) -> Result<Output, Failure> {
        match sin {
            Sin::EarlyNote => {
                if memo::recall::<bool>("charged")?.is_none() {
                    memo::remember("charged", &true)?;
                    charge(ctx, "charge")?;
                }
            }
            Sin::LateNote => charge_under_a_key_of_its_own(ctx)?,
            Sin::OtherBody => charge(ctx, &format!("attempt {}", ctx.attempt))?,
            _ => charge(ctx, "charge")?,
        }
        let more = if sin == Sin::NewReceipt { chance().to_string() } else { String::new() };
        fs::write(format!("{}{more}", receipt(&ctx.execute_key)), "paid")?;
        match sin {
            Sin::PhonesHome => drop(Request::new("GET", "https://home.example/").send()),
            Sin::NeverEnds => loop {
                black_box(());
            },
            Sin::Uneven => work(chance()),
            _ => {}
        }
        Ok(Output { charge: ctx.execute_key.clone() })
    }

    fn compensate(
        ctx: &Context,
        Input { sin }: Input,
        output: Option<Output>,
        _: Option<Failure>,
    ) -> Result<(), Failure> {
        if sin == Sin::NoUndo || (sin == Sin::NeedsOutput && output.is_none()) {
            return Ok(());
        }
        let is_charged = match sin {
            Sin::LateUndoNote => refund_under_a_key_of_its_own(ctx)?,
            _ => take_back(ctx)?,
        };
        tear_receipts(ctx)?;
        if sin == Sin::NewRefund && output.is_some() {
            fs::write(format!("/data/refund-{}", chance()), "refunded")?;
        }
        let insists = match sin {
            Sin::UndoOnce => output.is_some(),
            Sin::NeedsEffect => output.is_none(),
            _ => false,
        };
        if insists && !is_charged {
            return Err(Failure::permanent("no-charge", "there is nothing to undo"));
        }
        Ok(())
    }
}

impl Reconcile for Careless {
    fn reconcile(ctx: &Context, Input { sin }: Input) -> Result<Outcome<Output>, Failure> {
        let is_charged = match sin {
            Sin::Forgets => false,
            Sin::RemembersAll => true,
            _ => found(Request::new("GET", charge_of(ctx)))?,
        };
        let output = Output { charge: ctx.execute_key.clone() };
        Ok(if is_charged { Outcome::Done(output) } else { Outcome::NotDone })
    }
}

fn charge(ctx: &Context, what: &str) -> Result<(), Failure> {
    let body = format!("{what} for {}", ctx.execute_key);
    Request::new("POST", CHARGES).body(body).send().map(drop)
}

fn charge_under_a_key_of_its_own(ctx: &Context) -> Result<(), Failure> {
    if memo::recall::<bool>("charged")?.is_none() {
        let request = Request::new("POST", CHARGES).header("idempotency-key", new_key());
        request.body(ctx.execute_key.clone()).send()?;
        memo::remember("charged", &true)?;
    }
    Ok(())
}

/// Whether there was a charge.
fn take_back(ctx: &Context) -> Result<bool, Failure> {
    found(Request::new("DELETE", charge_of(ctx)))
}

fn refund_under_a_key_of_its_own(ctx: &Context) -> Result<bool, Failure> {
    if memo::recall::<bool>("refunded")?.is_some() {
        return Ok(true);
    }
    let request = Request::new("POST", REFUNDS).header("idempotency-key", new_key());
    let is_charged = found(request.body(ctx.execute_key.clone()))?;
    memo::remember("refunded", &true)?;
    Ok(is_charged)
}

fn charge_of(ctx: &Context) -> String {
    format!("{CHARGES}/{}", ctx.execute_key)
}

fn found(request: Request) -> Result<bool, Failure> {
    let answer = request.send_for_any_status()?;
    if answer.status == 404 {
        return Ok(false);
    }
    answer.success().map(|_| true)
}

fn receipt(key: &str) -> String {
    format!("/data/{key}")
}

fn tear_receipts(ctx: &Context) -> Result<(), Failure> {
    for entry in fs::read_dir("/data")? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&ctx.execute_key) {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
    }
    Ok(())
}

fn new_key() -> String {
    format!("{:032x}", chance())
}

fn chance() -> u64 {
    RandomState::new().hash_one(())
}

/// Twice as long, or half, or a thousand times: two calls are hardly ever alike.
fn work(chance: u64) {
    let mut rounds = 20_000_u64;
    for _ in 0..chance % 24 {
        rounds = rounds * 7 / 5;
    }
    for round in 0..rounds {
        black_box(round);
    }
}

piton_step::export_reconcilable!(Careless);
