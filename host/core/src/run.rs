//! The state of a run: the fold of its events, and what can be asked of it.
//! [`Run::apply`] is the only way state changes. Never decides what happens next.

mod apply;
mod budget;
mod instance;
mod signals;
mod status;
mod undo;

pub use apply::ApplyError;
pub use instance::{Instance, Knowledge, Outcome, PhaseState, Retry, UnderWay, Undo};
pub use status::{RunStatus, StepStatus};

use crate::end::Failure;
use crate::event::{Cause, StepFailure};
use crate::id::{Digest, InstanceId, Phase, RunId, StepIndex};
use crate::ledger::Ledger;
use crate::pipeline::{Pipeline, Step};
use crate::value::{Json, Timestamp};
use signals::Signals;
use std::collections::BTreeSet;
use std::sync::Arc;
use undo::UndoOrder;

/// One execution of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    id: RunId,
    pipeline: Arc<Pipeline>,
    dependents: Arc<Vec<Vec<StepIndex>>>,
    started: Option<Started>,
    steps: Vec<StepState>,
    /// Steps whose dependencies have all ended well and that have not begun.
    pub(crate) ready: BTreeSet<StepIndex>,
    /// Maps with elements that have not begun and places for them.
    pub(crate) open_maps: BTreeSet<StepIndex>,
    /// What has an attempt under way.
    pub(crate) under_way: BTreeSet<InstanceId>,
    pub(crate) timers: BTreeSet<(Timestamp, Timer)>,
    /// How many of the timers are for further attempts.
    retries: usize,
    /// Nodes that wait.
    waiting: BTreeSet<StepIndex>,
    pub(crate) stuck: BTreeSet<InstanceId>,
    pub(crate) unfinished_steps: usize,
    pub(crate) signals: Signals,
    /// What has failed so that the run is to turn back, until it does.
    pub(crate) failed: BTreeSet<InstanceId>,
    /// Pivots whose outcome is open, so that the run may go neither way.
    open_pivots: BTreeSet<InstanceId>,
    pub(crate) turn_wanted: Option<Cause>,
    pub(crate) rollback: Option<Cause>,
    pub(crate) undo: UndoOrder,
    pub(crate) pivot_passed: bool,
    pub(crate) cancel_keeping_effects: bool,
    output_failure: Option<String>,
    failure: Option<(InstanceId, Phase, StepFailure)>,
    turn_failure: Option<Failure>,
    finished: Option<Finished>,
    ledger: Ledger,
    budget: budget::BudgetState,
    next_seq: u64,
    last_at: Timestamp,
    next_start: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct Started {
    at: Timestamp,
    manifest: Digest,
    folder: String,
    components: Vec<Option<Digest>>,
    input: Json,
    key: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct Finished {
    at: Timestamp,
    status: RunStatus,
    output: Option<Json>,
}

/// What wakes a run at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A further attempt is due.
    Retry(InstanceId),
    /// A waiting node ends.
    Wait(StepIndex),
    /// The run is over time.
    Deadline,
}

