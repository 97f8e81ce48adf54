//! The real core in simulated worlds: by seeds, exhaustively where the world is small, with rules
//! broken on purpose, and cut off against undisturbed.

mod mutants;
mod resumed;
mod seeds;
mod small_worlds;

use piton_core::Pipeline;
use piton_core::simulation::Story;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Tells a story, and names its seed should the core panic.
fn told(seed: u64, tell: impl FnOnce() -> Story) -> Story {
    let told = catch_unwind(AssertUnwindSafe(tell));
    told.unwrap_or_else(|_| panic!("the story of seed {seed} panicked"))
}

/// A pipeline in short lines.
fn outline(pipeline: &Pipeline) -> String {
    let mut text = format!(
        "deadline {:?}, {:?}, {:?}, parallel {}, {:?}\n",
        pipeline.deadline,
        pipeline.on_sibling_failure,
        pipeline.on_compensation_failure,
        pipeline.compensation_parallel,
        pipeline.budget
    );
    for step in &pipeline.steps {
        let after: Vec<u32> = step.after.iter().map(|before| before.0).collect();
        let line = format!(
            "{} after {after:?} {:?} pivot {} {:?} reconciles {} compensates {} {:?} {:?}",
            step.name,
            step.kind,
            step.pivot,
            step.effect,
            step.reconciles,
            step.compensates,
            step.on_exhausted,
            step.retry.rules
        );
        writeln!(text, "{line}").expect("a string should take any text");
    }
    text
}
