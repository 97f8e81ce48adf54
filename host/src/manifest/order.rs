//! The order of steps: what each waits for, cycles, and what may stand behind a pivot.
//! Owns the complaints about the graph; its rules are the core's.

use super::complaint::{Complaints, Place};
use super::step::StepDraft;
use piton_core::{Mistake, OnExhausted, Pipeline, StepIndex};

/// The most cycles that are shown at once: breaking one often breaks the others.
const CYCLES_MAX: usize = 5;
/// The most steps of a cycle that are named.
const CYCLE_SHOWN_MAX: usize = 8;
/// The most pivots: the checks walk the graph once for each, and after the first the run only
/// goes forward anyway.
const PIVOTS_MAX: usize = 20;

/// Puts the steps' order into the pipeline, and complains about what is wrong with it. Gives each
/// step behind a pivot that does not say otherwise `on_exhausted = "pause"`.
pub(super) fn check(pipeline: &mut Pipeline, drafts: &[StepDraft], complaints: &mut Complaints) {
    for (step, (draft, index)) in pipeline.steps.iter_mut().zip(drafts.iter().zip(0..)) {
        step.after = before(draft, StepIndex(index), complaints);
    }
    if !check_cycles(pipeline, drafts, complaints) {
        return;
    }
    let pivots = drafts.iter().filter(|draft| draft.pivot.is_some());
    if let Some(place) = pivots.filter_map(|draft| draft.pivot.as_ref()).nth(PIVOTS_MAX) {
        let message = format!("the pipeline has more than {PIVOTS_MAX} pivots");
        complaints.error(place, message).hint("behind the first, the run only goes forward anyway");
        return;
    }
    check_behind_pivots(pipeline, drafts, complaints);
    for mistake in pipeline.mistakes() {
        complain(&mistake, drafts, complaints);
    }
    warn_of_nulls(drafts, complaints);
}

/// The steps that a step waits for, sorted and each once.
fn before(draft: &StepDraft, own: StepIndex, complaints: &mut Complaints) -> Vec<StepIndex> {
    if let Some(edge) = draft.edges.iter().find(|edge| edge.before == own) {
        let message = format!("step `{}` refers to itself", draft.step.name);
        complaints.error(&edge.place, message).hint("its output is known only once it has ended");
    }
    let mut before: Vec<StepIndex> = draft.edges.iter().map(|edge| edge.before).collect();
    before.retain(|index| *index != own);
    before.sort_unstable();
    before.dedup();
    before
}

/// Whether there is no cycle.
fn check_cycles(pipeline: &Pipeline, drafts: &[StepDraft], complaints: &mut Complaints) -> bool {
    let Err(mut mistake) = pipeline.topological_order() else { return true };
    let mut rest = pipeline.clone();
    for _ in 0..CYCLES_MAX {
        complain(&mistake, drafts, complaints);
        let Mistake::Cycle(path) = &mistake else { break };
        let (Some(first), Some(last)) = (path.first(), path.last()) else { break };
        rest.steps[first.0 as usize].after.retain(|before| before != last);
        match rest.topological_order() {
            Ok(_) => break,
            Err(next) => mistake = next,
        }
    }
    false
}

/// Behind a pivot nothing turns back: not by default, and not by wish.
fn check_behind_pivots(pipeline: &mut Pipeline, drafts: &[StepDraft], complaints: &mut Complaints) {
    let Ok(order) = pipeline.topological_order() else { return };
    let mut pivot_before: Vec<Option<StepIndex>> = vec![None; drafts.len()];
    for index in order {
        let at = index.0 as usize;
        pivot_before[at] = pipeline.step(index).after.iter().find_map(|before| {
            let itself = pipeline.step(*before).pivot.then_some(*before);
            itself.or(pivot_before[before.0 as usize])
        });
        let Some(pivot) = pivot_before[at] else { continue };
        let step = &mut pipeline.steps[at];
        if drafts[at].on_exhausted.is_none() {
            step.on_exhausted = OnExhausted::Pause;
        } else if step.on_exhausted == OnExhausted::Compensate {
            // Told here, once and with its place; then out of the way of the core's checks.
            step.on_exhausted = OnExhausted::Pause;
            complain(&Mistake::CompensateBehindPivot { step: index, pivot }, drafts, complaints);
        }
    }
}

