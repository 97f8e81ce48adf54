//! Whether a run may spend more.
//! Looked at before each attempt of `execute`, and at no other call: what undoes an effect or finds
//! out about one is always paid for.

use super::Deciding;
use crate::event::{Cause, Event};
use crate::pipeline::OnBudget;

impl Deciding<'_> {
    /// Says it once for each unit that is nearly used up.
    pub(super) fn warn_of_budget(&mut self) {
        if self.run.rollback.is_some() || self.run.cancel_keeping_effects {
            return;
        }
        for unit in self.run.unwarned_units() {
            let (spent, limit) = self.run.spent_and_limit(&unit);
            self.emit(Event::BudgetWarned { unit, spent, limit });
        }
    }

    /// Whether an attempt of `execute` may start; where the budget allows none, says so once, and
    /// turns the run where the manifest wants that.
    pub(super) fn may_spend(&mut self) -> bool {
        if self.run.is_out_of_budget() {
            return false;
        }
        // A pivot whose outcome must be known before the run can turn back.
        if self.run.turn_wanted.is_some() {
            return true;
        }
        let Some(unit) = self.run.unit_over_budget().map(String::from) else { return true };
        let (spent, limit) = self.run.spent_and_limit(&unit);
        self.emit(Event::BudgetUsedUp { unit, spent, limit });
        let on = self.run.pipeline().budget.as_ref().map(|budget| budget.on);
        if on == Some(OnBudget::RollBack) {
            self.turn(Cause::Budget);
        }
        false
    }
}
