//! Owns how a step says that a call failed, and what that means for the next attempt.
//! Never decides about that attempt: the manifest may overrule any kind.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::bindings::plugin::piton::step::types;

/// A call that did not succeed.
///
/// ```
/// use piton_step::Failure;
///
/// let busy = Failure::retryable("busy", "the warehouse answers 503");
/// let declined = Failure::permanent("card-declined", "the bank says no").clean();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it means for later attempts.
    pub kind: FailureKind,
    /// True where no attempt of this phase has had any effect, so that nothing needs an undo.
    pub clean: bool,
    /// A short word that stays the same between versions, for rules in the manifest.
    pub code: String,
    /// A sentence or two for people.
    pub message: String,
    /// More for programs, as a JSON text.
    pub details: Option<String>,
}

/// What a failure means for later attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The same input may work later.
    Retryable,
    /// The same input may work, but not before this time has passed.
    RetryAfter(Duration),
    /// The same input will never work.
    Permanent,
    /// The effect may have happened, or not.
    Unknown,
}

impl Failure {
    /// Makes a failure that a later attempt may not meet: a busy service, a broken line.
    pub fn retryable(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Retryable, code.into(), message.into())
    }

    /// Makes a failure of a service that said when to come back, by `Retry-After` for example.
    pub fn retry_after(
        wait: Duration,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::new(FailureKind::RetryAfter(wait), code.into(), message.into())
    }

    /// Makes a failure that every attempt with this input would meet: a card that was declined.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Permanent, code.into(), message.into())
    }

    /// Makes a failure after which nobody knows whether the effect is there: an answer that was
    /// lost. The host then asks `reconcile`, calls again with the same key, or asks a person.
    pub fn unknown(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Unknown, code.into(), message.into())
    }

    /// Says that no attempt of this phase had any effect, so that no undo is owed. When in doubt,
    /// leave it out.
    #[must_use]
    pub fn clean(mut self) -> Self {
        self.clean = true;
        self
    }

    /// Adds anything a program may want to know. What cannot be written as JSON is left out, and
    /// the message says so: a failure must not fail.
    #[must_use]
    pub fn details(mut self, details: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_string(details) {
            Ok(text) => self.details = Some(text),
            Err(error) => self.message += &format!(" (details left out: {error})"),
        }
        self
    }

    fn new(kind: FailureKind, code: String, message: String) -> Self {
        Failure { kind, clean: false, code, message, details: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}

/// An input or output error is worth another attempt, and nobody knows what happened before it.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::retryable("io", error.to_string())
    }
}

impl From<types::Failure> for Failure {
    fn from(failure: types::Failure) -> Self {
        let kind = match failure.kind {
            types::FailureKind::Retryable => FailureKind::Retryable,
            types::FailureKind::RetryAfter(milliseconds) => {
                FailureKind::RetryAfter(Duration::from_millis(milliseconds))
            }
            types::FailureKind::Permanent => FailureKind::Permanent,
            types::FailureKind::Unknown => FailureKind::Unknown,
        };
        let types::Failure { clean, code, message, details, .. } = failure;
        Failure { kind, clean, code, message, details }
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        let kind = match failure.kind {
            FailureKind::Retryable => types::FailureKind::Retryable,
            FailureKind::RetryAfter(wait) => {
                // Rounded up, so that nobody comes back a fraction too early.
                let milliseconds = wait.as_nanos().div_ceil(1_000_000);
                types::FailureKind::RetryAfter(u64::try_from(milliseconds).unwrap_or(u64::MAX))
            }
            FailureKind::Permanent => types::FailureKind::Permanent,
            FailureKind::Unknown => types::FailureKind::Unknown,
        };
        let Failure { clean, code, message, details, .. } = failure;
        types::Failure { kind, clean, code, message, details }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_all_it_says_across_the_border() {
        let failure = Failure::retry_after(Duration::from_micros(1_500), "busy", "come back")
            .clean()
            .details(&["a"]);
        let back = Failure::from(types::Failure::from(failure.clone()));
        assert_eq!(back.kind, FailureKind::RetryAfter(Duration::from_millis(2)));
        assert_eq!(back, Failure { kind: back.kind, ..failure });
        assert_eq!(back.details.as_deref(), Some(r#"["a"]"#));
    }

    #[test]
    fn the_longest_wait_is_cut_and_not_wrapped() {
        let failure = types::Failure::from(Failure::retry_after(Duration::MAX, "busy", ""));
        assert!(matches!(failure.kind, types::FailureKind::RetryAfter(u64::MAX)));
    }
}
