//! The host of a story: commits, dies, reads its journal again, and is looked at all the while.
//! Never chooses what happens next.

use super::mutant::Mutant;
use super::problem::Problem;
use super::story::{Story, Teller};
use crate::backoff::Draw;
use crate::checker::{self, Records};
use crate::decide::{Input, Moment, advance};
use crate::due::due;
use crate::event::Event;
use crate::run::{Run, RunStatus};
use crate::value::Timestamp;
use std::sync::Arc;

impl<'a> Teller<'a> {
    pub(super) fn moment(&self, random: Draw) -> Moment<'a> {
        Moment {
            now: self.now,
            random,
            fence: self.fence,
            may_start: self.may_start,
            evaluate: self.telling.evaluate,
        }
    }

    /// Decides, appends, and says whether the host died of it.
    pub(super) fn commit(&mut self, input: Input) -> bool {
        let before = is_a_persons(&input).then(|| (self.run.clone(), format!("{input:?}")));
        let random = Draw(self.choose.number());
        let moment = self.moment(random);
        let events = match advance(&mut self.run, input, moment) {
            Ok(events) => events,
            Err(_) => {
                if let Some((_, words)) = before.filter(|(before, _)| *before != self.run) {
                    self.problems.push(Problem::RefusedButChanged(words));
                }
                return false;
            }
        };
        if events.is_empty() {
            self.look_at_the_run();
            return false;
        }
        if self.telling.mutant == Some(Mutant::CallBeforeDurable) {
            self.carry_out();
        }
        if self.dies() {
            return true;
        }
        self.append(events);
        if self.dies() {
            self.compare_with_journal();
            return true;
        }
        self.look_at_the_run();
        false
    }

    fn dies(&mut self) -> bool {
        let faults = self.telling.faults;
        !self.is_healed
            && self.crashes.len() < faults.crashes_max
            && self.choose.happens(faults.crash)
    }

    fn append(&mut self, events: Vec<Event>) {
        self.commits.push(self.journal.len());
        let has_turned = events.iter().any(|event| matches!(event, Event::RollbackStarted { .. }));
        for event in events {
            if let Some(mutant) = self.telling.mutant {
                self.read.push((self.now, event.clone()));
                self.journal.push((self.now, mutant.record(event)));
            } else {
                self.journal.push((self.now, event));
            }
        }
        if has_turned && self.telling.mutant == Some(Mutant::UndoBeforeDependants) {
            self.recover();
        } else if self.telling.faults.folds_always {
            self.compare_with_journal();
        }
    }

    /// Reads the journal again, as after a restart.
    pub(super) fn recover(&mut self) {
        if self.telling.mutant == Some(Mutant::ResultNotDurable) {
            let durable = self.commits.pop().unwrap_or(0);
            self.journal.truncate(durable);
            self.read.truncate(durable);
        }
        let folded = self.fold();
        let Some(mutant) = self.telling.mutant else {
            self.run = folded;
            return;
        };
        self.run = folded;
        for instance in self.run.instances() {
            if self.run.instance(instance).retry.is_none() {
                continue;
            }
            let place = self.read.iter().rposition(|(_, event)| {
                matches!(event, Event::RetryScheduled { instance: other, .. } if *other == instance)
            });
            let Some(place) = place else { continue };
            let reread = mutant.reread(&self.read[place].1, self.now, self.choose);
            if let Some((event, is_recorded)) = reread {
                if is_recorded {
                    self.journal.push((self.now, event.clone()));
                }
                self.read[place].1 = event;
            }
        }
        self.run = self.fold();
    }

    /// The state that the journal gives.
    pub(super) fn fold(&mut self) -> Run {
        let mut run = Run::new(self.telling.run, Arc::clone(&self.telling.pipeline));
        let events = if self.telling.mutant.is_some() { &self.read } else { &self.journal };
        if let Some(mutant) = self.telling.mutant {
            let is_turn =
                |(_, event): &(Timestamp, Event)| matches!(event, Event::RollbackStarted { .. });
            let has_turned = events.iter().any(is_turn);
            let pipeline = mutant.pipeline(&self.telling.pipeline, has_turned);
            run = Run::new(self.telling.run, Arc::new(pipeline));
        }
        for (at, event) in events {
            if let Err(error) = run.apply(*at, event) {
                self.problems.push(Problem::Fold(error.to_string()));
                break;
            }
        }
        run
    }

    fn compare_with_journal(&mut self) {
        if self.telling.mutant.is_some() {
            return;
        }
        let folded = self.fold();
        if folded != self.run {
            self.problems.push(Problem::Fold("they differ".into()));
        } else if due(&folded) != due(&self.run) {
            self.problems.push(Problem::Fold("what is due differs".into()));
        }
    }

    /// What must hold of a run at any time.
    fn look_at_the_run(&mut self) {
        let due = due(&self.run);
        if self.may_start && due.wake_at.is_some_and(|wake_at| wake_at <= self.now) {
            self.problems.push(Problem::Spins(format!("{:?} at {:?}", due.wake_at, self.now)));
        }
        let status = self.run.status();
        let rests = due.calls.is_empty();
        let has_no_output = self.run.output_failure().is_some();
        let fits = match status {
            RunStatus::Stuck => {
                let is_stuck = self.run.stuck_instances().next().is_some();
                rests && (is_stuck || has_no_output || self.run.used_up_unit().is_some())
            }
            RunStatus::Waiting => rests,
            RunStatus::Running | RunStatus::RollingBack => true,
            _ => rests && due.wake_at.is_none() && due.is_finished,
        };
        if !fits {
            self.problems.push(Problem::Status(status.word().into()));
        }
    }

    /// Reads what is left of the run, and hands the story over.
    pub(super) fn end(mut self) -> Story {
        self.world.cut_off();
        if self.run.is_started() && self.problems.is_empty() {
            self.compare_with_journal();
        }
        let is_right = self.telling.mutant.is_none();
        let findings = checker::check(Records {
            pipeline: &self.telling.pipeline,
            journal: &self.journal,
            world: Some(&self.world.log),
            spent: Some(&self.run.ledger().spent).filter(|_| is_right),
        });
        if is_right && findings.stays != self.run.effects_that_stay() {
            self.problems.push(Problem::Stays(format!("{:?}", findings.stays)));
        }
        self.problems.extend(findings.violations.into_iter().map(Problem::Broken));
        Story {
            run: self.run,
            journal: self.journal,
            world: self.world.log,
            crashes: self.crashes,
            problems: self.problems,
        }
    }

    /// Gives a mutant's core the pipeline it wants.
    pub(super) fn prepare(&mut self) {
        self.world.lets_calls_run_on = self.telling.mutant == Some(Mutant::CallNotDropped);
        self.run = self.fold();
    }
}

fn is_a_persons(input: &Input) -> bool {
    match input {
        Input::Start { .. }
        | Input::HostRestarted
        | Input::AttemptEnded { .. }
        | Input::Remember { .. }
        | Input::TimeReached => false,
        Input::Signal { .. }
        | Input::Approve { .. }
        | Input::Disapprove { .. }
        | Input::Cancel { .. }
        | Input::RollBack { .. }
        | Input::Retry { .. }
        | Input::Settle { .. } => true,
    }
}
