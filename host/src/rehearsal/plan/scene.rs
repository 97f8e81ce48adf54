//! Acts one failure out: a run in simulated time in which one step ends badly and all else is well.
//! The worst order is taken: what can be done beside the step is done before it ends, every wait is
//! as long as it can be. Never decides: the core does.

use super::way::Way;
use super::{ELEMENTS, Foreseen, Subject, reading};
use piton_core::{
    Call, Digest, Draw, End, Evaluate, EvaluationError, Event, IdempotencyKey, Input, InstanceId,
    Json, Moment, Phase, Reconciled, Run, RunId, RunStatus, StepIndex, StepKind, Timestamp,
    Waiting, advance, due,
};
use std::sync::Arc;

/// More inputs than any run of a plan takes: past it something spins.
const INPUTS_MAX: usize = 200_000;

/// A run in the acting.
pub(super) struct Scene<'a> {
    pub(super) subject: &'a Subject,
    pub(super) target: InstanceId,
    pub(super) way: Way,
    pub(super) run: Run,
    pub(super) events: Vec<Event>,
    /// Why somebody's word was refused.
    pub(super) refusal: Option<String>,
    now: Timestamp,
    has_interfered: bool,
    /// Whether the step is to be undone because it failed, rather than because of a cancel.
    fails_first: bool,
}

impl<'a> Scene<'a> {
    /// What the failure leads to; none where it cannot come about.
    pub(super) fn act(subject: &'a Subject, target: InstanceId, way: Way) -> Option<Foreseen> {
        let scene = Self::told(subject, target, way, false);
        if way != Way::UndoFails {
            return Some(reading::read(&scene));
        }
        if scene.has_undone_target() {
            return Some(reading::read(&scene));
        }
        // A pivot is never undone once it is recorded, but it is where it failed.
        let scene = Self::told(subject, target, way, true);
        scene.has_undone_target().then(|| reading::read(&scene))
    }

    fn told(subject: &'a Subject, target: InstanceId, way: Way, fails_first: bool) -> Self {
        let run = Run::new(RunId::from_bits(1), Arc::clone(&subject.pipeline));
        let (events, now) = (Vec::new(), Timestamp::from_millis(0));
        let (refusal, has_interfered) = (None, false);
        let mut scene =
            Self { subject, target, way, run, events, refusal, now, has_interfered, fails_first };
        scene.tell();
        scene
    }

    fn has_undone_target(&self) -> bool {
        self.run.find(self.target).is_some_and(|found| found.phase(Phase::Compensate).attempts > 0)
    }

    fn tell(&mut self) {
        self.take(self.start());
        for _ in 0..INPUTS_MAX {
            let Some(input) = self.next_input() else { return };
            self.take(input);
        }
        unreachable!("a run in which nothing goes wrong for ever should come to rest");
    }

    fn start(&self) -> Input {
        let digest = Digest::from_bytes([0; 32]);
        let steps = self.subject.pipeline.steps.iter();
        Input::Start {
            manifest: digest,
            folder: "/".into(),
            components: steps.map(|step| step.calls().then_some(digest)).collect(),
            input: Json::null(),
            key: None,
        }
    }

    fn take(&mut self, input: Input) {
        let evaluate = Sketch { skipped: (self.way == Way::Skipped).then_some(self.target.step) };
        let moment = Moment { evaluate: &evaluate, ..calm(self.now) };
        match advance(&mut self.run, input, moment) {
            Ok(events) => self.events.extend(events),
            Err(refusal) => self.refusal = Some(refusal.to_string()),
        }
    }

    /// What happens next; none: nothing does by itself any more.
    fn next_input(&mut self) -> Option<Input> {
        let due = due(&self.run);
        let status = self.run.status();
        if status.is_final() || (status == RunStatus::Stuck && due.calls.is_empty()) {
            return None;
        }
        let (about, beside): (Vec<Call>, Vec<Call>) =
            due.calls.into_iter().partition(|call| call.instance == self.target);
        if let Some(call) = beside.first() {
            return Some(self.ended(call, good_end(call)));
        }
        if let Some(answer) = self.answer() {
            return Some(answer);
        }
        if let Some(call) = about.first() {
            return Some(self.target_ends(call));
        }
        self.now = self.now.max(due.wake_at?);
        Some(Input::TimeReached)
    }

