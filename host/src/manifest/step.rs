//! One step of the manifest, read into its parts.
//! Owns what a step may say; what depends on other steps is checked in `order`.

use super::complaint::{Complaints, Place};
use super::defaults::Defaults;
use super::expression::Expression;
use super::grants;
use super::keys::{APPROVAL, DOING, FOR_MAP, FOR_WAITING, WAITING};
use super::limits::LimitsDraft;
use super::policy::PolicyDraft;
use super::programs::StepProgram;
use super::shape::{Entry, Placed, Table, found, integer_of, listed};
use super::template::{Template, bare_expression, spot_of};
use super::variables::Variables;
use super::{FileRef, StepSettings};
use piton_core::{
    Effect, MapPolicy, OnExhausted, RetryPolicy, Step, StepIndex, StepKind, Tolerance, Waiting,
};
use std::time::Duration;
use toml::de::DeValue;

const PARALLEL_MAX: u32 = 10_000;
const ITEMS_MAX: u32 = 100_000;
/// What the core says a map does unless told otherwise.
const MAP_DEFAULT: MapPolicy =
    MapPolicy { max_parallel: 16, tolerate: Tolerance::Count(0), items_max: 10_000 };

/// A step, read but for what depends on others.
pub(super) struct StepDraft {
    /// Its `after` and the default of its `on_exhausted` are not there yet.
    pub(super) step: Step,
    /// Where its name stands.
    pub(super) place: Place,
    pub(super) settings: StepSettings,
    pub(super) program: StepProgram,
    pub(super) edges: Vec<Edge>,
    pub(super) on_exhausted: Option<Placed<OnExhausted>>,
    pub(super) pivot: Option<Place>,
    pub(super) effect_is_assumed: bool,
}

/// A step that another one names.
pub(super) struct Edge {
    pub(super) before: StepIndex,
    pub(super) place: Place,
    /// Whether its output is read, and not only its end awaited.
    pub(super) is_read: bool,
}

/// Reads steps one after the other.
pub(super) struct StepReader<'a, 'n> {
    /// The manifest's text.
    pub(super) text: &'a str,
    pub(super) names: &'n super::names::Names<'n>,
    pub(super) defaults: &'a Defaults,
    pub(super) variables: Variables<'n>,
    pub(super) complaints: &'a mut Complaints,
}

impl StepReader<'_, '_> {
    /// Reads the step of that name. What is wrong is complained about and left at its default.
    pub(super) fn read(&mut self, name: &str, place: Place, table: &Table<'_>) -> StepDraft {
        self.variables.named.clear();
        let kind = self.read_kind(name, &place, table);
        let calls = !matches!(kind, Some(StepKind::Wait(_)));
        let is_map = table.get("map").is_some();
        self.refuse_keys_without_meaning(table, calls, is_map);
        let mut program = self.read_program(table, is_map);
        program.until = table.get("wait_until").and_then(|entry| self.read_until(entry));
        let mut edges: Vec<Edge> = self.variables.named.drain(..).map(Edge::read).collect();
        if let Some(entry) = table.get("after") {
            edges.extend(self.read_after(name, entry));
        }
        let limits = LimitsDraft::read(table, self.complaints);
        let own_effect = limits.effect;
        let limits_in_all = limits.over(&self.defaults.limits);
        let mut step = Step::call(name, Vec::new());
        step.kind = kind.unwrap_or(StepKind::Call);
        step.has_when = program.when.is_some();
        let allowed = limits_in_all.allowed(step.timeout);
        step.timeout = allowed.timeout;
        step.lost_attempts_max = limits_in_all.lost_attempts_max.unwrap_or(step.lost_attempts_max);
        step.effect = limits_in_all.effect.unwrap_or_default();
        step.reconciles = step.effect == Effect::Reconcilable;
        limits.check_idle(step.timeout, self.complaints);
        step.retry = self.read_policy(table, "retry");
        step.undo = self.read_policy(table, "undo");
        let pivot = table.get("pivot");
        step.pivot = pivot.and_then(|entry| entry.boolean(self.complaints)).unwrap_or(false);
        step.idempotency_window = table
            .get("idempotency_window")
            .and_then(|entry| entry.duration(Duration::from_secs(1), self.complaints));
        let compensate_reason = self.read_compensate(table, &mut step);
        let exhausted = [
            ("compensate", OnExhausted::Compensate),
            ("pause", OnExhausted::Pause),
            ("continue", OnExhausted::Continue),
        ];
        let on_exhausted = table
            .get("on_exhausted")
            .and_then(|entry| Some(entry.placed(entry.choice(&exhausted, self.complaints)?)));
        if let Some(placed) = &on_exhausted {
            step.on_exhausted = placed.value;
        }
        let grants = table.get("grants").map(|entry| grants::read(entry, self.complaints));
        let (grants, grant_places) = grants.unwrap_or_default();
        let settings = StepSettings {
            component: table.get("component").and_then(|entry| self.read_component(entry)),
            limits: allowed.limits,
            limit_places: limits_in_all.places(),
            grants,
            grant_places,
            compensate_reason,
            ask: self.read_ask(table),
        };
        StepDraft {
            effect_is_assumed: calls && own_effect.or(self.defaults.limits.effect).is_none(),
            pivot: pivot.filter(|_| step.pivot).map(|entry| entry.key_place.clone()),
            step,
            place,
            settings,
            program,
            edges,
            on_exhausted,
        }
    }

