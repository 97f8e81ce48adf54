//! What a large component costs: the first run, which compiles it, and how soon later runs have it.
//! Never installs the tools that make one.

use super::{Workload, chain, value};
use crate::process::{Ended, Trouble};
use crate::report::{Goal, Line, Row};
use crate::samples::Samples;
use crate::stage::{Bench, Stage};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "compile",
    about: "the first run of a component in Python, and later ones",
    measure: |bench| match measure(bench) {
        Ok(lines) => lines,
        Err(trouble) => {
            vec![Line::NotMeasured { what: "a component in Python", why: trouble.to_string() }]
        }
    },
};

/// What is said while a component is compiled.
const PROGRESS: &str = "compiling component";

const INPUT: &str = r#"{"sku":"rope","quantity":2}"#;

fn measure(bench: &Bench) -> Result<Vec<Line>, Trouble> {
    let stage = bench.stage("compile")?;
    stage.piton(&["new", "step", "large", "--lang", "python"])?;
    stage.piton(&["build", "large"])?;
    stage.write("small.toml", &chain(1))?;
    let first = large(&stage)?;
    let value = value();
    let small = ["run", "small.toml", "--input", &value];
    stage.piton(&small)?;
    let (mut later, mut loading) = (Samples::default(), Samples::default());
    for _ in 0..bench.options.repeat {
        let seconds = large(&stage)?.seconds;
        later.push(seconds * 1e3);
        loading.push((seconds - stage.piton(&small)?.seconds) * 1e3);
    }
    let row =
        |what, figure, goal| Line::Measured(Row { what, unit: "ms", figure, beside: None, goal });
    let mut lines = vec![
        row("the first run", Samples::from_iter([first.seconds * 1e3]), None),
        row("a later run", later, None),
        row("… longer than with a small component", loading, Some(Goal::AtMost(50.0))),
    ];
    if !first.stderr.contains(PROGRESS) {
        let why = format!("the first run did not say `{PROGRESS}`");
        lines.push(Line::NotMeasured { what: "progress of the first run", why });
    }
    Ok(lines)
}

fn large(stage: &Stage<'_>) -> Result<Ended, Trouble> {
    stage.piton(&["run", "large/pipeline.toml", "--input", INPUT])
}
