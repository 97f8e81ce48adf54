//! Owns the ways in which a step can be told to fail, and when.
//! Never fails unasked. The guests for tests share this file.

use std::hint::black_box;
use std::thread::sleep;
use std::time::Duration;

use piton_step::Failure;
use serde::Deserialize;

use crate::calls::Phase;

/// The part of an input that tells the step to fail.
#[derive(Debug, Deserialize)]
pub(crate) struct Plan {
    fail: Option<Way>,
    times: Option<u32>,
    #[serde(default)]
    phase: PhaseName,
    #[serde(default)]
    clean: bool,
    code: Option<String>,
    #[serde(default = "one_second_ms")]
    wait_ms: u64,
}

/// How to fail.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    Retryable,
    RetryAfter,
    Permanent,
    Unknown,
    Trap,
    Panic,
    Loop,
    Exit,
    Sleep,
    BadOutput,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum PhaseName {
    #[default]
    Execute,
    Compensate,
    Reconcile,
}

fn one_second_ms() -> u64 {
    1_000
}

impl Plan {
    /// Returns how this attempt is to fail, or none where it is to work. Depends on nothing but the
    /// attempt's number, so it needs no memory.
    pub(crate) fn due(&self, phase: Phase<'_>, attempt: u32) -> Option<Way> {
        let phase = match phase {
            Phase::Execute => PhaseName::Execute,
            Phase::Compensate { .. } => PhaseName::Compensate,
            Phase::Reconcile => PhaseName::Reconcile,
        };
        let due = phase == self.phase && self.times.is_none_or(|times| attempt <= times);
        self.fail.filter(|_| due)
    }

    /// Tells whether the failure says that nothing happened.
    #[allow(dead_code, reason = "only a guest for tests has an effect to leave out")]
    pub(crate) fn is_clean(&self) -> bool {
        self.clean
    }

    /// Fails. It returns an output where the failure is the output.
    pub(crate) fn fail(&self, way: Way) -> Result<String, Failure> {
        let code = self.code.as_deref().unwrap_or("told-to-fail");
        let message = "the input says that this attempt fails";
        let failure = match way {
            Way::Retryable => Failure::retryable(code, message),
            Way::RetryAfter => {
                Failure::retry_after(Duration::from_millis(self.wait_ms), code, message)
            }
            Way::Permanent => Failure::permanent(code, message),
            Way::Unknown => Failure::unknown(code, message),
            Way::Trap => trap(),
            Way::Panic => panic!("{message}"),
            Way::Loop => loop {
                black_box(());
            },
            Way::Exit => std::process::exit(1),
            Way::Sleep => loop {
                sleep(Duration::from_secs(3_600));
            },
            Way::BadOutput => return Ok(r#"{"half":"#.to_owned()),
        };
        Err(if self.clean { failure.clean() } else { failure })
    }
}

#[cfg(target_arch = "wasm32")]
fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(not(target_arch = "wasm32"))]
fn trap() -> ! {
    panic!("a trap")
}
