//! Each rule broken once, in an otherwise sound record of a run.

use super::*;
use crate::end::{Failure, FailureKind};
use crate::event::Settlement;
use crate::id::{Phase, StepIndex};
use crate::pipeline::Step;
use crate::simulation::{Answer, Choose, Drawn, Faults, Steps, StubEvaluate, Telling, tell};
use crate::{Call, End, Json, RunStatus};
use std::sync::Arc;
use std::time::Duration;

/// Three steps in a row; the last is busy once, then refuses for good.
struct LastRefuses;

impl Steps for LastRefuses {
    fn answer(&mut self, _pipeline: &Pipeline, call: &Call, _choose: &mut dyn Choose) -> Answer {
        let kinds = [FailureKind::Retryable, FailureKind::Permanent];
        let end = match (call.phase, call.instance.step.0) {
            (Phase::Execute, 2) => End::Failed(Failure {
                kind: kinds[call.attempt as usize - 1],
                clean: false,
                code: "no".into(),
                message: String::new(),
                details: None,
            }),
            (Phase::Execute, _) => End::Succeeded(Some(Json::null())),
            _ => End::Succeeded(None),
        };
        let mut usage = Usage::new();
        usage.add("usd", 1).expect("a small amount should fit");
        Answer { end, takes: Duration::from_secs(1), usage, memo: None }
    }

    fn heal(&mut self) {}
}

type Journal = Vec<(Timestamp, Event)>;

fn sound() -> (Arc<Pipeline>, Journal, Vec<WorldCall>) {
    let after = |index: u32| (index > 0).then(|| StepIndex(index - 1)).into_iter().collect();
    let steps = ["a", "b", "c"].into_iter().zip(0..);
    let steps = steps.map(|(name, index)| Step::call(name, after(index))).collect();
    let pipeline = Arc::new(Pipeline::new("three", steps));
    let telling = Telling {
        pipeline: Arc::clone(&pipeline),
        run: RunId::from_bits(1),
        evaluate: &StubEvaluate::sound(1),
        steps: &mut LastRefuses,
        faults: &Faults::none(),
        mutant: None,
    };
    let story = tell(telling, &mut Drawn::new(1));
    assert_eq!(story.problems, []);
    (pipeline, story.journal, story.world)
}

#[track_caller]
fn check_broken(change: impl FnOnce(&mut Journal, &mut Vec<WorldCall>), expected: Rule) {
    let (pipeline, mut journal, mut world) = sound();
    change(&mut journal, &mut world);
    let records =
        Records { pipeline: &pipeline, journal: &journal, world: Some(&world), spent: None };
    let rules: Vec<Rule> = check(records).violations.iter().map(|found| found.rule).collect();
    assert!(rules.contains(&expected), "{rules:?}");
}

/// Where the first event of this word, about this step, stands.
fn place(journal: &Journal, word: &str, phase: Phase, step: u32) -> usize {
    let found = journal.iter().position(|(_, event)| {
        event.word() == word
            && match event {
                Event::AttemptStarted { instance, phase: of, .. }
                | Event::AttemptEnded { instance, phase: of, .. }
                | Event::RetryScheduled { instance, phase: of, .. } => {
                    instance.step.0 == step && *of == phase
                }
                _ => true,
            }
    });
    found.expect("the event should be there")
}

#[test]
fn an_undo_before_its_turn_is_found() {
    check_broken(
        |journal, _| {
            let turn = place(journal, "rollback-started", Phase::Execute, 0);
            let event = journal.remove(turn);
            journal.insert(turn + 2, event);
        },
        Rule::UndoBeforeTurn,
    );
}

#[test]
fn an_undo_before_its_dependants_is_found() {
    check_broken(
        |journal, _| {
            let last = place(journal, "attempt-ended", Phase::Compensate, 2);
            let (at, event) = journal.remove(last);
            let end = place(journal, "attempt-ended", Phase::Compensate, 1);
            journal.insert(end, (at, event));
        },
        Rule::UndoBeforeDependants,
    );
}

#[test]
fn a_missing_undo_is_found() {
    check_broken(
        |journal, _| {
            for word in ["attempt-started", "attempt-ended"] {
                let place = place(journal, word, Phase::Compensate, 0);
                journal.remove(place);
            }
        },
        Rule::OneOutcome,
    );
}

#[test]
fn a_second_outcome_is_found() {
    check_broken(
        |journal, _| {
            let place = journal.len() - 1;
            let instance = InstanceId::of(StepIndex(0));
            let (because, by) = (String::new(), String::new());
            let settlement = Settlement::Undone;
            let at = journal[place].0;
            journal.insert(place, (at, Event::Settled { instance, settlement, because, by }));
        },
        Rule::OneOutcome,
    );
}

