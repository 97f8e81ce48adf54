//! Gathers where the time of a process's runs goes, for whoever asked for a profile: slices of time
//! for a picture, and sums that hold also where there are too many slices to keep.
//! By the monotonic clock alone; never decides anything, and keeps nothing of what is passed.

mod attempt;
mod journal;
mod slice;
mod sums;
mod trace;

pub(super) use attempt::OpenAttempt;
pub(super) use journal::timed;
pub use sums::{HostCallKind, Share, Sums};

use super::attempt::AttemptCall;
use crate::sandbox::Notice;
use attempt::AttemptWatch;
use piton_core::{Event, InstanceId, Phase, Run, RunId, StepIndex, StepStatus};
use slice::{Nanos, Row, Slice, What};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};
use sums::Summing;

/// How many slices are kept: later ones are only counted, and go into the sums. Some 20 MB.
const SLICES_MAX: usize = 200_000;

/// Where the time of a process's runs goes.
pub struct Profile {
    began: Instant,
    kept: Mutex<Kept>,
}

/// What was gathered, once nothing more is.
pub struct Recording {
    /// The sums.
    pub sums: Sums,
    slices: Vec<Slice>,
    rows: Vec<Row>,
}

#[derive(Default)]
struct Kept {
    slices: Vec<Slice>,
    rows: BTreeMap<Row, u32>,
    sums: Summing,
    under_way: HashMap<u64, Weak<AttemptWatch>>,
    attempts: u64,
    waits: HashMap<(RunId, InstanceId), Wait>,
    is_closed: bool,
}

/// A step that waits for a moment, or for somebody.
struct Wait {
    row: Row,
    from: Nanos,
    what: What,
    phase: Phase,
}

impl Default for Profile {
    fn default() -> Self {
        Self::new()
    }
}

impl Profile {
    /// Begins to gather.
    pub fn new() -> Self {
        Self { began: Instant::now(), kept: Mutex::default() }
    }

    /// Ends what is under way at this moment, and gives what was gathered. Nothing is gathered
    /// afterwards.
    pub fn close(&self) -> Recording {
        let under_way: Vec<_> = {
            let kept = self.lock();
            kept.under_way.values().filter_map(Weak::upgrade).collect()
        };
        for attempt in under_way {
            attempt.close(None);
        }
        let now = self.now();
        let mut kept = self.lock();
        let waits: Vec<Wait> = kept.waits.drain().map(|(_, wait)| wait).collect();
        for wait in waits {
            kept.end(wait, now);
        }
        kept.is_closed = true;
        let mut rows: Vec<(Row, u32)> = std::mem::take(&mut kept.rows).into_iter().collect();
        rows.sort_by_key(|(_, number)| *number);
        Recording {
            sums: std::mem::take(&mut kept.sums).over(Duration::from_nanos(now)),
            slices: std::mem::take(&mut kept.slices),
            rows: rows.into_iter().map(|(row, _)| row).collect(),
        }
    }

    /// An attempt begins: it waits for its slot.
    pub(super) fn attempt(self: &Arc<Self>, attempt: &AttemptCall) -> OpenAttempt {
        let mut kept = self.lock();
        kept.attempts += 1;
        let number = kept.attempts;
        let watch = Arc::new(AttemptWatch::new(Arc::clone(self), number, attempt));
        kept.under_way.insert(number, Arc::downgrade(&watch));
        OpenAttempt(watch)
    }

