//! What may be undone when, and that everything owed an undo has one outcome in the end.
//! Never looks at what goes forward.

use super::Rule;
use super::books::{Books, Known};
use crate::event::Cause;
use crate::id::InstanceId;
use crate::run::RunStatus;

impl Books<'_> {
    pub(super) fn compensate_started(&mut self, instance: InstanceId, is_scheduled: bool) {
        let about = Some(instance);
        let page = self.page(instance).clone();
        let is_alone = page.is_tolerated && self.turned.is_none();
        let may_undo = self.turned.is_some() || page.is_tolerated;
        self.require(may_undo, Rule::UndoBeforeTurn, about, "");
        self.require(page.outcomes == 0, Rule::FinishedCalledAgain, about, "compensate");
        let is_owed = self.is_owed(instance, &page);
        self.require(is_owed, Rule::OneOutcome, about, "nothing was owed");
        let behind = self.pivot_recorded && !page.is_tolerated;
        self.require(!behind, Rule::UndoBehindPivot, about, "");
        // A scheduled attempt goes on with an undo that has begun in its turn.
        let is_its_turn = is_alone || is_scheduled || self.are_dependents_clear(instance.step);
        self.require(is_its_turn, Rule::UndoBeforeDependants, about, "");
    }

    pub(super) fn undo_ended(&mut self, instance: InstanceId) {
        let may_undo = self.turned.is_some() || self.page(instance).is_tolerated;
        self.require(may_undo, Rule::UndoBeforeTurn, Some(instance), "");
        let page = self.page(instance);
        page.outcomes += 1;
        page.retry = None;
        page.is_stuck = false;
        let count = page.outcomes;
        self.require(count == 1, Rule::OneOutcome, Some(instance), &format!("{count} outcomes"));
        self.recount(instance);
    }

    pub(super) fn rollback_started(&mut self, cause: &Cause) {
        self.require(self.turned.is_none(), Rule::Order, None, "a second turn");
        self.require(!self.pivot_recorded, Rule::UndoBehindPivot, None, "its result is recorded");
        let open: Vec<InstanceId> = self
            .pages()
            .filter(|(instance, page)| {
                let is_cut_off = page.effect == Known::CutOff && page.outcomes == 0;
                self.step(*instance).pivot && (page.under_way.is_some() || is_cut_off)
            })
            .map(|(instance, _)| instance)
            .collect();
        for instance in open {
            self.require(false, Rule::UndoBehindPivot, Some(instance), "its outcome is open");
        }
        self.turned = Some(cause.clone());
        self.drop_retries_at_the_turn();
        self.recount_all();
    }

    pub(super) fn run_finished(&mut self, status: RunStatus) {
        self.finished = true;
        let under_way: Vec<InstanceId> = (self.pages())
            .filter(|(_, page)| page.under_way.is_some())
            .map(|(instance, _)| instance)
            .collect();
        for instance in under_way {
            self.require(false, Rule::EndState, Some(instance), "a call of it is under way");
        }
        let fits = match (status, &self.turned) {
            (RunStatus::Completed, None) => !self.keeps_effects && self.all_ended_well().is_none(),
            (RunStatus::Cancelled, Some(cause)) => matches!(cause, Cause::Cancelled { .. }),
            (RunStatus::Cancelled, None) => self.keeps_effects,
            (RunStatus::RolledBack, Some(cause)) => !matches!(cause, Cause::Cancelled { .. }),
            _ => false,
        };
        self.require(fits, Rule::EndState, None, status.word());
        if self.turned.is_some() {
            self.check_outcomes();
        } else if status == RunStatus::Completed {
            self.check_tolerated();
        }
    }

    /// After a rollback, everything owed an undo has its outcome.
    fn check_outcomes(&mut self) {
        let left: Vec<InstanceId> = (self.pages())
            .filter(|(instance, page)| self.is_owed(*instance, page) && page.outcomes == 0)
            .map(|(instance, _)| instance)
            .collect();
        for instance in left {
            self.require(false, Rule::OneOutcome, Some(instance), "none at the end");
        }
    }

    /// What failed within its map's tolerance is undone although the run completes.
    fn check_tolerated(&mut self) {
        let left: Vec<InstanceId> = (self.pages())
            .filter(|(instance, page)| {
                page.is_tolerated && self.is_owed(*instance, page) && page.outcomes == 0
            })
            .map(|(instance, _)| instance)
            .collect();
        for instance in left {
            self.require(false, Rule::OneOutcome, Some(instance), "tolerated, and not undone");
        }
    }
}