fn complain(mistake: &Mistake, drafts: &[StepDraft], complaints: &mut Complaints) {
    let draft = |index: StepIndex| &drafts[index.0 as usize];
    let name = |index: StepIndex| draft(index).step.name.as_str();
    let pivot_place = |index: StepIndex| draft(index).pivot.as_ref().unwrap_or(&draft(index).place);
    match mistake {
        Mistake::Cycle(path) => complain_of_cycle(path, drafts, complaints),
        Mistake::PivotNotOrdered { pivot, step } => {
            let (pivot_name, step_name) = (name(*pivot), name(*step));
            complaints
                .error(
                    &draft(*step).place,
                    format!("nothing orders `{step_name}` against the pivot `{pivot_name}`"),
                )
                .label("it may have to be undone when it is too late for that")
                .other(pivot_place(*pivot).clone(), format!("`{pivot_name}` is a pivot"))
                .hint(format!(
                    "say `after = [\"{pivot_name}\"]` here, or `after = [\"{step_name}\"]` there"
                ));
        }
        Mistake::PivotsNotOrdered(first, second) => {
            let (first_name, second_name) = (name(*first), name(*second));
            complaints
                .error(
                    pivot_place(*second),
                    format!("nothing orders the pivots `{first_name}` and `{second_name}`"),
                )
                .other(pivot_place(*first).clone(), format!("`{first_name}` is a pivot"))
                .hint(format!("say `after = [\"{first_name}\"]` in `{second_name}`"));
        }
        Mistake::CompensateBehindPivot { step, pivot } => {
            let (step_name, pivot_name) = (name(*step), name(*pivot));
            let place = draft(*step).on_exhausted.as_ref().map(|placed| &placed.place);
            complaints
                .error(
                    place.unwrap_or(&draft(*step).place),
                    format!("`{step_name}` cannot turn back: it runs behind a pivot"),
                )
                .other(pivot_place(*pivot).clone(), format!("`{pivot_name}` is a pivot"))
                .hint("write \"pause\" or \"continue\"; \"pause\" is the default here");
        }
    }
}

fn complain_of_cycle(path: &[StepIndex], drafts: &[StepDraft], complaints: &mut Complaints) {
    let name = |index: StepIndex| drafts[index.0 as usize].step.name.as_str();
    let place = |earlier: StepIndex, later: StepIndex| -> Option<&Place> {
        let edges = &drafts[later.0 as usize].edges;
        edges.iter().find(|edge| edge.before == earlier).map(|edge| &edge.place)
    };
    // Told from its first step in the manifest on, wherever the search came upon it.
    let mut path = path.to_vec();
    let start = path.iter().enumerate().min_by_key(|(_, index)| **index).map_or(0, |(nth, _)| nth);
    path.rotate_left(start);
    let Some((first, last)) = path.first().zip(path.last()) else { return };
    let shown: Vec<String> =
        path.iter().take(CYCLE_SHOWN_MAX).map(|index| format!("`{}`", name(*index))).collect();
    let dots = if path.len() > CYCLE_SHOWN_MAX { " → …" } else { "" };
    let message = format!(
        "these steps wait for each other: {}{dots} → `{}`",
        shown.join(" → "),
        name(*first)
    );
    let label = |earlier, later| format!("`{}` waits for `{}`", name(later), name(earlier));
    let start = place(*last, *first).unwrap_or(&drafts[first.0 as usize].place);
    let complaint = complaints.error(start, message).label(label(*last, *first));
    for pair in path.windows(2).take(CYCLE_SHOWN_MAX) {
        let [earlier, later] = *pair else { continue };
        if let Some(place) = place(earlier, later) {
            complaint.other(place.clone(), label(earlier, later));
        }
    }
    complaint.hint("one of them must do without the other");
}

/// Warns where the output of a step that may end without one is read.
fn warn_of_nulls(drafts: &[StepDraft], complaints: &mut Complaints) {
    let mut warned = vec![false; drafts.len()];
    for reader in drafts {
        for edge in reader.edges.iter().filter(|edge| edge.is_read) {
            let at = edge.before.0 as usize;
            let continues = drafts[at].on_exhausted.as_ref();
            let Some(placed) = continues.filter(|placed| placed.value == OnExhausted::Continue)
            else {
                continue;
            };
            if std::mem::replace(&mut warned[at], true) {
                continue;
            }
            let name = &drafts[at].step.name;
            complaints
                .warning(
                    &placed.place,
                    format!("the output of `{name}` is null once it has failed"),
                )
                .other(edge.place.clone(), format!("`{}` reads it here", reader.step.name))
                .hint("make sure that null will do there");
        }
    }
}
