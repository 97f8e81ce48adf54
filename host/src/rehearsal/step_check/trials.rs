//! What a step is put through, a scene at a time: repeated, cut, undone, asked.
//! Looks only at how calls end, at copies of folders, and at what the server took.

use super::row::Row;
use super::scene::{Scene, Stage, State, told};
use super::server::Cut;
use crate::sandbox::World;
use piton_core::{End, Json, Phase, Reconciled};

/// Requests of one call at which it is cut off in turn.
const CUT_MAX: u64 = 8;
/// Why what needs an effect is not tried.
const FAILED: &str = "`execute` failed";
/// Why what takes an effect back is not tried.
const KEPT: &str = "`--no-undo`: what it does is meant to stay";

/// A call that nothing disturbed.
#[derive(Clone, Copy)]
pub(super) struct Whole {
    requests: u64,
    /// What the server had taken after it.
    effects: usize,
}

/// The output of an `execute` that succeeded.
fn output(end: &End) -> Option<&Json> {
    match end {
        End::Succeeded(output) => output.as_ref(),
        _ => None,
    }
}

fn succeeded(end: &End) -> bool {
    matches!(end, End::Succeeded(_))
}

/// Whether two texts are the same JSON value.
fn same(one: &Json, other: &Json) -> bool {
    let value = |json: &Json| serde_json::from_str::<serde_json::Value>(json.as_str()).ok();
    one == other || value(one) == value(other)
}

/// `execute` twice under one key, and what the first was like.
pub(super) async fn repeats(stage: &Stage<'_>) -> Result<(Row, Option<Whole>), String> {
    const CHECK: &str = "repeats-by-key";
    let scene = stage.scene()?;
    let first = scene.execute(1).await;
    let requests = stage.check.server.requests();
    let before = scene.state()?;
    let Some(wanted) = output(&first) else {
        return Ok((Row::not_tried(CHECK, FAILED), None));
    };
    let whole = Some(Whole { requests, effects: before.effects.len() });
    let second = scene.execute(2).await;
    let after = scene.state()?;
    let repeats = match (output(&second), after.changed_since(&before)) {
        (None, _) => Row::fail(CHECK, format!("attempt 2 ended as {}", told(&second))),
        (Some(_), Some(changes)) => Row::fail(CHECK, format!("after attempt 2: {changes}")),
        (Some(found), None) if !same(found, wanted) => {
            Row::fail(CHECK, "attempt 2 has another output")
        }
        (Some(_), None) => Row::pass(CHECK, "attempt 2: the same output, and no further effect"),
    };
    Ok((repeats, whole))
}

/// `execute` and `compensate` again, each after it was cut off before and after each of its requests.
pub(super) async fn survives_cuts(
    stage: &Stage<'_>,
    executed: Option<Whole>,
    undone: Option<Whole>,
) -> Result<Row, String> {
    const CHECK: &str = "survives-cuts";
    if stage.has_failed() {
        return Ok(Row::not_tried(CHECK, FAILED));
    }
    let mut tried = Vec::new();
    for (phase, whole) in [(Phase::Execute, executed), (Phase::Compensate, undone)] {
        let Some(whole) = whole.filter(|whole| whole.requests > 0) else { continue };
        if let Some(problem) = cut_off(stage, phase, whole).await? {
            return Ok(Row::fail(CHECK, format!("`{phase}` cut off {problem}")));
        }
        let (count, of) = (whole.requests.min(CUT_MAX), whole.requests);
        tried.push(format!("{count} of {of} requests of `{phase}`"));
    }
    Ok(match tried.is_empty() {
        true => Row::not_tried(CHECK, "it sends no request"),
        false => {
            Row::pass(CHECK, format!("cut off at {}: attempt 2 made it whole", tried.join(", ")))
        }
    })
}

