//! A story in short lines, for whoever looks for what went wrong.
//! Never the stored form of an event: that is the journal's.

use crate::event::{Event, Settlement};
use crate::id::{InstanceId, Phase};
use crate::pipeline::Pipeline;
use crate::simulation::Story;
use std::fmt;

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dies = |f: &mut fmt::Formatter<'_>, place: usize| {
            let deaths = self.crashes.iter().filter(|durable| **durable == place);
            deaths.into_iter().try_for_each(|_| writeln!(f, "      -- the host dies --"))
        };
        for (place, (at, event)) in self.journal.iter().enumerate() {
            dies(f, place)?;
            let since = at.since(self.journal[0].0).as_millis();
            let what = words(self.run.pipeline(), event);
            writeln!(f, "{place:5} {since:>9} ms  {} {what}", event.word())?;
        }
        dies(f, self.journal.len())?;
        writeln!(f, "      {}", self.run.status().word())?;
        self.problems.iter().try_for_each(|problem| writeln!(f, "  !!  {problem}"))
    }
}

/// What an event is about, without what makes it long.
pub(crate) fn words(pipeline: &Pipeline, event: &Event) -> String {
    let name = |instance: &InstanceId| {
        let name = &pipeline.step(instance.step).name;
        instance.element.map_or_else(|| name.clone(), |element| format!("{name}[{element}]"))
    };
    let call = |instance: &InstanceId, phase: &Phase, attempt: &u32| {
        format!("{} {phase} {attempt}", name(instance))
    };
    match event {
        Event::AttemptStarted { instance, phase, attempt, .. }
        | Event::MemoRemembered { instance, phase, attempt, .. } => call(instance, phase, attempt),
        Event::AttemptEnded { instance, phase, attempt, end, .. } => {
            format!("{}: {} {}", call(instance, phase, attempt), end.word(), end.code())
        }
        Event::RetryScheduled { instance, phase, attempt, delay, .. } => {
            format!("{} in {} ms", call(instance, phase, attempt), delay.as_millis())
        }
        Event::StepSkipped { step } => name(&InstanceId::of(*step)),
        Event::MapStarted { step, items } => {
            format!("{} of {}", name(&InstanceId::of(*step)), items.len())
        }
        Event::MapEnded { step, .. } | Event::WaitEnded { step, .. } => {
            name(&InstanceId::of(*step))
        }
        Event::WaitStarted { step, until } => format!("{} {until:?}", name(&InstanceId::of(*step))),
        Event::SignalReceived { name, .. } => name.clone(),
        Event::StepFailed { instance, failure, verdict } => {
            format!("{} {} {verdict:?}", name(instance), failure.limit.word())
        }
        Event::StepStuck { instance, phase, failure } => {
            format!("{} {phase} {}", name(instance), failure.limit.word())
        }
        Event::UndoNotNeeded { instance } | Event::RetryRequested { instance, .. } => {
            name(instance)
        }
        Event::Settled { instance, settlement, .. } => {
            let settlement = match settlement {
                Settlement::Done(_) => "done",
                Settlement::NotDone => "not-done",
                Settlement::Undone => "undone",
            };
            format!("{} {settlement}", name(instance))
        }
        Event::TurnRequested { cause } | Event::RollbackStarted { cause } => format!("{cause:?}"),
        Event::RunFinished { status, .. } => status.word().into(),
        Event::OutputFailed { message } => message.clone(),
        Event::BudgetWarned { unit, spent, limit } | Event::BudgetUsedUp { unit, spent, limit } => {
            format!("{unit} {spent} of {limit}")
        }
        Event::RunStarted { .. }
        | Event::TurnRefused
        | Event::CancelRequested { .. }
        | Event::BudgetRenewed { .. } => String::new(),
    }
}
