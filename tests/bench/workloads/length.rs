//! Growth of a run: what a step of a long chain costs, and an element of a long map, beside short ones.
//! Never stops at what many runs of one process cost: a long run that is followed has rows of its own.

use super::{Runs, Workload, chain, lines, value};
use crate::process::Trouble;
use crate::report::{Goal, Row};
use crate::samples::Samples;
use crate::stage::{Bench, Stage};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "length",
    about: "a run of 10,000 steps and a map of 10,000 elements, beside 100",
    measure: |bench| {
        let mut all = lines("a long chain", measure(bench, &CHAINS));
        all.extend(lines("a long map", measure(bench, &MAPS)));
        all
    },
};

const SHORT: u32 = 100;
const LONG: u32 = 10_000;

const MAP: &str = r#"
[pipeline]
name = "map"
[steps.all]
component = "steps/add_one"
effect = "none"
map = "${input}"
input = { n = "${item}" }
"#;

/// Two lengths of the same thing.
struct Lengths {
    /// How many runs of each length are timed: enough for a difference that can be told.
    short_runs: u32,
    long_runs: u32,
    manifest: fn(u32) -> String,
    input: fn(u32) -> String,
    part: &'static str,
    followed: &'static str,
    beside: &'static str,
}

const CHAINS: Lengths = Lengths {
    short_runs: 51,
    long_runs: 2,
    manifest: chain,
    input: |_| value(),
    part: "a step of 10,000",
    followed: "… followed by `piton run`",
    beside: "of 100",
};

const MAPS: Lengths = Lengths {
    short_runs: 201,
    long_runs: 4,
    manifest: |_| MAP.to_owned(),
    input: |elements| format!("[{}]", vec!["0"; elements as usize].join(",")),
    part: "an element of 10,000",
    followed: "… followed by `piton run`",
    beside: "of 100",
};

fn measure(bench: &Bench, lengths: &Lengths) -> Result<Vec<Row>, Trouble> {
    let stage = bench.stage("length")?;
    let of = |steps, count, names: [&'static str; 3]| {
        let [manifest, first, many] = names;
        stage.write(manifest, &(lengths.manifest)(steps))?;
        stage.write_lines(first, &(lengths.input)(steps), 1)?;
        stage.write_lines(many, &(lengths.input)(steps), count)?;
        Ok::<_, Trouble>(Runs { manifest, first, many, count, parallel: 1, steps })
    };
    let short =
        of(SHORT, lengths.short_runs, ["short.toml", "short-first.ndjson", "short.ndjson"])?;
    let long = of(LONG, lengths.long_runs, ["long.toml", "long-first.ndjson", "long.ndjson"])?;
    let mut figures = [(); 3].map(|()| Samples::default());
    for _ in 0..bench.options.repeat {
        stage.forget()?;
        stage.each(short.manifest, short.first, 1)?;
        let seconds = [
            long.step_seconds(&stage)?,
            followed_step_seconds(&stage, &long, &short)?,
            short.step_seconds(&stage)?,
        ];
        figures.iter_mut().zip(seconds).for_each(|(figure, second)| figure.push(second * 1e3));
    }
    let [long, followed, short] = figures;
    let row = |what, figure| Row {
        what,
        unit: "ms",
        figure,
        beside: Some((lengths.beside, short.clone())),
        goal: Some(Goal::TimesAtMost(1.3)),
    };
    Ok(vec![row(lengths.part, long), row(lengths.followed, followed)])
}

/// Seconds of one step where a person looks on; a short run stands for the start of the process.
fn followed_step_seconds(
    stage: &Stage<'_>,
    long: &Runs<'_>,
    short: &Runs<'_>,
) -> Result<f64, Trouble> {
    let follow = |runs: &Runs<'_>| {
        let input = format!("@{}", runs.first);
        Ok::<f64, Trouble>(stage.piton(&["run", runs.manifest, "--input", &input])?.seconds)
    };
    Ok((follow(long)? - follow(short)?) / f64::from(long.steps - short.steps))
}
