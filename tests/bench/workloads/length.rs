//! Growth of a run: what a step of a long chain costs, and an element of a long map, beside short ones.
//! Never hides what a long manifest costs before and after its steps: the whole is a row of its own.

use super::{Runs, Workload, chain, lines, value};
use crate::process::Trouble;
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
    /// How many runs of each length are timed: enough for a difference that can be told.
    short_runs: u32,
    long_runs: u32,
    manifest: fn(u32) -> String,
    input: fn(u32) -> String,
    part: &'static str,
    whole: &'static str,
    beside: &'static str,
}

const CHAINS: Lengths = Lengths {
    short_runs: 51,
    long_runs: 2,
    manifest: chain,
    input: |_| value(),
    part: "a step of 10,000",
    whole: "`run` of 10,000 steps, followed",
    beside: "of 100",
};

const MAPS: Lengths = Lengths {
    short_runs: 201,
    long_runs: 4,
    manifest: |_| MAP.to_owned(),
    input: |elements| format!("[{}]", vec!["0"; elements as usize].join(",")),
    part: "an element of 10,000",
    whole: "`run` of 10,000 elements, followed",
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
    let short = of(SHORT, lengths.short_runs, ["short.toml", "short-first.ndjson", "short.ndjson"])?;
    let long = of(LONG, lengths.long_runs, ["long.toml", "long-first.ndjson", "long.ndjson"])?;
    let mut figures = [(); 3].map(|()| Samples::default());
    for _ in 0..bench.options.repeat {
        stage.forget()?;
        stage.each(short.manifest, short.first, 1)?;
        let input = format!("@{}", long.first);
        let whole = stage.piton(&["run", long.manifest, "--input", &input])?.seconds;
        let seconds = [long.step_seconds(&stage)?, short.step_seconds(&stage)?, whole];
        figures.iter_mut().zip(seconds).for_each(|(figure, second)| figure.push(second * 1e3));
    }
    let [long, short, whole] = figures;
    Ok(vec![
        Row {
            what: lengths.part,
            unit: "ms",
            figure: long,
            beside: Some((lengths.beside, short)),
            goal: Some(Goal::TimesAtMost(1.3)),
        },
        Row { what: lengths.whole, unit: "ms", figure: whole, beside: None, goal: None },
    ])
}
