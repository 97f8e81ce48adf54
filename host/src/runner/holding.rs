//! Counts what the steps of one run leave with it: outputs and memos, all of which the host holds while
//! it carries the run, and log lines, which lie on the disk. Each call has limits of its own; a map has
//! ten thousand calls.
//! Says what is too much; never decides what follows from that.

use piton_core::{End, HostEnd, Json, Reconciled, Run};
use std::sync::atomic::{AtomicU64, Ordering};

/// The most that the steps of one run may leave with it.
const RUN_BYTES_MAX: u64 = 128 << 20;

/// What a run holds of its steps.
pub(crate) struct Holding {
    bytes: u64,
    /// The details of failures since it was taken up: they lie on the disk, and count apart.
    details: u64,
}

impl Holding {
    /// What a run that is taken up holds.
    pub(crate) fn of(run: &Run) -> Self {
        let mut bytes = 0;
        for instance in run.instances() {
            let found = run.instance(instance);
            bytes += found.output.as_ref().map_or(0, |output| output.as_str().len());
            bytes += found.memos.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        }
        Self { bytes: bytes as u64, details: 0 }
    }

    /// The end of a call as the run can take it: an output that is too much is none, and a failure's
    /// details are left out.
    pub(crate) fn admit(&mut self, mut end: End) -> End {
        if let End::Failed(failure) = &mut end
            && let Some(details) = &failure.details
        {
            let all = self.details.saturating_add(details.as_str().len() as u64);
            if all > RUN_BYTES_MAX {
                failure.details = None;
                failure.message.push_str(" (details left out: this run has too many)");
            } else {
                self.details = all;
            }
        }
        let (End::Succeeded(Some(output)) | End::Reconciled(Reconciled::Done(output))) = &end
        else {
            return end;
        };
        match self.take(Json::as_str(output).len()) {
            Ok(()) => end,
            Err(why) => End::Host(HostEnd::InvalidOutput, format!("what it returned is {why}")),
        }
    }

    /// Makes room for a memo.
    pub(crate) fn remember(&mut self, key: &str, value: &str) -> Result<(), String> {
        self.take(key.len() + value.len()).map_err(|why| format!("it is {why}"))
    }

    fn take(&mut self, bytes: usize) -> Result<(), String> {
        let all = self.bytes.saturating_add(bytes as u64);
        if all > RUN_BYTES_MAX {
            let most = RUN_BYTES_MAX >> 20;
            return Err(format!("too much: the steps of one run may leave {most} MiB with it"));
        }
        self.bytes = all;
        Ok(())
    }
}

/// The most that is kept of what the steps of one run log and print.
const RUN_LOG_BYTES_MAX: u64 = 256 << 20;

/// What each line counts besides its text.
const LINE_BYTES: u64 = 64;

/// How much is kept of what a run's steps log. Shared by its calls.
#[derive(Default)]
pub(crate) struct LogRoom(AtomicU64);

/// Whether a line is kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is.
    Line,
    /// It is not, and is the first that is not: this is kept in its place.
    Notice(String),
    /// It is not.
    Nothing,
}

impl LogRoom {
    /// Counts a line, and says whether it is kept.
    pub(crate) fn take(&self, text: &str) -> Kept {
        let bytes = text.len() as u64 + LINE_BYTES;
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        match (before > RUN_LOG_BYTES_MAX, before + bytes > RUN_LOG_BYTES_MAX) {
            (_, false) => Kept::Line,
            (false, true) => Kept::Notice(format!(
                "what the steps of this run log and print is kept no more: it has {} MiB",
                RUN_LOG_BYTES_MAX >> 20
            )),
            (true, true) => Kept::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use piton_core::{Failure, FailureKind};

    #[test]
    fn lines_beyond_a_runs_room_are_told_of_once() {
        let room = LogRoom(AtomicU64::new(RUN_LOG_BYTES_MAX - LINE_BYTES - 3));
        assert_eq!(room.take("abc"), Kept::Line);
        assert!(matches!(room.take(""), Kept::Notice(_)));
        assert_eq!(room.take(""), Kept::Nothing);
    }

    #[test]
    fn what_is_too_much_is_refused_and_not_counted() {
        let mut holding = Holding { bytes: RUN_BYTES_MAX - 4, details: RUN_BYTES_MAX - 4 };
        let succeeded = |text: &str| End::Succeeded(Some(Json::from_checked(text)));
        assert!(matches!(holding.admit(succeeded("12345")), End::Host(HostEnd::InvalidOutput, _)));
        assert_eq!(holding.admit(succeeded("12")), succeeded("12"));
        assert!(holding.remember("a", "bc").is_err());
        assert!(holding.remember("a", "b").is_ok());
        assert_eq!(holding.admit(End::Succeeded(None)), End::Succeeded(None));
        let failed = |message: &str, details: Option<&str>| {
            End::Failed(Failure {
                kind: FailureKind::Permanent,
                clean: false,
                code: "code".into(),
                message: message.into(),
                details: details.map(Json::from_checked),
            })
        };
        assert_eq!(holding.admit(failed("", Some("1234"))), failed("", Some("1234")));
        let left_out = failed(" (details left out: this run has too many)", None);
        assert_eq!(holding.admit(failed("", Some("1"))), left_out);
    }
}