    /// What the step does; none where it does nothing, or two things.
    fn read_kind(&mut self, name: &str, place: &Place, table: &Table<'_>) -> Option<StepKind> {
        let doing: Vec<&Entry<'_>> =
            table.entries().iter().filter(|entry| DOING.contains(&entry.key)).collect();
        let (first, second) = match doing.as_slice() {
            [] if table.misspells_any(&DOING) => return None,
            [] => {
                self.complaints
                    .error(place, format!("step `{name}` has no `component`"))
                    .hint(format!("say what it calls, or what it waits for: {}", listed(&WAITING)));
                return None;
            }
            [only] => (*only, None),
            [first, second, ..] => (*first, Some(*second)),
        };
        if let Some(second) = second {
            self.complaints
                .error(&second.key_place, format!("step `{name}` does two things"))
                .label(format!("`{}`", second.key))
                .other(first.key_place.clone(), format!("`{}`", first.key))
                .hint("make two steps of it, one `after` the other");
            return None;
        }
        match first.key {
            "wait" => {
                let span = first.duration(Duration::ZERO, self.complaints)?;
                Some(StepKind::Wait(Waiting::For(span)))
            }
            "wait_until" => Some(StepKind::Wait(Waiting::Until)),
            "signal" => {
                let signal = first.text(self.complaints)?;
                super::names::check_name("a signal", signal, &first.place(), self.complaints);
                Some(StepKind::Wait(Waiting::Signal(signal.to_owned())))
            }
            "approval" => self.read_approval(first),
            _ => Some(self.read_call(table)),
        }
    }

    fn read_call(&mut self, table: &Table<'_>) -> StepKind {
        if table.get("map").is_none() {
            return StepKind::Call;
        }
        let mut count = |key: &str, most| table.get(key)?.count(1, most, self.complaints);
        let max_parallel = count("max_parallel", PARALLEL_MAX);
        let items_max = count("items_max", ITEMS_MAX);
        let tolerate = table.get("tolerate").and_then(|entry| self.read_tolerate(entry));
        StepKind::Map(MapPolicy {
            max_parallel: max_parallel.unwrap_or(MAP_DEFAULT.max_parallel),
            tolerate: tolerate.unwrap_or(MAP_DEFAULT.tolerate),
            items_max: items_max.unwrap_or(MAP_DEFAULT.items_max),
        })
    }

