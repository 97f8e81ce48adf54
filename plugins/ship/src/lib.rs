//! Owns the step `ship`: it hands a parcel to a carrier, and calls it back.
//! Never tells anyone: that is `notify`'s work.
//!
//! | input | | output | |
//! | --- | --- | --- | --- |
//! | `address` | where to | `tracking` | the parcel's number |
//! | `sku`, `quantity` | what is in it | | |
//! | `takes_ms` | how long the carrier takes; 0 | | |
//!
//! Fails for good, with nothing to undo, as `no-such-address` for an empty address or `nowhere`.
//!
//! In the pipeline `order` this is the pivot: a parcel on its way is not called back, so from there
//! the run only goes forward. `compensate` is here all the same, for pipelines that see it otherwise.
//! It needs a folder, where the pretended carrier keeps its book (`shipments/KEY.json`):
//!
//! ```toml
//! [steps.ship]
//! component = "../plugins/ship"
//! pivot = true
//! input = { address = "${input.address}", sku = "${input.sku}", quantity = "${input.quantity}" }
//! grants.dirs = [{ host = "out", guest = "/data", write = true }]
//! ```

use piton_step::{Context, Failure, Step, info};
use pretend::Book;
use serde::{Deserialize, Serialize};

/// What to send, and where.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    address: String,
    sku: String,
    quantity: u32,
    #[serde(default)]
    takes_ms: u64,
}

/// How to find the parcel.
#[derive(Debug, Serialize, Deserialize)]
pub struct Output {
    tracking: String,
}

/// A line of the carrier's book.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    run: String,
    address: String,
    sku: String,
    quantity: u32,
    shipped: bool,
    cancelled: bool,
}

struct Ship;

impl Step for Ship {
    type Input = Input;
    type Output = Output;

    fn execute(ctx: &Context, input: Input) -> Result<Output, Failure> {
        let address = input.address.trim();
        if address.is_empty() || address.eq_ignore_ascii_case("nowhere") {
            let message = format!("the carrier knows no address `{address}`");
            return Err(Failure::permanent("no-such-address", message).clean());
        }
        let book = Book::open("shipments")?;
        // The same key is the same wish: an attempt before this one may have got this far.
        if book.find::<Entry>(&ctx.idempotency_key)?.is_none() {
            pretend::before_the_effect(input.takes_ms, "the carrier is coming");
            let entry = Entry {
                run: ctx.run_id.clone(),
                address: address.to_owned(),
                sku: input.sku.clone(),
                quantity: input.quantity,
                shipped: true,
                cancelled: false,
            };
            book.write(&ctx.idempotency_key, &entry)?;
            info!("shipped {} of {} to {address}", input.quantity, input.sku);
            pretend::after_the_effect(input.takes_ms, "the carrier signs");
        }
        Ok(Output { tracking: format!("parcel-{}", ctx.idempotency_key) })
    }

    fn compensate(
        ctx: &Context,
        input: Input,
        _output: Option<Output>,
        _cause: Option<Failure>,
    ) -> Result<(), Failure> {
        let book = Book::open("shipments")?;
        let Some(mut entry) = book.find::<Entry>(&ctx.execute_key)? else {
            info!("no parcel to call back");
            return Ok(());
        };
        if !entry.cancelled {
            pretend::before_the_effect(input.takes_ms, "the carrier turns round");
            entry.cancelled = true;
            book.write(&ctx.execute_key, &entry)?;
            info!("called back the parcel to {}", entry.address);
            pretend::after_the_effect(input.takes_ms, "the carrier confirms");
        }
        Ok(())
    }
}

piton_step::export!(Ship);
