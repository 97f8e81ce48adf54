//! Runs that only wait: nothing of them is held but when they go on.
//! Knows moments and ids; never looks into a run, and never takes one up itself.

use piton_core::{RunId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use tokio::sync::{Notify, watch};

/// The waiting runs of a host.
#[derive(Default)]
pub(crate) struct Parked {
    state: Mutex<State>,
    /// Told when an earlier moment than before came in.
    changed: Notify,
}

#[derive(Default)]
struct State {
    runs: BTreeMap<RunId, Place>,
    wakes: BTreeSet<(Timestamp, RunId)>,
    is_closed: bool,
}

struct Place {
    wake_at: Option<Timestamp>,
    /// Dropped when the run is parked no more.
    held: watch::Sender<()>,
}

impl Parked {
    /// Parks a run until `wake_at`, or until somebody says something to it.
    pub(crate) fn park(&self, run: RunId, wake_at: Option<Timestamp>) {
        let mut state = self.lock();
        if state.is_closed {
            return;
        }
        let (held, _) = watch::channel(());
        if let Some(before) = state.runs.insert(run, Place { wake_at, held })
            && let Some(wake_at) = before.wake_at
        {
            state.wakes.remove(&(wake_at, run));
        }
        if let Some(wake_at) = wake_at {
            state.wakes.insert((wake_at, run));
            self.changed.notify_one();
        }
    }

    /// Parks a run no more. Those who wait for that go on.
    pub(crate) fn unpark(&self, run: RunId) {
        let mut state = self.lock();
        if let Some(place) = state.runs.remove(&run)
            && let Some(wake_at) = place.wake_at
        {
            state.wakes.remove(&(wake_at, run));
        }
    }

    /// Parks no run any more, and none from now on.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.runs.clear();
        state.wakes.clear();
        self.changed.notify_one();
    }

    /// Waits until a run is parked no more; false at once where it is not parked.
    pub(crate) async fn is_left(&self, run: RunId) -> bool {
        let Some(mut held) = self.lock().runs.get(&run).map(|place| place.held.subscribe()) else {
            return false;
        };
        // Nothing is ever sent: the error of a dropped sender is what is waited for.
        while held.changed().await.is_ok() {}
        true
    }

    /// How many runs are parked.
    #[cfg(test)]
    fn count(&self) -> usize {
        self.lock().runs.len()
    }

    /// The runs that are due, parked no more; else the moment of the next one.
    pub(crate) fn due(&self, now: Timestamp) -> Result<Vec<RunId>, Option<Timestamp>> {
        let mut state = self.lock();
        let mut due = Vec::new();
        while let Some((wake_at, run)) = state.wakes.first().copied() {
            if wake_at > now {
                break;
            }
            state.wakes.remove(&(wake_at, run));
            state.runs.remove(&run);
            due.push(run);
        }
        if due.is_empty() {
            return Err(state.wakes.first().map(|(wake_at, _)| *wake_at));
        }
        Ok(due)
    }

    /// Waits until an earlier moment may have come in.
    pub(crate) async fn change(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn runs_are_due_in_their_order() {
        let parked = Parked::default();
        parked.park(RunId::from_bits(1), Some(at(20)));
        parked.park(RunId::from_bits(2), Some(at(10)));
        parked.park(RunId::from_bits(3), None);
        assert_eq!(parked.due(at(9)), Err(Some(at(10))));
        assert_eq!(parked.due(at(30)), Ok(vec![RunId::from_bits(2), RunId::from_bits(1)]));
        assert_eq!(parked.due(at(30)), Err(None));
        assert_eq!(parked.count(), 1);
    }

    #[test]
    fn parking_again_replaces_the_moment() {
        let parked = Parked::default();
        parked.park(RunId::from_bits(1), Some(at(10)));
        parked.park(RunId::from_bits(1), Some(at(50)));
        assert_eq!(parked.due(at(20)), Err(Some(at(50))));
    }

    #[tokio::test]
    async fn whoever_waits_goes_on_when_it_is_left() {
        let parked = std::sync::Arc::new(Parked::default());
        let run = RunId::from_bits(1);
        assert!(!parked.is_left(run).await);
        parked.park(run, None);
        let waits = tokio::spawn({
            let parked = std::sync::Arc::clone(&parked);
            async move { parked.is_left(run).await }
        });
        tokio::task::yield_now().await;
        parked.unpark(run);
        assert!(waits.await.expect("the task should end"));
    }
}
