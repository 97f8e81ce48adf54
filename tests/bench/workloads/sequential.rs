//! W1: runs one after another, which wait for the disk alone.
//! Never has two runs under way.

use super::{Runs, Workload, floor_step_seconds, lines, loop_step_seconds};
use crate::floor::{Commit, append_seconds, commit_seconds, log_seconds};
use crate::process::Trouble;
use crate::report::{Goal, Row};
use crate::samples::Samples;
use crate::stage::Bench;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "w1",
    about: "40 runs of 20 steps, one after another",
    measure: |bench| lines("the cost of a step", measure(bench)),
};

const RUNS: u32 = 40;
const STEPS: u32 = 20;

fn measure(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    let stage = bench.stage("w1")?;
    let runs = Runs::of_chain(STEPS, RUNS, 1);
    runs.write_chain(&stage)?;
    let turns = runs.turns();
    let one = Commit { records: 1, quick_repair: false };
    let mut figures = [(); 8].map(|()| Samples::default());
    for _ in 0..bench.options.repeat {
        stage.forget()?;
        // Compiles the step, which later starts find.
        stage.each(runs.manifest, runs.first, 1)?;
        let folder = stage.path("");
        let seconds = [
            runs.step_seconds(&stage)?,
            loop_step_seconds(&stage, turns)?,
            floor_step_seconds(&stage, "thread", turns)?,
            floor_step_seconds(&stage, "itself", turns)?,
            commit_seconds(&folder, one, RUNS * STEPS)?,
            commit_seconds(&folder, Commit { quick_repair: true, ..one }, RUNS * STEPS)?,
            append_seconds(&folder, RUNS * STEPS)?,
            log_seconds(&folder, RUNS * STEPS)?,
        ];
        figures.iter_mut().zip(seconds).for_each(|(figure, second)| figure.push(second * 1e3));
    }
    let [ours, by_loop, by_thread, by_itself, commit, quick_repair, append, log] = figures;
    let row = |name, beside, goal| Row {
        what: "a step",
        unit: "ms",
        figure: ours.clone(),
        beside: Some((name, beside)),
        goal,
    };
    Ok(vec![
        row("loop", by_loop, Some(Goal::TimesAtMost(1.0))),
        row("floor: sandbox, log by a thread", by_thread, Some(Goal::TimesAtMost(1.3))),
        row("floor: sandbox, log by itself", by_itself, None),
        row("floor: log over zeros, fdatasync", log, None),
        row("floor: redb", commit, None),
        row("floor: redb, quick repair", quick_repair, None),
        row("floor: append, fdatasync", append, None),
    ])
}
