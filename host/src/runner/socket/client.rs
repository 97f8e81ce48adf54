//! The other end of the socket: asks the process that holds the data directory.
//! Never touches the directory itself.

use super::protocol::{Answer, Ask};
use super::server::short_path;
use crate::runner::Progress;
use crate::runner::update::Update;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// A way to the process that holds a data directory.
#[derive(Debug, Clone)]
pub struct Client {
    data_dir: PathBuf,
    /// The process, where it could be read.
    pub pid: Option<u32>,
}

/// Why the holder did not answer.
#[derive(Debug)]
pub enum ClientError {
    /// It is not there, or not any more: it was not asked.
    NotAsked(io::Error),
    /// It went away before it answered: what it was asked may or may not be done.
    Gone(io::Error),
    /// It said something that is no answer.
    Garbled(serde_json::Error),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked(error) => {
                write!(f, "the process that holds the data directory does not answer: {error}")
            }
            Self::Gone(error) => write!(
                f,
                "the process that holds the data directory went away before it answered: {error}"
            ),
            Self::Garbled(error) => {
                write!(f, "the process that holds it answers in another version's way: {error}")
            }
        }
    }
}

impl std::error::Error for ClientError {}

/// The updates of a run that another process carries.
pub struct RemoteFollowing {
    lines: tokio::io::Lines<BufReader<UnixStream>>,
}

impl Client {
    pub(super) fn new(data_dir: &Path, pid: Option<u32>) -> Self {
        Self { data_dir: data_dir.into(), pid }
    }

    /// Whether somebody answers.
    pub(super) async fn is_answered(&self) -> bool {
        self.connect().await.is_ok()
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// [`ClientError`] where no answer came: whether it was done is then open.
    pub async fn ask(&self, ask: &Ask) -> Result<Answer, ClientError> {
        self.ask_telling(ask, &mut |_| {}).await
    }

    /// Asks one thing. `tell` hears how far it is, where that takes long.
    ///
    /// # Errors
    /// [`ClientError`] where no answer came: whether it was done is then open.
    pub async fn ask_telling(
        &self,
        ask: &Ask,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Answer, ClientError> {
        let mut lines = self.send(ask).await?;
        loop {
            match next_answer(&mut lines).await?.ok_or_else(closed)? {
                Answer::Progress(progress) => tell(progress),
                answer => return Ok(answer),
            }
        }
    }

    /// Follows a run.
    ///
    /// # Errors
    /// [`ClientError`] where nobody answers.
    pub async fn follow(&self, run: &str) -> Result<RemoteFollowing, ClientError> {
        let lines = self.send(&Ask::Follow { run: run.into() }).await?;
        Ok(RemoteFollowing { lines })
    }

    async fn send(
        &self,
        ask: &Ask,
    ) -> Result<tokio::io::Lines<BufReader<UnixStream>>, ClientError> {
        let mut stream = self.connect().await.map_err(ClientError::NotAsked)?;
        let mut line = serde_json::to_vec(ask).map_err(ClientError::Garbled)?;
        line.push(b'\n');
        stream.write_all(&line).await.map_err(ClientError::Gone)?;
        Ok(BufReader::new(stream).lines())
    }

    async fn connect(&self) -> io::Result<UnixStream> {
        let folder = std::fs::File::open(&self.data_dir)?;
        UnixStream::connect(short_path(&folder)).await
    }
}

impl RemoteFollowing {
    /// The next update, or the refusal; none once the holder has closed.
    ///
    /// # Errors
    /// [`ClientError`] where the holder went away in between.
    pub async fn next(&mut self) -> Result<Option<Result<Update, super::Refused>>, ClientError> {
        match next_answer(&mut self.lines).await? {
            None => Ok(None),
            Some(Answer::Update(update)) => Ok(Some(Ok(*update))),
            Some(Answer::Refused(refused)) => Ok(Some(Err(refused))),
            Some(_) => Ok(None),
        }
    }
}

async fn next_answer(
    lines: &mut tokio::io::Lines<BufReader<UnixStream>>,
) -> Result<Option<Answer>, ClientError> {
    match lines.next_line().await.map_err(ClientError::Gone)? {
        None => Ok(None),
        Some(line) => serde_json::from_str(&line).map(Some).map_err(ClientError::Garbled),
    }
}

fn closed() -> ClientError {
    ClientError::Gone(io::ErrorKind::UnexpectedEof.into())
}
