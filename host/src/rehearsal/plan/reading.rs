//! Reads from a run that was acted out what people want to know of it.
//! Never acts, and never decides.

use super::scene::{Scene, calm};
use super::way::Way;
use super::{Foreseen, Stays};
use piton_core::{
    End, Event, Input, Instance, InstanceId, Limit, OnExhausted, Outcome, Phase, Run, RunStatus,
    Usage, decide,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the acted run tells.
pub(super) fn read(scene: &Scene<'_>) -> Foreseen {
    let run = &scene.run;
    let calls = scene.events.iter().filter(|event| matches!(event, Event::AttemptStarted { .. }));
    Foreseen {
        way: scene.way,
        status: run.status().word(),
        undone: undone(run, &scene.events),
        stays: stays(scene),
        person: person(run),
        note: note(scene),
        calls: u32::try_from(calls.count()).unwrap_or(u32::MAX),
        waits_ms: millis(run.updated_at().since(run.started_at())),
        spent: amounts(&run.ledger().spent),
    }
}

fn undone(run: &Run, events: &[Event]) -> Vec<String> {
    let undone = events.iter().filter_map(|event| match event {
        Event::AttemptEnded {
            instance, phase: Phase::Compensate, end: End::Succeeded(_), ..
        } => Some(run.name_of(*instance)),
        _ => None,
    });
    undone.collect()
}

fn stays(scene: &Scene<'_>) -> Vec<Stays> {
    let run = &scene.run;
    let is_over = run.status().is_final();
    let goes_back = run.cause().is_some();
    // While the way back is open nothing has been decided about any effect.
    let is_open = !is_over && !goes_back && !run.is_past_pivot();
    let staying = run.effects_that_stay().into_iter().filter(|instance| {
        let found = run.instance(*instance);
        let was_given_up = was_given_up(found);
        if run.status() == RunStatus::Completed { was_given_up } else { !is_open || was_given_up }
    });
    let staying = staying
        .map(|instance| Stays { step: run.name_of(instance), why: why_it_stays(scene, instance) });
    staying.collect()
}

/// Whether the run went on without it.
fn was_given_up(found: &Instance) -> bool {
    matches!(found.outcome, Some(Outcome::FailedOnwards | Outcome::Tolerated))
}

fn why_it_stays(scene: &Scene<'_>, instance: InstanceId) -> String {
    let run = &scene.run;
    let found = run.instance(instance);
    let step = run.pipeline().step(instance.step);
    if !step.compensates {
        let reasons = &scene.subject.compensate_reasons;
        let reason = reasons.get(instance.step.0 as usize).and_then(Option::as_deref);
        return match reason {
            Some(reason) => format!("never undone: {reason}"),
            None => "never undone".into(),
        };
    }
    if found.stuck.is_some() && (run.cause().is_some() || was_given_up(found)) {
        return "its undo failed".into();
    }
    if run.cause().is_some() {
        let stuck: Vec<String> = run.stuck_instances().map(|stuck| run.name_of(stuck)).collect();
        return format!("until {} is undone", stuck.join(", "));
    }
    if was_given_up(found) {
        return "it failed, and the run went on".into();
    }
    "the run is past its pivot".into()
}

/// What may be typed where the run is stuck.
fn person(run: &Run) -> Vec<String> {
    if run.status() != RunStatus::Stuck {
        return Vec::new();
    }
    let mut commands: Vec<String> =
        run.stuck_instances().flat_map(|instance| commands_for(run, instance)).collect();
    if run.cause().is_none() && run.is_past_pivot() {
        commands.push("piton cancel RUN --keep".into());
    } else if can_turn_back(run) {
        commands.push("piton rollback RUN".into());
    }
    commands
}

/// Whether a rollback would begin at once, rather than wait for a pivot's outcome.
fn can_turn_back(run: &Run) -> bool {
    let asked = decide(run, Input::RollBack { by: "somebody".into() }, calm(run.updated_at()));
    let turns = |event: &Event| matches!(event, Event::RollbackStarted { .. });
    asked.is_ok_and(|events| events.iter().any(turns))
}

fn commands_for(run: &Run, instance: InstanceId) -> Vec<String> {
    let found = run.instance(instance);
    let name = run.name_of(instance);
    let name = if instance.element.is_some() { format!("'{name}'") } else { name };
    let retry = format!("piton retry RUN {name}");
    let settle = |words: &str| format!("piton settle RUN {name} --as {words} --because TEXT");
    if run.cause().is_some() || was_given_up(found) {
        return vec![retry, settle("undone")];
    }
    let limit = found.failure.as_ref().map(|failure| failure.limit);
    if matches!(limit, Some(Limit::UnknownOutcome | Limit::IdempotencyWindow)) {
        return vec![settle("done|not-done")];
    }
    vec![retry]
}

fn note(scene: &Scene<'_>) -> Option<String> {
    let run = &scene.run;
    if let Some(refusal) = &scene.refusal {
        let past_pivot = run.is_past_pivot();
        return Some(if past_pivot {
            "cancel is refused: the run is past its pivot".into()
        } else {
            format!("cancel is refused: {refusal}")
        });
    }
    if scene.events.iter().any(|event| matches!(event, Event::TurnRefused)) {
        return Some("too late: the pivot's result is recorded first".into());
    }
    let found = run.find(scene.target)?;
    let step = run.pipeline().step(scene.target.step);
    match found.outcome {
        Some(Outcome::FailedOnwards) if step.on_exhausted == OnExhausted::Continue => {
            Some("the run goes on; its output is null".into())
        }
        Some(Outcome::Tolerated) => Some("the map goes on without the element".into()),
        _ if scene.way == Way::Skipped && step.pivot && run.status() == RunStatus::Completed => {
            Some("without its pivot the run can be undone to its end".into())
        }
        _ => None,
    }
}

fn amounts(usage: &Usage) -> BTreeMap<String, f64> {
    usage.iter().map(|(unit, micros)| (unit.to_owned(), micros as f64 / 1e6)).collect()
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
