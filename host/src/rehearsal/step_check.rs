//! Holds one component against what the contract asks of a step, by calling it: repeated, undone twice,
//! undone where nothing ever happened, and cut off on the way.
//!
//! Folders are copies, and a made-up [`Server`] stands in for every host: nothing leaves the machine,
//! and nothing that anybody uses is touched. Never says that a step is good: only what was tried.

mod answers;
mod folders;
mod row;
mod scene;
mod server;
mod tells;
mod trials;

pub use answers::Answers;
pub use row::{Granted, Report, Row, Verdict};
pub use server::Server;

use crate::runner::{Candidate, Checking};
use crate::sandbox::digest_of;
use folders::Folders;
use piton_core::{Grants, Json, Limits};
use scene::Stage;
use std::time::Duration;

/// First calls of `execute` whose fuel is compared.
const EXECUTES: usize = 5;

/// What is checked, and how.
#[derive(Clone, Copy)]
pub struct StepCheck<'a> {
    /// A sandbox in whose settings `server` stands in for all hosts.
    pub checking: &'a Checking,
    /// The component.
    pub candidate: &'a Candidate,
    /// The server.
    pub server: &'a Server,
    /// What it is granted. Folders are copied; one without a name begins empty.
    pub grants: &'a Grants,
    /// The input of every call; `null` if none was given.
    pub input: &'a Json,
    /// Whether somebody chose the input.
    pub is_input_given: bool,
    /// Whether its effect is meant to stay, so that it need not be undone.
    pub is_kept: bool,
    /// How long a call may take.
    pub timeout: Duration,
    /// What a call may use besides.
    pub limits: &'a Limits,
}

impl StepCheck<'_> {
    /// Whether the grants can be given at all.
    ///
    /// # Errors
    /// Why not, for people: the mistake of whoever named them.
    pub fn check_grants(&self) -> Result<(), String> {
        Folders::copy(self.grants).map(drop)
    }

    /// Tries everything, in a tokio runtime.
    ///
    /// # Errors
    /// Why it cannot go on, for people. What the step does wrong is no error.
    pub async fn check(&self) -> Result<Report, String> {
        let stage = Stage::new(self);
        let (repeats, executed) = trials::repeats(&stage).await?;
        let (undoes, undone) = trials::undoes(&stage).await?;
        let mut checks = vec![repeats];
        checks.push(trials::survives_cuts(&stage, executed, undone).await?);
        checks.extend(undoes);
        checks.push(trials::undoes_nothing(&stage).await?);
        checks.push(trials::reconciles(&stage).await?);
        trials::execute_until(&stage, EXECUTES).await?;
        let tally = stage.tally();
        checks.insert(0, tells::executes(&tally));
        checks.push(tells::only_declared_hosts(&self.server.heard()));
        checks.push(tells::ends_in_time(&tally, self.timeout));
        checks.push(tells::fuel_stable(&tally));
        Ok(Report {
            component: self.candidate.inspection.digest.to_string(),
            piton: env!("CARGO_PKG_VERSION"),
            input_sha256: digest_of(self.input.as_str().as_bytes()).to_string(),
            input_given: self.is_input_given,
            granted: Granted::of(self.grants),
            timeout_ms: u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX),
            calls: tally.calls,
            passed: checks.iter().all(|row| row.verdict != Verdict::Fail),
            checks,
        })
    }
}
