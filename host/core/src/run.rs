//! The state of a run: the fold of its events, and what can be asked of it.
//! [`Run::apply`] is the only way state changes. Never decides what happens next.

mod apply;
mod signals;
mod undo;

pub use apply::ApplyError;

use crate::end::{End, Failure, FailureKind, HostEnd};
use crate::event::{Cause, StepFailure};
use crate::id::{Digest, IdempotencyKey, InstanceId, Phase, RunId, StepIndex};
use crate::ledger::{Ledger, Usage};
use crate::pipeline::{Effect, Pipeline, RuleVerdict, Step};
use crate::value::{Json, Timestamp};
use signals::Signals;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
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

/// One thing that is called: a step or an element of a map.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Instance {
    /// What is called right now.
    pub under_way: Option<UnderWay>,
    /// A further call, and when it is due.
    pub retry: Option<Retry>,
    /// What is known about the effect of `execute`.
    pub knowledge: Knowledge,
    /// How the step ended going forward.
    pub outcome: Option<Outcome>,
    /// Its output, where one was recorded.
    pub output: Option<Json>,
    /// Why it failed, or why it is stuck.
    pub failure: Option<StepFailure>,
    /// In which phase it needs a person.
    pub stuck: Option<Phase>,
    /// How its undo ended.
    pub undo: Option<Undo>,
    /// What it remembered, by key.
    pub memos: BTreeMap<String, String>,
    /// What its attempts have spent.
    pub ledger: Ledger,
    /// Its item, where it is an element of a map.
    pub item: Option<Json>,
    phases: [PhaseState; 3],
    /// Its place in the order of first starts, for ties in the order of undoing.
    pub(crate) start_order: Option<u64>,
    pub(crate) input_hash: Option<Digest>,
    pub(crate) last_end: Option<End>,
    /// What the attempt under way has reported durably.
    attempt_usage: Usage,
    /// What the last `execute` that was not recorded had cost, should `reconcile` still find it.
    lost_usage: Usage,
    pub(crate) last_started_at: Option<Timestamp>,
}

/// A call under way.
#[derive(Debug, Clone, PartialEq)]
pub struct UnderWay {
    /// Which function.
    pub phase: Phase,
    /// 1-based within the phase.
    pub attempt: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// When the host ends it.
    pub deadline: Timestamp,
    /// The phase's idempotency key.
    pub key: IdempotencyKey,
}

/// A further call, not before its due time.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Which function.
    pub phase: Phase,
    /// The number the attempt will have.
    pub attempt: u32,
    /// When.
    pub due: Timestamp,
    /// How long that is from when it was decided.
    pub delay: Duration,
}

/// The counts of one phase that the limits of its retry policy are about.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PhaseState {
    /// Attempts started, lost ones included.
    pub attempts: u32,
    /// Of these, those that count against `attempts` of the policy.
    pub counted: u32,
    /// Those that ended as `retry-after`.
    pub throttled: u32,
    /// How many were lost with their host, in a row up to the last.
    pub lost_in_a_row: u32,
    /// Those that ended in a trap or at a limit of the guest.
    pub faults: u32,
    /// Those whose output was invalid.
    pub invalid_outputs: u32,
    /// When the first of those that count started.
    pub first_started_at: Option<Timestamp>,
    /// When the very first started.
    pub key_first_used_at: Option<Timestamp>,
    /// The wait before the last.
    pub previous_delay: Option<Duration>,
    /// The phase's idempotency key.
    pub key: Option<IdempotencyKey>,
}

/// What is known about the effect of a step's `execute`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Knowledge {
    /// It never started.
    #[default]
    Untouched,
    /// It has had no effect: the guest said so, or `reconcile`, or a person.
    Clean,
    /// It failed, and may have had an effect.
    Perhaps,
    /// An attempt was cut off: whether it had its effect can still be asked.
    Unknown,
    /// It was asked, and cannot be known.
    Unknowable,
    /// It happened, and its output is recorded.
    Done,
}

/// How a step ended going forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its result is recorded.
    Succeeded,
    /// Its `when` was false.
    Skipped,
    /// It failed, and the run turns back.
    Failed,
    /// It failed, and the run goes on with a null.
    FailedOnwards,
    /// The element failed within its map's tolerance.
    Tolerated,
}

