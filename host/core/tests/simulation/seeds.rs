//! Runs of drawn pipelines in drawn worlds: a fixed set of seeds, and fresh ones each time.
//! A failure prints its seed and its story.

use crate::{outline, told};
use piton_core::simulation::draw_story;
use piton_core::{Event, RunStatus};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};

const FIXED: u64 = 4_000;
const FRESH: u64 = 4_000;

fn check(seed: u64) {
    let story = told(seed, || draw_story(seed, None, None));
    let is_sound = story.problems.is_empty();
    assert!(is_sound, "seed {seed}\n{story}\n{}", outline(story.run.pipeline()));
}

#[test]
fn known_seeds_tell_sound_stories() {
    (0..FIXED).for_each(check);
}

#[test]
fn fresh_seeds_tell_sound_stories() {
    // The hasher's keys are what std draws from the system.
    let first = RandomState::new().build_hasher().finish();
    (0..FRESH).for_each(|nth| check(first.wrapping_add(nth)));
}

/// A simulation that never comes to a place proves nothing about it.
#[test]
fn known_seeds_come_to_every_event() {
    let mut events = BTreeSet::new();
    let mut statuses = BTreeSet::new();
    for seed in 0..FIXED {
        let story = draw_story(seed, None, None);
        events.extend(story.journal.iter().map(|(_, event)| event.word()));
        statuses.extend(story.journal.last().and_then(|(_, event)| match event {
            Event::RunFinished { status, .. } => Some(*status),
            _ => None,
        }));
    }
    assert_eq!(events.len(), 25, "{events:?}");
    let expected = [RunStatus::Completed, RunStatus::RolledBack, RunStatus::Cancelled];
    assert_eq!(statuses, BTreeSet::from(expected));
}
