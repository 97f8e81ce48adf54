//! Owns the step as the contract has it: JSON texts in and out.
//! Never checks what passes through: the host does.
//!
//! Most steps want [`Step`](crate::Step), which is built on this. Use the traits here where the step
//! handles JSON by itself, or passes it on unread. [`export!`](crate::export!) takes both.

use serde::Serialize;
use serde::de::DeserializeOwned;

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

/// Reads an input as [`Step`](crate::Step) does.
///
/// # Errors
///
/// `bad-input`, permanent and clean: nothing has been called yet. The message names the field.
pub fn read_input<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    read_text(text).map_err(|problem| Failure::permanent("bad-input", problem).clean())
}

/// Writes an output as [`Step`](crate::Step) does.
///
/// # Errors
///
/// `bad-output`, permanent, where the value has no form in JSON: a map with keys that are no texts.
pub fn write_output<T: Serialize>(output: &T) -> Result<String, Failure> {
    serde_json::to_string(output).map_err(|error| {
        Failure::permanent("bad-output", format!("the output cannot be written as JSON: {error}"))
    })
}

/// Names the field that does not fit, which serde alone does not do for a wrong type.
pub(crate) fn read_text<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.into_inner();
        if path == "." { problem.to_string() } else { format!("field `{path}`: {problem}") }
    })?;
    reader.end().map_err(|problem| problem.to_string())?;
    Ok(value)
}
