//! The outside world of a story: calls under way, and the log of all there were.
//! Never looks into the journal.

use super::steps::Answer;
use crate::checker::WorldCall;
use crate::due::Call;
use crate::end::{End, HostEnd};
use crate::id::InstanceId;
use crate::value::Timestamp;
use std::collections::BTreeMap;

/// Calls under way, and all that were.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    pub(super) log: Vec<WorldCall>,
    under_way: BTreeMap<InstanceId, Running>,
    clock: u64,
    /// Whether calls run on after the host has given them up.
    pub(super) lets_calls_run_on: bool,
}

/// A call under way.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) call: Call,
    pub(super) answer: Answer,
    pub(super) ends_at: Timestamp,
    place: usize,
}

impl World {
    pub(super) fn is_under_way(&self, call: &Call) -> bool {
        self.under_way.get(&call.instance).is_some_and(|running| {
            running.call.phase == call.phase && running.call.attempt == call.attempt
        })
    }

    /// A call begins: from here on, the world knows of it.
    pub(super) fn begin(
        &mut self,
        (step, call): (String, &Call),
        mut answer: Answer,
        now: Timestamp,
        durable: usize,
    ) {
        let mut ends_at = now.after(answer.takes);
        if ends_at > call.deadline {
            ends_at = call.deadline.max(now);
            answer.end = End::Host(HostEnd::TimedOut, "its time was up".into());
        }
        self.clock += 1;
        let place = self.log.len();
        let (phase, attempt, key) = (call.phase, call.attempt, call.key);
        let (began, durable) = (self.clock, Some(durable));
        self.log.push(WorldCall { step, phase, attempt, key, began, ended: None, durable });
        let running = Running { call: call.clone(), answer, ends_at, place };
        self.under_way.insert(call.instance, running);
    }

    /// Ends what is under way and is not among the calls that must be.
    pub(super) fn drop_others(&mut self, calls: &[Call]) {
        let wanted: BTreeMap<InstanceId, &Call> =
            calls.iter().map(|call| (call.instance, call)).collect();
        let dropped: Vec<InstanceId> = self
            .under_way
            .values()
            .filter(|running| {
                wanted.get(&running.call.instance).is_none_or(|call| {
                    (call.phase, call.attempt) != (running.call.phase, running.call.attempt)
                })
            })
            .map(|running| running.call.instance)
            .collect();
        dropped.into_iter().for_each(|instance| self.end(instance));
    }

    /// The host dies: so does all that it runs.
    pub(super) fn cut_off(&mut self) {
        self.drop_others(&[]);
    }

    pub(super) fn end(&mut self, instance: InstanceId) {
        let Some(running) = self.under_way.remove(&instance) else { return };
        self.clock += 1;
        let runs_on = u64::from(self.lets_calls_run_on) * 1_000;
        self.log[running.place].ended = Some(self.clock + runs_on);
    }

    /// The call that ends next.
    pub(super) fn next(&mut self) -> Option<&mut Running> {
        self.under_way.values_mut().min_by_key(|running| running.ends_at)
    }
}