    fn read_tolerate(&mut self, entry: &Entry<'_>) -> Option<Tolerance> {
        if entry.value.get_ref().is_integer() {
            return entry.count(0, ITEMS_MAX, self.complaints).map(Tolerance::Count);
        }
        let text = entry.value.get_ref().as_str();
        let percent = text.and_then(|text| text.strip_suffix('%')?.parse::<f64>().ok());
        let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
        if percent.is_none() {
            self.complaints
                .error(
                    &entry.place(),
                    "`tolerate` must be a number of elements, or a share of them",
                )
                .hint("such as `3` or `\"5%\"`");
        }
        percent.map(Tolerance::Percent)
    }

    fn read_approval(&mut self, entry: &Entry<'_>) -> Option<StepKind> {
        let table = Table::read(&APPROVAL, entry.value, self.complaints)?;
        let Some(from) = table.get("from") else {
            self.complaints
                .error(&entry.key_place, "an `approval` needs `from`")
                .hint("say who is asked, such as `from = \"finance\"`");
            return None;
        };
        let due = table.get("due").and_then(|due| due.duration(Duration::ZERO, self.complaints));
        if let Some(on_timeout) = table.get("on_timeout") {
            on_timeout.choice(&[("fail", ())], self.complaints);
            if table.get("due").is_none() {
                self.complaints
                    .error(&on_timeout.key_place, "`on_timeout` has no meaning without `due`");
            }
        }
        let from = from.text(self.complaints)?.to_owned();
        Some(StepKind::Wait(Waiting::Approval { from, due }))
    }

    fn read_ask(&mut self, table: &Table<'_>) -> Option<String> {
        // Its shape was complained about where the approval was read.
        let approval = table.get("approval")?.value.get_ref().as_table()?;
        let ask = approval.iter().find(|(key, _)| key.get_ref() == "ask")?.1;
        let entry = Entry { key: "ask", key_place: ask.span(), value: ask };
        entry.text(self.complaints).map(str::to_owned)
    }

    fn refuse_keys_without_meaning(&mut self, table: &Table<'_>, calls: bool, is_map: bool) {
        for entry in table.entries() {
            if !calls && !FOR_WAITING.contains(&entry.key) && entry.key != "component" {
                let message = format!("`{}` has no meaning for a step that waits", entry.key);
                self.complaints.error(&entry.key_place, message).hint("it calls no component");
            } else if calls && !is_map && FOR_MAP.contains(&entry.key) {
                let message = format!("`{}` has no meaning without `map`", entry.key);
                self.complaints
                    .error(&entry.key_place, message)
                    .hint("`map = \"${…}\"` says which list the step is called for");
            }
        }
    }

    fn read_program(&mut self, table: &Table<'_>, is_map: bool) -> StepProgram {
        let when = table.get("when").and_then(|entry| self.read_when(entry));
        let items = table.get("map").and_then(|entry| self.read_items(entry));
        self.variables.in_element = is_map;
        let input = table.get("input").map(|entry| self.template(entry));
        self.variables.in_element = false;
        StepProgram { when, items, input, until: None, is_map }
    }

    fn template(&mut self, entry: &Entry<'_>) -> Template {
        Template::compile(self.text, entry.value, &mut self.variables, self.complaints)
    }

    fn read_when(&mut self, entry: &Entry<'_>) -> Option<Expression> {
        let Some(string) = entry.value.get_ref().as_str() else {
            self.complaints
                .error(&entry.place(), "`when` must be an expression in quotes")
                .label(found(entry.value))
                .hint("such as `when = \"input.total > 100\"`");
            return None;
        };
        let spot = spot_of(self.text, string, &entry.place());
        let (text, spot) = bare_expression(string, &spot);
        Expression::parse(text, &spot, &mut self.variables, self.complaints)
    }

