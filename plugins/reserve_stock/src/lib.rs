//! Owns the step `reserve_stock`: it sets goods aside in a warehouse, and gives them back.
//! Never charges or ships: one step, one effect.
//!
//! | input | | output | |
//! | --- | --- | --- | --- |
//! | `sku` | which goods | `reservation` | its name at the warehouse |
//! | `quantity` | how many | `sku`, `quantity` | as asked |
//! | `takes_ms` | how long the warehouse takes; 0 | `price_cents` | of one piece, in whole cents |
//!
//! Fails for good, with nothing to undo, as `no-stock` where the warehouse has fewer: it holds 100 of
//! everything, and none of `unobtainium`.
//!
//! It needs a folder, where the pretended warehouse keeps its book (`reservations/KEY.json`):
//!
//! ```toml
//! [steps.reserve]
//! component = "../plugins/reserve_stock"
//! input = { sku = "${input.sku}", quantity = "${input.quantity}" }
//! grants.dirs = [{ host = "out", guest = "/data", write = true }]
//! ```

use piton_step::{Context, Failure, Step, info};
use pretend::Book;
use serde::{Deserialize, Serialize};

/// What to set aside.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    sku: String,
    quantity: u32,
    #[serde(default)]
    takes_ms: u64,
}

/// What was set aside, and what it costs.
#[derive(Debug, Serialize, Deserialize)]
pub struct Output {
    reservation: String,
    sku: String,
    quantity: u32,
    price_cents: u64,
}

/// A line of the warehouse's book.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    run: String,
    sku: String,
    reserved: u32,
    released: u32,
}

struct ReserveStock;

impl Step for ReserveStock {
    type Input = Input;
    type Output = Output;

    fn execute(ctx: &Context, input: Input) -> Result<Output, Failure> {
        let stock = stock_of(&input.sku);
        if input.quantity > stock {
            let message = format!("{} of `{}` wanted, {stock} there", input.quantity, input.sku);
            return Err(Failure::permanent("no-stock", message).clean());
        }
        let book = Book::open("reservations")?;
        // The same key is the same wish: an attempt before this one may have got this far.
        if book.find::<Entry>(&ctx.idempotency_key)?.is_none() {
            pretend::before_the_effect(input.takes_ms, "the warehouse is looking");
            let Input { sku, quantity, .. } = &input;
            let entry = Entry {
                run: ctx.run_id.clone(),
                sku: sku.clone(),
                reserved: *quantity,
                released: 0,
            };
            book.write(&ctx.idempotency_key, &entry)?;
            info!("reserved {quantity} of {sku}");
            pretend::after_the_effect(input.takes_ms, "the warehouse confirms");
        }
        Ok(Output {
            reservation: ctx.idempotency_key.clone(),
            price_cents: price_cents_of(&input.sku),
            sku: input.sku,
            quantity: input.quantity,
        })
    }

    fn compensate(
        ctx: &Context,
        input: Input,
        _output: Option<Output>,
        _cause: Option<Failure>,
    ) -> Result<(), Failure> {
        let book = Book::open("reservations")?;
        let Some(mut entry) = book.find::<Entry>(&ctx.execute_key)? else {
            info!("no reservation to release");
            return Ok(());
        };
        if entry.released < entry.reserved {
            pretend::before_the_effect(input.takes_ms, "the warehouse puts it back");
            entry.released = entry.reserved;
            book.write(&ctx.execute_key, &entry)?;
            info!("released {} of {}", entry.released, entry.sku);
            pretend::after_the_effect(input.takes_ms, "the warehouse confirms");
        }
        Ok(())
    }
}

fn stock_of(sku: &str) -> u32 {
    if sku == "unobtainium" { 0 } else { 100 }
}

fn price_cents_of(sku: &str) -> u64 {
    match sku {
        "rope" => 8_900,
        "piton" => 1_250,
        _ => 1_000,
    }
}

piton_step::export!(ReserveStock);
