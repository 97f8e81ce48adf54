//! Going forward: what has begun and ended, of steps, maps and waiting nodes.
//! Keeps the indexes of what may begin next; never begins it.

use super::{Fits, require};
use crate::id::{InstanceId, StepIndex};
use crate::pipeline::{StepKind, Waiting};
use crate::run::{Instance, MapState, Outcome, Run, Timer, WaitingState};
use crate::value::{Json, Timestamp};
use std::sync::Arc;

impl Run {
    /// The instance has ended in a way that lets what comes after it go on.
    pub(super) fn end_well(&mut self, instance: InstanceId, outcome: Outcome) -> Fits {
        let found = self.instance_mut(instance)?;
        require(found.outcome.is_none(), "a step ends once")?;
        found.outcome = Some(outcome);
        if instance.element.is_some() {
            let map = self.map_mut(instance.step)?;
            map.active = map.active.saturating_sub(1);
            self.refresh_open_map(instance.step);
            return Ok(());
        }
        self.unfinished_steps -= 1;
        if outcome == Outcome::Succeeded && self.pipeline.step(instance.step).pivot {
            self.pivot_passed = true;
            self.drop_deadline();
        }
        for dependent in Arc::clone(&self.dependents)[instance.step.0 as usize].iter().copied() {
            let state = &mut self.steps[dependent.0 as usize];
            state.unmet -= 1;
            if state.unmet == 0 {
                self.ready.insert(dependent);
            }
        }
        Ok(())
    }

    pub(super) fn begin(&mut self, step: StepIndex) -> Fits {
        require(self.rollback.is_none(), "a run that turned back begins nothing")?;
        require(self.ready.remove(&step), "a step begins once, after those it depends on")
    }

    pub(super) fn map_started(&mut self, step: StepIndex, items: &[Json]) -> Fits {
        self.begin(step)?;
        let is_map = matches!(self.pipeline.step(step).kind, StepKind::Map(_));
        require(is_map, "only a map has elements")?;
        let element = |item: &Json| Instance { item: Some(item.clone()), ..Instance::default() };
        let elements = items.iter().map(element).collect();
        self.steps[step.0 as usize].map = Some(MapState { elements, ..MapState::default() });
        self.refresh_open_map(step);
        Ok(())
    }

    /// An element begins with its first attempt, or by failing before it.
    pub(super) fn begin_if_new_element(&mut self, instance: InstanceId) -> Fits {
        let Some(element) = instance.element else { return Ok(()) };
        if element < self.map_mut(instance.step)?.next {
            return Ok(());
        }
        self.element_begun(instance)
    }

    pub(super) fn element_begun(&mut self, instance: InstanceId) -> Fits {
        let map = self.map_mut(instance.step)?;
        require(instance.element == Some(map.next), "elements begin in their order")?;
        map.next += 1;
        map.active += 1;
        self.refresh_open_map(instance.step);
        Ok(())
    }

    /// Keeps the index of maps that may begin an element: one is left, and a place is free.
    pub(super) fn refresh_open_map(&mut self, step: StepIndex) {
        let StepKind::Map(policy) = &self.pipeline.step(step).kind else { return };
        let is_open = self.steps[step.0 as usize].map.as_ref().is_some_and(|map| {
            (map.next as usize) < map.elements.len() && map.active < policy.max_parallel
        });
        if is_open && self.rollback.is_none() {
            self.open_maps.insert(step);
        } else {
            self.open_maps.remove(&step);
        }
    }

    pub(super) fn wait_started(&mut self, step: StepIndex, until: Option<Timestamp>) -> Fits {
        self.begin(step)?;
        require(!self.pipeline.step(step).calls(), "only a waiting node waits")?;
        self.steps[step.0 as usize].waiting = Some(WaitingState { until });
        self.waiting.insert(step);
        if let Some(name) = signal_of(&self.pipeline.step(step).kind) {
            self.signals.await_one(name, step);
        }
        if let Some(until) = until {
            self.timers.insert((until, Timer::Wait(step)));
        }
        Ok(())
    }

    pub(super) fn wait_ended(&mut self, step: StepIndex, output: &Json) -> Fits {
        self.stop_waiting(step)?;
        // The oldest signal of that name is what ended the wait: it serves one node only.
        if let Some(name) = signal_of(&self.pipeline.step(step).kind) {
            require(self.signals.take(name), "no signal was received")?;
        }
        self.instance_mut(InstanceId::of(step))?.output = Some(output.clone());
        self.end_well(InstanceId::of(step), Outcome::Succeeded)
    }

    pub(super) fn stop_waiting(&mut self, step: StepIndex) -> Fits {
        let waiting = self.steps[step.0 as usize].waiting.take();
        let waiting = waiting.ok_or("the node does not wait")?;
        self.waiting.remove(&step);
        if let Some(name) = signal_of(&self.pipeline.step(step).kind) {
            self.signals.give_up(name, step);
        }
        if let Some(until) = waiting.until {
            self.timers.remove(&(until, Timer::Wait(step)));
        }
        Ok(())
    }
}

pub(super) fn signal_of(kind: &StepKind) -> Option<&str> {
    match kind {
        StepKind::Wait(Waiting::Signal(name)) => Some(name),
        _ => None,
    }
}
