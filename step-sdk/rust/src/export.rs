//! Owns the way from a step to the exports of its component.
//! Never interprets what passes through.

use std::marker::PhantomData;

use crate::bindings::plugin::exports::piton::step::step as plugin;
use crate::bindings::plugin::piton::step::types;
use crate::bindings::reconcilable::exports::piton::step::{reconcile, step as reconcilable};
use crate::raw::{RawReconcile, RawStep};
use crate::{Failure, Outcome};

/// Exports a type that implements [`Step`](crate::Step) (or [`raw::RawStep`](crate::raw::RawStep)) as
/// the component's step: world `plugin`. Once per crate.
#[macro_export]
macro_rules! export {
    ($step:ty) => {
        const _: () = {
            type Component = $crate::Exported<$step>;
            $crate::bindings::plugin::export_plugin!(
                Component with_types_in $crate::bindings::plugin
            );
        };
    };
}

/// Exports a type that implements [`Reconcile`](crate::Reconcile) (or
/// [`raw::RawReconcile`](crate::raw::RawReconcile)) as the component's step: world
/// `reconcilable-plugin`. Once per crate, instead of [`export!`](crate::export!).
#[macro_export]
macro_rules! export_reconcilable {
    ($step:ty) => {
        const _: () = {
            type Component = $crate::Exported<$step>;
            $crate::bindings::reconcilable::export_reconcilable!(
                Component with_types_in $crate::bindings::reconcilable
            );
        };
    };
}

/// Stands for a step towards the bindings. Made by the macros alone.
#[doc(hidden)]
#[derive(Debug)]
pub struct Exported<S>(PhantomData<S>);

impl<S: RawStep> plugin::Guest for Exported<S> {
    fn execute(ctx: types::Context, input: String) -> Result<String, types::Failure> {
        Ok(S::execute(&ctx.into(), input)?)
    }

    fn compensate(
        ctx: types::Context,
        input: String,
        output: Option<String>,
        cause: Option<types::Failure>,
    ) -> Result<(), types::Failure> {
        Ok(S::compensate(&ctx.into(), input, output, cause.map(Failure::from))?)
    }
}

impl<S: RawReconcile> reconcilable::Guest for Exported<S> {
    fn execute(ctx: types::Context, input: String) -> Result<String, types::Failure> {
        <Self as plugin::Guest>::execute(ctx, input)
    }

    fn compensate(
        ctx: types::Context,
        input: String,
        output: Option<String>,
        cause: Option<types::Failure>,
    ) -> Result<(), types::Failure> {
        <Self as plugin::Guest>::compensate(ctx, input, output, cause)
    }
}

impl<S: RawReconcile> reconcile::Guest for Exported<S> {
    fn reconcile(ctx: types::Context, input: String) -> Result<reconcile::Outcome, types::Failure> {
        Ok(match S::reconcile(&ctx.into(), input)? {
            Outcome::Done(output) => reconcile::Outcome::Done(output),
            Outcome::NotDone => reconcile::Outcome::NotDone,
            Outcome::Unknown => reconcile::Outcome::Unknown,
        })
    }
}
