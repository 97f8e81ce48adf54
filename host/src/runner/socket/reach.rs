//! Reaches the host of a data directory: this process where nobody holds it, else the holder.
//! Never waits on a lock in silence.

use super::client::{Client, ClientError, RemoteFollowing};
use super::protocol::{Answer, Ask, Refused};
use super::server::Server;
use crate::journal::{Check, DataDirError, JournalError, OpenError, Opened};
use crate::runner::update::Update;
use crate::runner::{Following, Host, HostFailure, Progress, Settings};
use std::fmt;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;

/// The host of a data directory, wherever it is.
pub enum Reach {
    /// In this process.
    Own(Host, Server),
    /// In another.
    Other(Client),
}

/// Whether a data directory is made where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It must be there.
    Existing,
    /// It is made.
    OrMake,
}

/// Why a data directory's host cannot be reached.
#[derive(Debug)]
pub enum ReachError {
    /// The directory cannot be opened.
    Open(OpenError),
    /// The host cannot go on.
    Host(HostFailure),
    /// Another process holds the directory and does not answer.
    Silent {
        /// That process, where it could be read.
        pid: Option<u32>,
    },
}

impl fmt::Display for ReachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => fmt::Display::fmt(error, f),
            Self::Host(failure) => fmt::Display::fmt(failure, f),
            Self::Silent { pid: Some(pid) } => {
                write!(f, "process {pid} holds the data directory and does not answer")
            }
            Self::Silent { pid: None } => {
                f.write_str("another process holds the data directory and does not answer")
            }
        }
    }
}

impl std::error::Error for ReachError {}

/// How often and how long a holder that does not answer yet is looked for: it may just be
/// starting, or just ending.
const TRIES: u32 = 250;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// Reaches the host of the data directory at `path`. Takes hold of it where nobody does.
///
/// # Errors
/// [`ReachError`].
pub async fn reach(
    path: &Path,
    opening: Opening,
    settings: &Settings,
) -> Result<Reach, ReachError> {
    let mut holder = None;
    for _ in 0..TRIES {
        match open(path, opening) {
            Ok(opened) => return take_hold(opened, settings),
            Err(OpenError::DataDir(DataDirError::InUse { pid })) => {
                let client = Client::new(path, pid);
                if client.is_answered().await {
                    return Ok(Reach::Other(client));
                }
                holder = pid;
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            // The last holder's process is just ending.
            Err(OpenError::Journal(JournalError::InUse)) => {
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            Err(error) => return Err(ReachError::Open(error)),
        }
    }
    Err(ReachError::Silent { pid: holder })
}

fn open(path: &Path, opening: Opening) -> Result<Opened, OpenError> {
    match opening {
        Opening::Existing => Opened::existing(path, Check::OnRead),
        Opening::OrMake => Opened::or_make(path),
    }
}

fn take_hold(opened: Opened, settings: &Settings) -> Result<Reach, ReachError> {
    let host = Host::new(opened, settings.clone()).map_err(ReachError::Host)?;
    let server = Server::start(host.clone()).map_err(|error| {
        let message = format!("cannot make the socket in the data directory: {error}");
        ReachError::Host(HostFailure::new(message, ""))
    })?;
    Ok(Reach::Own(host, server))
}

/// The updates of a run, wherever it is carried.
pub enum Follow {
    /// In this process.
    Own(Box<Following>),
    /// In another.
    Other(Box<RemoteFollowing>),
    /// It rests: one update is left.
    Rests(Option<Box<Update>>),
}

impl Reach {
    /// Asks one thing.
    ///
    /// # Errors
    /// [`ClientError`] where the holder does not answer.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, ClientError> {
        self.ask_telling(ask, &mut |_| {}).await
    }

    /// Asks one thing. `tell` hears how far it is, where that takes long.
    ///
    /// # Errors
    /// [`ClientError`] where the holder does not answer.
    pub async fn ask_telling(
        &self,
        ask: Ask,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Answer, ClientError> {
        match self {
            Self::Own(host, _) => {
                if matches!(ask, Ask::Run { detach: true, .. }) {
                    // It begins where it goes on, in a process of its own.
                    host.begin_leaving();
                }
                let by = user_name(rustix::process::geteuid().as_raw());
                let (sender, mut receiver) = watch::channel(Progress::default());
                let mut answer = std::pin::pin!(host.answer(ask, &by, sender));
                loop {
                    tokio::select! {
                        biased;
                        answer = &mut answer => return Ok(answer),
                        Ok(()) = receiver.changed() => tell(*receiver.borrow_and_update()),
                    }
                }
            }
            Self::Other(client) => client.ask_telling(&ask, tell).await,
        }
    }

    /// Follows a run, going on with it if need be.
    ///
    /// # Errors
    /// The refusal, or [`ClientError`] where the holder does not answer.
    pub async fn follow(&self, run: &str) -> Result<Result<Follow, Refused>, ClientError> {
        match self {
            Self::Own(host, _) => {
                let id = match host.find_run(run) {
                    Ok(id) => id,
                    Err(refused) => return Ok(Err(refused)),
                };
                Ok(match host.follow(id).await {
                    Ok(Ok(following)) => Ok(Follow::Own(Box::new(following))),
                    Ok(Err(summary)) => {
                        Ok(Follow::Rests(Some(Box::new(Update::of_uncarried(summary)))))
                    }
                    Err(failed) => Err(super::answer::refused(failed, run)),
                })
            }
            Self::Other(client) => Ok(Ok(Follow::Other(Box::new(client.follow(run).await?)))),
        }
    }
}

impl Follow {
    /// The next update; none once the run is no longer carried.
    ///
    /// # Errors
    /// The refusal, or [`ClientError`] where the holder went away.
    pub async fn next(&mut self) -> Result<Option<Result<Update, Refused>>, ClientError> {
        match self {
            Self::Own(following) => Ok(following.next().await.map(|update| Ok((*update).clone()))),
            Self::Other(following) => following.next().await,
            Self::Rests(last) => Ok(last.take().map(|update| Ok(*update))),
        }
    }
}

/// The name of a user, as the journal names who did something.
pub(super) fn user_name(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("uid {uid}"))
}
