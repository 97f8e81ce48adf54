//! What a guest said while it ran: lines of text from a stranger, kept with the run.
//! Owns their stored form; never shows them: who does must escape them first.

use super::stored::Object;
use piton_core::{Phase, RunId, Timestamp};
use serde::Deserialize;

/// One line of a step's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The run.
    pub run: RunId,
    /// The step, `name` or `name[3]`.
    pub step: String,
    /// In which phase it was said.
    pub phase: Phase,
    /// By which attempt.
    pub attempt: u32,
    /// Its number among the step's lines, as `log_cursor` of an ended attempt counts them.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// How it was said.
    pub channel: LogChannel,
    /// What was said. Text from a stranger.
    pub text: String,
}

/// How a guest said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogChannel {
    /// Through the log, at this level.
    Trace,
    /// Through the log, at this level.
    Debug,
    /// Through the log, at this level.
    Info,
    /// Through the log, at this level.
    Warn,
    /// Through the log, at this level.
    Error,
    /// On its standard output.
    Stdout,
    /// On its standard error.
    Stderr,
    /// Not by the guest: the host says that lines were left out.
    Host,
}

impl LogChannel {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Trace,
        Self::Debug,
        Self::Info,
        Self::Warn,
        Self::Error,
        Self::Stdout,
        Self::Stderr,
        Self::Host,
    ];

    /// The word for it in the journal and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Host => "host",
        }
    }
}

#[derive(Deserialize)]
struct Stored {
    step: String,
    phase: String,
    attempt: u32,
    number: u64,
    at_ms: u64,
    channel: String,
    text: String,
}

impl LogLine {
    pub(super) fn to_json(&self) -> Vec<u8> {
        let mut object = Object::with_capacity(128 + self.text.len());
        object.text("step", &self.step).text("phase", self.phase.word());
        object.number("attempt", self.attempt.into()).number("number", self.number);
        object.number("at_ms", self.at.as_millis()).text("channel", self.channel.word());
        object.text("text", &self.text);
        object.finish().expect("a log line should have no payload")
    }

    pub(super) fn from_json(run: RunId, json: &[u8]) -> Result<Self, String> {
        let stored: Stored = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let phase = Phase::ALL.into_iter().find(|phase| phase.word() == stored.phase);
        let channel = LogChannel::ALL.into_iter().find(|channel| channel.word() == stored.channel);
        Ok(Self {
            run,
            step: stored.step,
            phase: phase.ok_or_else(|| format!("`{}` is no phase", stored.phase))?,
            attempt: stored.attempt,
            number: stored.number,
            at: Timestamp::from_millis(stored.at_ms),
            channel: channel.ok_or_else(|| format!("`{}` is no channel", stored.channel))?,
            text: stored.text,
        })
    }
}
