//! What people say to a simulated run, sensible or not.
//! Never knows what the run will make of it.

use super::choose::Choose;
use crate::decide::Input;
use crate::event::Settlement;
use crate::id::InstanceId;
use crate::pipeline::{StepKind, Waiting};
use crate::run::Run;
use crate::value::Json;

const BY: &str = "somebody";

/// Anything that a person could say now, most of it out of place.
pub(super) fn anything(run: &Run, choose: &mut dyn Choose) -> Input {
    let instances = run.instances();
    let one = match instances.len() {
        0 => None,
        count => Some(instances[choose.pick(count)]),
    };
    match choose.pick(8) {
        0 => Input::Cancel { by: BY.into(), keep: choose.happens(300) },
        1 => Input::RollBack { by: BY.into() },
        2 => Input::Retry { instance: one.filter(|_| choose.happens(500)), by: BY.into() },
        3 | 4 => match one {
            Some(instance) => {
                let settlements = settlements();
                let settlement = settlements[choose.pick(settlements.len())].clone();
                settle(instance, settlement)
            }
            None => Input::TimeReached,
        },
        5 => Input::TimeReached,
        _ => answers(run).into_iter().next().unwrap_or_else(|| Input::Signal {
            name: "go".into(),
            data: Json::null(),
            by: BY.into(),
        }),
    }
}

/// All that could help a run which goes no further by itself.
pub(super) fn helpful(run: &Run) -> Vec<Input> {
    let mut inputs = answers(run);
    for instance in run.stuck_instances() {
        inputs.push(Input::Retry { instance: Some(instance), by: BY.into() });
        inputs.extend(settlements().into_iter().map(|settlement| settle(instance, settlement)));
    }
    if run.used_up_unit().is_some() {
        inputs.push(Input::Retry { instance: None, by: BY.into() });
        inputs.push(Input::RollBack { by: BY.into() });
    }
    if run.output_failure().is_some() {
        inputs.push(Input::Cancel { by: BY.into(), keep: true });
    }
    inputs
}

/// The answers that waiting nodes wait for.
fn answers(run: &Run) -> Vec<Input> {
    let mut inputs = Vec::new();
    for step in run.pipeline().indexes().filter(|step| run.waiting_until(*step).is_some()) {
        match &run.pipeline().step(step).kind {
            StepKind::Wait(Waiting::Signal(name)) => {
                inputs.push(Input::Signal { name: name.clone(), data: Json::null(), by: BY.into() })
            }
            StepKind::Wait(Waiting::Approval { .. }) => {
                inputs.push(Input::Approve { step, output: Json::null() });
                inputs.push(Input::Disapprove { step, message: "no".into() });
            }
            _ => {}
        }
    }
    inputs
}

fn settlements() -> [Settlement; 3] {
    [Settlement::Done(Json::null()), Settlement::NotDone, Settlement::Undone]
}

fn settle(instance: InstanceId, settlement: Settlement) -> Input {
    Input::Settle { instance, settlement, because: "looked".into(), by: BY.into() }
}
