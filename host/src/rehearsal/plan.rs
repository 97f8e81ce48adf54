//! Foresees where each failure of each step leads: what is undone, what stays, who is needed.
//! Every answer is the core's: each failure is acted out in simulated time. Never calls a guest.

mod longest;
mod reading;
mod scene;
mod table;
#[cfg(test)]
mod tests;
mod way;

pub use table::table;
pub use way::Way;

use piton_core::{InstanceId, MapPolicy, Pipeline, Step, StepKind, Usage};
use scene::Scene;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is to be foreseen.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The pipeline, with what its components say about themselves.
    pub pipeline: Arc<Pipeline>,
    /// By step, why it is never undone, where the manifest says so.
    pub compensate_reasons: Vec<Option<String>>,
    /// By step, what one call of `execute` is known to cost; empty where nothing is known.
    pub costs: Vec<Usage>,
}

/// Where each failure of a pipeline leads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The pipeline's name.
    pub pipeline: String,
    /// Its steps that call a component, in the order of the manifest.
    pub steps: Vec<StepPlan>,
}

/// Where each failure of one step leads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepPlan {
    /// The step's name.
    pub step: String,
    /// What fails in its place: the step, or one element of a map.
    pub instance: String,
    /// Whether it is a pivot.
    pub pivot: bool,
    /// Whether it comes after one.
    pub behind_pivot: bool,
    /// Its ends.
    pub ends: Vec<Foreseen>,
}

/// Where one failure leads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Foreseen {
    /// How the step ends.
    pub way: Way,
    /// Where the run then stands: a run's status, final or `stuck`.
    pub status: &'static str,
    /// What was undone by then, in this order.
    pub undone: Vec<String>,
    /// What may have had an effect that stays.
    pub stays: Vec<Stays>,
    /// What a person may type, the likeliest first; empty where none is needed.
    pub person: Vec<String>,
    /// What else there is to know.
    pub note: Option<String>,
    /// How many calls were made by then, in all phases.
    pub calls: u32,
    /// How long the run waited by then, at most: between attempts, for a timeout, in waiting nodes.
    /// Calls that end otherwise are taken to need no time.
    pub waits_ms: u64,
    /// What it cost by then, by what earlier runs cost; left out where nothing is known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub spent: BTreeMap<String, f64>,
}

/// An effect that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stays {
    /// Whose.
    pub step: String,
    /// Why.
    pub why: String,
}

/// What a plan may be failed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// An effect stays.
    Stays,
    /// A person is needed.
    Person,
}

/// Foresees every failure.
pub fn plan(subject: &Subject) -> Plan {
    let subject = &Subject { pipeline: longest::waits(&subject.pipeline), ..subject.clone() };
    let pipeline = &subject.pipeline;
    let steps = pipeline.indexes().filter(|index| pipeline.step(*index).calls());
    let steps = steps.map(|index| {
        let step = pipeline.step(index);
        let target = InstanceId { step: index, element: representative(step) };
        let ways = Way::ALL.iter().filter(|way| way.fits(step));
        StepPlan {
            step: step.name.clone(),
            instance: target
                .element
                .map_or_else(|| step.name.clone(), |n| format!("{}[{n}]", step.name)),
            pivot: step.pivot,
            behind_pivot: pipeline.is_behind_a_pivot(index),
            ends: ways.filter_map(|way| Scene::act(subject, target, *way)).collect(),
        }
    });
    Plan { pipeline: pipeline.name.clone(), steps: steps.collect() }
}

/// How many elements a map is taken to have.
const ELEMENTS: u32 = 2;

/// The element that stands for all: the last, so that there is one before it.
fn representative(step: &Step) -> Option<u32> {
    match &step.kind {
        StepKind::Map(MapPolicy { items_max, .. }) => {
            Some(ELEMENTS.min(*items_max).saturating_sub(1))
        }
        _ => None,
    }
}

impl Plan {
    /// The first end that gives rise to one of the concerns: the step, the end, and which.
    pub fn first_concern(&self, concerns: &[Concern]) -> Option<(&StepPlan, &Foreseen, Concern)> {
        let ends = self.steps.iter().flat_map(|step| step.ends.iter().map(move |end| (step, end)));
        ends.flat_map(|(step, end)| concerns.iter().map(move |concern| (step, end, *concern)))
            .find(|(_, end, concern)| end.gives_rise_to(*concern))
    }
}

impl Foreseen {
    fn gives_rise_to(&self, concern: Concern) -> bool {
        match concern {
            Concern::Stays => !self.stays.is_empty(),
            Concern::Person => !self.person.is_empty(),
        }
    }

    /// Whether it differs from `other` in nothing that a person must know.
    fn leads_where(&self, other: &Self) -> bool {
        (self.status, &self.undone, &self.stays) == (other.status, &other.undone, &other.stays)
            && (&self.person, &self.note) == (&other.person, &other.note)
    }
}
