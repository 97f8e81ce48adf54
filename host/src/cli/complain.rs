//! What a person is told when a command cannot do what it should.
//! Owns the form: what happened, then what to do; never decides which.

use super::exit;
use piton::runner::{ClientError, HostFailure, ReachError, Refused};

/// Why a command did not do what it should.
#[derive(Debug)]
pub(crate) struct Complaint {
    /// A fragment, or whole lines if `is_drawn`.
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) is_drawn: bool,
    pub(crate) exit: u8,
}

impl Complaint {
    /// The user's mistake.
    pub(crate) fn mistake(message: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into()).filter(|hint: &String| !hint.is_empty());
        Self { message: message.into(), hint, is_drawn: false, exit: exit::MISTAKE }
    }

    /// The host's failure.
    pub(crate) fn of_host(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, is_drawn: false, exit: exit::HOST }
    }
}

impl From<Refused> for Complaint {
    fn from(refused: Refused) -> Self {
        let exit = if refused.is_of_host { exit::HOST } else { exit::MISTAKE };
        let Refused { message, hint, is_drawn, .. } = refused;
        Self { message, hint, is_drawn, exit }
    }
}

impl From<HostFailure> for Complaint {
    fn from(failure: HostFailure) -> Self {
        let hint = Some(failure.hint).filter(|hint| !hint.is_empty());
        Self { message: failure.message, hint, is_drawn: false, exit: exit::HOST }
    }
}

impl From<ClientError> for Complaint {
    fn from(error: ClientError) -> Self {
        Self::of_host(error.to_string())
    }
}

impl From<ReachError> for Complaint {
    fn from(error: ReachError) -> Self {
        use piton::journal::{DataDirError, OpenError};
        match error {
            ReachError::Host(failure) => failure.into(),
            ReachError::Open(OpenError::DataDir(error)) => {
                let (exit, hint) = match &error {
                    DataDirError::Missing { .. } => (
                        exit::MISTAKE,
                        Some("run a pipeline first, or name its directory with `--data`".into()),
                    ),
                    DataDirError::Unsafe { .. } | DataDirError::NewerFormat { .. } => {
                        (exit::MISTAKE, None)
                    }
                    _ => (exit::HOST, None),
                };
                Self { message: error.to_string(), hint, is_drawn: false, exit }
            }
            other => Self::of_host(other.to_string()),
        }
    }
}
