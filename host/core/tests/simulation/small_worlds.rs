//! Every story of small worlds: all graphs, all ends of each attempt, a death of the host at each
//! append. What random stories come to by chance, these come to for certain.

use crate::outline;
use piton_core::simulation::{DrawnSteps, Ending, Exhaustive, Faults, StubEvaluate, Telling, tell};
use piton_core::{Effect, Jitter, OnExhausted, Pipeline, RunId, Step, StepIndex};
use std::sync::Arc;

/// How large a world is.
struct World {
    steps: usize,
    effect: Effect,
    has_pivot: bool,
    endings: &'static [Ending],
    failures_max: usize,
    crashes_max: usize,
}

const UNKNOWN: &[Ending] = &[Ending::Permanent, Ending::RetryableClean, Ending::Slow];

/// All graphs of so many steps, each with its edges from lower to higher numbers.
fn graphs(steps: usize) -> impl Iterator<Item = Vec<Vec<StepIndex>>> {
    let pairs: Vec<(usize, usize)> =
        (0..steps).flat_map(|to| (0..to).map(move |from| (from, to))).collect();
    (0..1_u32 << pairs.len()).map(move |chosen| {
        let mut after = vec![Vec::new(); steps];
        for (bit, (from, to)) in pairs.iter().enumerate() {
            if chosen >> bit & 1 == 1 {
                after[*to].push(StepIndex(u32::try_from(*from).expect("few steps")));
            }
        }
        after
    })
}

fn pipeline(world: &World, after: Vec<Vec<StepIndex>>, pivot: Option<usize>) -> Pipeline {
    let step = |(index, after): (usize, Vec<StepIndex>)| {
        let mut step = Step::call(format!("s{index}"), after);
        step.effect = world.effect;
        step.reconciles = world.effect == Effect::Reconcilable;
        step.pivot = pivot == Some(index);
        step.retry.attempts = 2;
        step.retry.backoff.jitter = Jitter::None;
        step.undo = step.retry.clone();
        step
    };
    let steps = after.into_iter().enumerate().map(step).collect();
    let mut pipeline = Pipeline::new("small", steps);
    for index in pipeline.indexes().collect::<Vec<_>>() {
        if pipeline.is_behind_a_pivot(index) {
            pipeline.steps[index.0 as usize].on_exhausted = OnExhausted::Pause;
        }
    }
    pipeline
}

/// Tells every story of a pipeline, and returns how many there are.
fn tell_all(world: &World, pipeline: &Arc<Pipeline>) -> usize {
    let evaluate = StubEvaluate::sound(1);
    let faults = Faults {
        crash: 500,
        crashes_max: world.crashes_max,
        rests_max: 1,
        folds_always: true,
        ..Faults::none()
    };
    let mut choose = Exhaustive::new();
    let mut count = 0;
    loop {
        let mut steps = DrawnSteps::plain(500, world.endings);
        steps.failures_max = world.failures_max;
        let telling = Telling {
            pipeline: Arc::clone(pipeline),
            run: RunId::from_bits(1),
            evaluate: &evaluate,
            steps: &mut steps,
            faults: &faults,
            mutant: None,
        };
        let story = tell(telling, &mut choose);
        let is_sound = story.problems.is_empty();
        assert!(is_sound, "story {count}\n{story}\n{}", outline(pipeline));
        count += 1;
        if !choose.advance() {
            return count;
        }
    }
}

fn check(world: &World, at_least: usize) {
    let mut count = 0;
    for after in graphs(world.steps) {
        let pivots: Vec<Option<usize>> =
            if world.has_pivot { (0..world.steps).map(Some).collect() } else { vec![None] };
        for pivot in pivots {
            let pipeline = pipeline(world, after.clone(), pivot);
            if pipeline.mistakes().is_empty() {
                count += tell_all(world, &Arc::new(pipeline));
            }
        }
    }
    // Fewer stories than there were would mean that the world has shrunk unseen.
    assert!(count >= at_least, "{count} stories");
}

const EFFECTS: [Effect; 4] =
    [Effect::None, Effect::Idempotent, Effect::Reconcilable, Effect::Unsafe];

#[test]
fn two_steps_survive_three_failures_and_a_death() {
    for effect in EFFECTS {
        let (endings, has_pivot) = (UNKNOWN, false);
        check(
            &World { steps: 2, effect, has_pivot, endings, failures_max: 3, crashes_max: 1 },
            1_000,
        );
    }
}

#[test]
fn two_steps_survive_all_ends_and_a_death() {
    for effect in EFFECTS {
        let (endings, has_pivot) = (&Ending::ALL, false);
        check(
            &World { steps: 2, effect, has_pivot, endings, failures_max: 2, crashes_max: 1 },
            5_000,
        );
    }
}

#[test]
fn three_steps_survive_failures_and_a_death() {
    for effect in EFFECTS {
        let (endings, has_pivot) = (UNKNOWN, false);
        check(
            &World { steps: 3, effect, has_pivot, endings, failures_max: 2, crashes_max: 1 },
            5_000,
        );
    }
}

#[test]
fn three_steps_with_a_pivot_go_one_way() {
    for effect in EFFECTS {
        let (endings, has_pivot) = (UNKNOWN, true);
        check(
            &World { steps: 3, effect, has_pivot, endings, failures_max: 2, crashes_max: 1 },
            5_000,
        );
    }
}

#[test]
fn four_steps_survive_two_failures_and_a_death() {
    let (effect, endings, has_pivot) = (Effect::Idempotent, UNKNOWN, false);
    check(
        &World { steps: 4, effect, has_pivot, endings, failures_max: 2, crashes_max: 1 },
        200_000,
    );
}
