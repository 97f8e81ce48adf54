//! Counts the elements of a map by where they stand, and keeps the count as single ones change.
//! Never walks through all elements twice, and never decides where one stands.

use piton_core::{InstanceId, Phase, Run, StepIndex, StepStatus};
use std::collections::{BTreeMap, BTreeSet};

/// The elements of a map, counted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tally {
    counted: Vec<Counted>,
    by_status: BTreeMap<StepStatus, u64>,
    troubled: BTreeSet<u32>,
    attempts: u64,
    undo_attempts: u64,
}

/// What one element adds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Counted {
    status: StepStatus,
    attempts: u32,
    undo_attempts: u32,
}

impl Counted {
    fn of(run: &Run, element: InstanceId) -> Self {
        let found = run.instance(element);
        Self {
            status: run.instance_status(element),
            attempts: found.phase(Phase::Execute).attempts,
            undo_attempts: found.phase(Phase::Compensate).attempts,
        }
    }

    const fn is_troubled(self) -> bool {
        matches!(self.status, StepStatus::Failed | StepStatus::Stuck | StepStatus::Retrying)
    }
}

impl Tally {
    /// Counts all elements; none of a step that is no map, or has not begun.
    pub(super) fn of(run: &Run, step: StepIndex) -> Option<Self> {
        let count = run.elements_of(step)?;
        let mut tally = Self {
            counted: Vec::with_capacity(count as usize),
            by_status: BTreeMap::new(),
            troubled: BTreeSet::new(),
            attempts: 0,
            undo_attempts: 0,
        };
        for element in 0..count {
            let counted = Counted::of(run, InstanceId::element(step, element));
            tally.counted.push(counted);
            tally.add(element, counted);
        }
        Some(tally)
    }

    /// Counts one element anew.
    pub(super) fn recount(&mut self, run: &Run, step: StepIndex, element: u32) {
        let now = Counted::of(run, InstanceId::element(step, element));
        let before = std::mem::replace(&mut self.counted[element as usize], now);
        self.remove(element, before);
        self.add(element, now);
    }

    fn add(&mut self, element: u32, counted: Counted) {
        *self.by_status.entry(counted.status).or_default() += 1;
        self.attempts += u64::from(counted.attempts);
        self.undo_attempts += u64::from(counted.undo_attempts);
        if counted.is_troubled() {
            self.troubled.insert(element);
        }
    }

    fn remove(&mut self, element: u32, counted: Counted) {
        if let Some(count) = self.by_status.get_mut(&counted.status) {
            *count -= 1;
            if *count == 0 {
                self.by_status.remove(&counted.status);
            }
        }
        self.attempts -= u64::from(counted.attempts);
        self.undo_attempts -= u64::from(counted.undo_attempts);
        self.troubled.remove(&element);
    }

    /// Where the map stands as a whole.
    pub(super) fn status(&self, run: &Run, step: StepIndex) -> StepStatus {
        run.map_status(step, &|wanted| self.by_status.contains_key(&wanted))
    }

    /// How many elements stand how; each at least one.
    pub(super) fn counts(&self) -> impl Iterator<Item = (StepStatus, u64)> + '_ {
        self.by_status.iter().map(|(status, count)| (*status, *count))
    }

    /// The elements that failed, are stuck, or are tried again, in order.
    pub(super) fn troubled(&self) -> impl Iterator<Item = u32> + '_ {
        self.troubled.iter().copied()
    }

    /// Attempts of `execute` started.
    pub(super) const fn attempts(&self) -> u64 {
        self.attempts
    }

    /// Attempts of `compensate` started.
    pub(super) const fn undo_attempts(&self) -> u64 {
        self.undo_attempts
    }
}
