//! A gate that stops the provider at a request of the test's choice, so that a host can be killed at
//! that very moment.
//! Never stops by itself, and never by time.

use std::sync::{Condvar, Mutex, MutexGuard};

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It was received, and nothing was made of it.
    Asked,
    /// It was counted, and its answer is not sent.
    Charged,
    /// Its answer was sent.
    Answered,
}

#[derive(Default)]
pub(super) struct Gate {
    place: Mutex<Place>,
    moved: Condvar,
}

#[derive(Default)]
struct Place {
    stop: Option<(u64, Stage)>,
    has_stopped: bool,
}

impl Gate {
    pub(super) fn stop_at(&self, number: u64, stage: Stage) {
        *self.place() = Place { stop: Some((number, stage)), has_stopped: false };
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.place().has_stopped
    }

    pub(super) fn go_on(&self) {
        self.place().stop = None;
        self.moved.notify_all();
    }

    /// Waits where the gate is shut: at its request and stage, and for all later requests at once.
    pub(super) fn pass(&self, number: u64, stage: Stage) {
        let mut place = self.place();
        while let Some((stop, at)) = place.stop {
            match number.cmp(&stop) {
                std::cmp::Ordering::Less => return,
                std::cmp::Ordering::Equal if stage != at => return,
                std::cmp::Ordering::Equal => place.has_stopped = true,
                std::cmp::Ordering::Greater => {}
            }
            place = self.moved.wait(place).expect("nobody at the gate should panic");
        }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().expect("nobody at the gate should panic")
    }
}