    fn target_ends(&mut self, call: &Call) -> Input {
        let is_interrupted = self.way == Way::Cancelled || self.way == Way::UndoFails;
        let is_first = call.phase == Phase::Execute && call.attempt == 1;
        if is_first && is_interrupted && !self.fails_first && !self.has_interfered {
            self.has_interfered = true;
            return Input::Cancel { by: "somebody".into(), keep: false };
        }
        if self.fails_first && call.phase == Phase::Execute {
            return self.ended(call, Way::Permanent.end(call));
        }
        if self.way == Way::HostLost && call.phase == Phase::Execute {
            return Input::HostRestarted;
        }
        if self.way == Way::TimedOut && call.phase == Phase::Execute {
            self.now = self.now.max(call.deadline);
        }
        self.ended(call, self.way.end(call))
    }

    fn ended(&self, call: &Call, end: End) -> Input {
        let Call { instance, phase, attempt, .. } = *call;
        let cost = self.subject.costs.get(instance.step.0 as usize);
        let usage = cost.filter(|_| phase == Phase::Execute).cloned().unwrap_or_default();
        Input::AttemptEnded { instance, phase, attempt, end, usage, log_cursor: 0 }
    }

    /// What a node that waits for somebody is told.
    fn answer(&self) -> Option<Input> {
        let pipeline = self.run.pipeline();
        let waiting = pipeline.indexes().filter(|step| self.run.waiting_until(*step).is_some());
        let (by, data) = ("somebody".to_owned(), Json::null());
        waiting.into_iter().find_map(|step| match &pipeline.step(step).kind {
            StepKind::Wait(Waiting::Signal(name)) => {
                let (data, by) = (data.clone(), by.clone());
                Some(Input::Signal { name: name.clone(), data, by })
            }
            StepKind::Wait(Waiting::Approval { .. }) => {
                Some(Input::Approve { step, output: data.clone() })
            }
            _ => None,
        })
    }
}

/// A moment in which nothing is drawn: the pipeline's waits have no jitter.
pub(super) fn calm(now: Timestamp) -> Moment<'static> {
    let evaluate = &Sketch { skipped: None };
    Moment { now, random: Draw(0), fence: 1, may_start: true, evaluate }
}

fn good_end(call: &Call) -> End {
    match call.phase {
        Phase::Execute => End::Succeeded(Some(Json::null())),
        Phase::Reconcile => End::Reconciled(Reconciled::Done(Json::null())),
        Phase::Compensate => End::Succeeded(None),
    }
}

/// Stands in for the manifest's expressions, none of which a plan evaluates.
struct Sketch {
    skipped: Option<StepIndex>,
}

impl Evaluate for Sketch {
    fn when(&self, _: &Run, step: StepIndex) -> Result<bool, EvaluationError> {
        Ok(self.skipped != Some(step))
    }

    fn input(&self, _: &Run, _: InstanceId) -> Result<(Json, Digest), EvaluationError> {
        Ok((Json::null(), Digest::from_bytes([0; 32])))
    }

    fn items(&self, run: &Run, step: StepIndex) -> Result<Vec<Json>, EvaluationError> {
        let StepKind::Map(policy) = &run.pipeline().step(step).kind else { return Ok(Vec::new()) };
        Ok((0..ELEMENTS.min(policy.items_max)).map(|_| Json::null()).collect())
    }

    /// At once: how long it is until then is not known.
    fn until(&self, run: &Run, _: StepIndex) -> Result<Timestamp, EvaluationError> {
        Ok(run.started_at())
    }

    fn output(&self, _: &Run) -> Result<Json, EvaluationError> {
        Ok(Json::null())
    }

    fn key(&self, _: RunId, _: &str, _: Phase) -> IdempotencyKey {
        IdempotencyKey::from_bits(1)
    }
}
