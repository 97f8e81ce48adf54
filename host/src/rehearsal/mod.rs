//! Rehearses before it matters: [`plan`] foresees every failure of every step of a manifest, [`chaos`]
//! lets drawn faults loose on it, and [`step_check`] holds one component against what the contract
//! asks of a step. Plan and chaos use the real core; what a run does is decided nowhere else.
//!
//! Never touches a run, a data directory or a folder that somebody uses: a rehearsal has its own.

pub mod chaos;
mod folder;
mod pipeline;
pub mod plan;
pub mod step_check;

pub use pipeline::pipeline_of;
