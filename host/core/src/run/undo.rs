//! The order of undoing: which instance may be undone now.
//! Keeps counts, so that each event costs the same in a run of ten and of ten thousand steps.
//! Never starts an undo: `decide` picks from what is ready.
//!
//! A step is *clear* when nothing of it is under way or owed an undo and all its dependents are
//! clear. It may be undone when all its dependents are clear (Garcia-Molina & Salem, SIGMOD 1987,
//! generalised from a sequence to a graph).

use super::{Outcome, Run};
use crate::id::{InstanceId, StepIndex};
use crate::pipeline::OnCompensationFailure;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What may be undone now, and what is being undone.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct UndoOrder {
    /// Latest start first: ties go by reverse start order.
    ready: BTreeSet<(Reverse<u64>, InstanceId)>,
    active: BTreeSet<InstanceId>,
    /// Instances that keep their step from being clear. Filled when the run turns back.
    open: BTreeSet<InstanceId>,
    open_of: BTreeMap<StepIndex, u32>,
    /// For each step, its dependents that are not clear.
    unclear_dependents: Vec<u32>,
}

impl UndoOrder {
    /// The instance to undo next, if one may be.
    pub(crate) fn next_ready(&self) -> Option<InstanceId> {
        self.ready.first().map(|(_, instance)| *instance)
    }

    /// How many undos hold a place, waiting for a retry included.
    pub(crate) fn active_count(&self) -> usize {
        self.active.len()
    }

    pub(crate) fn is_active(&self, instance: InstanceId) -> bool {
        self.active.contains(&instance)
    }

    pub(crate) fn is_ready(&self, instance: InstanceId, start_order: Option<u64>) -> bool {
        start_order.is_some_and(|order| self.ready.contains(&(Reverse(order), instance)))
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.active.is_empty()
    }

    pub(super) fn activate(&mut self, instance: InstanceId) {
        self.active.insert(instance);
    }
}

impl Run {
    /// Sets up the order at the moment the run turns back.
    pub(super) fn begin_undo_order(&mut self) {
        let dependents = &self.dependents;
        self.undo.unclear_dependents = dependents
            .iter()
            .map(|those| u32::try_from(those.len()).expect("edges should fit in 32 bits"))
            .collect();
        let instances = self.instances();
        for instance in &instances {
            if self.keeps_its_step_unclear(*instance) {
                self.undo.open.insert(*instance);
                *self.undo.open_of.entry(instance.step).or_default() += 1;
            }
        }
        // Ends of the graph first; clearing one may clear what it depended on.
        for step in self.pipeline.indexes() {
            if self.undo.unclear_dependents[step.0 as usize] == 0 && self.dependents_of(step) == 0 {
                self.may_now_be_undone(step);
            }
        }
    }

    fn dependents_of(&self, step: StepIndex) -> usize {
        self.dependents[step.0 as usize].len()
    }

    /// All dependents of `step` are clear: its instances may be undone, or it is clear itself.
    fn may_now_be_undone(&mut self, step: StepIndex) {
        let mut work = vec![step];
        while let Some(step) = work.pop() {
            for instance in self.instances_of(step) {
                self.refresh_ready(instance);
            }
            if self.undo.open_of.get(&step).copied().unwrap_or(0) > 0 {
                continue;
            }
            work.extend(self.unblocked_by(step));
        }
    }

    /// Counts `step` as clear, and returns what may now be undone.
    fn unblocked_by(&mut self, step: StepIndex) -> Vec<StepIndex> {
        let mut unblocked = Vec::new();
        for before in &self.pipeline.steps[step.0 as usize].after {
            let unclear = &mut self.undo.unclear_dependents[before.0 as usize];
            *unclear -= 1;
            if *unclear == 0 {
                unblocked.push(*before);
            }
        }
        unblocked
    }

