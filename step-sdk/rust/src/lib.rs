//! Owns the guest's side of the contract: what a step written in Rust sees of piton.
//! Never decides whether, when or how often a step runs, and knows nothing of the host's crates.
//!
//! # A step
//!
//! ```
//! use piton_step::{Context, Failure, Step};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Order { sku: String, quantity: u32 }
//! #[derive(Serialize, Deserialize)]
//! struct Reservation { id: String }
//! struct Reserve;
//!
//! impl Step for Reserve {
//!     type Input = Order;
//!     type Output = Reservation;
//!
//!     fn execute(ctx: &Context, order: Order) -> Result<Reservation, Failure> {
//!         if order.quantity > 100 {
//!             return Err(Failure::permanent("no-stock", format!("no 100 of {}", order.sku)).clean());
//!         }
//!         // Call the service here, with `ctx.idempotency_key` in the request.
//!         Ok(Reservation { id: ctx.idempotency_key.clone() })
//!     }
//!
//!     fn compensate(ctx: &Context, _order: Order, _output: Option<Reservation>, _cause: Option<Failure>) -> Result<(), Failure> {
//!         // Look for the effect by `ctx.execute_key`, and take it back if it is there.
//!         piton_step::info!("released {}", ctx.execute_key);
//!         Ok(())
//!     }
//! }
//!
//! piton_step::export!(Reserve);
//! ```
//!
//! `Cargo.toml` needs `crate-type = ["cdylib"]` under `[lib]`; `piton build` makes the component, or
//! `cargo build --release --target wasm32-wasip2`. With `crate-type = ["cdylib", "rlib"]`, or with
//! plain unit tests in the crate, `cargo test` runs the functions on this machine: there logs,
//! progress and usage go to standard error, and notes live as long as the process.
//!
//! # The rules of a good step
//!
//! - **A call may come again.** The host calls anew when an answer was lost, always with the same
//!   [`Context::idempotency_key`]. Send the key along with each request that changes something.
//! - **An undo may come for nothing.** `compensate` without an output asks about an `execute` whose
//!   result nobody knows: look for the effect by [`Context::execute_key`]. Nothing found is success.
//! - **Say what a failure means**: [`Failure::retryable`], [`Failure::retry_after`],
//!   [`Failure::permanent`], [`Failure::unknown`]; and [`Failure::clean`] where nothing happened at all.
//! - **Never wait inside a step** for a person or a date, and never retry in a loop: the manifest does
//!   both, and a step that returns can survive a restart.
//!
//! # More that a step can do
//!
//! | for | there is |
//! | --- | --- |
//! | lines in the run's log | [`info!`], [`warn!`] and their kin, [`log()`]; printing works, too |
//! | how far a call is | [`progress`] |
//! | what a call costs | [`usage`], in millionths of a unit |
//! | paying once for each of many calls in one step | [`memo::once`] |
//! | telling what became of a lost call | [`Reconcile`], with [`export_reconcilable!`] |
//! | JSON as text, without serde | [`raw`] |
//! | HTTP requests, their failures told apart | `http`, with the feature `http` and a grant in the manifest |

#[cfg(feature = "http")]
pub mod http;
pub mod memo;
pub mod raw;

#[doc(hidden)]
pub mod bindings;
mod context;
mod export;
mod failure;
mod host;
mod log;
mod report;
mod step;

pub use context::Context;
#[doc(hidden)]
pub use export::Exported;
pub use failure::{Failure, FailureKind};
pub use log::{Level, log};
pub use report::{progress, usage};
pub use step::{Outcome, Reconcile, Step};
