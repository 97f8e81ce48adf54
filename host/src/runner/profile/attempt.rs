//! One attempt's time: its stages, and in its guest who had it, the guest, the host or nobody.
//! A guest that asks the host without end costs sums, not memory.

use super::slice::{AttemptNote, Nanos, Row, Split, What};
use super::{HostCallKind, Profile};
use crate::runner::attempt::AttemptCall;
use crate::sandbox::{Ended, HostCall, Stage, Stopwatch};
use std::sync::{Arc, Mutex, MutexGuard};

/// How many host calls of one attempt have slices of their own.
const CALLS_MAX: usize = 1_000;

/// What is told of a host call that has no slice.
const WITHOUT_SLICE: u64 = u64::MAX;

/// An attempt under way. Where it is dropped, the attempt was.
pub(in crate::runner) struct OpenAttempt(pub(super) Arc<AttemptWatch>);

impl OpenAttempt {
    pub(in crate::runner) fn stopwatch(&self) -> Arc<dyn Stopwatch> {
        Arc::clone(&self.0) as Arc<dyn Stopwatch>
    }

    /// It ended so.
    pub(in crate::runner) fn ends(self, ended: &Ended) {
        self.0.close(Some(ended));
    }
}

impl Drop for OpenAttempt {
    fn drop(&mut self) {
        self.0.close(None);
    }
}

pub(super) struct AttemptWatch {
    profile: Arc<Profile>,
    number: u64,
    row: Row,
    note: AttemptNote,
    state: Mutex<State>,
}

struct State {
    began: Nanos,
    /// When its stages were reached, in their order.
    reached: [Option<Nanos>; 3],
    now: Doing,
    /// Since when it is so.
    since: Nanos,
    split: Split,
    calls: Vec<CallSlice>,
    calls_left_out: u64,
    is_closed: bool,
}

/// What goes on in a guest's call.
#[derive(Default)]
struct Doing {
    is_computing: bool,
    /// What the guest waits for, and cannot go on without.
    answer: Option<HostCallKind>,
    requests: u32,
}

struct CallSlice {
    what: HostCall,
    from: Nanos,
    to: Option<Nanos>,
    status: Option<u16>,
}

impl AttemptWatch {
    pub(super) fn new(profile: Arc<Profile>, number: u64, attempt: &AttemptCall) -> Self {
        let call = &attempt.call;
        let note = AttemptNote {
            phase: call.phase,
            attempt: call.attempt,
            key: call.key,
            end: None,
            fuel: 0,
            memory_peak_bytes: 0,
            calls_left_out: 0,
        };
        let began = profile.now();
        let state = State {
            began,
            reached: [None; 3],
            now: Doing::default(),
            since: began,
            split: Split::default(),
            calls: Vec::new(),
            calls_left_out: 0,
            is_closed: false,
        };
        let row = Row::Step(attempt.run, attempt.name.clone());
        Self { profile, number, row, note, state: Mutex::new(state) }
    }

    /// Hands its slices in, once. Without an end, it was dropped.
    pub(super) fn close(&self, ended: Option<&Ended>) {
        let (mut state, now) = self.lock();
        state.count_until(now);
        if std::mem::replace(&mut state.is_closed, true) {
            return;
        }
        let mut note = self.note.clone();
        if let Some(ended) = ended {
            note.end = Some(ended.end.word());
            note.fuel = ended.fuel_used;
            note.memory_peak_bytes = ended.memory_peak_bytes;
        }
        let slices = state.slices(now, note);
        drop(state);
        let mut kept = self.profile.lock();
        kept.under_way.remove(&self.number);
        kept.push_all(self.row.clone(), slices);
    }

    /// The state, and the time: taken with the lock, so that it never runs backwards.
    fn lock(&self) -> (MutexGuard<'_, State>, Nanos) {
        let state = self.state.lock().expect("no holder panics");
        let now = self.profile.now();
        (state, now)
    }
}

impl Stopwatch for AttemptWatch {
    fn enters(&self, stage: Stage) {
        let (mut state, now) = self.lock();
        if stage == Stage::Over {
            state.count_until(now);
        }
        let nth = stage as usize;
        // What is past stays as it is.
        if state.reached[nth..].iter().all(Option::is_none) {
            state.reached[nth] = Some(now);
        }
        if stage == Stage::InGuest {
            state.since = now;
        }
    }

    fn computes(&self, begins: bool) {
        let (mut state, now) = self.lock();
        state.count_until(now);
        state.now.is_computing = begins;
    }

    fn asked(&self, what: HostCall) -> u64 {
        let (mut state, now) = self.lock();
        if !state.is_in_guest() {
            return WITHOUT_SLICE;
        }
        state.count_until(now);
        state.split.counts[HostCallKind::of(what) as usize] += 1;
        match what {
            HostCall::Http => state.now.requests += 1,
            blocking => state.now.answer = Some(HostCallKind::of(blocking)),
        }
        if state.calls.len() == CALLS_MAX {
            state.calls_left_out += 1;
            return WITHOUT_SLICE;
        }
        state.calls.push(CallSlice { what, from: now, to: None, status: None });
        state.calls.len() as u64 - 1
    }

    fn answered(&self, what: HostCall, asked: u64, status: Option<u16>) {
        let (mut state, now) = self.lock();
        // A request may be given up a moment after its guest.
        if !state.is_in_guest() {
            return;
        }
        state.count_until(now);
        match what {
            HostCall::Http => state.now.requests = state.now.requests.saturating_sub(1),
            _ => state.now.answer = None,
        }
        let call = usize::try_from(asked).ok().and_then(|nth| state.calls.get_mut(nth));
        if let Some(call) = call {
            (call.to, call.status) = (Some(now), status);
        }
    }
}

impl State {
    fn is_in_guest(&self) -> bool {
        let [_, in_guest, over] = self.reached;
        !self.is_closed && in_guest.is_some() && over.is_none()
    }

    /// Counts the time since the last change to whoever had it.
    fn count_until(&mut self, now: Nanos) {
        if !self.is_in_guest() {
            return;
        }
        let took = now.saturating_sub(self.since);
        self.since = now;
        let Split { computing, waiting, calls, .. } = &mut self.split;
        let whose = match &self.now {
            Doing { answer: Some(kind), .. } => &mut calls[*kind as usize],
            Doing { is_computing: true, .. } => computing,
            Doing { requests: 1.., .. } => &mut calls[HostCallKind::Http as usize],
            Doing { .. } => waiting,
        };
        *whose += took;
    }

    /// The attempt as slices, the outermost first.
    fn slices(&mut self, now: Nanos, note: AttemptNote) -> Vec<(Nanos, Nanos, What)> {
        let [instantiating, in_guest, over] = self.reached;
        let end = over.unwrap_or(now);
        let note = AttemptNote { calls_left_out: self.calls_left_out, ..note };
        let mut slices = vec![(self.began, now, What::Attempt(Box::new(note)))];
        slices.push((self.began, instantiating.unwrap_or(now), What::Queue));
        if let Some(from) = instantiating {
            slices.push((from, in_guest.unwrap_or(end), What::Instantiate));
        }
        if let Some(from) = in_guest {
            slices.push((from, end, What::Guest(Box::new(self.split))));
        }
        for call in self.calls.drain(..) {
            let what = What::Call(call.what, call.status);
            slices.push((call.from, call.to.unwrap_or(end), what));
        }
        slices
    }
}
