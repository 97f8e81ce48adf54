//! Growth of a run: what a step of a long chain costs, and an element of a long map, beside short ones.
//! Never stops at what many runs of one process cost: a long run that is followed has rows of its own.

use super::{Runs, Workload, chain, lines, value};
use crate::process::{Ended, Trouble};
use crate::report::{Goal, Row};
use crate::samples::Samples;
use crate::stage::Bench;

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
    manifest: fn(u32) -> String,
    input: fn(u32) -> String,
    part: &'static str,
}

const CHAINS: Lengths = Lengths { manifest: chain, input: |_| value(), part: "a step of 10,000" };

const MAPS: Lengths = Lengths {
    manifest: |_| MAP.to_owned(),
    input: |elements| format!("[{}]", vec!["0"; elements as usize].join(",")),
    part: "an element of 10,000",
};

/// As many parts as the long run has.
const SHORTS: Runs = Runs {
    manifest: "short.toml",
    first: "short-first.ndjson",
    many: "short.ndjson",
    count: LONG / SHORT + 1,
    parallel: 1,
    steps: SHORT,
};

fn measure(bench: &Bench, lengths: &Lengths) -> Result<Vec<Row>, Trouble> {
    let stage = bench.stage("length")?;
    stage.write(SHORTS.manifest, &(lengths.manifest)(SHORT))?;
    stage.write_lines(SHORTS.first, &(lengths.input)(SHORT), 1)?;
    stage.write_lines(SHORTS.many, &(lengths.input)(SHORT), SHORTS.count)?;
    stage.write("long.toml", &(lengths.manifest)(LONG))?;
    stage.write_lines("long.ndjson", &(lengths.input)(LONG), 1)?;
    let mut figures = [(); 3].map(|()| Samples::default());
    for _ in 0..bench.options.repeat {
        stage.forget()?;
        stage.each(SHORTS.manifest, SHORTS.first, 1)?;
        let seconds = [
            longer(|manifest, file| stage.each(manifest, file, 1))?,
            longer(|manifest, file| {
                stage.piton(&["run", manifest, "--input", &format!("@{file}")])
            })?,
            SHORTS.step_seconds(&stage)?,
        ];
        figures.iter_mut().zip(seconds).for_each(|(figure, second)| figure.push(second * 1e3));
    }
    let [long, followed, short] = figures;
    let row = |what, figure| Row {
        what,
        unit: "ms",
        figure,
        beside: Some(("of 100", short.clone())),
        goal: Some(Goal::TimesAtMost(1.3)),
    };
    Ok(vec![row(lengths.part, long), row("… followed by `piton run`", followed)])
}

/// Seconds of a part of a long run, the reading of its manifest included: what the process takes longer
/// than one of a short run.
fn longer(run: impl Fn(&str, &str) -> Result<Ended, Trouble>) -> Result<f64, Trouble> {
    let short = run(SHORTS.manifest, SHORTS.first)?.seconds;
    let long = run("long.toml", "long.ndjson")?.seconds;
    Ok((long - short) / f64::from(LONG - SHORT))
}