/// What is wrong after a phase was cut off and called again.
async fn cut_off(stage: &Stage<'_>, phase: Phase, whole: Whole) -> Result<Option<String>, String> {
    let requests = 1..=whole.requests.min(CUT_MAX);
    for cut in requests.flat_map(|nth| [Cut::Before(nth), Cut::After(nth)]) {
        let scene = stage.scene()?;
        let executed = match phase {
            Phase::Compensate => Some(scene.execute(1).await),
            _ => None,
        };
        let output = executed.as_ref().and_then(output);
        scene.cut_off(phase, cut, output).await;
        let end = scene.call(phase, 2, output).await;
        if !succeeded(&end) {
            return Ok(Some(format!("{cut}: attempt 2 ended as {}", told(&end))));
        }
        let (found, wanted) = (scene.state()?.effects.len(), whole.effects);
        if found != wanted {
            let effects = if found == 1 { "effect" } else { "effects" };
            let what = format!("{cut}: attempt 2 left {found} {effects} in place of {wanted}");
            return Ok(Some(what));
        }
    }
    Ok(None)
}

const UNDOES: &str = "undoes";
const UNDOES_TWICE: &str = "undoes-twice";
const UNDOES_UNSEEN: &str = "undoes-unseen";

/// `compensate` after `execute`, once, again, and without the result; and what the first was like.
pub(super) async fn undoes(stage: &Stage<'_>) -> Result<([Row; 3], Option<Whole>), String> {
    let none = |why: &str| [UNDOES, UNDOES_TWICE, UNDOES_UNSEEN].map(|it| Row::not_tried(it, why));
    if stage.check.is_kept {
        return Ok((none(KEPT), None));
    }
    if stage.has_failed() {
        return Ok((none(FAILED), None));
    }
    let scene = stage.scene()?;
    let untouched = scene.state()?;
    let executed = scene.execute(1).await;
    let Some(output) = output(&executed) else { return Ok((none(FAILED), None)) };
    let before = scene.state()?;
    let undone = scene.compensate(1, Some(output)).await;
    let requests = stage.check.server.requests();
    let after = scene.state()?;
    let undoes = row_of_undo(&undone, [&untouched, &before, &after]);
    if !succeeded(&undone) {
        let twice = Row::not_tried(UNDOES_TWICE, "`compensate` failed");
        return Ok(([undoes, twice, undoes_unseen(stage, false).await?], None));
    }
    let twice = undoes_twice(&scene, output).await?;
    let unseen = undoes_unseen(stage, before != after).await?;
    Ok(([undoes, twice, unseen], Some(Whole { requests, effects: after.effects.len() })))
}

/// Judges an undo by what was outside before the effect, after it, and after the undo.
fn row_of_undo(undone: &End, [untouched, before, after]: [&State; 3]) -> Row {
    if !succeeded(undone) {
        return Row::fail(UNDOES, format!("`compensate` ended as {}", told(undone)));
    }
    let Some(effect) = before.changed_since(untouched) else {
        return Row::pass(UNDOES, "succeeded; `execute` had no effect that can be seen here");
    };
    match after.changed_since(before) {
        Some(undone) => Row::pass(UNDOES, format!("succeeded: {undone}")),
        None => {
            let hint = "if that is meant, check it with `--no-undo`";
            Row::fail(UNDOES, format!("`compensate` undid nothing: {effect}; {hint}"))
        }
    }
}

async fn undoes_twice(scene: &Scene<'_>, output: &Json) -> Result<Row, String> {
    let before = scene.state()?;
    let again = scene.compensate(2, Some(output)).await;
    Ok(match scene.state()?.changed_since(&before) {
        _ if !succeeded(&again) => {
            Row::fail(UNDOES_TWICE, format!("the second `compensate` ended as {}", told(&again)))
        }
        Some(changes) => Row::fail(UNDOES_TWICE, format!("after the second: {changes}")),
        None => Row::pass(UNDOES_TWICE, "the second succeeded, and changed nothing"),
    })
}

