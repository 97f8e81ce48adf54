//! Runs of drawn pipelines in drawn worlds: a fixed set of seeds, and fresh ones each time.
//! A failure prints its seed and its story.

use piton_core::RunId;
use piton_core::simulation::{
    Choose, Drawn, DrawnSteps, Ending, Faults, Story, StubEvaluate, Telling, draw_pipeline, tell,
};
use std::sync::Arc;

fn story(seed: u64) -> Story {
    let mut choose = Drawn::new(seed);
    let pipeline = Arc::new(draw_pipeline(&mut choose, 7));
    let mut evaluate = StubEvaluate::sound(seed);
    evaluate.skipped = 200;
    if choose.happens(200) {
        evaluate.broken = 100;
    }
    let failing = [0, 100, 300, 600][choose.pick(4)];
    let mut steps = DrawnSteps::new(failing, Ending::ALL);
    let mut faults = Faults::none();
    faults.crash = [0, 20, 100][choose.pick(3)];
    faults.crashes_max = 10;
    faults.meddling = [0, 0, 50, 200][choose.pick(4)];
    let run = RunId::from_bits(u128::from(seed));
    let telling = Telling {
        pipeline,
        run,
        evaluate: &evaluate,
        steps: &mut steps,
        faults: &faults,
        mutant: None,
    };
    tell(telling, &mut choose)
}

fn check(seed: u64) {
    let told = std::panic::catch_unwind(|| story(seed));
    let story = told.unwrap_or_else(|_| panic!("the story of seed {seed} panicked"));
    assert!(story.problems.is_empty(), "seed {seed}\n{story}\n{}", shape(&story));
}

#[test]
fn known_seeds_tell_sound_stories() {
    (0..4_000).for_each(check);
}

/// The pipeline of a story, a line for each step.
fn shape(story: &Story) -> String {
    let pipeline = story.run.pipeline();
    let mut text = format!(
        "deadline {:?}, {:?}, {:?}, parallel {}\n",
        pipeline.deadline,
        pipeline.on_sibling_failure,
        pipeline.on_compensation_failure,
        pipeline.compensation_parallel
    );
    for step in &pipeline.steps {
        let after: Vec<u32> = step.after.iter().map(|before| before.0).collect();
        text += &format!(
            "{} after {after:?} {:?} pivot {} {:?} reconciles {} compensates {} {:?} attempts {} rules {:?}\n",
            step.name,
            step.kind,
            step.pivot,
            step.effect,
            step.reconciles,
            step.compensates,
            step.on_exhausted,
            step.retry.attempts,
            step.retry.rules
        );
    }
    text
}
