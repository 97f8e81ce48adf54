//! Journals that cannot be true: refused, and never a panic.

use crate::event::Event;
use crate::id::{InstanceId, RunId, StepIndex};
use crate::run::Run;
use crate::simulation::{Choose, Drawn, draw_story};
use crate::value::Timestamp;
use std::sync::Arc;

type Journal = Vec<(Timestamp, Event)>;

/// Folds the journal of a seed's story after a change, and says whether it was refused.
fn is_refused(seed: u64, change: impl FnOnce(&mut Journal, &mut Drawn)) -> bool {
    let mut story = draw_story(seed, None, None);
    change(&mut story.journal, &mut Drawn::new(seed));
    let mut run = Run::new(RunId::from_bits(1), Arc::clone(story.run.pipeline()));
    story.journal.iter().any(|(at, event)| run.apply(*at, event).is_err())
}

#[test]
fn a_journal_without_one_event_never_panics() {
    let drop_one = |journal: &mut Journal, draw: &mut Drawn| {
        let place = draw.pick(journal.len());
        journal.remove(place);
    };
    let refused = (0..1_000).filter(|seed| is_refused(*seed, drop_one)).count();
    // Some events may be missing unseen, such as a signal that nobody waited for.
    assert!(refused > 500, "{refused}");
}

#[test]
fn a_journal_out_of_order_never_panics() {
    let swap = |journal: &mut Journal, draw: &mut Drawn| {
        let (one, other) = (draw.pick(journal.len()), draw.pick(journal.len()));
        journal.swap(one, other);
    };
    assert!((0..1_000).filter(|seed| is_refused(*seed, swap)).count() > 500);
}

#[test]
fn a_repeated_event_never_panics() {
    let repeat = |journal: &mut Journal, draw: &mut Drawn| {
        let place = draw.pick(journal.len());
        journal.insert(place, journal[place].clone());
    };
    assert!((0..1_000).filter(|seed| is_refused(*seed, repeat)).count() > 500);
}

#[test]
fn an_event_of_another_pipeline_is_refused() {
    let stranger = |instance| {
        is_refused(1, |journal, _| {
            let at = journal[0].0;
            journal.insert(1, (at, Event::UndoNotNeeded { instance }));
        })
    };
    assert!(stranger(InstanceId::of(StepIndex(99))));
    assert!(stranger(InstanceId::element(StepIndex(0), 99)));
}
