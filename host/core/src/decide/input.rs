//! What can happen to a run. Only data.

use crate::end::End;
use crate::event::Settlement;
use crate::id::{Digest, InstanceId, Phase, StepIndex};
use crate::ledger::Usage;
use crate::value::Json;

/// All that can happen to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// It is to begin.
    Start {
        /// The digest of the manifest's text.
        manifest: Digest,
        /// The folder that the manifest's relative paths are relative to.
        folder: String,
        /// The component of each step that calls one.
        components: Vec<Option<Digest>>,
        /// The run's input.
        input: Json,
        /// The user's key.
        key: Option<String>,
    },
    /// Another host holds the run now: what was under way is lost.
    HostRestarted,
    /// A call is over.
    AttemptEnded {
        /// What was called.
        instance: InstanceId,
        /// Which of its functions.
        phase: Phase,
        /// Which attempt.
        attempt: u32,
        /// How it ended.
        end: End,
        /// What it spent since its last durable report.
        usage: Usage,
        /// Log lines of the step that belong to this attempt and those before.
        log_cursor: u64,
    },
    /// A guest notes something for later attempts.
    Remember {
        /// Whose memo.
        instance: InstanceId,
        /// The phase that notes it.
        phase: Phase,
        /// The attempt that notes it.
        attempt: u32,
        /// The memo's key.
        key: String,
        /// Its value.
        value: String,
        /// What the attempt has spent since its last durable report.
        usage: Usage,
    },
    /// Time has passed: something may be due.
    TimeReached,
    /// Somebody sends a signal.
    Signal {
        /// Its name.
        name: String,
        /// What comes with it.
        data: Json,
        /// Who sends it.
        by: String,
    },
    /// Somebody approves.
    Approve {
        /// The approval node.
        step: StepIndex,
        /// The node's output: who, why, and what they say.
        output: Json,
    },
    /// Somebody refuses to approve.
    Disapprove {
        /// The approval node.
        step: StepIndex,
        /// Who and why, for people.
        message: String,
    },
    /// Somebody cancels the run.
    Cancel {
        /// Who.
        by: String,
        /// Whether its effects are to stay.
        keep: bool,
    },
    /// Somebody asks for a rollback.
    RollBack {
        /// Who.
        by: String,
    },
    /// Somebody asks for further attempts of what is stuck.
    Retry {
        /// What; none: all that is stuck.
        instance: Option<InstanceId>,
        /// Who.
        by: String,
    },
    /// Somebody says what became of a step.
    Settle {
        /// Which.
        instance: InstanceId,
        /// What became of it.
        settlement: Settlement,
        /// Why, in their words.
        because: String,
        /// Who.
        by: String,
    },
}
