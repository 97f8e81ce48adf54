//! Checks what is left of a run against the rules of recovery, from outside.
//!
//! Knows only the journal, the pipeline and, where there is one, the log of the outside world. It
//! keeps books of its own and shares no code with the state it checks: a rule that is broken there
//! must not be broken here as well. Never decides anything, and never changes what it reads.

mod books;
mod flow;
mod money;
mod people;
mod undoing;
mod violation;
mod world;

pub use violation::{Rule, Violation};
pub use world::WorldCall;

use crate::event::Event;
use crate::id::{IdempotencyKey, InstanceId, RunId};
use crate::ledger::Usage;
use crate::pipeline::Pipeline;
use crate::value::Timestamp;
use books::Books;
use std::collections::BTreeMap;

/// What is known about a run from outside.
#[derive(Debug, Clone, Copy)]
pub struct Records<'a> {
    /// What it runs.
    pub pipeline: &'a Pipeline,
    /// Its events in order, each with the time it was recorded at.
    pub journal: &'a [(Timestamp, Event)],
    /// The calls that the outside world saw, in the order they began; none: nobody looked.
    pub world: Option<&'a [WorldCall]>,
    /// What people are told the run has spent; none: they were not told.
    pub spent: Option<&'a Usage>,
}

/// What the checker found.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// Every rule that was broken, in the order of the journal.
    pub violations: Vec<Violation>,
    /// The sum of what all attempts have spent.
    pub spent: Usage,
    /// What may have had an effect that was not undone, in the order of the pipeline.
    pub stays: Vec<InstanceId>,
}

/// Checks one run.
pub fn check(records: Records<'_>) -> Findings {
    let mut books = Books::new(records.pipeline);
    for (at, event) in records.journal {
        books.enter(*at, event);
    }
    let mut violations = std::mem::take(&mut books.violations);
    if let Some(world) = records.world {
        violations.extend(world::check(records.pipeline, records.journal, world));
    }
    if let Some(told) = records.spent.filter(|told| **told != books.spent) {
        let detail = format!("{told:?} is told, {:?} is recorded", books.spent);
        violations.push(Violation { rule: Rule::Spend, event: None, subject: None, detail });
    }
    let stays = books.stays();
    Findings { violations, spent: books.spent, stays }
}

/// Checks that no two runs share an idempotency key.
pub fn check_between_runs<'a>(
    runs: impl IntoIterator<Item = (RunId, &'a [(Timestamp, Event)])>,
) -> Vec<Violation> {
    let mut owners: BTreeMap<IdempotencyKey, RunId> = BTreeMap::new();
    let mut violations = Vec::new();
    for (run, journal) in runs {
        for (index, (_, event)) in journal.iter().enumerate() {
            let Event::AttemptStarted { key, .. } = event else { continue };
            let owner = *owners.entry(*key).or_insert(run);
            if owner != run {
                let detail = format!("{key} is used by runs {owner} and {run}");
                let rule = Rule::KeyShared;
                violations.push(Violation { rule, event: Some(index), subject: None, detail });
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests;
