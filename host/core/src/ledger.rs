//! Adds up what a run has spent.
//! Never rounds and never overflows in silence: amounts are whole millionths of a unit.

use std::collections::BTreeMap;
use std::fmt;

/// Amounts by unit, each in millionths of that unit: `usd` 50,000 is five cents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage(BTreeMap<String, u64>);

/// Millionths of a unit, told in whole units: `1.05`, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub u64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if part == 0 {
            return f.pad(&whole.to_string());
        }
        f.pad(format!("{whole}.{part:06}").trim_end_matches('0'))
    }
}

/// The longest name of a unit, in bytes.
pub const UNIT_BYTES_MAX: usize = 32;

/// Whether usage may be counted in a unit of this name: up to [`UNIT_BYTES_MAX`] of a-z, 0-9, `_`
/// and `-`, a letter first.
pub fn is_unit(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
    name.len() <= UNIT_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(fits)
}

/// A sum that does not fit. The amounts before it are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageOverflow {
    /// The unit whose sum is too large.
    pub unit: String,
}

impl fmt::Display for UsageOverflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the sum of `{}` is more than can be counted", self.unit)
    }
}

impl std::error::Error for UsageOverflow {}

impl Usage {
    /// Nothing spent.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds `micros` millionths of `unit`.
    ///
    /// # Errors
    /// [`UsageOverflow`] where the sum would pass 2^64 - 1; the sum then stays as it was.
    pub fn add(&mut self, unit: &str, micros: u64) -> Result<(), UsageOverflow> {
        let sum = self.micros(unit).checked_add(micros);
        let sum = sum.ok_or_else(|| UsageOverflow { unit: unit.into() })?;
        self.0.insert(unit.into(), sum);
        Ok(())
    }

    /// Adds all of `other`; a sum that would overflow stays at the most that can be counted.
    pub fn add_all(&mut self, other: &Self) {
        for (unit, micros) in &other.0 {
            let sum = self.micros(unit).saturating_add(*micros);
            self.0.insert(unit.clone(), sum);
        }
    }

    /// Millionths of `unit`; 0 where none was reported.
    pub fn micros(&self, unit: &str) -> u64 {
        self.0.get(unit).copied().unwrap_or(0)
    }

    /// Units and their millionths, by unit.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(unit, micros)| (unit.as_str(), *micros))
    }

    /// Whether no unit was reported.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The three sums that are kept of a run, a step or many runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// All usage.
    pub spent: Usage,
    /// Usage of attempts whose result was not kept; but what a memo cost is kept with the phase
    /// that recalls it, once an attempt of that is. Once a run is rolled back, or cancelled without
    /// keeping its effects, nothing of it is kept.
    pub wasted: Usage,
    /// At each failed `execute`, what the recorded results and that attempt had cost: what a start
    /// from the top would have paid again.
    pub restart: Usage,
    /// Usage of attempts whose result was kept.
    pub(crate) kept: Usage,
}

impl Ledger {
    /// Adds all of `other`; a sum that would overflow stays at the most that can be counted.
    pub fn add_all(&mut self, other: &Self) {
        self.spent.add_all(&other.spent);
        self.wasted.add_all(&other.wasted);
        self.restart.add_all(&other.restart);
        self.kept.add_all(&other.kept);
    }

    /// Counts an attempt whose result is kept.
    pub(crate) fn keep(&mut self, usage: &Usage) {
        self.spent.add_all(usage);
        self.kept.add_all(usage);
    }

    /// Counts an attempt whose result is not kept.
    pub(crate) fn waste(&mut self, usage: &Usage) {
        self.spent.add_all(usage);
        self.wasted.add_all(usage);
    }

    /// Counts as kept what was counted as wasted: the result turned up after all, or was
    /// remembered.
    pub(crate) fn rescue(&mut self, usage: &Usage) {
        for (unit, micros) in usage.iter() {
            let left = self.wasted.micros(unit).saturating_sub(micros);
            self.wasted.0.insert(unit.into(), left);
        }
        self.kept.add_all(usage);
    }

    /// Counts all of it as wasted: nothing was kept in the end.
    pub(crate) fn waste_all(&mut self) {
        self.wasted = self.spent.clone();
        self.kept = Usage::new();
    }

    /// Counts what a start from the top would now pay again, after an attempt that cost `usage`.
    pub(crate) fn would_restart(&mut self, usage: &Usage) {
        let kept = self.kept.clone();
        self.restart.add_all(&kept);
        self.restart.add_all(usage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_told_exactly() {
        for (micros, expected) in
            [(0, "0"), (1, "0.000001"), (1_050_000, "1.05"), (95_000_000, "95")]
        {
            assert_eq!(Amount(micros).to_string(), expected);
        }
        assert_eq!(Amount(u64::MAX).to_string(), "18446744073709.551615");
    }

    #[test]
    fn an_overflowing_sum_is_refused_and_kept() {
        let mut usage = Usage::new();
        usage.add("usd", u64::MAX).expect("the first amount should fit");
        assert!(usage.add("usd", 1).is_err());
        assert_eq!(usage.micros("usd"), u64::MAX);
    }
}
