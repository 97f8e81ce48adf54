//! What was spent, and whether a call was still paid for.
//! Never trusts what an event says of a sum: it adds up by itself.

use super::Rule;
use super::books::{Books, Money};
use crate::id::InstanceId;
use crate::ledger::Usage;

impl Books<'_> {
    pub(super) fn spend(&mut self, usage: &Usage) {
        self.spent.add_all(usage);
        self.money.spent.add_all(usage);
    }

    pub(super) fn budget_warned(&mut self, unit: &str) {
        let is_near = (self.pipeline.budget.as_ref())
            .is_some_and(|budget| budget.nearly_used_up(&self.money.spent).any(|one| one == unit));
        let is_first = self.money.warned.insert(unit.into());
        self.require(is_near && is_first, Rule::Budget, None, "it is warned in vain");
    }

    pub(super) fn budget_used_up(&mut self) {
        let is_so = !self.is_paid_for() && !self.money.is_used_up;
        self.money.is_used_up = true;
        self.require(is_so, Rule::Budget, None, "some is left, or it was said before");
    }

    pub(super) fn budget_renewed(&mut self) {
        let is_turn_wanted = self.money.is_turn_wanted;
        let before =
            std::mem::replace(&mut self.money, Money { is_turn_wanted, ..Money::default() });
        self.require(before.is_used_up, Rule::Order, None, "the budget was not used up");
    }

    /// No call begins once the budget is used up, but for a pivot that must be decided first.
    pub(super) fn check_budget(&mut self, instance: InstanceId) {
        let Some(budget) = &self.pipeline.budget else { return };
        let near = budget.nearly_used_up(&self.money.spent);
        let is_warned = near.into_iter().all(|unit| self.money.warned.contains(unit));
        self.require(is_warned, Rule::Budget, Some(instance), "nobody was warned");
        let may_begin = self.money.is_turn_wanted || (self.is_paid_for() && !self.money.is_used_up);
        self.require(may_begin, Rule::Budget, Some(instance), "nothing is left");
    }

    fn is_paid_for(&self) -> bool {
        let budget = self.pipeline.budget.as_ref();
        budget.is_none_or(|budget| budget.used_up(&self.money.spent).is_none())
    }
}
