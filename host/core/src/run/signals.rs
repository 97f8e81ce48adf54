//! Signals that were received, and the nodes that wait for them.
//! Knows which names have both, so that an event costs the same however many nodes wait.
//! Never ends a wait: `decide` does.

use crate::id::StepIndex;
use crate::value::Json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Signals that no node has taken yet, and nodes that no signal has reached.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Signals {
    /// By name, the oldest first.
    received: BTreeMap<String, VecDeque<Json>>,
    awaited: BTreeMap<String, BTreeSet<StepIndex>>,
    /// Names with a signal and a node that waits for it.
    matched: BTreeSet<String>,
}

impl Signals {
    /// A node that waits, and the oldest signal of the name it waits for.
    pub(crate) fn next_match(&self) -> Option<(StepIndex, &Json)> {
        let name = self.matched.first()?;
        Some((*self.awaited.get(name)?.first()?, self.received.get(name)?.front()?))
    }

    pub(super) fn receive(&mut self, name: &str, data: Json) {
        self.received.entry(name.into()).or_default().push_back(data);
        self.match_up(name);
    }

    pub(super) fn await_one(&mut self, name: &str, step: StepIndex) {
        self.awaited.entry(name.into()).or_default().insert(step);
        self.match_up(name);
    }

    /// Takes the oldest signal of that name, if there is one.
    pub(super) fn take(&mut self, name: &str) -> bool {
        let Some(queue) = self.received.get_mut(name) else { return false };
        let taken = queue.pop_front().is_some();
        if queue.is_empty() {
            self.received.remove(name);
        }
        self.match_up(name);
        taken
    }

    pub(super) fn give_up(&mut self, name: &str, step: StepIndex) {
        if let Some(steps) = self.awaited.get_mut(name) {
            steps.remove(&step);
            if steps.is_empty() {
                self.awaited.remove(name);
            }
        }
        self.match_up(name);
    }

    fn match_up(&mut self, name: &str) {
        if self.received.contains_key(name) && self.awaited.contains_key(name) {
            self.matched.insert(name.into());
        } else {
            self.matched.remove(name);
        }
    }
}
