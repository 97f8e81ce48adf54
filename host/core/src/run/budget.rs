//! How much of its budget a run has used, and whether it may go on.
//! Part of the fold; never says what follows from it.

use super::Run;
use crate::ledger::Usage;
use std::collections::BTreeSet;

/// What a run has used of its budget since it was last renewed.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct BudgetState {
    pub(super) spent: Usage,
    pub(super) warned: BTreeSet<String>,
    pub(super) used_up: Option<String>,
}

impl Run {
    /// The unit whose budget is used up, while no attempt starts for that reason.
    pub fn used_up_unit(&self) -> Option<&str> {
        self.budget.used_up.as_deref().filter(|_| self.is_out_of_budget())
    }

    /// What was spent since the run began or its budget was last renewed: what the budget is held
    /// against. Of a pipeline without a budget, nothing.
    pub fn spent_of_budget(&self) -> &Usage {
        &self.budget.spent
    }

    /// Whether no attempt of `execute` may start. What may settle a pivot's outcome, so that the
    /// run can turn back, still may.
    pub(crate) fn is_out_of_budget(&self) -> bool {
        self.budget.used_up.is_some() && self.turn_wanted.is_none() && self.rollback.is_none()
    }

    /// The units that the run is to be warned of and was not.
    pub(crate) fn unwarned_units(&self) -> Vec<String> {
        let Some(budget) = &self.pipeline.budget else { return Vec::new() };
        let near = budget.nearly_used_up(&self.budget.spent);
        near.filter(|unit| !self.budget.warned.contains(*unit)).map(Into::into).collect()
    }

    /// The first unit whose budget is used up, by what was spent.
    pub(crate) fn unit_over_budget(&self) -> Option<&str> {
        self.pipeline.budget.as_ref()?.used_up(&self.budget.spent)
    }

    /// How much was spent of a unit, and how much may be.
    pub(crate) fn spent_and_limit(&self, unit: &str) -> (u64, u64) {
        let limit = self.pipeline.budget.as_ref().map_or(0, |budget| budget.limits.micros(unit));
        (self.budget.spent.micros(unit), limit)
    }
}
