//! The sums of a profile: what all the time went into, whether or not its slices were kept.
//! Adds up; draws nothing.

use super::slice::{Nanos, What};
use crate::sandbox::HostCall;
use std::time::Duration;

/// How many waits for the journal the median is of, at most: the first ones.
const MEDIAN_OF_MAX: usize = 100_000;

/// Kinds of what a guest asks the host for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostCallKind {
    /// Requests.
    Http,
    /// Remembering, and looking up what was remembered.
    Memo,
    /// Log lines.
    Log,
    /// Progress and usage.
    Report,
}

impl HostCallKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Http, Self::Memo, Self::Log, Self::Report];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Memo => "memo",
            Self::Log => "log",
            Self::Report => "report",
        }
    }

    pub(super) const fn of(call: HostCall) -> Self {
        match call {
            HostCall::Http => Self::Http,
            HostCall::Recall | HostCall::Remember => Self::Memo,
            HostCall::Log => Self::Log,
            HostCall::Progress | HostCall::Usage => Self::Report,
        }
    }
}

/// Time, and how many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// All of it.
    pub time: Duration,
    /// How often.
    pub count: u64,
}

/// What the time went into, added up over all that went on side by side.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// From the profile's begin to its end, by the clock.
    pub wall: Duration,
    /// Attempts, from their start to their end: what the next five consist of.
    pub attempts: Share,
    /// Attempts that waited for a slot.
    pub queue: Share,
    /// Stores and instances that were made.
    pub instantiate: Share,
    /// Guests that had a processor.
    pub guest: Share,
    /// What the host did for guests meanwhile, by [`HostCallKind::ALL`].
    pub calls: [Share; 4],
    /// Guests that slept, waited for a file, or for their turn on a processor.
    pub idle: Share,
    /// Runs that waited for the journal.
    pub commit: Share,
    /// The median of such waits.
    pub commit_median: Duration,
    /// Manifests and their components that were loaded.
    pub load: Share,
    /// What of that was compiling.
    pub compile: Share,
    /// Steps that waited before an attempt.
    pub backoff: Share,
    /// Waiting nodes.
    pub wait: Share,
    /// Slices that were not kept: there were too many.
    pub slices_left_out: u64,
}

impl Sums {
    /// All host calls.
    pub fn host_calls(&self) -> Share {
        self.calls.iter().fold(Share::default(), |all, share| Share {
            time: all.time + share.time,
            count: all.count + share.count,
        })
    }

    /// All of it.
    pub fn all(&self) -> Duration {
        let Self { attempts, commit, load, backoff, wait, .. } = self;
        attempts.time + commit.time + load.time + backoff.time + wait.time
    }
}

/// Sums that grow.
#[derive(Default)]
pub(super) struct Summing {
    sums: Sums,
    commits: Vec<u32>,
}

impl Summing {
    pub(super) fn add(&mut self, took: Nanos, what: &What) {
        let sums = &mut self.sums;
        let share = match what {
            What::Attempt(_) => &mut sums.attempts,
            What::Queue => &mut sums.queue,
            What::Instantiate => &mut sums.instantiate,
            What::Guest(split) => {
                for (nth, share) in sums.calls.iter_mut().enumerate() {
                    share.time += Duration::from_nanos(split.calls[nth]);
                    share.count += split.counts[nth];
                }
                sums.idle.time += Duration::from_nanos(split.waiting);
                sums.guest.time += Duration::from_nanos(split.computing);
                sums.guest.count += 1;
                return;
            }
            What::Commit => {
                if self.commits.len() < MEDIAN_OF_MAX {
                    self.commits.push(u32::try_from(took).unwrap_or(u32::MAX));
                }
                &mut sums.commit
            }
            What::Load => &mut sums.load,
            What::Compile(_) => &mut sums.compile,
            What::Backoff(_) => &mut sums.backoff,
            What::Wait => &mut sums.wait,
            // Both are counted with what they are part of.
            What::Call(..) | What::Write { .. } => return,
        };
        share.time += Duration::from_nanos(took);
        share.count += 1;
    }

    pub(super) fn left_out(&mut self, slices: u64) {
        self.sums.slices_left_out += slices;
    }

    pub(super) fn over(mut self, wall: Duration) -> Sums {
        self.commits.sort_unstable();
        let median = self.commits.get(self.commits.len() / 2).copied().unwrap_or(0);
        Sums { wall, commit_median: Duration::from_nanos(median.into()), ..self.sums }
    }
}

#[cfg(test)]
mod tests {
    use super::super::slice::Split;
    use super::*;

    #[test]
    fn a_guest_is_split_and_the_median_is_of_commits() {
        let mut summing = Summing::default();
        let split = Split { computing: 5, waiting: 2, calls: [1, 0, 3, 0], counts: [1, 0, 2, 0] };
        summing.add(11, &What::Guest(Box::new(split)));
        for took in [40, 10, 20] {
            summing.add(took, &What::Commit);
        }
        let sums = summing.over(Duration::from_nanos(99));
        assert_eq!(sums.guest, Share { time: Duration::from_nanos(5), count: 1 });
        assert_eq!(sums.host_calls(), Share { time: Duration::from_nanos(4), count: 3 });
        assert_eq!(sums.commit, Share { time: Duration::from_nanos(70), count: 3 });
        assert_eq!(sums.commit_median, Duration::from_nanos(20));
        assert_eq!(sums.idle.time, Duration::from_nanos(2));
    }
}
