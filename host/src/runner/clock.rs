//! Owns the host's time: the wall clock as it was when the host started, and on from there by what has
//! passed since, suspended or not. So a clock that is set meanwhile moves no wait.
//! Never decides what is due.

use piton_core::{RunId, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time of one host.
pub(crate) struct Clock {
    started_at: Timestamp,
    /// Time since the machine was booted, when the host started.
    started: Duration,
    /// How much later than the host's it is for runs that were ahead of it when they were first seen.
    ahead: Mutex<BTreeMap<RunId, Duration>>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started_at: wall_clock(), started: since_boot(), ahead: Mutex::default() }
    }

    /// The time: milliseconds of wall time.
    pub(crate) fn now(&self) -> Timestamp {
        self.started_at.after(since_boot().saturating_sub(self.started))
    }

    /// How far a run's time is ahead of the host's. The last that is recorded of it has come, whatever
    /// the clock says: where that was set back since, the run goes on from what is recorded, and what it
    /// waits for takes no longer than it was to.
    pub(crate) fn ahead(&self, run: RunId, recorded_at: Timestamp) -> Duration {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = ahead.get(&run) {
            return *known;
        }
        let found = recorded_at.since(self.now());
        if !found.is_zero() {
            ahead.insert(run, found);
        }
        found
    }
}

/// The wall clock: milliseconds.
pub(super) fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Unlike `Instant`, it goes on while the machine is suspended.
fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_has_come() {
        let clock = Clock::start();
        let (past, ahead) = (RunId::from_bits(1), RunId::from_bits(2));
        let hour = Duration::from_secs(3_600);
        assert_eq!(clock.ahead(past, Timestamp::from_millis(1)), Duration::ZERO);
        let found = clock.ahead(ahead, clock.now().after(hour));
        assert!(found > hour / 2 && found <= hour, "{found:?}");
        // It is found once: from then on both go on alike.
        assert_eq!(clock.ahead(ahead, clock.now().after(hour * 2)), found);
    }
}
