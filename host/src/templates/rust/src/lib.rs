//! Owns the step `{{name}}`: it sets goods aside, and gives them back.
//! Never charges or ships: one step, one effect.

use piton_step::{Context, Failure, Step, info, memo, usage};
use serde::{Deserialize, Serialize};

const PIECES_MAX: u64 = 100;

/// What to set aside.
#[derive(Debug, Deserialize)]
pub struct Order {
    sku: String,
    quantity: u64,
}

/// What was set aside, and what it costs.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reservation {
    reservation: String,
    price_cents: u64,
}

struct Reserve;

impl Step for Reserve {
    type Input = Order;
    type Output = Reservation;

    fn execute(ctx: &Context, order: Order) -> Result<Reservation, Failure> {
        if order.quantity > PIECES_MAX {
            let message = format!("there are no {} of {}", order.quantity, order.sku);
            return Err(Failure::permanent("no-stock", message).clean());
        }
        // Asked for once, however often this step is tried.
        let piece = memo::once(&format!("price/{}", order.sku), || Ok(ask_price(&order.sku)))?;
        // Here a real step calls its service, with the key in the request.
        info!("set {} of {} aside", order.quantity, order.sku);
        Ok(Reservation {
            reservation: ctx.idempotency_key.clone(),
            price_cents: piece * order.quantity,
        })
    }

    fn compensate(
        ctx: &Context,
        order: Order,
        output: Option<Reservation>,
        _cause: Option<Failure>,
    ) -> Result<(), Failure> {
        // Without an output nobody knows whether goods were set aside: then look for them by this key.
        let reservation = output.map_or(ctx.execute_key.clone(), |output| output.reservation);
        info!("gave {} of {} back: {reservation}", order.quantity, order.sku);
        Ok(())
    }
}

/// Pretends to ask a service that wants a tenth of a cent for its answer.
fn ask_price(sku: &str) -> u64 {
    usage("usd", 1_000);
    100 + sku.len() as u64
}

piton_step::export!(Reserve);

#[cfg(test)]
mod tests {
    use super::*;

    fn order(quantity: u64) -> Order {
        Order { sku: "rope".into(), quantity }
    }

    #[test]
    fn two_ropes_have_a_price() {
        let output = Reserve::execute(&Context::default(), order(2)).expect("it should work");
        assert_eq!(output.price_cents, 208);
    }

    #[test]
    fn too_many_leave_nothing_to_undo() {
        let failure = Reserve::execute(&Context::default(), order(101)).expect_err("too many");
        assert_eq!((failure.code.as_str(), failure.clean), ("no-stock", true));
    }

    #[test]
    fn an_undo_may_come_for_nothing() {
        assert!(Reserve::compensate(&Context::default(), order(2), None, None).is_ok());
    }
}
