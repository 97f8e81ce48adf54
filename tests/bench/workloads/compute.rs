//! What the sandbox costs a step that only computes: SHA-256, by the same source file on both sides.
//! Never counts the start of a process.

use super::{Workload, lines};
use crate::process::Trouble;
use crate::report::{Goal, Row};
use crate::samples::Samples;
use crate::stage::{Bench, Stage};
use std::hint::black_box;
use std::time::Instant;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "compute",
    about: "SHA-256 of 64 MiB in a step, beside the same code outside",
    measure: |bench| lines("computing", measure(bench)),
};

const MEBIBYTES: u32 = 64;

const MANIFEST: &str = r#"
[pipeline]
name = "compute"
[steps.hash]
component = "steps/sha256"
effect = "none"
"#;

fn measure(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    let stage = bench.stage("compute")?;
    stage.write("compute.toml", MANIFEST)?;
    let expected = sha256_native::of_mebibytes(MEBIBYTES);
    hash(&stage, MEBIBYTES, &expected)?;
    let mut figures = [(); 2].map(|()| Samples::default());
    let nothing = sha256_native::of_mebibytes(0);
    for _ in 0..bench.options.repeat {
        let start = hash(&stage, 0, &nothing)?;
        figures[0].push((hash(&stage, MEBIBYTES, &expected)? - start) * 1e3);
        figures[1].push(native_seconds() * 1e3);
    }
    let [ours, native] = figures;
    Ok(vec![Row {
        what: "SHA-256 of 64 MiB",
        unit: "ms",
        figure: ours,
        beside: Some(("native", native)),
        goal: Some(Goal::TimesAtMost(2.5)),
    }])
}

/// Seconds of a process whose step hashes so much, once it is seen that the hash is right.
fn hash(stage: &Stage<'_>, mebibytes: u32, expected: &str) -> Result<f64, Trouble> {
    let input = format!(r#"{{"mebibytes":{mebibytes}}}"#);
    let ended = stage.piton(&["run", "compute.toml", "--input", &input])?;
    match ended.stdout.contains(expected) {
        true => Ok(ended.seconds),
        false => Err(Trouble(format!("the step's hash is not {expected}: {}", ended.stdout))),
    }
}

fn native_seconds() -> f64 {
    let began = Instant::now();
    black_box(sha256_native::of_mebibytes(black_box(MEBIBYTES)));
    began.elapsed().as_secs_f64()
}