/// The effect is there, and its result was never recorded.
async fn undoes_unseen(stage: &Stage<'_>, does_something: bool) -> Result<Row, String> {
    let scene = stage.scene()?;
    if !succeeded(&scene.execute(1).await) {
        return Ok(Row::not_tried(UNDOES_UNSEEN, FAILED));
    }
    let before = scene.state()?;
    let undone = scene.compensate(1, None).await;
    let changed = scene.state()?.changed_since(&before).is_some();
    Ok(if !succeeded(&undone) {
        let end = told(&undone);
        Row::fail(UNDOES_UNSEEN, format!("without the output, `compensate` ended as {end}"))
    } else if does_something && !changed {
        Row::fail(UNDOES_UNSEEN, "without the output, `compensate` undid nothing")
    } else {
        Row::pass(UNDOES_UNSEEN, "succeeded without the output, too")
    })
}

/// `compensate` for a call that never was.
pub(super) async fn undoes_nothing(stage: &Stage<'_>) -> Result<Row, String> {
    const CHECK: &str = "undoes-nothing";
    if stage.check.is_kept {
        return Ok(Row::not_tried(CHECK, KEPT));
    }
    let scene = stage.scene()?;
    let before = scene.state()?;
    let undone = scene.compensate(1, None).await;
    Ok(match scene.state()?.changed_since(&before) {
        _ if !succeeded(&undone) => {
            let end = told(&undone);
            Row::fail(CHECK, format!("for a call that never was, `compensate` ended as {end}"))
        }
        Some(changes) => Row::fail(CHECK, format!("for a call that never was: {changes}")),
        None => Row::pass(CHECK, "for a call that never was, it succeeded and changed nothing"),
    })
}

/// `reconcile` after `execute`, and for a call that never was.
pub(super) async fn reconciles(stage: &Stage<'_>) -> Result<Row, String> {
    const CHECK: &str = "reconciles";
    if stage.check.candidate.inspection.world != Some(World::ReconcilablePlugin) {
        return Ok(Row::not_tried(CHECK, "it does not export `reconcile`"));
    }
    if stage.has_failed() {
        return Ok(Row::not_tried(CHECK, FAILED));
    }
    let scene = stage.scene()?;
    let executed = scene.execute(1).await;
    let Some(wanted) = output(&executed) else { return Ok(Row::not_tried(CHECK, FAILED)) };
    let before = scene.state()?;
    let asked = scene.reconcile().await;
    let changed = scene.state()?.changed_since(&before);
    let problem = match (&asked, changed) {
        (_, Some(changes)) => Some(format!("asking changed something: {changes}")),
        (End::Reconciled(Reconciled::Done(found)), None) if same(found, wanted) => None,
        (End::Reconciled(Reconciled::Done(_)), None) => {
            Some("after `execute` it is done, with another output".into())
        }
        (end, None) => Some(format!("after `execute` it answered {}", told(end))),
    };
    if let Some(problem) = problem {
        return Ok(Row::fail(CHECK, problem));
    }
    let scene = stage.scene()?;
    let before = scene.state()?;
    let asked = scene.reconcile().await;
    Ok(match (&asked, scene.state()?.changed_since(&before)) {
        (_, Some(changes)) => Row::fail(CHECK, format!("asking changed something: {changes}")),
        (End::Reconciled(Reconciled::NotDone | Reconciled::Unknown), None) => {
            let word = asked.word();
            Row::pass(CHECK, format!("done with the same output; {word} for a call that never was"))
        }
        (end, None) => {
            Row::fail(CHECK, format!("for a call that never was it answered {}", told(end)))
        }
    })
}

/// Calls `execute` in scenes of their own until so many have succeeded, or one has failed.
pub(super) async fn execute_until(stage: &Stage<'_>, count: usize) -> Result<(), String> {
    loop {
        let tally = stage.tally();
        if tally.execute_failed.is_some() || tally.fuel.len() >= count {
            return Ok(());
        }
        stage.scene()?.execute(1).await;
    }
}
