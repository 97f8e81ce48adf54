//! Owns the traits that a step implements, and how typed steps become calls with JSON texts.
//! Never touches the bindings: see `export.rs`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::raw::{RawReconcile, RawStep, read_input, read_text, write_output};
use crate::{Context, Failure};

/// A step: one function that does, one that undoes. Export it with [`export!`](crate::export!).
pub trait Step {
    /// What the manifest's `input` holds. An input that does not fit ends as a permanent, clean
    /// failure `bad-input` that names the field, before `execute` is called.
    type Input: DeserializeOwned;
    /// What `execute` returns: the steps after this one see it, and so does `compensate`.
    type Output: Serialize + DeserializeOwned;

    /// Does the work. It may be called again under the same key where an answer was lost.
    ///
    /// # Errors
    ///
    /// Whatever kept the work from being done, and what that means for the next attempt.
    fn execute(ctx: &Context, input: Self::Input) -> Result<Self::Output, Failure>;

    /// Takes back what `execute` did with the same input. Without an output nobody knows whether
    /// it did anything: look for it by `ctx.execute_key`. `cause` is the failure that turned the
    /// run around, or none where a person did. An effect that is not there, or taken back
    /// already, is success.
    ///
    /// # Errors
    ///
    /// Whatever kept the effect from being taken back. The host tries again; a permanent failure
    /// leaves the run stuck until a person looks at it.
    fn compensate(
        ctx: &Context,
        input: Self::Input,
        output: Option<Self::Output>,
        cause: Option<Failure>,
    ) -> Result<(), Failure>;
}

/// A step that can also tell what became of a call whose answer was lost. Export it with
/// [`export_reconcilable!`](crate::export_reconcilable!).
pub trait Reconcile: Step {
    /// Asks the service about the call that carried `ctx.execute_key`. Changes nothing.
    ///
    /// # Errors
    ///
    /// Whatever kept the question from being answered; the host asks again.
    fn reconcile(ctx: &Context, input: Self::Input) -> Result<Outcome<Self::Output>, Failure>;
}

/// What became of a lost call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<Output> {
    /// It happened, and this is what it would have returned.
    Done(Output),
    /// It did not happen, and cannot happen any more.
    NotDone,
    /// Nobody can tell.
    Unknown,
}

impl<S: Step> RawStep for S {
    fn execute(ctx: &Context, input: String) -> Result<String, Failure> {
        write_output(&<S as Step>::execute(ctx, read_input(&input)?)?)
    }

    fn compensate(
        ctx: &Context,
        input: String,
        output: Option<String>,
        cause: Option<Failure>,
    ) -> Result<(), Failure> {
        let output = output.as_deref().map(read_output).transpose()?;
        <S as Step>::compensate(ctx, read_input(&input)?, output, cause)
    }
}

impl<S: Reconcile> RawReconcile for S {
    fn reconcile(ctx: &Context, input: String) -> Result<Outcome<String>, Failure> {
        Ok(match <S as Reconcile>::reconcile(ctx, read_input(&input)?)? {
            Outcome::Done(output) => Outcome::Done(write_output(&output)?),
            Outcome::NotDone => Outcome::NotDone,
            Outcome::Unknown => Outcome::Unknown,
        })
    }
}

/// Only an output that another version of the step wrote can fail here; its effect is there.
fn read_output<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    read_text(text).map_err(|problem| {
        Failure::permanent("bad-output", format!("the recorded output does not fit: {problem}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Input {
        quantity: u32,
        #[serde(default)]
        lines: Vec<Line>,
    }

    #[derive(Deserialize)]
    struct Line {
        #[expect(dead_code, reason = "only read by serde")]
        sku: String,
    }

    struct Double;

    impl Step for Double {
        type Input = Input;
        type Output = u32;

        fn execute(_: &Context, input: Input) -> Result<u32, Failure> {
            Ok(input.quantity * 2 + input.lines.len() as u32)
        }

        fn compensate(
            _: &Context,
            _: Input,
            _: Option<u32>,
            _: Option<Failure>,
        ) -> Result<(), Failure> {
            Ok(())
        }
    }

    fn execute(input: &str) -> Result<String, Failure> {
        <Double as RawStep>::execute(&Context::default(), input.to_owned())
    }

    #[track_caller]
    fn check_bad_input(input: &str, part_of_message: &str) {
        let failure = execute(input).expect_err("this input should not fit");
        assert_eq!(failure.kind, crate::FailureKind::Permanent);
        assert!(failure.clean, "nothing was called");
        assert_eq!(failure.code, "bad-input");
        assert!(failure.message.contains(part_of_message), "{}", failure.message);
    }

    #[test]
    fn a_fitting_input_reaches_the_step() {
        assert_eq!(execute(r#"{"quantity":4,"lines":[{"sku":"rope"}]}"#), Ok("9".to_owned()));
    }

    #[test]
    fn bad_input_names_the_field() {
        check_bad_input(r#"{"quantity":"four"}"#, "field `quantity`");
        check_bad_input(r#"{"quantity":4,"lines":[{"sku":7}]}"#, "field `lines[0].sku`");
        check_bad_input(r#"{}"#, "missing field `quantity`");
    }

    #[test]
    fn bad_input_that_is_no_json_says_so() {
        check_bad_input("{", "EOF while parsing");
        check_bad_input(r#"{"quantity":4} x"#, "trailing characters");
    }

    #[test]
    fn a_recorded_output_that_does_not_fit_is_not_clean() {
        let failure = <Double as RawStep>::compensate(
            &Context::default(),
            r#"{"quantity":4}"#.to_owned(),
            Some("[]".to_owned()),
            None,
        )
        .expect_err("this output should not fit");
        assert_eq!(failure.code, "bad-output");
        assert!(!failure.clean);
    }
}
