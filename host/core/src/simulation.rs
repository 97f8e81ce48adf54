//! A simulated world for the real core: clock, journal, steps and people, all decided by a seed.
//!
//! The core is data in, data out, so a run can be led through any failure in microseconds. A
//! [`story`](tell) is one run in such a world: calls end in drawn ways, the host dies between any two
//! commits, people interfere, and at the end the [checker](crate::checker) reads what is left.
//!
//! Never sleeps and never reads a clock; the same choices always tell the same story.

mod choose;
mod drawn;
mod evaluate;
mod host;
mod mutant;
mod person;
mod pipelines;
mod problem;
mod steps;
mod story;
pub(crate) mod words;
mod world;

pub use choose::{Choose, Drawn, Exhaustive};
pub use drawn::draw_story;
pub use evaluate::StubEvaluate;
pub use mutant::Mutant;
pub use pipelines::draw_pipeline;
pub use problem::Problem;
pub use steps::{Answer, DrawnSteps, Ending, Steps};
pub use story::{Faults, Story, Telling, tell};
