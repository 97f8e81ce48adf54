//! Decides what a run does next, from its events alone.
//!
//! Data in, data out: [`decide`] turns what happened into events, [`Run::apply`] folds an event
//! into the state, [`due`] derives from the state what must be under way now. Recovery is no path
//! of its own: fold the journal, ask [`due`].
//!
//! Never reads a clock, draws a random number, or touches a file, a thread, a store or a sandbox.
//! Time, randomness and the values of expressions come in with the [`Moment`] of a decision.

mod allowance;
mod backoff;
pub mod checker;
mod decide;
mod due;
mod end;
mod event;
mod id;
mod ledger;
mod pipeline;
mod run;
pub mod simulation;
mod value;

pub use allowance::{
    DirGrant, Grant, Grants, HttpGrant, HttpHost, HttpLimits, HttpScheme, HttpTarget, Limits,
    SecretGrant, SecretSource,
};
pub use backoff::{Backoff, Draw, Jitter};
pub use decide::{Evaluate, EvaluationError, Input, Moment, Refusal, advance, decide};
pub use due::{Call, Due, due};
pub use end::{End, Failure, FailureKind, HostEnd, Reconciled};
pub use event::{Cause, Event, Limit, Settlement, StepFailure, Verdict};
pub use id::{Digest, IdempotencyKey, InstanceId, ParseIdError, Phase, RunId, StepIndex};
pub use ledger::{Amount, Ledger, UNIT_BYTES_MAX, Usage, UsageOverflow, is_unit};
pub use pipeline::{
    Budget, Effect, MapPolicy, Mistake, OnBudget, OnCompensationFailure, OnExhausted,
    OnSiblingFailure, Pipeline, RetryPolicy, RetryRule, RuleVerdict, Step, StepKind, Tolerance,
    Waiting, glob_matches,
};
pub use run::{
    ApplyError, Instance, Knowledge, Outcome, PhaseState, Retry, Run, RunStatus, StepStatus,
    UnderWay, Undo,
};
pub use value::{Json, Timestamp};