#[test]
fn a_finished_step_called_again_is_found() {
    check_broken(
        |journal, _| {
            let end = place(journal, "attempt-ended", Phase::Execute, 0);
            let start = place(journal, "attempt-started", Phase::Execute, 0);
            let again = journal[start].clone();
            journal.insert(end + 1, again);
        },
        Rule::FinishedCalledAgain,
    );
}

#[test]
fn two_calls_at_once_are_found() {
    check_broken(
        |journal, _| {
            let start = place(journal, "attempt-started", Phase::Execute, 0);
            let again = journal[start].clone();
            journal.insert(start + 1, again);
        },
        Rule::TwoCallsAtOnce,
    );
    check_broken(|_, world| world[0].ended = Some(u64::MAX), Rule::TwoCallsAtOnce);
}

#[test]
fn a_retry_before_its_due_time_is_found() {
    check_broken(
        |journal, _| {
            let due = place(journal, "retry-scheduled", Phase::Execute, 2);
            journal[due + 1].0 = journal[due].0;
        },
        Rule::RetryBeforeDue,
    );
}

#[test]
fn a_gap_between_attempts_is_found() {
    check_broken(
        |journal, _| {
            let start = place(journal, "attempt-started", Phase::Execute, 1);
            if let Event::AttemptStarted { attempt, .. } = &mut journal[start].1 {
                *attempt = 2;
            }
        },
        Rule::AttemptNumbers,
    );
}

#[test]
fn keys_that_are_shared_are_found() {
    check_broken(
        |journal, _| {
            let key = journal.iter().find_map(|(_, event)| match event {
                Event::AttemptStarted { key, .. } => Some(*key),
                _ => None,
            });
            let start = place(journal, "attempt-started", Phase::Execute, 1);
            if let Event::AttemptStarted { key: other, .. } = &mut journal[start].1 {
                *other = key.expect("something should have started");
            }
        },
        Rule::KeyShared,
    );
}

#[test]
fn keys_that_two_runs_share_are_found() {
    let (_, journal, _) = sound();
    let runs = [1, 2].map(|bits| (RunId::from_bits(bits), journal.as_slice()));
    assert!(check_between_runs(runs).iter().all(|found| found.rule == Rule::KeyShared));
    assert!(!check_between_runs(runs).is_empty());
}

#[test]
fn a_call_nobody_recorded_is_found() {
    check_broken(|_, world| world[0].attempt = 9, Rule::CallBeforeStart);
    check_broken(|_, world| world[1].durable = Some(1), Rule::CallBeforeStart);
}

#[test]
fn a_wrong_end_is_found() {
    check_broken(
        |journal, _| {
            let (_, event) = journal.last_mut().expect("the run should have ended");
            *event = Event::RunFinished { status: RunStatus::Completed, output: None };
        },
        Rule::EndState,
    );
}

#[test]
fn a_wrong_sum_is_found() {
    let (pipeline, journal, _) = sound();
    let spent = Usage::new();
    let records =
        Records { pipeline: &pipeline, journal: &journal, world: None, spent: Some(&spent) };
    let findings = check(records);
    assert_eq!(findings.violations[0].rule, Rule::Spend);
    assert_eq!(findings.spent.micros("usd"), 7);
}

#[test]
fn a_violation_says_what_and_where() {
    let violation = Violation {
        rule: Rule::KeyChanged,
        event: Some(3),
        subject: Some("charge".into()),
        detail: "execute".into(),
    };
    let expected =
        "event 3: `charge`: its idempotency key differs between attempts of a phase (execute)";
    assert_eq!(violation.to_string(), expected);
}

#[test]
fn a_step_that_is_not_there_is_found() {
    let stranger = |journal: &mut Journal, _: &mut Vec<WorldCall>| {
        let at = journal[1].0;
        journal.insert(1, (at, Event::StepSkipped { step: StepIndex(99) }));
    };
    check_broken(stranger, Rule::Order);
}

#[test]
fn a_journal_without_its_start_is_found() {
    let (pipeline, _, _) = sound();
    let event =
        Event::SignalReceived { name: String::new(), data: Json::null(), by: String::new() };
    let journal = [(Timestamp::from_millis(0), event)];
    let records = Records { pipeline: &pipeline, journal: &journal, world: None, spent: None };
    assert_eq!(check(records).violations[0].rule, Rule::Order);
}
