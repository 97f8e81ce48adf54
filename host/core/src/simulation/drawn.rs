//! A whole story from one seed: the pipeline, its world, and what befalls it.
//! Never takes anything but the seed into account, and what it is told to keep fixed.

use super::choose::{Choose, Drawn};
use super::evaluate::StubEvaluate;
use super::mutant::Mutant;
use super::pipelines::draw_pipeline;
use super::steps::{DrawnSteps, Ending};
use super::story::{Faults, Story, Telling, tell};
use crate::id::RunId;
use crate::pipeline::Pipeline;
use std::sync::Arc;
use std::time::Duration;

/// Tells the story of a seed.
///
/// Of `pipeline` where one is given, else of a drawn one. With a mutant, its host breaks a rule.
pub fn draw_story(seed: u64, pipeline: Option<Arc<Pipeline>>, mutant: Option<Mutant>) -> Story {
    let mut choose = Drawn::new(seed);
    let pipeline = pipeline.unwrap_or_else(|| Arc::new(draw_pipeline(&mut choose, 7)));
    let mut evaluate = StubEvaluate::sound(seed);
    evaluate.skipped = 200;
    evaluate.broken = one_of(&mut choose, &[0, 0, 0, 0, 100]);
    let failing = one_of(&mut choose, &[0, 100, 300, 600]);
    let mut steps = DrawnSteps::new(failing, Ending::ALL);
    let faults = Faults {
        crash: one_of(&mut choose, &[0, 20, 100]),
        crashes_max: 10,
        downtimes: [0, 1_000, 600_000, 200_000_000].map(Duration::from_millis).to_vec(),
        leaving: 100,
        meddling: one_of(&mut choose, &[0, 0, 50, 200]),
        ..Faults::none()
    };
    let run = RunId::from_bits(u128::from(seed));
    let (evaluate, steps, faults) = (&evaluate, &mut steps, &faults);
    tell(Telling { pipeline, run, evaluate, steps, faults, mutant }, &mut choose)
}

fn one_of(choose: &mut Drawn, ways: &[u32]) -> u32 {
    ways[choose.pick(ways.len())]
}
