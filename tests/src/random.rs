//! Numbers that look random and come again from the same seed (SplitMix64).
//! Never reads a clock but for the seed of a fresh one.

use std::time::{Duration, SystemTime};

/// A sequence of numbers.
pub struct Random {
    /// What it began with; a failing test prints it.
    pub seed: u64,
    state: u64,
}

impl Random {
    /// The sequence that `PITON_SEED` names, or a fresh one. Prints the seed, which cargo shows
    /// where the test fails.
    ///
    /// # Panics
    /// Where `PITON_SEED` is no number.
    pub fn new(subject: &str) -> Self {
        let named = std::env::var("PITON_SEED").ok();
        let named = named.map(|seed| seed.parse().expect("PITON_SEED should be a number"));
        let seed = named.unwrap_or_else(|| {
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
            now.as_micros() as u64
        });
        println!("{subject}: PITON_SEED={seed}");
        Self { seed, state: seed }
    }

    /// The sequence of a seed that never changes, where a test's outcome is known.
    pub const fn seeded(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// True once in `often` times.
    pub fn once_in(&mut self, often: u64) -> bool {
        self.below(often) == 0
    }

    /// A time span below `end`.
    pub fn below_time(&mut self, end: Duration) -> Duration {
        Duration::from_micros(self.below(end.as_micros() as u64))
    }

    /// Bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.number() as u8).collect()
    }
}
