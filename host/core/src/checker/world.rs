//! What the outside world saw, held against the journal.
//! Never trusts the host's word for what was called.

use super::books::name_of;
use super::{Rule, Violation};
use crate::event::Event;
use crate::id::{IdempotencyKey, InstanceId, Phase};
use crate::pipeline::Pipeline;
use crate::value::Timestamp;
use std::collections::BTreeMap;

/// A call as the outside world saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct WorldCall {
    /// The step's name, or an element's: `charge`, `summarise[3]`.
    pub step: String,
    /// Which of its functions.
    pub phase: Phase,
    /// Which attempt, as the call was told.
    pub attempt: u32,
    /// The idempotency key that came with it.
    pub key: IdempotencyKey,
    /// When it began, in any numbers that grow.
    pub began: u64,
    /// When it ended or was cut off, in the same numbers; none where nobody saw its end.
    pub ended: Option<u64>,
    /// How many events of the run were durable when it began; none where nobody knows.
    pub durable: Option<usize>,
}

type Start = (InstanceId, Phase, u32);

pub(super) fn check(
    pipeline: &Pipeline,
    journal: &[(Timestamp, Event)],
    world: &[WorldCall],
) -> Vec<Violation> {
    let mut starts: BTreeMap<(String, Phase, u32), (usize, IdempotencyKey)> = BTreeMap::new();
    for (index, (_, event)) in journal.iter().enumerate() {
        if let Event::AttemptStarted { instance, phase, attempt, key, .. } = event {
            let (instance, phase, attempt): Start = (*instance, *phase, *attempt);
            starts.insert((name_of(pipeline, instance), phase, attempt), (index, *key));
        }
    }
    let mut violations = Vec::new();
    let mut last_of: BTreeMap<&str, &WorldCall> = BTreeMap::new();
    let mut counts: BTreeMap<(&str, Phase, u32), u32> = BTreeMap::new();
    for call in world {
        let mut report = |rule, detail: String| {
            let subject = Some(call.step.clone());
            violations.push(Violation { rule, event: None, subject, detail });
        };
        let which = format!("{} {}", call.phase, call.attempt);
        match starts.get(&(call.step.clone(), call.phase, call.attempt)) {
            None => report(Rule::CallBeforeStart, which.clone()),
            Some((index, _)) if call.durable.is_some_and(|durable| durable <= *index) => {
                report(Rule::CallBeforeStart, which.clone());
            }
            Some((_, key)) if *key != call.key => report(Rule::KeyChanged, which.clone()),
            Some(_) => {}
        }
        let count = counts.entry((&call.step, call.phase, call.attempt)).or_default();
        *count += 1;
        if *count == 2 {
            report(Rule::CalledTwice, which.clone());
        }
        let before = last_of.insert(&call.step, call);
        if before.is_some_and(|before| before.ended.is_some_and(|ended| ended > call.began)) {
            report(Rule::TwoCallsAtOnce, which);
        }
    }
    violations
}
