//! Backs the data directory of a host up while runs go on, and restores such a backup.
//! Never touches a run.

use super::document::rfc3339;
use super::socket::Refused;
use super::{Host, HostFailure, off_the_loop};
use crate::journal::{self, BackedUp, BackupError, Keepsakes};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// How far something long is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Parts done.
    pub done: u64,
    /// All parts.
    pub all: u64,
}

/// A backup that was made or restored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Backup {
    /// The backup.
    pub file: PathBuf,
    /// When it was made or restored, RFC 3339.
    pub at: String,
    /// Runs in it.
    pub runs: u64,
    /// Their events.
    pub events: u64,
    /// Their log lines.
    pub log_lines: u64,
    /// Components and manifests.
    pub contents: u64,
    /// The file's size.
    pub bytes: u64,
    /// What is damaged in it; empty where nothing is.
    pub problems: Vec<String>,
}

impl Backup {
    fn of(file: &Path, at: String, found: BackedUp) -> Self {
        let BackedUp { runs, events, log_lines, contents, bytes, problems } = found;
        Self { file: file.into(), at, runs, events, log_lines, contents, bytes, problems }
    }
}

impl Host {
    /// Backs everything that is kept up into a file. Runs go on meanwhile; what becomes true of them
    /// after the beginning is not in it.
    ///
    /// # Errors
    /// [`Refused`]; then the file is what it was.
    pub async fn back_up(
        &self,
        file: &Path,
        may_replace: bool,
        progress: watch::Sender<Progress>,
    ) -> Result<Backup, Refused> {
        let alone = self.begin_chore()?;
        let (host, to, at) = (self.clone(), file.to_path_buf(), rfc3339(self.shared.now()));
        let backed_up = off_the_loop(move || {
            let _alone = alone;
            let shared = &host.shared;
            let keepsakes = Keepsakes { components: &shared.components, secret: &shared.secret };
            journal::back_up(
                &*shared.journal,
                &keepsakes,
                shared.data.path(),
                (&to, may_replace),
                // Who asked may have gone.
                &mut |done, all| progress.send(Progress { done, all }).is_ok(),
            )
        });
        Ok(Backup::of(file, at, backed_up.await.map_err(refused)?))
    }
}

/// Makes a data directory of a backup, where there is none. Blocks.
///
/// # Errors
/// [`Refused`]; then there is none.
pub fn restore(
    file: &Path,
    data_dir: &Path,
    tell: &mut dyn FnMut(Progress),
) -> Result<Backup, Refused> {
    let mut watch = |done, all| {
        tell(Progress { done, all });
        true
    };
    let at = rfc3339(super::clock::wall_clock());
    Ok(Backup::of(file, at, journal::restore(file, data_dir, &mut watch).map_err(refused)?))
}

fn refused(error: BackupError) -> Refused {
    let message = error.to_string();
    match error {
        BackupError::Exists { .. } => {
            Refused::mistake(message, Some("name another file, or replace it by `--force`".into()))
        }
        BackupError::Inside { .. } => {
            Refused::mistake(message, Some("name a file elsewhere, best on another disk".into()))
        }
        BackupError::Occupied { .. } => {
            Refused::mistake(message, Some("name another directory with `--data`".into()))
        }
        BackupError::NoBackup { .. } => {
            Refused::mistake(message, Some("name a file that `piton backup` has made".into()))
        }
        BackupError::Journal(error) => HostFailure::from(error).into(),
        BackupError::Stopped | BackupError::File(_) | BackupError::Content(_) => {
            Refused::of_host(message, "")
        }
    }
}
