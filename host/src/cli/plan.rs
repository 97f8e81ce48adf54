//! `piton plan`: tells where each failure of each step would lead. Starts nothing.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::exit;
use piton::rehearsal::{self, plan};
use piton::runner::{
    Answer, Ask, CheckedManifest, Checking, EventDocument, Opening, Reach, RowFilter, start_refused,
};
use piton_core::Usage;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// How many earlier runs are asked what their steps cost.
const RUNS_ASKED: usize = 20;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The manifest: a TOML file.
    manifest: PathBuf,

    /// Exit with 3 where an end leaves effects (`stays`) or needs a person (`person`).
    #[arg(long, value_name = "CONCERN,…", value_delimiter = ',')]
    fail_on: Vec<Concern>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Concern {
    /// An effect stays that nothing undoes.
    Stays,
    /// Somebody has to look.
    Person,
}

pub(crate) async fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let checking = Checking::new(&context.globals.data, &context.settings()?)?;
    let checked = checking.check(&arguments.manifest);
    let checked = checked.map_err(|failed| start_refused(failed.into(), context.look()))?;
    let costs = costs(context, &checked).await;
    let reasons = checked.manifest.steps.iter().map(|step| step.compensate_reason.clone());
    let subject = plan::Subject {
        pipeline: rehearsal::pipeline_of(&checked, &checking),
        compensate_reasons: reasons.collect(),
        costs,
    };
    let plan = plan::plan(&subject);
    if context.globals.json {
        print_json(&plan);
    } else {
        print(&plan::table(&plan, context.width));
    }
    let concerns: Vec<plan::Concern> = arguments.fail_on.iter().map(Concern::meant).collect();
    Ok(match plan.first_concern(&concerns) {
        None => ExitCode::from(exit::COMPLETED),
        Some((step, end, concern)) => {
            let what = match concern {
                plan::Concern::Stays => "effects stay",
                plan::Concern::Person => "a person is needed",
            };
            context.say(&format!("where `{}` ends as {}, {what}", step.instance, end.way.word()));
            ExitCode::from(exit::ROLLED_BACK)
        }
    })
}

impl Concern {
    const fn meant(&self) -> plan::Concern {
        match self {
            Self::Stays => plan::Concern::Stays,
            Self::Person => plan::Concern::Person,
        }
    }
}

/// What one call of each step has cost in the last runs of this pipeline. Nothing where there are
/// none, or where they cannot be read: a plan does not depend on them.
async fn costs(context: &Context, checked: &CheckedManifest) -> Vec<Usage> {
    let pipeline = &checked.manifest.pipeline;
    let Ok(reach) = context.reach(Opening::Existing).await else { return Vec::new() };
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    let (status, name) = (Some("completed".into()), Some(pipeline.name.clone()));
    let filter = RowFilter { status, pipeline: name, limit: RUNS_ASKED };
    if let Ok(Answer::Rows(rows)) = reach.ask(Ask::Rows(filter)).await {
        for row in rows {
            add_run(&reach, row.run, &mut sums).await;
        }
    }
    let steps = pipeline.steps.iter();
    steps.map(|step| sums.get(&step.name).map(Sum::mean).unwrap_or_default()).collect()
}

async fn add_run(reach: &Reach, run: String, sums: &mut BTreeMap<String, Sum>) {
    let Ok(Answer::Events(events)) = reach.ask(Ask::Events { run }).await else { return };
    for event in &events {
        add_event(event, sums);
    }
}

/// What the calls of a step have cost together.
#[derive(Default)]
struct Sum {
    calls: u64,
    micros: BTreeMap<String, u64>,
}

impl Sum {
    fn mean(&self) -> Usage {
        let mut usage = Usage::new();
        for (unit, micros) in &self.micros {
            // A mean of amounts that could be counted can be counted.
            let _ = usage.add(unit, micros / self.calls.max(1));
        }
        usage
    }
}

fn add_event(event: &EventDocument, sums: &mut BTreeMap<String, Sum>) {
    let text = |key: &str| event.fields.get(key).and_then(serde_json::Value::as_str);
    let (Some(step), Some("execute")) = (text("step"), text("phase")) else { return };
    // Of a map, all elements count as the step.
    let name = step.split_once('[').map_or(step, |(name, _)| name);
    let Some(usage) = event.fields.get("usage").and_then(serde_json::Value::as_object) else {
        return;
    };
    let sum = sums.entry(name.into()).or_default();
    sum.calls += u64::from(text("event") == Some("attempt-ended"));
    for (unit, micros) in usage {
        *sum.micros.entry(unit.clone()).or_default() += micros.as_u64().unwrap_or(0);
    }
}
