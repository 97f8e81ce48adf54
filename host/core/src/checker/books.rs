//! The checker's books: what the journal has said about each instance so far.
//! Never refuses an event: what breaks a rule is written down, and the books go on.

use super::{Rule, Violation};
use crate::end::{End, FailureKind, HostEnd};
use crate::event::{Cause, Event};
use crate::id::{IdempotencyKey, InstanceId, Phase, StepIndex};
use crate::ledger::Usage;
use crate::pipeline::{Effect, OnCompensationFailure, Pipeline, RuleVerdict, Step};
use crate::value::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What the journal says about a run.
pub(super) struct Books<'a> {
    pub(super) pipeline: &'a Pipeline,
    dependents: Vec<Vec<StepIndex>>,
    pages: BTreeMap<InstanceId, Page>,
    /// For each step, whether it has ended in a way that lets what comes after it begin.
    pub(super) ended_well: Vec<bool>,
    /// For each step, how many of its instances keep those before it from being undone.
    open: Vec<u32>,
    /// Steps that are found undone, with all that depends on them.
    clear: Vec<bool>,
    keys: BTreeMap<IdempotencyKey, (InstanceId, Phase)>,
    pub(super) seq: usize,
    pub(super) has_started: bool,
    pub(super) turned: Option<Cause>,
    pub(super) pivot_recorded: bool,
    pub(super) keeps_effects: bool,
    pub(super) finished: bool,
    pub(super) spent: Usage,
    pub(super) money: Money,
    pub(super) violations: Vec<Violation>,
}

/// What the journal says about the budget.
#[derive(Default)]
pub(super) struct Money {
    /// What was spent since it was last renewed.
    pub(super) spent: Usage,
    pub(super) warned: BTreeSet<String>,
    pub(super) is_used_up: bool,
    /// Whether the run is to turn back once a pivot's outcome is known.
    pub(super) is_turn_wanted: bool,
}

/// What the journal says about one instance.
#[derive(Default, Clone)]
pub(super) struct Page {
    pub(super) under_way: Option<(Phase, u32)>,
    pub(super) attempts: [u32; 3],
    pub(super) keys: [Option<IdempotencyKey>; 3],
    /// The further attempt that is recorded as due.
    pub(super) retry: Option<(Phase, u32, Timestamp)>,
    /// The highest attempt of each phase whose due time was decided.
    pub(super) scheduled: [u32; 3],
    pub(super) effect: Known,
    pub(super) is_recorded: bool,
    pub(super) has_ended: bool,
    pub(super) is_tolerated: bool,
    pub(super) outcomes: u32,
    pub(super) is_stuck: bool,
    is_open: bool,
}

/// What is known about the effect of `execute`.
#[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known {
    #[default]
    None,
    Maybe,
    CutOff,
}

impl<'a> Books<'a> {
    pub(super) fn new(pipeline: &'a Pipeline) -> Self {
        let count = pipeline.steps.len();
        Self {
            pipeline,
            dependents: pipeline.dependents(),
            pages: BTreeMap::new(),
            ended_well: vec![false; count],
            open: vec![0; count],
            clear: vec![false; count],
            keys: BTreeMap::new(),
            seq: 0,
            has_started: false,
            turned: None,
            pivot_recorded: false,
            keeps_effects: false,
            finished: false,
            spent: Usage::new(),
            money: Money::default(),
            violations: Vec::new(),
        }
    }

    /// Enters one event.
    pub(super) fn enter(&mut self, at: Timestamp, event: &Event) {
        let is_first = matches!(event, Event::RunStarted { .. });
        self.require(is_first != self.has_started, Rule::Order, None, "the first event");
        self.require(!self.finished, Rule::Order, None, "an event after the last");
        self.has_started = true;
        let steps = self.pipeline.steps.len();
        if event.instance().is_none_or(|instance| (instance.step.0 as usize) < steps) {
            self.enter_kind(at, event);
        } else {
            self.require(false, Rule::Order, None, "the pipeline has no such step");
        }
        self.seq += 1;
    }

    pub(super) fn require(
        &mut self,
        holds: bool,
        rule: Rule,
        instance: Option<InstanceId>,
        detail: &str,
    ) {
        if !holds {
            let subject = instance.map(|instance| name_of(self.pipeline, instance));
            let event = Some(self.seq);
            self.violations.push(Violation { rule, event, subject, detail: detail.into() });
        }
    }

    pub(super) fn page(&mut self, instance: InstanceId) -> &mut Page {
        self.pages.entry(instance).or_default()
    }

