//! What is spent, and what of it is kept.
//! Never says whether a run may go on: it records that somebody decided so.

use super::{Fits, require};
use crate::end::End;
use crate::id::{InstanceId, Phase};
use crate::ledger::Usage;
use crate::run::Run;
use crate::run::budget::BudgetState;

/// What an attempt spent.
pub(super) struct Spent {
    /// Beside what is remembered.
    pub(super) rest: Usage,
    /// What its memos cost.
    pub(super) remembered: Usage,
}

impl Run {
    /// Counts what was durably reported against the budget, whatever becomes of its attempt.
    pub(super) fn count_against_budget(&mut self, usage: &Usage) {
        if self.pipeline.budget.is_some() {
            self.budget.spent.add_all(usage);
        }
    }

    pub(super) fn enter_usage(
        &mut self,
        instance: InstanceId,
        phase: Phase,
        end: &End,
        spent: Spent,
    ) -> Fits {
        let Spent { rest, remembered } = spent;
        let mut total = rest.clone();
        total.add_all(&remembered);
        let is_kept = matches!(end, End::Succeeded(_) | End::Reconciled(_));
        if is_kept {
            let found = self.instance_mut(instance)?;
            // What earlier attempts remembered, this one did not have to pay again.
            let rescued = std::mem::take(&mut found.phase_mut(phase).remembered);
            if phase == Phase::Execute {
                found.lost_usage = Usage::new();
            }
            found.ledger.keep(&total);
            found.ledger.rescue(&rescued);
            self.ledger.keep(&total);
            self.ledger.rescue(&rescued);
            return Ok(());
        }
        self.ledger.waste(&total);
        if phase == Phase::Execute {
            self.ledger.would_restart(&total);
        }
        let found = self.instance_mut(instance)?;
        found.ledger.waste(&total);
        found.phase_mut(phase).remembered.add_all(&remembered);
        if phase == Phase::Execute {
            found.lost_usage = rest;
        }
        Ok(())
    }

    /// Of a run that was undone nothing is kept, so all that it spent is wasted.
    pub(super) fn waste_what_was_undone(&mut self) -> Fits {
        if !self.is_undone() {
            return Ok(());
        }
        self.ledger.waste_all();
        for instance in self.instances() {
            self.instance_mut(instance)?.ledger.waste_all();
        }
        Ok(())
    }

    pub(super) fn budget_warned(&mut self, unit: &str) -> Fits {
        self.check_is_budgeted(unit)?;
        require(self.budget.warned.insert(unit.into()), "of each unit a run is warned once")
    }

    pub(super) fn budget_used_up(&mut self, unit: &str) -> Fits {
        self.check_is_budgeted(unit)?;
        require(self.budget.used_up.is_none(), "the budget is already used up")?;
        require(self.rollback.is_none(), "undoing has no budget")?;
        self.budget.used_up = Some(unit.into());
        Ok(())
    }

    pub(super) fn budget_renewed(&mut self) -> Fits {
        require(self.budget.used_up.is_some(), "the budget is not used up")?;
        self.budget = BudgetState::default();
        Ok(())
    }

    fn check_is_budgeted(&self, unit: &str) -> Fits {
        let budget = self.pipeline.budget.as_ref();
        let limit = budget.map_or(0, |budget| budget.limits.micros(unit));
        require(limit > 0, "the pipeline has no budget for that unit")
    }
}
