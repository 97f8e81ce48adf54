//! W4: one run of one step, with all that a process costs; and what a host holds that only waits.
//! Never measures the compiling of a component: `compile` does.

use super::{Workload, chain, lines, value};
use crate::process::Trouble;
use crate::report::{Goal, Row};
use crate::samples::Samples;
use crate::stage::{Bench, Stage, Turns};
use std::time::Duration;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "w4",
    about: "a process that carries out one run of one step, and one that waits",
    measure: |bench| lines("a start", measure(bench)),
};

/// A start is short: each repetition takes so many.
const STARTS: u32 = 5;

const SETTLING: Duration = Duration::from_secs(2);

const ONE_TURN: Turns = Turns { runs: 1, steps: 1, parallel: 1 };

/// A step, and then a wait that no bench sees the end of.
const PAUSE: &str = r#"
[steps.pause]
wait = "1h"
after = ["s1"]
"#;

fn measure(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    let stage = bench.stage("w4")?;
    stage.write("one.toml", &chain(1))?;
    stage.write("pause.toml", &format!("{}{PAUSE}", chain(1)))?;
    let value = value();
    let run = ["run", "one.toml", "--input", &value];
    stage.piton(&run)?;
    stage.hand_written(ONE_TURN)?;
    let mut starts = [(); 2].map(|()| Samples::default());
    let mut memories = [(); 2].map(|()| Samples::default());
    for _ in 0..bench.options.repeat {
        for _ in 0..STARTS {
            starts[0].push(stage.piton(&run)?.seconds * 1e3);
            starts[1].push(stage.hand_written(ONE_TURN)?.seconds * 1e3);
        }
        memories[0].push(idle(&stage, &value)?);
        memories[1].push(idle_loop(&stage)?);
    }
    let ([ours, by_loop], [our_memory, memory_of_loop]) = (starts, memories);
    let start = |beside, goal| Row {
        what: "a run of one step",
        unit: "ms",
        figure: ours.clone(),
        beside,
        goal: Some(goal),
    };
    Ok(vec![
        start(None, Goal::AtMost(60.0)),
        start(Some(("loop", by_loop)), Goal::TimesAtMost(1.0)),
        Row {
            what: "idle memory (PSS)",
            unit: "MiB",
            figure: our_memory,
            beside: Some(("loop", memory_of_loop)),
            goal: Some(Goal::AtMost(30.0)),
        },
    ])
}

fn idle(stage: &Stage<'_>, value: &str) -> Result<f64, Trouble> {
    let mut host = stage.start_piton(&["run", "pause.toml", "--input", value])?;
    host.wait_for("pause: waits")?;
    std::thread::sleep(SETTLING);
    let mebibytes = host.mebibytes()?;
    host.kill()?;
    Ok(mebibytes)
}

fn idle_loop(stage: &Stage<'_>) -> Result<f64, Trouble> {
    let mut peer = stage.start_hand_written(ONE_TURN, &["--idle"])?;
    peer.wait_for("idle")?;
    std::thread::sleep(SETTLING);
    let mebibytes = peer.mebibytes()?;
    peer.kill()?;
    Ok(mebibytes)
}
