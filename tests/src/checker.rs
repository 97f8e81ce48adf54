//! Checks a run from outside, by what `events` says was recorded and what the guests say was
//! called. The rules of a crash: a recorded result is never asked for again, a call is repeated
//! only where it was lost, always with the same key, and undoing goes backward.
//! Never asks how the host came to it.

use crate::{Call, Calls};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// All that is known of a run.
pub struct Story {
    /// What became true, in order.
    pub events: Vec<Value>,
    /// What its guests were called for, in order.
    pub calls: Calls,
}

impl Story {
    pub(crate) fn new(events: Vec<Value>, calls: Calls) -> Self {
        Self { events, calls }
    }

    /// Its events of one kind.
    pub fn of(&self, word: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["event"] == word).collect()
    }

    /// How the attempts of a step ended, in order.
    pub fn ends(&self, step: &str, phase: &str) -> Vec<&str> {
        self.of("attempt-ended")
            .into_iter()
            .filter(|event| event["step"] == step && event["phase"] == phase)
            .filter_map(|event| event["end"].as_str())
            .collect()
    }

    /// How many attempts were lost with their host.
    pub fn lost(&self) -> usize {
        self.of("attempt-ended").iter().filter(|event| event["end"] == "lost").count()
    }

    /// Checks all that must hold after any number of crashes, of which there were `kills`. For
    /// runs of which one attempt is under way at a time.
    ///
    /// # Panics
    /// Where something does not hold.
    #[track_caller]
    pub fn check(&self, kills: usize) {
        self.each_attempt_is_called_once();
        self.each_call_was_recorded_before();
        self.keys_stay();
        self.finished_phases_are_not_called_again();
        let lost = self.lost();
        assert!(lost <= kills, "{lost} attempts were lost by {kills} kills\n{self}");
        self.undo_goes_backward();
    }

    #[track_caller]
    fn each_attempt_is_called_once(&self) {
        let mut seen = BTreeSet::new();
        for Call { step, phase, attempt, .. } in &self.calls.0 {
            let is_new = seen.insert((step, phase, attempt));
            assert!(is_new, "{step} {phase} #{attempt} was called twice\n{self}");
        }
    }

    #[track_caller]
    fn each_call_was_recorded_before(&self) {
        for call in &self.calls.0 {
            let is_recorded = self.of("attempt-started").iter().any(|event| {
                event["step"] == call.step.as_str()
                    && event["phase"] == call.phase.as_str()
                    && event["attempt"] == call.attempt
                    && event["key"] == call.key.as_str()
            });
            assert!(is_recorded, "a call that was never recorded: {call:?}\n{self}");
        }
    }

    #[track_caller]
    fn keys_stay(&self) {
        let mut keys = BTreeMap::new();
        for Call { step, phase, key, .. } in &self.calls.0 {
            let first = keys.entry((step, phase)).or_insert(key);
            assert_eq!(*first, key, "the key of {step} {phase} changed\n{self}");
        }
        let distinct: BTreeSet<_> = keys.values().collect();
        assert_eq!(distinct.len(), keys.len(), "two phases have one key\n{self}");
    }

    #[track_caller]
    fn finished_phases_are_not_called_again(&self) {
        for event in self.of("attempt-ended") {
            if event["end"] != "succeeded" {
                continue;
            }
            let (step, phase) = (event["step"].as_str(), event["phase"].as_str());
            let attempt = event["attempt"].as_u64().unwrap_or(0);
            let again = self.calls.0.iter().find(|call| {
                Some(call.step.as_str()) == step
                    && Some(call.phase.as_str()) == phase
                    && call.attempt > attempt
            });
            assert!(again.is_none(), "called again after it had finished: {again:?}\n{self}");
        }
    }

    #[track_caller]
    fn undo_goes_backward(&self) {
        let turn = self.position(|event| event["event"] == "rollback-started");
        let starts = |phase: &str| -> Vec<(usize, &str)> {
            let mut starts: Vec<(usize, &str)> = Vec::new();
            for (place, event) in self.events.iter().enumerate() {
                let step = event["step"].as_str().unwrap_or_default();
                let is_start = event["event"] == "attempt-started" && event["phase"] == phase;
                if is_start && !starts.iter().any(|(_, seen)| *seen == step) {
                    starts.push((place, step));
                }
            }
            starts
        };
        let undone = starts("compensate");
        if let Some((first, _)) = undone.first() {
            assert!(turn.is_some_and(|turn| turn < *first), "undone before the turn\n{self}");
        }
        let mut expected: Vec<&str> =
            starts("execute").into_iter().map(|(_, step)| step).rev().collect();
        expected.retain(|step| undone.iter().any(|(_, undone)| undone == step));
        let undone: Vec<&str> = undone.into_iter().map(|(_, step)| step).collect();
        assert_eq!(undone, expected, "undone in another order\n{self}");
    }

    fn position(&self, holds: impl FnMut(&Value) -> bool) -> Option<usize> {
        self.events.iter().position(holds)
    }
}

impl std::fmt::Display for Story {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "--- events")?;
        for event in &self.events {
            writeln!(f, "{event}")?;
        }
        writeln!(f, "--- calls")?;
        for call in &self.calls.0 {
            writeln!(f, "{call:?}")?;
        }
        Ok(())
    }
}

/// Checks that no key was given to two phases, be they of different runs.
///
/// # Panics
/// Where one was.
#[track_caller]
pub fn phase_keys_are_distinct(calls: &Calls) {
    let mut owners = BTreeMap::new();
    for Call { run, step, phase, key, .. } in &calls.0 {
        let first = owners.entry(key).or_insert((run, step, phase));
        assert_eq!(*first, (run, step, phase), "two phases have the key {key}");
    }
}