/// How the undo of a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// `compensate` succeeded.
    Compensated,
    /// There was nothing to undo.
    NotNeeded,
    /// A person undid it.
    Settled,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunStatus {
    /// It goes forward.
    Running,
    /// It waits for a moment, a signal or an approval, and for nothing else.
    Waiting,
    /// It undoes what it did.
    RollingBack,
    /// All steps ended well.
    Completed,
    /// It turned back, and everything owed an undo has its outcome.
    RolledBack,
    /// It was cancelled, and everything owed an undo has its outcome, or its effects were kept.
    Cancelled,
    /// It needs a person.
    Stuck,
}

impl RunStatus {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Running,
        Self::Waiting,
        Self::RollingBack,
        Self::Completed,
        Self::RolledBack,
        Self::Cancelled,
        Self::Stuck,
    ];

    /// The word for it in the journal and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::RollingBack => "rolling-back",
            Self::Completed => "completed",
            Self::RolledBack => "rolled-back",
            Self::Cancelled => "cancelled",
            Self::Stuck => "stuck",
        }
    }

    /// Whether nothing can happen to the run any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::RolledBack | Self::Cancelled)
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepStatus {
    /// It has not begun.
    Pending,
    /// An attempt is under way.
    Running,
    /// It waits for a moment, a signal or an approval.
    Waiting,
    /// A further attempt is due later.
    Retrying,
    /// Its result is recorded.
    Succeeded,
    /// It failed.
    Failed,
    /// Its `when` was false.
    Skipped,
    /// It is being undone.
    Compensating,
    /// It was undone.
    Compensated,
    /// It needs a person.
    Stuck,
}

