//! When and how often a phase is tried again: the settings and their defaults.
//! Never computes a wait, and never decides that there is one.

use crate::backoff::{Backoff, Jitter};
use std::time::Duration;

/// When and how often a phase is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in total, the first included; at least 1.
    pub attempts: u32,
    /// The waits between them.
    pub backoff: Backoff,
    /// From the first attempt's start, waits included.
    pub max_elapsed: Duration,
    /// The longest wait a guest may ask for; a longer wish counts as exhausted.
    pub retry_after_max: Duration,
    /// How many attempts may end as `retry-after`, counted apart from `attempts`.
    pub throttled_attempts: u32,
    /// The first rule that matches a failure overrides the fields above.
    pub rules: Vec<RetryRule>,
}

impl RetryPolicy {
    /// The default for `execute`: 5 attempts, 1 s doubling up to 60 s, within an hour.
    pub fn for_execute() -> Self {
        Self {
            attempts: 5,
            backoff: Backoff {
                base: Duration::from_secs(1),
                factor: 2.0,
                cap: Duration::from_secs(60),
                floor: Duration::from_millis(100),
                jitter: Jitter::Full,
            },
            max_elapsed: Duration::from_secs(60 * 60),
            retry_after_max: Duration::from_secs(15 * 60),
            throttled_attempts: 20,
            rules: Vec::new(),
        }
    }

    /// The default for `compensate`: 20 attempts, 1 s doubling up to 5 min, within 24 h.
    pub fn for_compensate() -> Self {
        let mut policy = Self::for_execute();
        policy.attempts = 20;
        policy.backoff.cap = Duration::from_secs(5 * 60);
        policy.max_elapsed = Duration::from_secs(24 * 60 * 60);
        policy
    }

    /// The policy for a failure with this code, and the number of the rule that made it (from 1).
    pub fn for_code(&self, code: &str) -> (Self, Option<RuleVerdict>, Option<u32>) {
        let found = self.rules.iter().zip(1..).find(|(rule, _)| glob_matches(&rule.code, code));
        let Some((rule, number)) = found else {
            return (self.clone(), None, None);
        };
        let mut policy = rule.policy.as_deref().unwrap_or(self).clone();
        policy.rules = Vec::new();
        (policy, rule.verdict, Some(number))
    }
}

/// An exception to a retry policy for some failures.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryRule {
    /// Which codes it is for: `*` stands for any characters.
    pub code: String,
    /// What a failure with that code is taken as.
    pub verdict: Option<RuleVerdict>,
    /// The whole policy with this rule's fields in it; none where it changes no field.
    pub policy: Option<Box<RetryPolicy>>,
}

/// What a rule makes of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleVerdict {
    /// Try again.
    Retryable,
    /// Do not try again.
    Permanent,
    /// Its outcome is unknown.
    Unknown,
}

/// Whether `text` is matched by `pattern`, in which `*` stands for any run of characters.
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(head) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let tail = pieces.pop().unwrap_or("");
    let mut at = 0;
    for piece in pieces {
        match text[at..].find(piece) {
            Some(offset) => at += offset + piece.len(),
            None => return false,
        }
    }
    text.len() >= at + tail.len() && text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_texts() {
        for (pattern, text, expected) in [
            ("card-*", "card-declined", true),
            ("card-*", "discard-x", false),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b", "ab-", false),
            ("a*ba", "aba", true),
            ("ab*ba", "aba", false),
            ("busy", "busy", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "abd", false),
            ("*/x/*/y", "http://h/x/1/2/y", true),
            ("*/x/*/y", "http://h/z/1/2/y", false),
        ] {
            assert_eq!(glob_matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
