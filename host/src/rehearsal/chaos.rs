//! Lets drawn faults loose on a manifest, and has the checker watch every run.
//!
//! [`stub`] does so in simulated time, without guests; [`guests`] with the real guests, sandbox and
//! journal, in folders of its own. The same seed gives the same faults.
//! Never decides about a run, and never judges one by itself: the core and its checker do.

mod choices;
mod copy;
mod faults;
mod fragile;
pub mod guests;
mod replay;
mod rig;
mod stage;
pub mod stub;
#[cfg(test)]
mod tests;

pub use guests::Guests;
pub use stub::Stub;

use piton_core::simulation::Story;
use serde::Serialize;
use std::collections::BTreeMap;

/// After so many violations a rehearsal ends: each is told with its own story.
const VIOLATIONS_MAX: usize = 3;

/// What came of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The pipeline's name.
    pub pipeline: String,
    /// The seed of the first run; each further run has the next number.
    pub seed: u64,
    /// Whether the guests were left out.
    pub stub: bool,
    /// How many runs there were.
    pub runs: u64,
    /// How many of them ended how.
    pub ended: BTreeMap<&'static str, u64>,
    /// How often what went wrong.
    pub faults: BTreeMap<&'static str, u64>,
    /// How many calls were made.
    pub calls: u64,
    /// Runs that broke a rule.
    pub violations: Vec<Violation>,
}

/// A run that broke a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Its seed: with it, `--runs 1` tells the same again.
    pub seed: u64,
    /// What is wrong, in words.
    pub problems: Vec<String>,
    /// The faults without which nothing is wrong; what befell it where that is not known.
    pub faults: Vec<String>,
    /// The shortest story found that still goes wrong, a line for each event.
    pub story: Vec<String>,
}

impl Report {
    fn new(pipeline: &str, seed: u64, stub: bool) -> Self {
        Self {
            pipeline: pipeline.into(),
            seed,
            stub,
            runs: 0,
            ended: BTreeMap::new(),
            faults: BTreeMap::new(),
            calls: 0,
            violations: Vec::new(),
        }
    }

    fn count(&mut self, story: &Story) {
        self.runs += 1;
        self.calls += story.world.len() as u64;
        *self.ended.entry(story.run.status().word()).or_default() += 1;
    }

    fn is_full(&self) -> bool {
        self.violations.len() >= VIOLATIONS_MAX
    }

    /// The report in one line.
    pub fn summary(&self) -> String {
        let faults: u64 = self.faults.values().sum();
        let ended =
            self.ended.iter().map(|(status, count)| format!("{} {status}", grouped(*count)));
        format!(
            "{} under {}: {}, {} (seed {})",
            counted(self.runs, "run"),
            counted(faults, "fault"),
            ended.collect::<Vec<_>>().join(", "),
            counted(self.violations.len() as u64, "violation"),
            self.seed
        )
    }

    /// How often what went wrong, in one line.
    pub fn faults_line(&self) -> String {
        let faults = self.faults.iter().map(|(kind, count)| format!("{} {kind}", grouped(*count)));
        faults.collect::<Vec<_>>().join(", ")
    }
}

fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

/// A number with its thousands apart: `10,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A story as lines, without what is wrong with it: that is told apart.
fn lines(story: &Story) -> Vec<String> {
    let text = story.to_string();
    let told = text.lines().filter(|line| !line.starts_with("  !!"));
    told.map(str::to_owned).collect()
}

fn problems(story: &Story) -> Vec<String> {
    story.problems.iter().map(ToString::to_string).collect()
}
