//! Owns what an answer costs: the tokens a service counted, and the prices of the manifest.
//! Never uses a fraction: money is in whole millionths of a dollar.

use serde::{Deserialize, Serialize};

/// What a million tokens cost, in millionths of a dollar.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prices {
    input: u64,
    output: u64,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
}

/// How many tokens of each price an answer took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tokens {
    /// Read by the model, besides those of the next two.
    pub(crate) input: u64,
    /// Found in the service's cache.
    pub(crate) cache_read: u64,
    /// Put into the service's cache.
    pub(crate) cache_write: u64,
    /// Written by the model.
    pub(crate) output: u64,
}

impl Tokens {
    pub(crate) fn all_input(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }

    pub(crate) fn all(&self) -> u64 {
        self.all_input().saturating_add(self.output)
    }
}

impl Prices {
    /// What these tokens cost in millionths of a dollar, rounded up.
    pub(crate) fn micros(&self, tokens: &Tokens) -> u64 {
        let parts = [
            (tokens.input, self.input),
            (tokens.cache_read, self.cache_read.unwrap_or(self.input)),
            (tokens.cache_write, self.cache_write.unwrap_or(self.input)),
            (tokens.output, self.output),
        ];
        let cost = |(count, price): (u64, u64)| u128::from(count) * u128::from(price);
        let sum = parts.into_iter().map(cost).fold(0, u128::saturating_add);
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICES: Prices = Prices {
        input: 3_000_000,
        output: 15_000_000,
        cache_read: Some(300_000),
        cache_write: None,
    };

    #[track_caller]
    fn check(input: u64, cache_read: u64, cache_write: u64, output: u64, expected: u64) {
        let tokens = Tokens { input, cache_read, cache_write, output };
        assert_eq!(PRICES.micros(&tokens), expected);
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        check(1_000_000, 0, 0, 0, 3_000_000);
        check(0, 1_000_000, 0, 0, 300_000);
        check(0, 0, 1_000_000, 0, 3_000_000);
        check(0, 0, 0, 1_000_000, 15_000_000);
        check(1_000, 0, 0, 100, 4_500);
    }

    #[test]
    fn a_fraction_is_rounded_up_once_for_the_whole_answer() {
        check(0, 0, 0, 0, 0);
        check(0, 1, 0, 0, 1);
        check(0, 10, 0, 0, 3);
        check(0, 11, 0, 0, 4);
        check(1, 1, 0, 1, 19);
    }

    #[test]
    fn a_sum_without_end_is_cut_and_not_wrapped() {
        check(u64::MAX, u64::MAX, u64::MAX, u64::MAX, u64::MAX);
    }
}
