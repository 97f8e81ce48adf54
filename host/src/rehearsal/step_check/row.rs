//! What came of a step check: a row for each thing that was tried, as scripts and people get it.
//! Fields may be added, none may change.

use piton_core::Grants;
use serde::Serialize;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The SHA-256 of the component.
    pub component: String,
    /// The version of piton that checked it.
    pub piton: &'static str,
    /// The SHA-256 of the input of every call.
    pub input_sha256: String,
    /// Whether somebody chose that input; else it is `null`.
    pub input_given: bool,
    /// What was granted.
    pub granted: Granted,
    /// How long a call could take.
    pub timeout_ms: u64,
    /// How many calls were made.
    pub calls: u32,
    /// Whether nothing failed.
    pub passed: bool,
    /// What was tried, always in the same order.
    pub checks: Vec<Row>,
}

/// What was granted, by the names that the step sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Granted {
    /// Folders.
    pub dirs: Vec<String>,
    /// Names of variables.
    pub env: Vec<String>,
    /// Hosts.
    pub http: Vec<String>,
}

/// One thing that a step has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its name. None of them changes its meaning.
    pub check: &'static str,
    /// Whether the step does it.
    pub verdict: Verdict,
    /// What was seen, or why nothing was tried, in a line.
    pub evidence: String,
}

/// Whether a step does what it has to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It did.
    Pass,
    /// It did not.
    Fail,
    /// Nobody saw: there was nothing to try, or no way to.
    NotTried,
}

impl Verdict {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotTried => "not-tried",
        }
    }
}

impl Row {
    pub(super) fn pass(check: &'static str, evidence: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Pass, evidence: evidence.into() }
    }

    pub(super) fn fail(check: &'static str, evidence: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fail, evidence: evidence.into() }
    }

    pub(super) fn not_tried(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::NotTried, evidence: why.into() }
    }
}

impl Granted {
    pub(super) fn of(grants: &Grants) -> Self {
        Self {
            dirs: grants.dirs.iter().map(|dir| dir.guest.clone()).collect(),
            env: grants.env.keys().cloned().collect(),
            http: grants.http.iter().map(|grant| grant.target.to_string()).collect(),
        }
    }
}
