//! Counts what the steps of one run leave with it: outputs and memos, all of which the host holds while
//! it carries the run. Each call has limits of its own; a map has ten thousand calls.
//! Says what is too much; never decides what follows from that.

use piton_core::{End, HostEnd, Json, Reconciled, Run};

/// The most that the steps of one run may leave with it.
const RUN_BYTES_MAX: u64 = 128 << 20;

/// What a run holds of its steps.
pub(crate) struct Holding {
    bytes: u64,
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
        Self { bytes: bytes as u64 }
    }

    /// The end of a call as the run can take it: an output that is too much is none.
    pub(crate) fn admit(&mut self, end: End) -> End {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_refused_and_not_counted() {
        let mut holding = Holding { bytes: RUN_BYTES_MAX - 4 };
        let succeeded = |text: &str| End::Succeeded(Some(Json::from_checked(text)));
        assert!(matches!(holding.admit(succeeded("12345")), End::Host(HostEnd::InvalidOutput, _)));
        assert_eq!(holding.admit(succeeded("12")), succeeded("12"));
        assert!(holding.remember("a", "bc").is_err());
        assert!(holding.remember("a", "b").is_ok());
        assert_eq!(holding.admit(End::Succeeded(None)), End::Succeeded(None));
    }
}
