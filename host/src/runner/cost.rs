//! The ledger of one run or many: what was spent, by step and by component, and what of it was wasted.
//! Adds up what runs say of themselves, in whole millionths; never decides what counts as wasted.

use super::document::{Amounts, UsageSummary, amounts, rfc3339};
use super::look::{self, Begun, Looks};
use super::{Host, SayFailed, off_the_loop};
use piton_core::{End, Event, InstanceId, Ledger, Phase, Reconciled, Run, RunId, Timestamp, Usage};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Whose cost is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CostOf {
    /// One run's.
    Run(RunId),
    /// That of all runs, or of some.
    All {
        /// Only those of this pipeline.
        pipeline: Option<String>,
        /// Only those that started then or later.
        since: Timestamp,
    },
}

/// What runs have spent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Cost {
    /// How many runs it is about.
    pub runs: u64,
    /// The run, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// All together.
    pub usage: UsageSummary,
    /// The same in whole millionths: exact however large.
    pub micros: Micros,
    /// By step, most expensive first.
    pub steps: Vec<StepCost>,
    /// By component, most expensive first.
    pub plugins: Vec<PluginCost>,
    /// What was spent when, oldest first; only where it was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<Payment>,
}

/// Three sums in millionths of each unit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Micros {
    /// All of it.
    pub spent: BTreeMap<String, u64>,
    /// What went into attempts whose result was not kept.
    pub wasted: BTreeMap<String, u64>,
    /// What a start from the top would have paid again at each failure.
    pub restart: BTreeMap<String, u64>,
}

/// What a step has spent, in all runs that were looked at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StepCost {
    /// The pipeline's name.
    pub pipeline: String,
    /// The step's name; of a map, all its elements together.
    pub step: String,
    /// Its component, as the manifest names it.
    pub component: String,
    /// Attempts of all its phases.
    pub attempts: u64,
    /// All of it.
    pub spent: Amounts,
    /// What went into attempts whose result was not kept.
    pub wasted: Amounts,
}

/// What a component has spent, in all steps that call it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PluginCost {
    /// The component, as manifests name it.
    pub component: String,
    /// Its digest: another version is another line.
    pub digest: String,
    /// Attempts of all its steps.
    pub attempts: u64,
    /// All of it.
    pub spent: Amounts,
    /// What went into attempts whose result was not kept.
    pub wasted: Amounts,
}

/// What an attempt spent at once: beside a memo, or by its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Payment {
    /// When it was recorded, RFC 3339.
    pub at: String,
    /// The step, `name` or `name[3]`.
    pub step: String,
    /// The phase's word.
    pub phase: String,
    /// The attempt.
    pub attempt: u32,
    /// How much, in millionths.
    pub micros: BTreeMap<String, u64>,
    /// Whether nothing of it was kept.
    pub is_wasted: bool,
}

impl Host {
    /// What runs have spent: one, or all that a filter lets through.
    ///
    /// # Errors
    /// [`SayFailed`] where there is no such run, or the journal cannot be read.
    pub async fn cost(&self, of: CostOf, with_payments: bool) -> Result<Cost, SayFailed> {
        let host = self.clone();
        off_the_loop(move || host.cost_now(&of, with_payments)).await
    }

    fn cost_now(&self, of: &CostOf, with_payments: bool) -> Result<Cost, SayFailed> {
        let mut adding = Adding::default();
        let mut looks = Looks::new(&self.shared.components);
        let mut add = |run| self.add_cost(run, with_payments, &mut looks, &mut adding);
        match of {
            CostOf::Run(run) => add(*run)?,
            CostOf::All { pipeline, since } => {
                self.each_row::<SayFailed>(pipeline.as_deref(), |row| {
                    if row.started_at >= *since { add(row.run) } else { Ok(()) }
                })?;
            }
        }
        Ok(adding.done())
    }

    fn add_cost(
        &self,
        run: RunId,
        with_payments: bool,
        looks: &mut Looks<'_>,
        adding: &mut Adding,
    ) -> Result<(), SayFailed> {
        let records = self.records(run)?;
        let begun = looks.begun(run, &records)?;
        let (folded, events) = look::fold(run, &begun.pipeline, &records)?;
        adding.add(&begun, &folded, with_payments.then_some(&*events));
        Ok(())
    }
}

/// The ledgers of runs, being added up.
#[derive(Default)]
struct Adding {
    runs: u64,
    run: Option<String>,
    total: Ledger,
    steps: BTreeMap<(String, String), Share>,
    plugins: BTreeMap<(String, String), Share>,
    payments: Vec<(Timestamp, Payment)>,
}

#[derive(Default)]
struct Share {
    component: String,
    attempts: u64,
    ledger: Ledger,
}

impl Adding {
    /// Adds a run. With `events`, each of its payments, too.
    fn add(&mut self, begun: &Begun, run: &Run, events: Option<&[(Timestamp, Event)]>) {
        self.runs += 1;
        self.run = Some(run.id().to_string()).filter(|_| self.runs == 1);
        self.total.add_all(run.ledger());
        for step in run.pipeline().indexes() {
            let (Some(digest), Some(component)) = (run.component(step), begun.component_path(step))
            else {
                continue;
            };
            let name = &run.pipeline().step(step).name;
            let pipeline = run.pipeline().name.clone();
            let by_step = self.steps.entry((pipeline, name.clone())).or_default();
            let by_plugin = self.plugins.entry((component.into(), digest.to_string())).or_default();
            component.clone_into(&mut by_step.component);
            for instance in run.instances_of(step) {
                let found = run.instance(instance);
                let attempts: u32 =
                    Phase::ALL.into_iter().map(|phase| found.phase(phase).attempts).sum();
                for share in [&mut *by_step, &mut *by_plugin] {
                    share.attempts += u64::from(attempts);
                    share.ledger.add_all(&found.ledger);
                }
            }
        }
        if let Some(events) = events {
            self.payments.extend(payments(run, events));
        }
    }