    fn read_items(&mut self, entry: &Entry<'_>) -> Option<Template> {
        let holds_expression = entry.value.get_ref().as_str().is_some_and(|s| s.contains("${"));
        if !holds_expression && !entry.value.get_ref().is_array() {
            self.complaints
                .error(&entry.place(), "`map` must be a list, or an expression for one")
                .label(found(entry.value))
                .hint("such as `map = \"${input.items}\"`");
            return None;
        }
        Some(self.template(entry))
    }

    fn read_until(&mut self, entry: &Entry<'_>) -> Option<Template> {
        if !matches!(entry.value.get_ref(), DeValue::String(_) | DeValue::Datetime(_)) {
            self.complaints
                .error(&entry.place(), "`wait_until` must be a moment, or an expression for one")
                .label(found(entry.value))
                .hint(super::programs::MOMENT_NOTATION);
            return None;
        }
        let template = self.template(entry);
        if template.is_constant()
            && let Err(reason) = super::programs::moment(&template.constant()?)
        {
            self.complaints
                .error(&entry.place(), "`wait_until` is no moment")
                .label(reason)
                .hint(super::programs::MOMENT_NOTATION);
        }
        Some(template)
    }

    fn read_after(&mut self, step: &str, entry: &Entry<'_>) -> Vec<Edge> {
        let mut edges = Vec::new();
        for value in entry.list(self.complaints).unwrap_or_default() {
            let Some(name) = value.get_ref().as_str() else {
                self.complaints
                    .error(&value.span(), "`after` must hold the names of steps")
                    .label(found(value));
                continue;
            };
            match self.names.index_of(name) {
                Some(before) => edges.push(Edge { before, place: value.span(), is_read: false }),
                None => {
                    let hint = self.complaints.did_you_mean(name, self.names.all());
                    let message = format!(
                        "step `{step}` runs after `{name}`, which this pipeline does not have"
                    );
                    self.complaints.error(&value.span(), message).hint_if(hint);
                }
            }
        }
        edges
    }

    fn read_policy(&mut self, table: &Table<'_>, key: &str) -> RetryPolicy {
        let (behind, defaults) = match key {
            "retry" => (&self.defaults.retry, RetryPolicy::for_execute()),
            _ => (&self.defaults.undo, RetryPolicy::for_compensate()),
        };
        let own = table.get(key).map(|entry| PolicyDraft::read(entry, self.complaints));
        own.unwrap_or_default().over(behind, defaults, self.complaints)
    }

    /// Reads `compensate`; gives the reason why it is "none".
    fn read_compensate(&mut self, table: &Table<'_>, step: &mut Step) -> Option<String> {
        let reason = table.get("compensate_reason");
        let text = reason.and_then(|entry| entry.text(self.complaints)).map(str::to_owned);
        let compensate = table.get("compensate");
        let choices = [("auto", true), ("none", false)];
        let choice = compensate.and_then(|entry| entry.choice(&choices, self.complaints));
        step.compensates = choice.unwrap_or(true);
        match (compensate, reason) {
            (Some(entry), None) if !step.compensates => {
                self.complaints
                    .error(
                        &entry.place(),
                        "a step that is never undone needs a `compensate_reason`",
                    )
                    .hint("say in one sentence why its effect may stay");
            }
            (_, Some(entry)) if step.compensates && choice.is_some() == compensate.is_some() => {
                let message = "`compensate_reason` has no meaning without `compensate = \"none\"`";
                self.complaints.error(&entry.key_place, message);
            }
            _ => {}
        }
        text
    }

    fn read_component(&mut self, entry: &Entry<'_>) -> Option<FileRef> {
        if let Some(integer) = integer_of(entry.value) {
            let message = format!("`component` must be a path in quotes, and not {integer}");
            self.complaints.error(&entry.place(), message);
            return None;
        }
        let path = entry.text(self.complaints)?.to_owned();
        Some(FileRef { path, place: entry.place() })
    }
}

impl Edge {
    fn read(named: Placed<StepIndex>) -> Self {
        Self { before: named.value, place: named.place, is_read: true }
    }
}
