//! Owns the step as the contract has it: JSON texts in and out, and no serde.
//! Never checks what passes through: the host does.
//!
//! Most steps want [`Step`](crate::Step), which is built on this. Use the traits here where the step
//! handles JSON by itself, or passes it on unread. [`export!`](crate::export!) takes both.

use crate::{Context, Failure, Outcome};

/// A step whose input and output are JSON texts. See [`Step`](crate::Step) for what each call means.
pub trait RawStep {
    /// Does the work, and returns its output.
    ///
    /// # Errors
    ///
    /// As [`Step::execute`](crate::Step::execute).
    fn execute(ctx: &Context, input: String) -> Result<String, Failure>;

    /// Takes back what `execute` did with the same input.
    ///
    /// # Errors
    ///
    /// As [`Step::compensate`](crate::Step::compensate).
    fn compensate(
        ctx: &Context,
        input: String,
        output: Option<String>,
        cause: Option<Failure>,
    ) -> Result<(), Failure>;
}

/// A step with JSON texts that can also tell what became of a lost call.
pub trait RawReconcile: RawStep {
    /// Asks the service about the call that carried `ctx.execute_key`. Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Reconcile::reconcile`](crate::Reconcile::reconcile).
    fn reconcile(ctx: &Context, input: String) -> Result<Outcome<String>, Failure>;
}
