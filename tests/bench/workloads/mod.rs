//! Owns the list of workloads, and what they share: manifests of chains, the value that goes through
//! them, and the cost of a step as the difference of two processes.
//! Never prints.

mod compile;
mod compute;
mod kept;
mod length;
mod parallel;
mod sequential;
mod start;

use crate::process::Trouble;
use crate::report::{Line, Row};
use crate::stage::{Bench, Stage, Turns};
use std::fmt::Write;

/// A workload, by the name that is typed.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) measure: fn(&Bench) -> Vec<Line>,
}

/// All of them, in the order of the table.
pub(crate) const ALL: [Workload; 7] = [
    sequential::WORKLOAD,
    parallel::WORKLOAD,
    start::WORKLOAD,
    kept::WORKLOAD,
    length::WORKLOAD,
    compute::WORKLOAD,
    compile::WORKLOAD,
];

/// The lines of a workload, or one that says why there are none.
fn lines(what: &'static str, measured: Result<Vec<Row>, Trouble>) -> Vec<Line> {
    match measured {
        Ok(rows) => rows.into_iter().map(Line::Measured).collect(),
        Err(trouble) => vec![Line::NotMeasured { what, why: trouble.to_string() }],
    }
}

/// A chain of steps, each of which adds one to the counter of the step before it.
fn chain(steps: u32) -> String {
    let mut text = String::from("[pipeline]\nname = \"chain\"\n[defaults]\neffect = \"none\"\n");
    for number in 1..=steps {
        let input = match number {
            1 => "${input}".to_owned(),
            _ => format!("${{steps.s{}.output}}", number - 1),
        };
        write!(text, "[steps.s{number}]\ncomponent = \"steps/add_one\"\ninput = \"{input}\"\n")
            .expect("a text should take more");
    }
    text
}

/// A counter in a JSON value of 200 bytes.
fn value() -> String {
    const BYTES: usize = 200;
    let frame = r#"{"n":0,"pad":""}"#;
    format!(r#"{{"n":0,"pad":"{}"}}"#, "x".repeat(BYTES - frame.len()))
}

/// Many runs of one manifest, whose inputs lie in files.
struct Runs {
    manifest: &'static str,
    /// One line.
    first: &'static str,
    /// `count` lines.
    many: &'static str,
    count: u32,
    parallel: u32,
    /// Steps, or elements, of one run.
    steps: u32,
}

impl Runs {
    /// Runs of a chain of so many steps.
    const fn of_chain(steps: u32, count: u32, parallel: u32) -> Self {
        let (manifest, first, many) = ("chain.toml", "first.ndjson", "many.ndjson");
        Self { manifest, first, many, count, parallel, steps }
    }

    /// Writes the chain and its inputs.
    fn write_chain(&self, stage: &Stage<'_>) -> Result<(), Trouble> {
        stage.write(self.manifest, &chain(self.steps))?;
        stage.write_lines(self.first, &value(), 1)?;
        stage.write_lines(self.many, &value(), self.count)
    }

    /// As much for the loop.
    const fn turns(&self) -> Turns {
        Turns { runs: self.count, steps: self.steps, parallel: self.parallel }
    }

    /// Seconds of one step: what many runs take longer than one, by the steps between.
    fn step_seconds(&self, stage: &Stage<'_>) -> Result<f64, Trouble> {
        let first = stage.each(self.manifest, self.first, self.parallel)?.seconds;
        let many = stage.each(self.manifest, self.many, self.parallel)?.seconds;
        Ok((many - first) / f64::from((self.count - 1) * self.steps))
    }
}

/// Seconds of one step of a host that only calls and writes, which counts them itself: without its start.
fn floor_step_seconds(stage: &Stage<'_>, writer: &str, turns: Turns) -> Result<f64, Trouble> {
    let printed = stage.floor(writer, turns, &value())?.stdout;
    let seconds = printed.trim().parse();
    seconds.map_err(|_| Trouble(format!("the floor printed no seconds, but `{printed}`")))
}

/// Seconds of one step of the loop, in the same way as of piton.
fn loop_step_seconds(stage: &Stage<'_>, turns: Turns) -> Result<f64, Trouble> {
    let first = stage.hand_written(Turns { runs: 1, ..turns })?.seconds;
    let many = stage.hand_written(turns)?.seconds;
    Ok((many - first) / f64::from((turns.runs - 1) * turns.steps))
}
