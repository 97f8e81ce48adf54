//! The time of one attempt: when its call must be over, and since when it has not moved.
//! Monotonic time only; never ends anything itself.

use super::stopwatch::Stopwatch;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When one attempt's time is up.
pub(super) struct Time {
    started: Instant,
    limit: Duration,
    idle: Option<Duration>,
    /// Milliseconds after the start at which it last reported progress.
    progressed_ms: AtomicU64,
    /// Who wants to know what it goes into.
    stopwatch: Option<Arc<dyn Stopwatch>>,
}

/// Time is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TimeUp {
    /// The whole call took this long.
    Limit(Duration),
    /// This long went by without progress.
    Idle(Duration),
}

impl fmt::Display for TimeUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(limit) => write!(f, "its time of {limit:?} was up (`timeout`)"),
            Self::Idle(idle) => write!(f, "no progress for {idle:?} (`idle_timeout`)"),
        }
    }
}

impl std::error::Error for TimeUp {}

impl Time {
    /// Starts now.
    pub(super) fn start(limit: Duration, idle: Option<Duration>) -> Self {
        let progressed_ms = AtomicU64::new(0);
        Self { started: Instant::now(), limit, idle, progressed_ms, stopwatch: None }
    }

    /// The same time, told to a stopwatch where there is one.
    pub(super) fn told_to(self, stopwatch: Option<Arc<dyn Stopwatch>>) -> Self {
        Self { stopwatch, ..self }
    }

    pub(super) fn stopwatch(&self) -> Option<&Arc<dyn Stopwatch>> {
        self.stopwatch.as_ref()
    }

    /// The guest told of progress.
    pub(super) fn progressed(&self) {
        let millis = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.progressed_ms.store(millis, Ordering::Relaxed);
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// What is left of the whole time.
    pub(super) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.elapsed())
    }

    /// How long until time is up, if nothing moves; or that it is.
    pub(super) fn check(&self) -> Result<Duration, TimeUp> {
        let elapsed = self.elapsed();
        let left = self.limit.checked_sub(elapsed).filter(|left| !left.is_zero());
        let left = left.ok_or(TimeUp::Limit(self.limit))?;
        let Some(idle) = self.idle else { return Ok(left) };
        let progressed = Duration::from_millis(self.progressed_ms.load(Ordering::Relaxed));
        let until = progressed.saturating_add(idle);
        let idle_left = until.checked_sub(elapsed).filter(|left| !left.is_zero());
        Ok(left.min(idle_left.ok_or(TimeUp::Idle(idle))?))
    }

    /// Is ready when time is up.
    pub(super) async fn up(&self) -> TimeUp {
        loop {
            match self.check() {
                // Progress may have moved the moment by then, so it looks again.
                Ok(left) => tokio::time::sleep(left).await,
                Err(up) => return up,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn no_time_at_all_is_up_at_once() {
        assert_eq!(Time::start(Duration::ZERO, None).check(), Err(TimeUp::Limit(Duration::ZERO)));
        let idle = Time::start(HOUR, Some(Duration::ZERO));
        assert_eq!(idle.check(), Err(TimeUp::Idle(Duration::ZERO)));
    }

    #[test]
    fn progress_moves_only_the_idle_limit() {
        let time = Time::start(HOUR, Some(HOUR / 2));
        // As if it had progressed after half an hour: what is left is the whole limit's.
        time.progressed_ms.store(1_800_000, Ordering::Relaxed);
        let left = time.check().expect("there should be time left");
        assert!(left > HOUR / 2 && left <= HOUR);
    }
}