    /// A run waits for the journal until the guard goes.
    pub(super) fn commit(&self, run: RunId) -> Timed<'_> {
        Timed { profile: self, row: Row::Commits(run), what: What::Commit, from: self.now() }
    }

    /// A manifest and its components are loaded until the guard goes.
    pub(super) fn load(&self) -> Timed<'_> {
        Timed { profile: self, row: Row::Loading, what: What::Load, from: self.now() }
    }

    /// What the sandbox tells.
    pub(super) fn notice(&self, notice: &Notice) {
        if let Notice::Compiled(digest, took) = notice {
            let to = self.now();
            let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            self.lock().push(Row::Compiler, to.saturating_sub(took), to, What::Compile(*digest));
        }
    }

    /// A run was taken up: what it waits for is waited for here from now on.
    pub(super) fn taken_up(&self, run: &Run) {
        let now = self.now();
        let mut kept = self.lock();
        for instance in run.instances() {
            if run.instance_status(instance) == StepStatus::Retrying {
                kept.begin(run, instance, now, What::Backoff(None), Phase::Execute);
            }
        }
        for step in run.pipeline().indexes() {
            if run.step_status(step) == StepStatus::Waiting {
                kept.wait(run, step, now);
            }
        }
    }

    /// These became true of a run.
    pub(super) fn recorded(&self, run: &Run, events: &[Event]) {
        let now = self.now();
        let mut kept = self.lock();
        for event in events {
            match event {
                Event::RetryScheduled { instance, attempt, phase, .. } => {
                    kept.begin(run, *instance, now, What::Backoff(Some(*attempt)), *phase);
                }
                Event::WaitStarted { step, .. } => kept.wait(run, *step, now),
                Event::AttemptStarted { instance, .. }
                | Event::StepFailed { instance, .. }
                | Event::StepStuck { instance, .. } => {
                    kept.end_of(now, |of, _| *of == (run.id(), *instance));
                }
                Event::WaitEnded { step, .. } => {
                    kept.end_of(now, |of, _| *of == (run.id(), InstanceId::of(*step)));
                }
                Event::RollbackStarted { .. } => {
                    let is_forward = |wait: &Wait| wait.phase == Phase::Execute;
                    kept.end_of(now, |of, wait| of.0 == run.id() && is_forward(wait));
                }
                Event::RunFinished { .. } => kept.end_of(now, |of, _| of.0 == run.id()),
                _ => {}
            }
        }
    }

    fn now(&self) -> Nanos {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("no holder panics")
    }
}

impl Kept {
    fn wait(&mut self, run: &Run, step: StepIndex, now: Nanos) {
        self.begin(run, InstanceId::of(step), now, What::Wait, Phase::Execute);
    }

    fn begin(&mut self, run: &Run, instance: InstanceId, from: Nanos, what: What, phase: Phase) {
        let row = Row::Step(run.id(), run.name_of(instance));
        self.waits.insert((run.id(), instance), Wait { row, from, what, phase });
    }

    fn end_of(&mut self, now: Nanos, ends: impl Fn(&(RunId, InstanceId), &Wait) -> bool) {
        if self.waits.is_empty() {
            return;
        }
        let ended: Vec<Wait> =
            self.waits.extract_if(|of, wait| ends(of, wait)).map(|(_, wait)| wait).collect();
        for wait in ended {
            self.end(wait, now);
        }
    }

    fn end(&mut self, wait: Wait, now: Nanos) {
        self.push(wait.row, wait.from, now, wait.what);
    }

    fn push(&mut self, row: Row, from: Nanos, to: Nanos, what: What) {
        self.push_all(row, vec![(from, to, what)]);
    }

    /// Keeps slices that belong together, the outermost first: all of them, or none.
    fn push_all(&mut self, row: Row, slices: Vec<(Nanos, Nanos, What)>) {
        if self.is_closed {
            return;
        }
        for (from, to, what) in &slices {
            self.sums.add(to.saturating_sub(*from), what);
        }
        if self.slices.len() + slices.len() > SLICES_MAX {
            self.sums.left_out(slices.len() as u64);
            return;
        }
        let next = self.rows.len() as u32;
        let row = *self.rows.entry(row).or_insert(next);
        self.slices.extend(slices.into_iter().map(|(from, to, what)| Slice {
            row,
            from,
            to,
            what,
        }));
    }
}

/// Something that takes time, as long as this is there.
pub(super) struct Timed<'a> {
    profile: &'a Profile,
    row: Row,
    what: What,
    from: Nanos,
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        let now = self.profile.now();
        self.profile.lock().push(self.row.clone(), self.from, now, self.what.clone());
    }
}
