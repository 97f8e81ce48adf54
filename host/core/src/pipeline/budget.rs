//! What a run may spend, and what happens once it has.
//! Never adds anything up: that is the ledger's.

use crate::ledger::Usage;

/// What a run may spend, by unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// The most of each unit, in millionths of it, none of them 0. Units that are not named here
    /// have no limit.
    pub limits: Usage,
    /// What happens once one of them is used up.
    pub on: OnBudget,
}

/// What happens once a budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBudget {
    /// The run stops until a person says what to do.
    #[default]
    Pause,
    /// The run turns back. Behind a pivot it cannot, and stops as with [`OnBudget::Pause`].
    RollBack,
}

impl Budget {
    /// The share of a unit's limit from which on a run is warned, in percent.
    pub const WARNING_PERCENT: u64 = 80;

    /// The first unit of which `spent` has reached the limit: no attempt starts any more.
    pub fn used_up<'a>(&'a self, spent: &'a Usage) -> Option<&'a str> {
        self.reached(spent, 100).next()
    }

    /// The units of which `spent` has reached [`Budget::WARNING_PERCENT`] of the limit.
    pub fn nearly_used_up<'a>(&'a self, spent: &'a Usage) -> impl Iterator<Item = &'a str> {
        self.reached(spent, Self::WARNING_PERCENT)
    }

    fn reached<'a>(&'a self, spent: &'a Usage, percent: u64) -> impl Iterator<Item = &'a str> {
        let is_reached = move |(unit, limit): &(&str, u64)| {
            u128::from(spent.micros(unit)) * 100 >= u128::from(*limit) * u128::from(percent)
        };
        self.limits.iter().filter(is_reached).map(|(unit, _)| unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_reached_at_their_exact_millionth() {
        let mut limits = Usage::new();
        limits.add("usd", 1_000_001).expect("a small amount should fit");
        let budget = Budget { limits, on: OnBudget::Pause };
        for (micros, is_near, is_used_up) in [
            (800_000, false, false),
            (800_001, true, false),
            (1_000_000, true, false),
            (1_000_001, true, true),
            (u64::MAX, true, true),
        ] {
            let mut spent = Usage::new();
            spent.add("usd", micros).expect("one amount should fit");
            assert_eq!(budget.nearly_used_up(&spent).count() == 1, is_near, "{micros}");
            assert_eq!(budget.used_up(&spent).is_some(), is_used_up, "{micros}");
        }
    }
}
