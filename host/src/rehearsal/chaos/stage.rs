//! The stage of one rehearsed run: strikes where its plan says so, and keeps what the world saw.
//! Stands between the run and its guests; never looks into the journal.

use super::faults::{Fault, FaultPlan};
use crate::runner::{CallGuest, Meddler};
use crate::sandbox::{BoxFuture, Call, Ended};
use piton_core::checker::WorldCall;
use piton_core::{End, FailureKind, Usage};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// What is going on.
#[derive(Default)]
pub(super) struct Stage(Mutex<Scene>);

#[derive(Default)]
struct Scene {
    /// Which run it is, counted.
    number: u64,
    plan: FaultPlan,
    struck: Vec<Fault>,
    calls: Vec<WorldCall>,
    clock: u64,
    appends: u64,
    durable: usize,
    crashes: Vec<usize>,
}

/// Whether the host dies at an append.
pub(super) enum Strike {
    None,
    Before,
    After,
}

/// What was seen of a run.
pub(super) struct Seen {
    pub(super) struck: Vec<Fault>,
    pub(super) calls: Vec<WorldCall>,
    /// How many events were durable at each death of the host.
    pub(super) crashes: Vec<usize>,
}

impl Stage {
    fn lock(&self) -> MutexGuard<'_, Scene> {
        self.0.lock().expect("no holder panics")
    }

    /// Clears the stage for a run.
    pub(super) fn set(&self, plan: FaultPlan) {
        let mut scene = self.lock();
        *scene = Scene { plan, number: scene.number + 1, ..Scene::default() };
    }

    /// What was seen since.
    pub(super) fn seen(&self) -> Seen {
        let scene = self.lock();
        let (struck, calls) = (scene.struck.clone(), scene.calls.clone());
        Seen { struck, calls, crashes: scene.crashes.clone() }
    }

    /// How often the host has died.
    pub(super) fn deaths(&self) -> usize {
        self.lock().crashes.len()
    }

    /// The host appends.
    pub(super) fn append(&self) -> Strike {
        let mut scene = self.lock();
        scene.appends += 1;
        let Some(fault) = scene.plan.at_append(scene.appends) else { return Strike::None };
        let is_durable = matches!(fault, Fault::Crash { is_durable: true, .. });
        scene.struck.push(fault);
        let durable = scene.durable;
        scene.crashes.push(durable);
        if is_durable { Strike::After } else { Strike::Before }
    }

    /// So many more events are durable.
    pub(super) fn is_durable(&self, events: usize) {
        let mut scene = self.lock();
        scene.durable += events;
        // A host that dies after an append dies with its events durable.
        let is_struck = matches!(
            scene.struck.last(),
            Some(Fault::Crash { append, is_durable: true }) if *append == scene.appends
        );
        let durable = scene.durable;
        if let Some(last) = scene.crashes.last_mut().filter(|_| is_struck) {
            *last = durable;
        }
    }

    fn begin(&self, call: &Call) -> UnderWay<'_> {
        let mut scene = self.lock();
        scene.clock += 1;
        let (began, durable, place) = (scene.clock, Some(scene.durable), scene.calls.len());
        let (step, phase, attempt, key) = (call.step.clone(), call.phase, call.attempt, call.key);
        scene.calls.push(WorldCall { step, phase, attempt, key, began, ended: None, durable });
        UnderWay { stage: self, number: scene.number, place }
    }

    fn strike(&self, call: &Call) -> Option<super::faults::Kind> {
        let mut scene = self.lock();
        let fault = scene.plan.at_call(&call.step, call.phase, call.attempt)?;
        let Fault::Call { kind, .. } = fault else { return None };
        scene.struck.push(fault);
        Some(kind)
    }
}

/// A call under way, as the world sees it: over when this goes, however it goes.
struct UnderWay<'a> {
    stage: &'a Stage,
    number: u64,
    place: usize,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut scene = self.stage.lock();
        scene.clock += 1;
        let now = scene.clock;
        // The stage may be another run's by now.
        if scene.number == self.number {
            scene.calls[self.place].ended = Some(now);
        }
    }
}

impl Meddler for Stage {
    fn meddle<'a>(&'a self, call: Call, guest: CallGuest<'a>) -> BoxFuture<'a, Ended> {
        Box::pin(async move {
            let _under_way = self.begin(&call);
            let phase = call.phase;
            let kind = self.strike(&call);
            if let Some(kind) = kind.filter(|kind| kind.is_before()) {
                return not_called(kind.end(phase));
            }
            let mut ended = guest(call).await;
            if let Some(kind) = kind {
                ended.end = kind.end(phase);
            }
            shorten_wait(&mut ended.end);
            ended
        })
    }
}

/// A guest's wish to wait is cut: a rehearsal has no time for it.
fn shorten_wait(end: &mut End) {
    if let End::Failed(failure) = end
        && let FailureKind::RetryAfter(wait) = &mut failure.kind
    {
        *wait = (*wait).min(Duration::from_millis(1));
    }
}

fn not_called(end: End) -> Ended {
    Ended {
        end,
        usage: Usage::new(),
        fuel_used: 0,
        memory_peak_bytes: 0,
        elapsed: Duration::ZERO,
        logs_cut_bytes: 0,
    }
}
