//! Growth of the journal: the same work in an empty one, and in one that holds many finished runs, which
//! piton made itself.
//! Never counts the making of those runs.

use super::{Runs, Workload, chain, lines, value};
use crate::process::Trouble;
use crate::report::{Goal, Row};
use crate::samples::Samples;
use crate::stage::{Bench, Stage};
use std::time::{Duration, Instant};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "kept",
    about: "W1, a start after a kill, and `resume`, with many finished runs in the journal (`--runs-kept N`)",
    measure: |bench| lines("a journal that has grown", measure(bench)),
};

const RUNS: u32 = 40;
const STEPS: u32 = 20;
const PARALLEL: u32 = 64;

/// How long the run waits that is killed meanwhile: long enough to be killed in.
const WAIT: Duration = Duration::from_secs(2);

/// A step on either side of a wait.
const PAUSE: &str = r#"
[steps.pause]
wait = "2s"
after = ["s1"]
[steps.last]
component = "steps/add_one"
input = "${steps.s1.output}"
after = ["pause"]
"#;

const CHAIN: Runs = Runs::of_chain(STEPS, RUNS, 1);

fn measure(bench: &Bench) -> Result<Vec<Row>, Trouble> {
    let (empty, kept) = (prepare(bench, "empty")?, prepare(bench, "kept")?);
    fill(&kept, bench.options.runs_kept)?;
    let [mut steps, mut openings, mut shows, mut resumes] =
        [(); 4].map(|()| <[Samples; 2]>::default());
    for _ in 0..bench.options.repeat {
        empty.forget()?;
        for (place, stage) in [&empty, &kept].into_iter().enumerate() {
            // Compiles the step where nothing is kept.
            stage.each(CHAIN.manifest, CHAIN.first, 1)?;
            steps[place].push(CHAIN.step_seconds(stage)? * 1e3);
            let restart = Restart::of(stage)?;
            openings[place].push(restart.opening_seconds * 1e3);
            shows[place].push(restart.show_seconds * 1e3);
            resumes[place].push(restart.resume_seconds * 1e3);
        }
    }
    let row = |what, [beside, figure]: [Samples; 2], goal| Row {
        what,
        unit: "ms",
        figure,
        beside: Some(("empty journal", beside)),
        goal,
    };
    Ok(vec![
        row("a step", steps, Some(Goal::TimesAtMost(1.2))),
        row("`show` after a kill", openings, Some(Goal::AtMost(100.0))),
        row("`show` once more", shows, None),
        row("`resume` of a run", resumes, Some(Goal::TimesAtMost(1.2))),
    ])
}

fn prepare<'a>(bench: &'a Bench, name: &str) -> Result<Stage<'a>, Trouble> {
    let stage = bench.stage(name)?;
    stage.write("one.toml", &chain(1))?;
    stage.write("pause.toml", &format!("{}{PAUSE}", chain(1)))?;
    CHAIN.write_chain(&stage)?;
    Ok(stage)
}

fn fill(stage: &Stage<'_>, runs: u32) -> Result<(), Trouble> {
    stage.write_lines("kept.ndjson", &value(), runs)?;
    let took = stage.each("one.toml", "kept.ndjson", PARALLEL)?.seconds;
    eprintln!("bench: kept: {runs} runs in {took:.1} s");
    Ok(())
}

/// What came after a kill.
struct Restart {
    opening_seconds: f64,
    /// Of a process that came after one that ended well.
    show_seconds: f64,
    resume_seconds: f64,
}

impl Restart {
    /// Kills a host whose run waits, looks at the run, and goes on with it once the wait is over.
    fn of(stage: &Stage<'_>) -> Result<Self, Trouble> {
        let began = Instant::now();
        let mut host = stage.start_piton(&["run", "pause.toml", "--input", &value()])?;
        host.wait_for("pause: waits")?;
        host.kill()?;
        let opening_seconds = stage.piton(&["show", "last"])?.seconds;
        let show_seconds = stage.piton(&["show", "last"])?.seconds;
        std::thread::sleep((WAIT + Duration::from_millis(500)).saturating_sub(began.elapsed()));
        let resume_seconds = stage.piton(&["resume", "last"])?.seconds;
        Ok(Self { opening_seconds, show_seconds, resume_seconds })
    }
}
