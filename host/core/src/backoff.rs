//! How long to wait before the next attempt.
//! Owns the formulas; never draws: randomness comes in as a [`Draw`].
//!
//! Source of the formulas: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015).

use std::time::Duration;

/// How a wait is spread, so that those who failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Jitter {
    /// Uniform between zero and the ceiling.
    #[default]
    Full,
    /// Half the ceiling, and uniform up to as much again.
    Equal,
    /// Uniform between the base and three times the wait before, up to the cap.
    Decorrelated,
    /// The ceiling itself.
    None,
}

/// The shape of waits between attempts.
#[derive(Debug, Clone, PartialEq)]
pub struct Backoff {
    /// The ceiling after the first failed attempt.
    pub base: Duration,
    /// What each further failure multiplies the ceiling by; at least 1.
    pub factor: f64,
    /// The most a ceiling grows to.
    pub cap: Duration,
    /// The least a wait is, whatever was drawn.
    pub floor: Duration,
    /// How the wait is spread below the ceiling.
    pub jitter: Jitter,
}

impl Backoff {
    /// The ceiling after `failed` failed attempts (1-based): `min(cap, base * factor^(failed-1))`.
    pub fn ceiling(&self, failed: u32) -> Duration {
        let exponent = i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.base.as_secs_f64() * self.factor.powi(exponent);
        // An infinite or absurd product is just "above the cap".
        Duration::try_from_secs_f64(seconds).unwrap_or(self.cap).min(self.cap)
    }

    /// The wait after `failed` failed attempts; `previous` is the wait before, if there was one.
    pub fn delay(&self, failed: u32, previous: Option<Duration>, draw: Draw) -> Duration {
        let ceiling = self.ceiling(failed);
        let drawn = match self.jitter {
            Jitter::None => ceiling,
            Jitter::Full => ceiling.mul_f64(draw.unit()),
            Jitter::Equal => ceiling / 2 + (ceiling / 2).mul_f64(draw.unit()),
            Jitter::Decorrelated => {
                let most = previous.unwrap_or(self.base).saturating_mul(3).max(self.base);
                (self.base + (most - self.base).mul_f64(draw.unit())).min(self.cap)
            }
        };
        // Due times are whole milliseconds; rounding down could undercut the floor's promise.
        whole_millis_up(drawn.max(self.floor))
    }
}

fn whole_millis_up(span: Duration) -> Duration {
    let millis = span.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// One random number, drawn at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw(pub u64);

impl Draw {
    /// A number in `[0, 1)` with 53 random bits.
    pub fn unit(self) -> f64 {
        // 2^53 distinct values, each exactly representable.
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The `n`-th number cut from this one, by SplitMix64 (Steele, Lea & Flood, OOPSLA 2014): one
    /// decision may need several waits.
    #[must_use]
    pub fn nth(self, n: u64) -> Self {
        let mut z = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(n.wrapping_add(1)));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(z ^ (z >> 31))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(jitter: Jitter) -> Backoff {
        Backoff {
            base: Duration::from_secs(1),
            factor: 2.0,
            cap: Duration::from_secs(60),
            floor: Duration::from_millis(100),
            jitter,
        }
    }

    const HIGHEST: Draw = Draw(u64::MAX);
    const LOWEST: Draw = Draw(0);

    fn check(jitter: Jitter, failed: u32, draw: Draw, expected_ms: u64) {
        let delay = backoff(jitter).delay(failed, None, draw);
        assert_eq!(delay, Duration::from_millis(expected_ms), "{jitter:?} after {failed}");
    }

    #[test]
    fn ceilings_double_up_to_the_cap() {
        for (failed, seconds) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (4_000_000_000, 60)] {
            assert_eq!(backoff(Jitter::None).ceiling(failed), Duration::from_secs(seconds));
        }
    }

    #[test]
    fn each_jitter_keeps_its_range() {
        check(Jitter::None, 3, LOWEST, 4_000);
        check(Jitter::Full, 3, LOWEST, 100);
        check(Jitter::Full, 3, HIGHEST, 4_000);
        check(Jitter::Full, 3, Draw(1 << 63), 2_000);
        check(Jitter::Equal, 3, LOWEST, 2_000);
        check(Jitter::Equal, 3, HIGHEST, 4_000);
        check(Jitter::Decorrelated, 3, LOWEST, 1_000);
        check(Jitter::Decorrelated, 3, HIGHEST, 3_000);
    }

    #[test]
    fn decorrelated_grows_from_the_wait_before() {
        let delay = |previous| {
            backoff(Jitter::Decorrelated).delay(9, Some(Duration::from_secs(previous)), HIGHEST)
        };
        assert_eq!(delay(5), Duration::from_secs(15));
        assert_eq!(delay(50), Duration::from_secs(60));
    }

    #[test]
    fn no_wait_is_below_the_floor() {
        let floor = Duration::from_millis(100);
        for n in 0..1_000 {
            for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::None] {
                assert!(backoff(jitter).delay(1, None, Draw(7).nth(n)) >= floor);
            }
        }
    }

    #[test]
    fn full_jitter_is_spread_evenly() {
        let below = (0..10_000).filter(|n| Draw(3).nth(*n).unit() < 0.25).count();
        // A binomial with p = 1/4: sd 43, so five of them either way.
        assert!((2_285..=2_715).contains(&below), "{below}");
    }
}
