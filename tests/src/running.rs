//! The binary as a process: started with what the test says and nothing else, watched, killed.
//! Never waits without a limit, and leaves no process behind.

use crate::{Finished, Moment, Shim, binary, eventually};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a process may take. Generous: it is for hangs, not for slowness.
const PATIENCE: Duration = Duration::from_secs(120);

/// The binary with its arguments, not started yet.
pub struct Invocation {
    command: Command,
    shown: String,
    input: Option<Vec<u8>>,
}

impl Invocation {
    pub(crate) fn new(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(binary());
        // Help texts name the program as it was called, wherever it lies.
        command.arg0("piton").current_dir(folder).args(arguments).env_clear();
        command.env("HOME", folder).env("COLUMNS", "100").env("TZ", "UTC");
        // Steps are found by the system's own folders only where something is built.
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        Self { command, shown: format!("piton {}", arguments.join(" ")), input: None }
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives it something on its standard input.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Has it die, or its disk be full, at a moment of its own.
    pub fn with_shim(self, shim: &Shim, moment: Moment) -> Self {
        let mut this = self.env("LD_PRELOAD", shim.library());
        for (name, value) in moment.variables() {
            this = this.env(name, value);
        }
        this
    }

    /// Runs it to its end.
    pub fn run(self) -> Finished {
        self.start().finish()
    }

    /// Starts it.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn start(mut self) -> Running {
        let stdin = if self.input.is_some() { Stdio::piped() } else { Stdio::null() };
        self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the binary should start");
        if let Some(bytes) = self.input {
            let mut stdin = child.stdin.take().expect("it should have a standard input");
            // A process that refuses its arguments may end before it has read.
            let _ = stdin.write_all(&bytes);
        }
        let stdout = Stream::of(child.stdout.take().expect("it should have a standard output"));
        let stderr = Stream::of(child.stderr.take().expect("it should have a standard error"));
        Running { child, shown: self.shown, stdout, stderr }
    }
}

/// What a stream has said so far.
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                kept.lock().expect("no reader should panic").extend_from_slice(&buffer[..count]);
            }
        });
        Self { bytes, reader: Some(reader) }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("no reader should panic")).into_owned()
    }

    fn whole(&mut self) -> Vec<u8> {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no reader should panic");
        }
        self.bytes.lock().expect("no reader should panic").clone()
    }
}

/// The binary under way.
pub struct Running {
    child: Child,
    shown: String,
    stdout: Stream,
    stderr: Stream,
}

impl Running {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        self.stdout.so_far()
    }

    /// What it has told people so far.
    pub fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    /// Waits until stderr says this.
    ///
    /// # Panics
    /// Where it ends or much time passes before.
    pub fn wait_for_stderr(&mut self, text: &str) {
        self.wait_until(&format!("stderr says `{text}`"), |running| {
            running.stderr().contains(text)
        });
    }

    /// Waits until it says which run it follows, and returns that.
    pub fn run_id(&mut self) -> String {
        let found = |stderr: &str| {
            let line = stderr.lines().find_map(|line| line.strip_prefix("run "))?;
            (line.len() == 36).then(|| line.to_owned())
        };
        self.wait_until("it names its run", |running| found(&running.stderr()).is_some());
        found(&self.stderr()).expect("it was there")
    }

    /// Waits until something holds.
    ///
    /// # Panics
    /// Where the process ends or much time passes before.
    pub fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let mut ended = false;
        let came = eventually(|| {
            ended = self.has_ended();
            holds(self) || ended
        });
        // Its last words may have come between the two.
        let holds = holds(self);
        assert!(
            came && holds,
            "`{}`: {what} did not come to hold{}\n--- stdout\n{}\n--- stderr\n{}",
            self.shown,
            if ended { " before it ended" } else { "" },
            self.stdout(),
            self.stderr()
        );
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child should be waited for").is_some()
    }

    /// Kills it as a power cut would. It may have ended before.
    pub fn kill(mut self) -> Finished {
        self.child.kill().expect("a child should be killed");
        self.finish()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let id = id.expect("a child should have an id");
        // It may have ended by itself.
        let _ = kill_process(id, signal);
    }

    /// Ctrl-C.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// The most memory that it ever held, in bytes.
    ///
    /// # Panics
    /// Where it has ended.
    pub fn peak_memory_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// The memory that it holds now, in bytes.
    ///
    /// # Panics
    /// Where it has ended.
    pub fn memory_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The memory that it holds now and that no file stands behind, in bytes.
    ///
    /// # Panics
    /// Where it has ended.
    pub fn own_memory_bytes(&self) -> u64 {
        self.memory("RssAnon:")
    }

    /// How many threads it has now.
    ///
    /// # Panics
    /// Where it has ended.
    pub fn threads(&self) -> u64 {
        self.status("Threads:")
    }

    fn memory(&self, which: &str) -> u64 {
        self.status(which) * 1024
    }

    /// A number that the system tells of it.
    fn status(&self, which: &str) -> u64 {
        let file = PathBuf::from(format!("/proc/{}/status", self.child.id()));
        let status = std::fs::read_to_string(file).expect("it should be under way");
        let line = status.lines().find_map(|line| line.strip_prefix(which));
        let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        number.expect("a process should have threads and memory")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where that does not come, or where it is a bug's.
    pub fn finish(mut self) -> Finished {
        let begin = Instant::now();
        let mut pause = Duration::from_micros(200);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child should be waited for") {
                break status;
            }
            if begin.elapsed() > PATIENCE {
                panic!(
                    "`{}` does not end\n--- stdout\n{}\n--- stderr\n{}",
                    self.shown,
                    self.stdout(),
                    self.stderr()
                );
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        };
        let (stdout, stderr) = (self.stdout.whole(), self.stderr.whole());
        Finished::new(std::mem::take(&mut self.shown), status, &stdout, &stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
