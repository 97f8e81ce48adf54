//! Going forward: what begins, and when a map or a wait is over.
//! Never says what follows from a failed attempt: that is `outcome`'s.

use super::Deciding;
use crate::event::{Event, Limit, StepFailure};
use crate::id::{InstanceId, Phase, StepIndex};
use crate::pipeline::{StepKind, Waiting};
use crate::run::Outcome;
use crate::value::Json;

impl Deciding<'_> {
    pub(super) fn go_forward(&mut self) {
        let goes_forward = self.run.rollback.is_none()
            && self.run.turn_wanted.is_none()
            && !self.run.cancel_keeping_effects
            && !self.run.is_finished();
        if !goes_forward {
            return;
        }
        self.take_signals();
        if !self.moment.may_start {
            return;
        }
        let ready: Vec<StepIndex> = self.run.ready.iter().copied().collect();
        for step in ready {
            // An earlier one of these may have failed and turned the run.
            if self.run.ready.contains(&step) && self.run.turn_wanted.is_none() {
                self.begin(step);
            }
        }
        let maps: Vec<StepIndex> = self.run.open_maps.iter().copied().collect();
        for map in maps {
            self.begin_elements(map);
        }
    }

    fn begin(&mut self, step: StepIndex) {
        if self.run.pipeline().step(step).has_when {
            match self.moment.evaluate.when(self.run, step) {
                Ok(true) => {}
                Ok(false) => return self.emit(Event::StepSkipped { step }),
                Err(error) => return self.has_no_value(step, error.message),
            }
        }
        match self.run.pipeline().step(step).kind.clone() {
            StepKind::Call if !self.may_spend() => {}
            StepKind::Call => self.start_attempt(InstanceId::of(step), Phase::Execute),
            StepKind::Map(_) => match self.moment.evaluate.items(self.run, step) {
                Ok(items) => {
                    self.emit(Event::MapStarted { step, items });
                    self.end_map_if_done(step);
                }
                Err(error) => self.has_no_value(step, error.message),
            },
            StepKind::Wait(waiting) => self.begin_waiting(step, &waiting),
        }
    }

    fn has_no_value(&mut self, step: StepIndex, message: String) {
        let failure = StepFailure {
            end: "not-started".into(),
            code: Limit::Expression.word().into(),
            message,
            limit: Limit::Expression,
        };
        self.fail_forward(InstanceId::of(step), failure);
    }

    fn begin_elements(&mut self, step: StepIndex) {
        // An element whose input has no value fails at once, which may turn the run.
        while self.run.open_maps.contains(&step)
            && self.run.turn_wanted.is_none()
            && self.may_spend()
        {
            let Some(map) = &self.run.step_state(step).map else { return };
            self.start_attempt(InstanceId::element(step, map.next), Phase::Execute);
        }
    }

    /// Records the result of a map whose elements have all ended, and been undone where they
    /// failed within its tolerance.
    pub(super) fn end_map_if_done(&mut self, step: StepIndex) {
        let state = self.run.step_state(step);
        let Some(map) = &state.map else { return };
        let is_open = state.whole.outcome.is_none() && self.run.rollback.is_none();
        let has_begun_all = map.next as usize == map.elements.len();
        // Those that pause for a person are still active; a tolerated failure may be being undone.
        if !is_open || !has_begun_all || map.active > 0 || map.undoing > 0 {
            return;
        }
        let outputs: Vec<&str> = map
            .elements
            .iter()
            .map(|element| match (element.outcome, &element.output) {
                (Some(Outcome::Succeeded), Some(output)) => output.as_str(),
                _ => "null",
            })
            .collect();
        let output = Json::from_checked(format!("[{}]", outputs.join(",")));
        self.emit(Event::MapEnded { step, output });
    }

    fn begin_waiting(&mut self, step: StepIndex, waiting: &Waiting) {
        let now = self.moment.now;
        let until = match waiting {
            Waiting::For(span) => Some(now.after(*span)),
            Waiting::Until => match self.moment.evaluate.until(self.run, step) {
                Ok(until) => Some(until),
                Err(error) => return self.has_no_value(step, error.message),
            },
            Waiting::Signal(_) => None,
            Waiting::Approval { due, .. } => due.map(|due| now.after(due)),
        };
        self.emit(Event::WaitStarted { step, until });
    }

    /// Gives each waiting signal node the oldest signal of its name.
    fn take_signals(&mut self) {
        while let Some((step, data)) = self.run.signals.next_match() {
            let output = data.clone();
            self.emit(Event::WaitEnded { step, output });
        }
    }

    pub(super) fn wait_is_over(&mut self, step: StepIndex) {
        let is_waiting = self.run.waiting_until(step).is_some();
        if !is_waiting {
            return;
        }
        match &self.run.pipeline().step(step).kind {
            StepKind::Wait(Waiting::Approval { from, .. }) => {
                let message = format!("nobody answered in time; `{from}` was asked");
                self.not_approved(step, message);
            }
            _ => self.emit(Event::WaitEnded { step, output: Json::null() }),
        }
    }

    pub(super) fn not_approved(&mut self, step: StepIndex, message: String) {
        let failure = StepFailure {
            end: "refused".into(),
            code: Limit::NotApproved.word().into(),
            message,
            limit: Limit::NotApproved,
        };
        self.fail_forward(InstanceId::of(step), failure);
    }
}