    pub(super) fn pages(&self) -> impl Iterator<Item = (InstanceId, &Page)> {
        self.pages.iter().map(|(instance, page)| (*instance, page))
    }

    pub(super) fn pages_mut(&mut self) -> impl Iterator<Item = (InstanceId, &mut Page)> {
        self.pages.iter_mut().map(|(instance, page)| (*instance, page))
    }

    pub(super) fn step(&self, instance: InstanceId) -> &'a Step {
        self.pipeline.step(instance.step)
    }

    /// A key belongs to one phase of one instance, and that phase has no other.
    pub(super) fn enter_key(&mut self, instance: InstanceId, phase: Phase, key: IdempotencyKey) {
        let known = *self.page(instance).keys[phase as usize].get_or_insert(key);
        self.require(known == key, Rule::KeyChanged, Some(instance), phase.word());
        let owner = *self.keys.entry(key).or_insert((instance, phase));
        self.require(owner == (instance, phase), Rule::KeyShared, Some(instance), phase.word());
    }

    pub(super) fn is_owed(&self, instance: InstanceId, page: &Page) -> bool {
        let step = self.step(instance);
        step.may_owe_an_undo() && step.calls_as(instance) && page.effect != Known::None
    }

    /// Counts anew whether the instance keeps those before it from being undone.
    pub(super) fn recount(&mut self, instance: InstanceId) {
        let goes_on = self.pipeline.on_compensation_failure == OnCompensationFailure::Continue;
        let page = self.page(instance).clone();
        let is_answered = page.outcomes > 0 || (goes_on && page.is_stuck && self.turned.is_some());
        let is_open = page.under_way.is_some() || (self.is_owed(instance, &page) && !is_answered);
        let open = &mut self.open[instance.step.0 as usize];
        match (page.is_open, is_open) {
            (false, true) => *open += 1,
            (true, false) => *open -= 1,
            _ => {}
        }
        self.page(instance).is_open = is_open;
    }

    pub(super) fn recount_all(&mut self) {
        let all: Vec<InstanceId> = self.pages.keys().copied().collect();
        all.into_iter().for_each(|instance| self.recount(instance));
    }

    /// Forgets what was found undone: somebody has asked for further attempts.
    pub(super) fn look_again(&mut self) {
        self.clear.fill(false);
    }

    /// Whether all that depends on `step`, directly or not, is undone. Once so, it stays so: after
    /// the turn nothing begins any more, unless somebody asks for it.
    pub(super) fn are_dependents_clear(&mut self, step: StepIndex) -> bool {
        let mut work = self.dependents[step.0 as usize].clone();
        let mut found = Vec::new();
        while let Some(dependent) = work.pop() {
            let index = dependent.0 as usize;
            if self.clear[index] {
                continue;
            }
            if self.open[index] > 0 {
                return false;
            }
            self.clear[index] = true;
            found.push(index);
            work.extend(self.dependents[index].iter().copied());
        }
        true
    }

    pub(super) fn stays(&self) -> Vec<InstanceId> {
        self.pages()
            .filter(|(instance, page)| {
                let step = self.step(*instance);
                let may_have = step.calls_as(*instance) && step.effect != Effect::None;
                may_have && page.effect != Known::None && page.outcomes == 0
            })
            .map(|(instance, _)| instance)
            .collect()
    }
}

/// What the end of an `execute` leaves known, by the table of ends.
pub(super) fn known_after(step: &Step, before: Known, end: &End) -> Known {
    let is_cut_off = match end {
        End::Succeeded(_) => return Known::Maybe,
        End::Reconciled(_) => return before,
        End::Failed(failure) => {
            let is_ruled = step.retry.for_code(&failure.code).1 == Some(RuleVerdict::Unknown);
            let is_unknown = failure.kind == FailureKind::Unknown || is_ruled;
            if failure.clean && !is_unknown {
                return Known::None;
            }
            is_unknown
        }
        End::Host(host_end, _) => *host_end != HostEnd::Denied,
    };
    let now = if is_cut_off && step.effect != Effect::None { Known::CutOff } else { Known::Maybe };
    before.max(now)
}

/// The instance's name, as the outside world is told it.
pub(super) fn name_of(pipeline: &Pipeline, instance: InstanceId) -> String {
    let name = pipeline.steps.get(instance.step.0 as usize).map_or("?", |step| &step.name);
    match instance.element {
        None => name.into(),
        Some(element) => format!("{name}[{element}]"),
    }
}
