//! Where appends are handed in, and where whoever commits next takes them from: the writer's thread, or
//! somebody who appends and has nothing else to do. One commit at a time, and no lock is held over it.
//! Never retries: after the first error of the store nothing more is written.

use super::super::store::{Commit, JournalError, Verdicts};
use super::group::Group;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest time for which a commit lets more come in.
const PAUSE_MAX: Duration = Duration::from_millis(2);

/// With fewer who may append, a commit lets nobody come in: waiting would cost them more than it spares.
const WRITERS_MIN: usize = 16;

/// It is tried again after so many commits.
const TRIES_APART: u32 = 64;

/// Where appends are handed in.
pub(super) struct Desk {
    journal: Arc<dyn Commit>,
    pub(super) commits: AtomicU64,
    state: Mutex<State>,
    /// Wakes the thread.
    bell: Condvar,
    /// How many may append at the same time, each one batch.
    pub(super) writers: AtomicUsize,
    /// Where the last commit took longer, the next one is left to the thread.
    quick: Duration,
}

#[derive(Default)]
struct State {
    /// What the next commits take along, each for itself.
    waiting: VecDeque<Group>,
    /// Whether the thread sleeps, and nobody has rung yet.
    is_asleep: bool,
    is_committing: bool,
    is_closing: bool,
    /// How long the last commit took.
    took: Duration,
    patience: Patience,
    /// How many batches the thread lets come in before it commits.
    wanted: usize,
    failed: Option<JournalError>,
}

impl Desk {
    pub(super) fn new(journal: Arc<dyn Commit>, quick: Duration) -> Self {
        let (commits, state, bell) = (AtomicU64::new(0), Mutex::default(), Condvar::new());
        Self { journal, commits, state, bell, writers: AtomicUsize::new(0), quick }
    }

    /// Leaves something for the thread.
    pub(super) fn hand_in(&self, put: impl FnOnce(&mut Group)) {
        let mut state = self.lock();
        let had_nothing = state.waiting.is_empty();
        put(state.open_group());
        // The thread knows of log lines that wait, and when they are due; and whoever commits rings once
        // that is over.
        let is_due = state.is_due() && state.has_gathered();
        if is_due || had_nothing && !state.is_committing {
            self.ring(state);
        }
    }

    /// Commits what waits, and this with it, in the caller's thread; or leaves it for the thread, where
    /// a commit is under way or commits take their time.
    pub(super) fn commit_here(&self, put: impl FnOnce(&mut Group)) {
        let mut state = self.lock();
        put(state.open_group());
        if state.waiting.len() == 1 && !state.is_committing && state.took < self.quick {
            state = self.commit(state);
        }
        // What came in meanwhile is not this caller's.
        if !state.waiting.is_empty() {
            self.ring(state);
        }
    }

    /// The thread, until the desk is closed and empty.
    pub(super) fn serve(&self) {
        let mut state = self.lock();
        loop {
            if state.is_due() {
                state = self.gather(state);
                // Somebody may have committed meanwhile, or be at it.
                if state.is_due() {
                    state = self.commit(state);
                }
                continue;
            }
            if state.is_closing && state.waiting.is_empty() && !state.is_committing {
                return;
            }
            state.is_asleep = true;
            let due_in = state.waiting.front().filter(|_| !state.is_committing);
            state = match due_in.and_then(Group::due_in) {
                // An idle host sleeps.
                None => self.bell.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let woken = self.bell.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.is_asleep = false;
        }
    }

    /// Lets the thread end after what was handed in before.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closing = true;
        self.ring(state);
    }

    fn ring(&self, mut state: MutexGuard<'_, State>) {
        if std::mem::take(&mut state.is_asleep) {
            drop(state);
            self.bell.notify_one();
        }
    }

    /// Lets more come in, where that pays: until three quarters of those who may append have, and for as long
    /// as four commits take at most. The others have something to do meanwhile.
    fn gather<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let writers = self.writers.load(Ordering::Relaxed);
        if writers < WRITERS_MIN || state.is_closing {
            return state;
        }
        state.wanted = writers * 3 / 4;
        if !state.has_gathered() && state.patience.waits() {
            let until = Instant::now() + (state.took * 4).min(PAUSE_MAX);
            while !state.has_gathered() && !state.is_closing {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                state.is_asleep = true;
                let woken = self.bell.wait_timeout(state, left);
                state = woken.unwrap_or_else(PoisonError::into_inner).0;
                state.is_asleep = false;
            }
            let came = state.batches_waiting() >= state.wanted / 4;
            state.patience.learn(came);
        }
        state.wanted = 0;
        state
    }

    fn commit<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let Some(group) = state.waiting.pop_front() else { return state };
        let failed = state.failed.clone();
        state.is_committing = true;
        drop(state);
        let began = Instant::now();
        let result = failed.map_or_else(|| self.write(&group), Err);
        let took = began.elapsed();
        let mut failed = result.as_ref().err().cloned();
        group.answer(result);
        if failed.is_none() {
            // Those who were just answered go on meanwhile; the next commit is told what went wrong.
            failed = caught(|| self.journal.settle()).err();
        }
        let mut state = self.lock();
        state.is_committing = false;
        state.took = took;
        state.failed = failed;
        state
    }

    fn write(&self, group: &Group) -> Result<Verdicts, JournalError> {
        if group.has_nothing_to_write() {
            return Ok(Vec::new());
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        caught(|| self.journal.commit(&group.batches, &group.log_lines))
    }

    /// Nothing that holds it panics.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing is written to a store that panicked.
fn caught<T>(work: impl FnOnce() -> Result<T, JournalError>) -> Result<T, JournalError> {
    let panicked = |_| Err(JournalError::Failed { what: "its store panicked".into() });
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(panicked)
}

impl State {
    /// The group that takes what comes in now.
    fn open_group(&mut self) -> &mut Group {
        if self.waiting.back().is_none_or(Group::is_full) {
            self.waiting.push_back(Group::default());
        }
        self.waiting.back_mut().expect("it was just looked at")
    }

    /// How many batches the next commit would take along.
    fn batches_waiting(&self) -> usize {
        self.waiting.front().map_or(0, |group| group.batches.len())
    }

    /// Whether the thread need not let more come in.
    fn has_gathered(&self) -> bool {
        self.batches_waiting() >= self.wanted || self.waiting.front().is_some_and(Group::is_full)
    }

    /// Whether the next commit is to be made now.
    fn is_due(&self) -> bool {
        let is_due = |group: &Group| group.due_in().is_some_and(|left| left.is_zero());
        let next = self.waiting.front().filter(|_| !self.is_committing);
        next.is_some_and(|group| self.is_closing || is_due(group))
    }
}

/// Whether the thread lets more come in before it commits. A commit costs as much for one batch as for many: in
/// processor time, too, which is what is short where many runs are under way. Where they wait for something
/// else it would be in vain, so one wait in vain spares the next commits theirs.
#[derive(Default)]
struct Patience {
    /// How many commits come without a wait.
    without: u32,
}

impl Patience {
    fn waits(&mut self) -> bool {
        self.without = self.without.saturating_sub(1);
        self.without == 0
    }

    fn learn(&mut self, came: bool) {
        if !came {
            self.without = TRIES_APART;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waited_in_vain_does_not_wait_again_for_a_while() {
        let mut patience = Patience::default();
        assert!(patience.waits());
        patience.learn(true);
        assert!(patience.waits());
        patience.learn(false);
        let without = (0..).take_while(|_| !patience.waits()).count();
        assert_eq!(without, TRIES_APART as usize - 1);
        patience.learn(true);
        assert!(patience.waits());
    }
}
