//! What the plan says of small pipelines, whole texts included. Runs no guest.

use super::*;
use piton_core::{Effect, OnExhausted, Pipeline, RunStatus, Step, StepIndex, StepKind, Tolerance};

/// reserve, charge (can be asked), ship (pivot), notify.
fn order() -> Subject {
    let mut steps: Vec<Step> = ["reserve", "charge", "ship", "notify"]
        .iter()
        .zip(0_u32..)
        .map(|(name, index)| {
            Step::call(*name, index.checked_sub(1).map(StepIndex).into_iter().collect())
        })
        .collect();
    (steps[1].effect, steps[1].reconciles) = (Effect::Reconcilable, true);
    (steps[2].pivot, steps[2].has_when) = (true, true);
    steps[3].on_exhausted = OnExhausted::Pause;
    subject(steps)
}

fn subject(steps: Vec<Step>) -> Subject {
    let pipeline = Pipeline::new("order", steps);
    assert_eq!(pipeline.mistakes(), []);
    Subject { pipeline: Arc::new(pipeline), compensate_reasons: Vec::new(), costs: Vec::new() }
}

fn end(subject: &Subject, step: &str, way: Way) -> Foreseen {
    let plan = plan(subject);
    let step = plan.steps.into_iter().find(|found| found.step == step).expect("it has that step");
    step.ends.into_iter().find(|end| end.way == way).expect("the step can end so")
}

fn names(stays: &[Stays]) -> Vec<&str> {
    stays.iter().map(|stays| stays.step.as_str()).collect()
}

#[test]
fn a_failing_pivot_is_undone_with_all_before_it() {
    let found = end(&order(), "ship", Way::Permanent);
    assert_eq!(found.status, RunStatus::RolledBack.word());
    assert_eq!(found.undone, ["ship", "charge", "reserve"]);
    assert_eq!((found.stays.len(), found.person.len()), (0, 0));
}

#[test]
fn a_pivot_with_unknown_outcome_waits_for_a_person() {
    let found = end(&order(), "ship", Way::Unknown);
    assert_eq!((found.status, found.undone.len()), ("stuck", 0));
    assert_eq!(found.person, ["piton settle RUN ship --as done|not-done --because TEXT"]);
}

#[test]
fn behind_the_pivot_everything_stays() {
    let found = end(&order(), "notify", Way::Exhausted);
    assert_eq!(names(&found.stays), ["reserve", "charge", "ship", "notify"]);
    assert!(found.person.contains(&"piton cancel RUN --keep".to_owned()));
    let found = end(&order(), "notify", Way::Cancelled);
    assert_eq!(found.status, "completed");
    assert!(found.note.is_some_and(|note| note.contains("refused")));
}

#[test]
fn an_undo_that_fails_keeps_what_it_depended_on() {
    let found = end(&order(), "charge", Way::UndoFails);
    assert_eq!((found.status, found.undone.len()), ("stuck", 0));
    assert_eq!(names(&found.stays), ["reserve", "charge"]);
    assert_eq!(found.person[0], "piton retry RUN charge");
}

#[test]
fn what_is_never_undone_stays_with_its_reason() {
    let mut subject = order();
    let pipeline = Arc::make_mut(&mut subject.pipeline);
    pipeline.steps[0].compensates = false;
    subject.compensate_reasons = vec![Some("a mail cannot be unsent".into()), None, None, None];
    let found = end(&subject, "charge", Way::Permanent);
    let why = "never undone: a mail cannot be unsent".into();
    assert_eq!(found.stays, [Stays { step: "reserve".into(), why }]);
}

#[test]
fn an_unsafe_step_is_never_repeated() {
    let mut step = Step::call("pay", Vec::new());
    step.effect = Effect::Unsafe;
    let found = end(&subject(vec![step]), "pay", Way::ReplyLost);
    assert_eq!((found.status, found.calls), ("stuck", 1));
}

#[test]
fn a_tolerated_element_is_undone_alone() {
    let mut step = Step::call("summarise", Vec::new());
    let (max_parallel, items_max) = (16, 100);
    step.kind = StepKind::Map(MapPolicy { max_parallel, tolerate: Tolerance::Count(1), items_max });
    let found = end(&subject(vec![step]), "summarise", Way::Permanent);
    assert_eq!(found.status, "completed");
    assert_eq!(found.undone, ["summarise[1]"]);
}

#[test]
fn waits_are_the_longest_there_can_be() {
    let found = end(&order(), "reserve", Way::Exhausted);
    // 1 + 2 + 4 + 8 s between five attempts.
    assert_eq!((found.waits_ms, found.calls), (15_000, 6));
}

#[test]
fn earlier_runs_tell_what_it_costs() {
    let mut subject = order();
    let mut usage = Usage::new();
    usage.add("usd", 50_000).expect("five cents should fit");
    subject.costs = vec![usage; 4];
    let found = end(&subject, "ship", Way::Permanent);
    assert_eq!(found.spent.get("usd"), Some(&0.15));
}

#[test]
fn concerns_are_found_in_the_order_of_the_manifest() {
    let plan = plan(&order());
    let (step, end, _) = plan.first_concern(&[Concern::Stays]).expect("an undo may fail");
    assert_eq!((step.step.as_str(), end.way), ("reserve", Way::UndoFails));
    let (_, end, concern) = plan.first_concern(&[Concern::Person]).expect("a host may be lost");
    assert_eq!((end.way, concern), (Way::HostLost, Concern::Person));
    assert!(plan.first_concern(&[]).is_none());
}

#[test]
fn the_table_reads_so() {
    let drawn = table(&plan(&order()), 100);
    assert!(drawn.lines().all(|line| line.chars().count() <= 100), "{drawn}");
    let ship = drawn.split("\n\n").nth(3).expect("the third step should have its paragraph");
    assert_eq!(ship, SHIP.trim());
}

const SHIP: &str = "
ship (pivot)
  permanent, exhausted          rolled-back  undo: ship, charge, reserve
                                             6 to 10 calls, waits up to 15 s
  permanent-clean               rolled-back  undo: charge, reserve   5 calls
  reply-lost                    completed    5 calls, waits up to 1 s
  unknown, timed-out, trapped   stuck        nothing undone until a person decides
                                             person: piton settle RUN ship --as done|not-done
                                             4 to 7 calls, waits up to 2 min 45 s
  host-lost                     stuck        nothing undone until a person decides
                                             person: piton retry RUN ship
                                             5 calls, waits up to 2 s
  cancelled                     completed    too late: the pivot's result is recorded first
                                             4 calls
  skipped                       completed    without its pivot the run can be undone to its end
                                             3 calls
  undo-fails                    stuck        stays: reserve, charge (until ship is undone)
                                             stays: ship (its undo failed)
                                             person: piton retry RUN ship
                                                 or: piton settle RUN ship --as undone
                                             4 calls
";