impl StepStatus {
    /// The word for it on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Retrying => "retrying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Compensating => "compensating",
            Self::Compensated => "compensated",
            Self::Stuck => "stuck",
        }
    }
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

    /// Whether nothing follows from this timer for now, because the run is about to turn or to end.
    pub(crate) fn is_held(&self, timer: Timer) -> bool {
        if self.cancel_keeping_effects || self.is_finished() {
            return true;
        }
        match timer {
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

    /// What may have had an effect that was not undone, in the order of the pipeline.
    pub fn effects_that_stay(&self) -> Vec<InstanceId> {
        let stays = |instance: &InstanceId| {
            let found = self.instance(*instance);
            let step = self.step_of(*instance);
            let may_have = step.calls_as(*instance) && step.effect != Effect::None;
            may_have && found.may_have_had_an_effect() && found.undo.is_none()
        };
        self.instances().into_iter().filter(stays).collect()
    }

    /// Where the run stands.
    pub fn status(&self) -> RunStatus {
        if let Some(finished) = &self.finished {
            return finished.status;
        }
        let goes_on = !self.under_way.is_empty() || self.has_retry_ahead() || !self.undo.is_idle();
        if self.rollback.is_some() {
            let is_stuck = !goes_on && !self.stuck.is_empty();
            return if is_stuck { RunStatus::Stuck } else { RunStatus::RollingBack };
        }
        let begins = self.turn_wanted.is_none()
            && !self.cancel_keeping_effects
            && !(self.ready.is_empty() && self.open_maps.is_empty());
        if goes_on || begins {
            RunStatus::Running
        } else if !self.stuck.is_empty() || self.output_failure.is_some() {
            RunStatus::Stuck
        } else if !self.waiting.is_empty() {
            RunStatus::Waiting
        } else {
            RunStatus::Running
        }
    }

    fn has_retry_ahead(&self) -> bool {
        if self.turn_wanted.is_none() {
            return self.retries > 0;
        }
        let mut timers = self.timers.iter();
        timers.any(|(_, timer)| matches!(timer, Timer::Retry(_)) && !self.is_held(*timer))
    }

    /// Where a step stands; of a map, where the whole stands.
    pub fn step_status(&self, step: StepIndex) -> StepStatus {
        let state = self.step_state(step);
        let Some(map) = &state.map else {
            if state.waiting.is_some() && self.rollback.is_none() && self.finished.is_none() {
                return StepStatus::Waiting;
            }
            return self.instance_status(InstanceId::of(step));
        };
        let statuses: Vec<StepStatus> = (0..map.elements.len())
            .map(|n| self.instance_status(InstanceId::element(step, n as u32)))
            .collect();
        let any = |wanted: StepStatus| statuses.contains(&wanted);
        for first in [StepStatus::Stuck, StepStatus::Compensating, StepStatus::Running] {
            if any(first) {
                return first;
            }
        }
        let has_turned = self.rollback.is_some();
        if has_turned && any(StepStatus::Compensated) && !any(StepStatus::Succeeded) {
            return StepStatus::Compensated;
        }
        match state.whole.outcome {
            Some(Outcome::Succeeded) => StepStatus::Succeeded,
            // Cut off or dropped when the run turned back or ended.
            _ if has_turned || self.is_finished() => StepStatus::Failed,
            _ if any(StepStatus::Retrying) => StepStatus::Retrying,
            _ => StepStatus::Running,
        }
    }

    /// Where one instance stands.
    pub fn instance_status(&self, instance: InstanceId) -> StepStatus {
        let found = self.instance(instance);
        if found.stuck.is_some() {
            return StepStatus::Stuck;
        }
        let is_undoing = self.undo.is_active(instance);
        if is_undoing || self.undo.is_ready(instance, found.start_order) {
            return StepStatus::Compensating;
        }
        if found.under_way.is_some() {
            return StepStatus::Running;
        }
        if found.retry.is_some() && !self.is_finished() {
            return StepStatus::Retrying;
        }
        let was_undone = matches!(found.undo, Some(Undo::Compensated | Undo::Settled));
        match found.outcome {
            Some(Outcome::Succeeded) if was_undone => StepStatus::Compensated,
            Some(Outcome::Succeeded) => StepStatus::Succeeded,
            Some(Outcome::Skipped) => StepStatus::Skipped,
            Some(_) => StepStatus::Failed,
            None if was_undone => StepStatus::Compensated,
            // Cut off or dropped when the run turned back.
            None if found.has_started() => StepStatus::Failed,
            None => StepStatus::Pending,
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

impl Instance {
    /// The counts of a phase.
    pub fn phase(&self, phase: Phase) -> &PhaseState {
        &self.phases[phase as usize]
    }

    /// Whether `execute` was ever started.
    pub fn has_started(&self) -> bool {
        self.phase(Phase::Execute).attempts > 0
    }

    /// How the last attempt ended.
    pub fn last_end(&self) -> Option<&End> {
        self.last_end.as_ref()
    }

    /// Whether what is known leaves room for an effect.
    pub fn may_have_had_an_effect(&self) -> bool {
        !matches!(self.knowledge, Knowledge::Untouched | Knowledge::Clean)
    }

    /// Whether an attempt's outcome is unknown, and may stay so.
    pub(crate) fn is_cut_off(&self) -> bool {
        matches!(self.knowledge, Knowledge::Unknown | Knowledge::Unknowable)
    }

    fn phase_mut(&mut self, phase: Phase) -> &mut PhaseState {
        &mut self.phases[phase as usize]
    }
}

/// What the end of an `execute` says about its effect, given what was known before.
fn knowledge_after(before: Knowledge, end: &End, step: &Step) -> Knowledge {
    let is_unknown = match end {
        End::Succeeded(_) => return Knowledge::Done,
        End::Reconciled(_) => return before,
        End::Failed(failure) => {
            let (_, verdict, _) = step.retry.for_code(&failure.code);
            let is_unknown =
                failure.kind == FailureKind::Unknown || verdict == Some(RuleVerdict::Unknown);
            // Who cannot know, or is not believed, cannot be clean.
            if failure.clean && !is_unknown {
                return Knowledge::Clean;
            }
            is_unknown
        }
        End::Host(host_end, _) => *host_end != HostEnd::Denied,
    };
    // A step that only computes has nothing to ask about.
    if is_unknown && step.effect != Effect::None {
        Knowledge::Unknown
    } else {
        before.max(Knowledge::Perhaps)
    }
}
