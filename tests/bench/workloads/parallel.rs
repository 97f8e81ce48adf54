//! W2: many runs under way, which share the disk's syncs; and the memory that they take.
//! Never times a process whose memory is looked at.

use super::{Runs, Workload, floor_step_seconds, lines, loop_step_seconds};
use crate::floor::{Commit, commit_seconds};
use crate::process::Trouble;
use crate::report::{Goal, Row};
use crate::samples::Samples;
use crate::stage::Bench;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "w2",
    about: "500 runs of 20 steps, 64 under way",
    measure: |bench| lines("steps in a second", measure(bench)),
};

const RUNS: u32 = 500;
const STEPS: u32 = 20;
const PARALLEL: u32 = 64;

fn measure(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    let stage = bench.stage("w2")?;
    let runs = Runs::of_chain(STEPS, RUNS, PARALLEL);
    runs.write_chain(&stage)?;
    let turns = runs.turns();
    let group = Commit { records: PARALLEL, quick_repair: false };
    let mut rates = [(); 4].map(|()| Samples::default());
    let mut memories = [(); 2].map(|()| Samples::default());
    for _ in 0..bench.options.repeat {
        stage.forget()?;
        stage.each(runs.manifest, runs.first, 1)?;
        let commit = commit_seconds(&stage.path(""), group, RUNS * STEPS / PARALLEL)?;
        let seconds = [
            runs.step_seconds(&stage)?,
            loop_step_seconds(&stage, turns)?,
            floor_step_seconds(&stage, "thread", turns)?,
            commit / f64::from(PARALLEL),
        ];
        rates.iter_mut().zip(seconds).for_each(|(rate, seconds)| rate.push(seconds.recip()));
        stage.forget()?;
        stage.each(runs.manifest, runs.first, 1)?;
        let peaks = [
            stage.start_each(runs.manifest, runs.many, PARALLEL)?.peak_mebibytes()?,
            stage.start_hand_written(turns, &[])?.peak_mebibytes()?,
        ];
        memories.iter_mut().zip(peaks).for_each(|(memory, peak)| memory.push(peak));
    }
    let ([ours, by_loop, floor, commit], [our_memory, memory_of_loop]) = (rates, memories);
    let rate = |name, beside, goal| Row {
        what: "steps in a second",
        unit: "steps/s",
        figure: ours.clone(),
        beside: Some((name, beside)),
        goal,
    };
    Ok(vec![
        rate("loop", by_loop, Some(Goal::TimesAtLeast(6.0))),
        rate("floor: sandbox, log by a thread", floor, None),
        rate("floor: redb, 64 a commit", commit, None),
        Row {
            what: "peak memory (PSS)",
            unit: "MiB",
            figure: our_memory,
            beside: Some(("loop", memory_of_loop)),
            goal: Some(Goal::AtMost(80.0)),
        },
    ])
}