    /// The steps whose undo waits for nothing any more because all of `step` is clear, and none while
    /// it is not: for who keeps what they have seen of steps, and hears that `step` has changed.
    pub fn freed_by(&self, step: StepIndex) -> BTreeSet<StepIndex> {
        let mut freed = BTreeSet::new();
        let mut work = vec![step];
        while let Some(step) = work.pop() {
            if !self.is_clear(step) {
                continue;
            }
            for before in &self.pipeline.step(step).after {
                let is_free = self.undo.unclear_dependents[before.0 as usize] == 0;
                if is_free && freed.insert(*before) {
                    work.push(*before);
                }
            }
        }
        freed
    }

    fn is_clear(&self, step: StepIndex) -> bool {
        self.rollback.is_some()
            && self.undo.unclear_dependents[step.0 as usize] == 0
            && self.undo.open_of.get(&step).copied().unwrap_or(0) == 0
    }

    /// Takes into account what an event has changed about one instance.
    pub(super) fn refresh_undo(&mut self, instance: InstanceId) {
        let found = self.instance(instance);
        let has_outcome = found.undo.is_some() || found.stuck.is_some();
        if has_outcome || !self.is_owed_an_undo(instance) {
            self.undo.active.remove(&instance);
        }
        self.refresh_ready(instance);
        if self.rollback.is_none() {
            return;
        }
        let was_open = self.undo.open.contains(&instance);
        match (was_open, self.keeps_its_step_unclear(instance)) {
            (true, false) => self.close(instance),
            (false, true) => self.open_again(instance),
            _ => {}
        }
    }

    fn close(&mut self, instance: InstanceId) {
        self.undo.open.remove(&instance);
        let open = self.undo.open_of.entry(instance.step).or_default();
        *open -= 1;
        let is_unblocked = self.undo.unclear_dependents[instance.step.0 as usize] == 0;
        if *open == 0 && is_unblocked {
            for before in self.unblocked_by(instance.step) {
                self.may_now_be_undone(before);
            }
        }
    }

    /// Somebody asked for further attempts of an undo that was passed over: what its step depended
    /// on, and is not being undone yet, waits for it again.
    fn open_again(&mut self, instance: InstanceId) {
        self.undo.open.insert(instance);
        let open = self.undo.open_of.entry(instance.step).or_default();
        *open += 1;
        if *open > 1 || self.undo.unclear_dependents[instance.step.0 as usize] > 0 {
            return;
        }
        let mut work = vec![instance.step];
        while let Some(step) = work.pop() {
            for before in self.pipeline.steps[step.0 as usize].after.clone() {
                let unclear = &mut self.undo.unclear_dependents[before.0 as usize];
                *unclear += 1;
                if *unclear > 1 {
                    continue;
                }
                for instance in self.instances_of(before) {
                    self.refresh_ready(instance);
                }
                if self.undo.open_of.get(&before).copied().unwrap_or(0) == 0 {
                    work.push(before);
                }
            }
        }
    }

    fn refresh_ready(&mut self, instance: InstanceId) {
        let found = self.instance(instance);
        let Some(start_order) = found.start_order else { return };
        let is_free = found.under_way.is_none() && found.retry.is_none();
        let is_open = found.undo.is_none() && found.stuck.is_none();
        let is_wanted = if self.rollback.is_some() {
            self.undo.unclear_dependents[instance.step.0 as usize] == 0
        } else {
            found.outcome == Some(Outcome::Tolerated)
        };
        let is_ready = is_wanted
            && is_free
            && is_open
            && self.is_owed_an_undo(instance)
            && !self.undo.active.contains(&instance);
        let entry = (Reverse(start_order), instance);
        if is_ready {
            self.undo.ready.insert(entry);
        } else {
            self.undo.ready.remove(&entry);
        }
    }

    fn keeps_its_step_unclear(&self, instance: InstanceId) -> bool {
        let found = self.instance(instance);
        let goes_on = self.pipeline.on_compensation_failure == OnCompensationFailure::Continue;
        let counts_as_undone = found.undo.is_some() || (goes_on && found.stuck.is_some());
        found.under_way.is_some() || (self.is_owed_an_undo(instance) && !counts_as_undone)
    }
}