/// The state of a step: of its one instance, or of a map and its elements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepState {
    /// The step itself; of a map, what holds for the whole.
    pub(crate) whole: Instance,
    pub(crate) map: Option<MapState>,
    /// Dependencies that have not ended well.
    pub(crate) unmet: u32,
    /// Set while a waiting node waits.
    pub(crate) waiting: Option<WaitingState>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WaitingState {
    pub(crate) until: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct MapState {
    pub(crate) elements: Vec<Instance>,
    /// The first element that has not begun.
    pub(crate) next: u32,
    /// Elements that have begun and not ended.
    pub(crate) active: u32,
    pub(crate) failed: u32,
    /// Tolerated elements whose undo has no outcome yet.
    pub(crate) undoing: u32,
}

impl Run {
    /// A run of `pipeline` to which nothing has happened yet.
    pub fn new(id: RunId, pipeline: Arc<Pipeline>) -> Self {
        let dependents = Arc::new(pipeline.dependents());
        let steps: Vec<StepState> = pipeline
            .steps
            .iter()
            .map(|step| StepState {
                whole: Instance::default(),
                map: None,
                unmet: u32::try_from(step.after.len()).expect("edges should fit in 32 bits"),
                waiting: None,
            })
            .collect();
        Self {
            id,
            dependents,
            started: None,
            ready: BTreeSet::new(),
            open_maps: BTreeSet::new(),
            under_way: BTreeSet::new(),
            timers: BTreeSet::new(),
            retries: 0,
            waiting: BTreeSet::new(),
            stuck: BTreeSet::new(),
            unfinished_steps: steps.len(),
            steps,
            signals: Signals::default(),
            failed: BTreeSet::new(),
            open_pivots: BTreeSet::new(),
            turn_wanted: None,
            rollback: None,
            undo: UndoOrder::default(),
            pivot_passed: false,
            cancel_keeping_effects: false,
            output_failure: None,
            failure: None,
            turn_failure: None,
            finished: None,
            ledger: Ledger::default(),
            budget: budget::BudgetState::default(),
            next_seq: 0,
            last_at: Timestamp::default(),
            next_start: 0,
            pipeline,
        }
    }

    /// The run's id.
    pub fn id(&self) -> RunId {
        self.id
    }

    /// What it runs.
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// Whether its first event is there.
    pub fn is_started(&self) -> bool {
        self.started.is_some()
    }

    /// How many events it has: the sequence number of the next.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// When its first event was recorded.
    pub fn started_at(&self) -> Timestamp {
        self.begun().at
    }

    /// When its newest event was recorded.
    pub fn updated_at(&self) -> Timestamp {
        self.last_at
    }

    /// When its last event was recorded, once it is over.
    pub fn finished_at(&self) -> Option<Timestamp> {
        self.finished.as_ref().map(|finished| finished.at)
    }

    /// Its input.
    pub fn input(&self) -> &Json {
        &self.begun().input
    }

    /// The user's key, if the run was started with one.
    pub fn user_key(&self) -> Option<&str> {
        self.begun().key.as_deref()
    }

    /// The digest of its manifest's text.
    pub fn manifest(&self) -> Digest {
        self.begun().manifest
    }

    /// The folder that the manifest's relative paths are relative to.
    pub fn folder(&self) -> &str {
        &self.begun().folder
    }

    /// The component that the run began with for this step; none for waiting nodes.
    pub fn component(&self, step: StepIndex) -> Option<Digest> {
        self.begun().components[step.0 as usize]
    }

    /// Its output, once it completed.
    pub fn output(&self) -> Option<&Json> {
        self.finished.as_ref().and_then(|finished| finished.output.as_ref())
    }

    /// What it has spent.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Why it turned back, or what it is stuck at.
    pub fn failure(&self) -> Option<&(InstanceId, Phase, StepFailure)> {
        self.failure.as_ref()
    }

    /// Why its `[output]` could not be evaluated, if so.
    pub fn output_failure(&self) -> Option<&str> {
        self.output_failure.as_deref()
    }

    /// Why it turned back, once it did.
    pub fn cause(&self) -> Option<&Cause> {
        self.rollback.as_ref()
    }

    /// Whether it is over and turned back, so that nothing of it was kept.
    pub fn is_undone(&self) -> bool {
        self.is_finished() && self.rollback.is_some()
    }

    /// Why it is to turn back once a pivot's outcome is known, if so.
    pub fn turn_wanted_cause(&self) -> Option<&Cause> {
        self.turn_wanted.as_ref()
    }

    /// The failure that made it turn back, as compensations are told; none where a person did.
    pub fn turn_failure(&self) -> Option<&Failure> {
        self.turn_failure.as_ref()
    }

    /// Whether a pivot's result is recorded, so that the run only goes forward.
    pub fn is_past_pivot(&self) -> bool {
        self.pivot_passed
    }

    /// The moment at which it is over time, if its pipeline has a deadline.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.pipeline.deadline_from(self.started_at())
    }

    /// The recorded output of a step; none where there is none, or where it was skipped.
    pub fn output_of(&self, step: StepIndex) -> Option<&Json> {
        self.step_state(step).whole.output.as_ref()
    }

    /// The item of an element of a map.
    pub fn item_of(&self, instance: InstanceId) -> Option<&Json> {
        self.find(instance).and_then(|found| found.item.as_ref())
    }

    /// The state of an instance.
    ///
    /// # Panics
    /// Where the run has no such instance: a bug.
    pub fn instance(&self, instance: InstanceId) -> &Instance {
        self.find(instance).expect("an instance should be of its run")
    }

    /// The state of an instance, if the run has it.
    pub fn find(&self, instance: InstanceId) -> Option<&Instance> {
        let state = self.steps.get(instance.step.0 as usize)?;
        match instance.element {
            None => Some(&state.whole),
            Some(element) => state.map.as_ref()?.elements.get(element as usize),
        }
    }

    /// How many elements a map has, once it began.
    pub fn elements_of(&self, step: StepIndex) -> Option<u32> {
        let map = self.step_state(step).map.as_ref()?;
        Some(u32::try_from(map.elements.len()).expect("elements should be counted in 32 bits"))
    }

    /// All that can be called in a step: the step, or its map's elements.
    pub fn instances_of(&self, step: StepIndex) -> Vec<InstanceId> {
        match self.elements_of(step) {
            None => vec![InstanceId::of(step)],
            Some(count) => (0..count).map(|n| InstanceId::element(step, n)).collect(),
        }
    }

    /// All that can be called in the run, in the order of the manifest.
    pub fn instances(&self) -> Vec<InstanceId> {
        self.pipeline.indexes().flat_map(|step| self.instances_of(step)).collect()
    }

    /// The instance's name: `charge`, or `summarise[3]` for an element.
    pub fn name_of(&self, instance: InstanceId) -> String {
        let name = &self.pipeline.step(instance.step).name;
        match instance.element {
            None => name.clone(),
            Some(element) => format!("{name}[{element}]"),
        }
    }

    /// What is stuck, in the order of the manifest.
    pub fn stuck_instances(&self) -> impl Iterator<Item = InstanceId> + '_ {
        self.stuck.iter().copied()
    }

    /// When the run next has something to do by itself.
    ///
    /// Timers that are held are left out: whoever sleeps until then must find something to do.
    pub fn next_timer(&self) -> Option<Timestamp> {
        if self.cancel_keeping_effects {
            return None;
        }
        self.timers.iter().find(|(_, timer)| !self.is_held(*timer)).map(|(at, _)| *at)
    }

    /// Whether nothing follows from this timer for now, because the run is about to turn or to
    /// end, or its budget is used up.
    pub(crate) fn is_held(&self, timer: Timer) -> bool {
        if self.cancel_keeping_effects || self.is_finished() {
            return true;
        }
        match timer {
            Timer::Retry(instance) if self.is_out_of_budget() => {
                let retry = self.instance(instance).retry.as_ref();
                retry.is_some_and(|retry| retry.phase == Phase::Execute)
            }
            _ if self.turn_wanted.is_none() => false,
            // Only what may settle the pivot's outcome goes on, and undoing.
            Timer::Retry(instance) => {
                !self.step_of(instance).pivot && !self.undo.is_active(instance)
            }
            Timer::Wait(_) | Timer::Deadline => true,
        }
    }

    /// Until when a waiting node waits; the inner none: until somebody answers.
    pub fn waiting_until(&self, step: StepIndex) -> Option<Option<Timestamp>> {
        self.step_state(step).waiting.as_ref().map(|waiting| waiting.until)
    }

    /// Whether the instance may have had an effect that its run must answer for.
    pub fn is_owed_an_undo(&self, instance: InstanceId) -> bool {
        let step = self.pipeline.step(instance.step);
        step.calls_as(instance) && step.may_owe_an_undo() && {
            self.instance(instance).may_have_had_an_effect()
        }
    }

    pub(crate) fn step_of(&self, instance: InstanceId) -> &Step {
        self.pipeline.step(instance.step)
    }

    pub(crate) fn step_state(&self, step: StepIndex) -> &StepState {
        &self.steps[step.0 as usize]
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished.is_some()
    }

    /// Whether a pivot's outcome is open, so that the run may go neither way.
    pub(crate) fn is_pivot_undecided(&self) -> bool {
        !self.open_pivots.is_empty()
    }

    fn is_open_pivot(&self, instance: InstanceId) -> bool {
        let found = self.instance(instance);
        let is_open = found.under_way.is_some() || (found.is_cut_off() && found.undo.is_none());
        self.step_of(instance).pivot && is_open
    }

    fn begun(&self) -> &Started {
        self.started.as_ref().expect("a run should be asked only once it has started")
    }
}