    /// All that was added.
    fn done(mut self) -> Cost {
        let mut steps: Vec<_> = self.steps.into_iter().collect();
        let mut plugins: Vec<_> = self.plugins.into_iter().collect();
        steps.sort_by_key(|(_, share)| Reverse(share.price()));
        plugins.sort_by_key(|(_, share)| Reverse(share.price()));
        self.payments.sort_by_key(|(at, _)| *at);
        Cost {
            runs: self.runs,
            run: self.run,
            usage: UsageSummary::of(&self.total),
            micros: Micros {
                spent: micros(&self.total.spent),
                wasted: micros(&self.total.wasted),
                restart: micros(&self.total.restart),
            },
            steps: steps
                .into_iter()
                .map(|((pipeline, step), share)| StepCost {
                    pipeline,
                    step,
                    component: share.component,
                    attempts: share.attempts,
                    spent: amounts(&share.ledger.spent),
                    wasted: amounts(&share.ledger.wasted),
                })
                .collect(),
            plugins: plugins
                .into_iter()
                .map(|((component, digest), share)| PluginCost {
                    component,
                    digest,
                    attempts: share.attempts,
                    spent: amounts(&share.ledger.spent),
                    wasted: amounts(&share.ledger.wasted),
                })
                .collect(),
            payments: self.payments.into_iter().map(|(_, payment)| payment).collect(),
        }
    }
}

impl Share {
    /// Money before anything else: units of different kinds cannot be compared.
    fn price(&self) -> (u64, u64, u64) {
        let most = self.ledger.spent.iter().map(|(_, micros)| micros).max().unwrap_or(0);
        (self.ledger.spent.micros("usd"), most, self.attempts)
    }
}

fn micros(usage: &Usage) -> BTreeMap<String, u64> {
    usage.iter().map(|(unit, micros)| (unit.into(), micros)).collect()
}

/// What each attempt of a run spent, in the order of its events.
fn payments(run: &Run, events: &[(Timestamp, Event)]) -> Vec<(Timestamp, Payment)> {
    let mut paying = Paying {
        run,
        payments: Vec::new(),
        memos: BTreeSet::new(),
        remembered: BTreeMap::new(),
        lost: BTreeMap::new(),
    };
    for (at, event) in events {
        paying.enter(*at, event);
    }
    paying.payments
}

/// The payments of a run, being told.
struct Paying<'a> {
    run: &'a Run,
    payments: Vec<(Timestamp, Payment)>,
    /// The memos that are there, by instance and key.
    memos: BTreeSet<(InstanceId, String)>,
    /// Payments for memos of attempts that were not kept, by what recalls them.
    remembered: BTreeMap<(InstanceId, Phase), Vec<usize>>,
    /// The payment of the last `execute` that was not kept, beside its memos.
    lost: BTreeMap<InstanceId, usize>,
}

impl Paying<'_> {
    fn enter(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::MemoRemembered { instance, phase, attempt, key, usage, .. } => {
                let is_new = self.memos.insert((*instance, key.clone()));
                let place = self.pay(at, (*instance, *phase, *attempt), usage);
                if let Some(place) = place.filter(|_| is_new) {
                    self.remembered.entry((*instance, *phase)).or_default().push(place);
                }
            }
            Event::AttemptEnded { instance, phase, attempt, end, usage, .. } => {
                let place = self.pay(at, (*instance, *phase, *attempt), usage);
                if !matches!(end, End::Succeeded(_) | End::Reconciled(_)) {
                    if let (Phase::Execute, Some(place)) = (phase, place) {
                        self.lost.insert(*instance, place);
                    }
                    return;
                }
                place.into_iter().for_each(|place| self.keep(place));
                self.keep_remembered(*instance, *phase);
                if matches!(end, End::Reconciled(Reconciled::Done(_))) {
                    // The lost attempt's result turned up after all.
                    self.lost.remove(instance).into_iter().for_each(|place| self.keep(place));
                    self.keep_remembered(*instance, Phase::Execute);
                }
            }
            _ => {}
        }
    }

    /// Tells a payment, taken for wasted until something is found kept.
    fn pay(
        &mut self,
        at: Timestamp,
        (instance, phase, attempt): (InstanceId, Phase, u32),
        usage: &Usage,
    ) -> Option<usize> {
        if usage.is_empty() {
            return None;
        }
        let payment = Payment {
            at: rfc3339(at),
            step: self.run.name_of(instance),
            phase: phase.word().into(),
            attempt,
            micros: micros(usage),
            is_wasted: true,
        };
        self.payments.push((at, payment));
        Some(self.payments.len() - 1)
    }

    fn keep(&mut self, place: usize) {
        // As in the run's ledger: what was undone was paid for nothing.
        self.payments[place].1.is_wasted = self.run.is_undone();
    }

    fn keep_remembered(&mut self, instance: InstanceId, phase: Phase) {
        let places = self.remembered.remove(&(instance, phase)).unwrap_or_default();
        places.into_iter().for_each(|place| self.keep(place));
    }
}
