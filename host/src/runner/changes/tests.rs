//! What is told of changes, held against the whole.

use super::*;
use crate::manifest;
use crate::runner::document::Summary;
use piton_core::{
    Call, Digest, Draw, End, Evaluate, EvaluationError, Failure, FailureKind, HostEnd,
    IdempotencyKey, Input, Json, Moment, Phase, RunId, Timestamp, Usage, advance, due,
};
use std::fmt::Write;
use std::sync::Arc;

/// Gives every expression a value: maps have as many items as they are told to.
struct Values {
    items: usize,
}

impl Evaluate for Values {
    fn when(&self, _: &Run, _: StepIndex) -> Result<bool, EvaluationError> {
        Ok(true)
    }

    fn input(&self, _: &Run, _: InstanceId) -> Result<(Json, Digest), EvaluationError> {
        Ok((Json::null(), digest()))
    }

    fn items(&self, _: &Run, _: StepIndex) -> Result<Vec<Json>, EvaluationError> {
        Ok(vec![Json::null(); self.items])
    }

    fn until(&self, _: &Run, _: StepIndex) -> Result<Timestamp, EvaluationError> {
        Ok(Timestamp::default())
    }

    fn output(&self, _: &Run) -> Result<Json, EvaluationError> {
        Ok(Json::null())
    }

    fn key(&self, _: RunId, step: &str, phase: Phase) -> IdempotencyKey {
        let bits = step.bytes().fold(phase as u128, |bits, byte| bits * 257 + u128::from(byte));
        IdempotencyKey::from_bits(bits)
    }
}

fn digest() -> Digest {
    Digest::from_bytes([7; 32])
}

/// A run, its clock, and what a follower was told of it.
struct Followed {
    run: Run,
    now: Timestamp,
    values: Values,
    chance: Draw,
    draws: u64,
    changes: Changes,
    told: Vec<String>,
    /// The most steps that one decision's telling had, the whole left out.
    steps_max: usize,
}

impl Followed {
    fn start(manifest: &str, items: usize, seed: u64) -> Self {
        let (manifest, _) = manifest::check(manifest).expect("the manifest should be right");
        let run = Run::new(RunId::from_bits(1), Arc::clone(&manifest.pipeline));
        let components = vec![Some(digest()); manifest.pipeline.steps.len()];
        let mut followed = Self {
            run,
            now: Timestamp::from_millis(1),
            values: Values { items },
            chance: Draw(seed),
            draws: 0,
            changes: Changes::default(),
            told: Vec::new(),
            steps_max: 0,
        };
        followed.take_in(Input::Start {
            manifest: digest(),
            folder: "/".into(),
            components,
            input: Json::null(),
            key: None,
        });
        followed
    }

    fn draw(&mut self) -> u64 {
        self.draws += 1;
        self.chance.nth(self.draws).0
    }

    fn take_in(&mut self, input: Input) {
        let random = Draw(self.draw());
        let moment =
            Moment { now: self.now, random, fence: 1, may_start: true, evaluate: &self.values };
        let events = advance(&mut self.run, input, moment).expect("the input should fit");
        match self.changes.after(&self.run, &events) {
            Change::Everything => self.told = whole(&self.run),
            Change::Steps(steps) => {
                self.steps_max = self.steps_max.max(steps.len());
                for ChangedStep { index, step } in &steps {
                    self.told[*index] = serde_json::to_string(step).expect("it should be JSON");
                }
            }
        }
    }

    /// Ends one call, or lets time pass; false once nothing is left to happen.
    fn go_on(&mut self, end: impl Fn(&Call, u64) -> End) -> bool {
        let calls = due(&self.run).calls;
        if calls.is_empty() {
            let Some(at) = self.run.next_timer() else { return false };
            self.now = at;
            self.take_in(Input::TimeReached);
            return true;
        }
        let chosen = self.draw() as usize % calls.len();
        let call = &calls[chosen];
        let end = end(call, self.draw());
        self.take_in(Input::AttemptEnded {
            instance: call.instance,
            phase: call.phase,
            attempt: call.attempt,
            end,
            usage: Usage::new(),
            log_cursor: 0,
        });
        true
    }
}

/// All steps, but for their outputs.
fn whole(run: &Run) -> Vec<String> {
    let steps = Summary::of(run).steps.into_iter();
    let told = steps.map(|mut step| {
        step.output = None;
        serde_json::to_string(&step).expect("it should be JSON")
    });
    told.collect()
}

fn well(phase: Phase) -> End {
    End::Succeeded((phase == Phase::Execute).then(Json::null))
}

fn at_random(call: &Call, chance: u64) -> End {
    let failed = |kind| {
        let (code, message) = ("code".into(), "message".into());
        End::Failed(Failure { kind, clean: chance.is_multiple_of(2), code, message, details: None })
    };
    match chance % 16 {
        0 => failed(FailureKind::Retryable),
        1 => failed(FailureKind::Permanent),
        2 => End::Host(HostEnd::Lost, "it was lost".into()),
        3 => failed(FailureKind::Unknown),
        _ => well(call.phase),
    }
}

const MIXED: &str = r#"
[pipeline]
name = "mixed"
[steps.first]
component = "step"
[steps.all]
component = "step"
map = "${input}"
tolerate = 2
after = ["first"]
[steps.beside]
component = "step"
effect = "unsafe"
after = ["first"]
[steps.wait]
wait = "1h"
after = ["first"]
[steps.last]
component = "step"
after = ["all", "wait", "beside"]
"#;

#[test]
fn what_is_told_of_changes_adds_up_to_the_whole() {
    let mut turned = 0;
    for seed in 0..300 {
        let mut followed = Followed::start(MIXED, 30, seed);
        while followed.go_on(at_random) {
            assert_eq!(followed.told, whole(&followed.run), "seed {seed}");
        }
        turned += u32::from(followed.run.cause().is_some());
    }
    assert!(turned > 0, "some of these runs should turn back");
}

#[test]
fn an_event_of_a_long_chain_tells_no_more_steps_than_of_a_short_one() {
    let mut manifest =
        String::from("[pipeline]\nname = \"chain\"\n[steps.s0]\ncomponent = \"a\"\n");
    for step in 1..1_000 {
        let before = step - 1;
        write!(manifest, "[steps.s{step}]\ncomponent = \"a\"\nafter = [\"s{before}\"]\n")
            .expect("a text should take more");
    }
    let mut followed = Followed::start(&manifest, 0, 1);
    while followed.go_on(|call, _| well(call.phase)) {}
    assert!(followed.run.finished_at().is_some());
    assert_eq!(followed.told, whole(&followed.run));
    assert_eq!(followed.steps_max, 2, "the step that ended, and the one that begins");
}
