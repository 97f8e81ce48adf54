//! Owns the step `charge_card`: it charges a card, refunds it, and can tell what became of a charge
//! whose answer was lost.
//! Never stores a card number: the book has its last four digits.
//!
//! | input | | output | |
//! | --- | --- | --- | --- |
//! | `card` | a card number | `captured` | true |
//! | `amount_cents` | how much, in whole cents | `charge` | its name at the payment service |
//! | `takes_ms` | how long the service takes; 0 | `amount_cents` | as charged |
//!
//! Fails for good, with nothing to undo, as `card-declined` for a card that ends in 0002, and as
//! `bad-amount` for an amount of 0.
//!
//! It exports `reconcile`, so after a crash the host asks what became of the charge, instead of
//! charging again under the same key. `effect = "reconcilable"` in the manifest insists on that.
//! It needs a folder, where the pretended service keeps its book (`charges/KEY.json`):
//!
//! ```toml
//! [steps.charge]
//! component = "../plugins/charge_card"
//! effect = "reconcilable"
//! input = { card = "${input.card}", amount_cents = "${steps.reserve.output.price_cents * input.quantity}" }
//! grants.dirs = [{ host = "out", guest = "/data", write = true }]
//! ```

use piton_step::{Context, Failure, Outcome, Reconcile, Step, info};
use pretend::Book;
use serde::{Deserialize, Serialize};

/// What to charge.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    card: String,
    amount_cents: u64,
    #[serde(default)]
    takes_ms: u64,
}

/// What was charged.
#[derive(Debug, Serialize, Deserialize)]
pub struct Output {
    captured: bool,
    charge: String,
    amount_cents: u64,
}

/// A line of the payment service's book, in cents.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    run: String,
    card: String,
    captured: u64,
    refunded: u64,
}

struct ChargeCard;

impl Step for ChargeCard {
    type Input = Input;
    type Output = Output;

    fn execute(ctx: &Context, input: Input) -> Result<Output, Failure> {
        if input.amount_cents == 0 {
            return Err(Failure::permanent("bad-amount", "nothing to charge").clean());
        }
        if input.card.ends_with("0002") {
            let message = format!("the bank declined the card that {}", ending_of(&input.card));
            return Err(Failure::permanent("card-declined", message).clean());
        }
        let book = Book::open("charges")?;
        // The same key is the same wish: an attempt before this one may have got this far.
        let entry = match book.find::<Entry>(&ctx.idempotency_key)? {
            Some(entry) => entry,
            None => capture(ctx, &book, &input)?,
        };
        Ok(output_of(ctx, &entry))
    }

    fn compensate(
        ctx: &Context,
        input: Input,
        _output: Option<Output>,
        _cause: Option<Failure>,
    ) -> Result<(), Failure> {
        let book = Book::open("charges")?;
        let Some(mut entry) = book.find::<Entry>(&ctx.execute_key)? else {
            info!("no charge to refund");
            return Ok(());
        };
        if entry.refunded < entry.captured {
            pretend::before_the_effect(input.takes_ms, "the bank is refunding");
            entry.refunded = entry.captured;
            book.write(&ctx.execute_key, &entry)?;
            info!("refunded {} cents to the card that {}", entry.refunded, entry.card);
            pretend::after_the_effect(input.takes_ms, "the bank confirms");
        }
        Ok(())
    }
}

impl Reconcile for ChargeCard {
    fn reconcile(ctx: &Context, _input: Input) -> Result<Outcome<Output>, Failure> {
        let entry = Book::open("charges")?.find::<Entry>(&ctx.execute_key)?;
        Ok(match entry {
            Some(entry) => Outcome::Done(output_of(ctx, &entry)),
            None => Outcome::NotDone,
        })
    }
}

fn capture(ctx: &Context, book: &Book, input: &Input) -> Result<Entry, Failure> {
    pretend::before_the_effect(input.takes_ms, "the bank is asked");
    let entry = Entry {
        run: ctx.run_id.clone(),
        card: ending_of(&input.card),
        captured: input.amount_cents,
        refunded: 0,
    };
    book.write(&ctx.idempotency_key, &entry)?;
    info!("charged {} cents to the card that {}", entry.captured, entry.card);
    pretend::after_the_effect(input.takes_ms, "the bank answers");
    Ok(entry)
}

fn output_of(ctx: &Context, entry: &Entry) -> Output {
    Output { captured: true, charge: ctx.execute_key.clone(), amount_cents: entry.captured }
}

fn ending_of(card: &str) -> String {
    let digits: Vec<char> = card.chars().filter(char::is_ascii_digit).collect();
    let ending: String = digits[digits.len().saturating_sub(4)..].iter().collect();
    format!("ends in {ending}")
}

piton_step::export_reconcilable!(ChargeCard);
