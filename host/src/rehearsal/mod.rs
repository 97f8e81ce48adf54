//! Rehearses a manifest before it matters: [`plan`] foresees every failure of every step, [`chaos`]
//! lets drawn faults loose on it. Both use the real core; what a run does is decided nowhere else.
//!
//! Never touches a run, a data directory or a folder that somebody uses: a rehearsal has its own.

pub mod chaos;
mod pipeline;
pub mod plan;

pub use pipeline::pipeline_of;
