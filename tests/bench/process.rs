//! Owns processes under the clock: how long one took from its start to its end, and what memory it held.
//! Never lets one run for ever, and leaves none behind.

use rustix::process::{Pid, Signal, kill_process};
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long a process may take. It is for hangs: a million runs are made in less.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// How often the memory of a process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

const MEBIBYTE: f64 = 1_048_576.0;

/// Why something could not be measured; for people.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trouble(pub(crate) String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A process under way, its output kept in files: nobody has to read along.
pub(crate) struct Running {
    child: Child,
    shown: String,
    began: Instant,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// A process that ended well.
pub(crate) struct Ended {
    pub(crate) seconds: f64,
    /// What it printed as its result.
    pub(crate) stdout: String,
    /// What it printed for people.
    pub(crate) stderr: String,
}

impl Running {
    /// Starts a command in a folder, with no environment but what every program needs.
    pub(crate) fn start(folder: &Path, program: &Path, words: &[&str]) -> Result<Self, Trouble> {
        let (stdout, stderr) = (folder.join("stdout"), folder.join("stderr"));
        let mut command = Command::new(program);
        command.args(words).current_dir(folder).env_clear().env("HOME", folder);
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").stdin(Stdio::null());
        command.stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
        let shown = shown(program, words);
        let began = Instant::now();
        let child = command.spawn();
        let child = child.map_err(|error| Trouble(format!("cannot start `{shown}`: {error}")))?;
        Ok(Self { child, shown, began, stdout, stderr })
    }

    /// Waits for its end, which must be a good one.
    pub(crate) fn end(mut self) -> Result<Ended, Trouble> {
        let id = self.id()?;
        let (sender, receiver) = channel::<()>();
        let child = &mut self.child;
        let (status, seconds) = std::thread::scope(|scope| {
            scope.spawn(move || {
                if receiver.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                    let _ = kill_process(id, Signal::KILL);
                }
            });
            let status = child.wait();
            let seconds = self.began.elapsed().as_secs_f64();
            drop(sender);
            (status, seconds)
        });
        let status = status?;
        let (stdout, stderr) = (read(&self.stdout), self.stderr());
        if status.success() {
            return Ok(Ended { seconds, stdout, stderr });
        }
        let said = stderr.lines().next_back().unwrap_or_default();
        Err(Trouble(format!("`{}` ended with {status}: {said}", self.shown)))
    }

    /// Waits for its end, and returns the most memory that it was seen to hold, in MiB.
    pub(crate) fn peak_mebibytes(mut self) -> Result<f64, Trouble> {
        let mut peak = 0.0_f64;
        while self.child.try_wait()?.is_none() {
            // It may end between the two looks.
            peak = peak.max(self.mebibytes().unwrap_or(0.0));
            std::thread::sleep(LOOK_EVERY);
        }
        self.end()?;
        Ok(peak)
    }

    /// Its proportional set size, in MiB: what it would free if it ended.
    pub(crate) fn mebibytes(&self) -> Result<f64, Trouble> {
        let file = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = fs::read_to_string(&file)?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kibibytes =
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        let kibibytes = kibibytes.ok_or_else(|| Trouble(format!("`{file}` has no `Pss`")))?;
        Ok(kibibytes * 1024.0 / MEBIBYTE)
    }

    /// Waits until its output for people says this.
    pub(crate) fn wait_for(&mut self, text: &str) -> Result<(), Trouble> {
        let end = Instant::now() + Duration::from_secs(60);
        while !self.stderr().contains(text) {
            if self.child.try_wait()?.is_some() || Instant::now() > end {
                let said = self.stderr();
                return Err(Trouble(format!("`{}` never said `{text}`: {said}", self.shown)));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) -> Result<(), Trouble> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn stderr(&self) -> String {
        read(&self.stderr)
    }

    fn id(&self) -> Result<Pid, Trouble> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        id.ok_or_else(|| Trouble(format!("`{}` has no process id", self.shown)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command as it is told: its program's name, and no more of an argument than tells which it is.
fn shown(program: &Path, words: &[&str]) -> String {
    const CHARACTERS_MAX: usize = 40;
    let mut shown = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for word in words {
        shown.push(' ');
        shown.extend(word.chars().take(CHARACTERS_MAX));
        if word.chars().count() > CHARACTERS_MAX {
            shown.push('…');
        }
    }
    shown
}

/// What a guest printed may be anything.
fn read(file: &Path) -> String {
    fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
