//! Compiles components: in a child process with limits of its own, or here.
//! The result is a file; who may load it is the cache's to say.

use super::engine;
use super::load_error::LoadError;
use super::settings::{CompileLimits, Compiler};
use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wasmtime::Engine;

/// The first argument of the child, before those of [`compile_child`].
pub const COMPILE_ARGUMENT: &str = "__compile";

/// Children at once: each may use all processors and 4 GiB.
const CHILDREN_MAX: u32 = 2;
/// What the child exits with where it refuses a component.
const REFUSED: i32 = 1;
/// What the child exits with where it was called wrongly.
const MISUSED: i32 = 2;
/// How far a child stands behind the host and its runs: it may want all processors for minutes.
const NICENESS: i32 = 10;
/// What is kept of a child's words.
const WORDS_BYTES_MAX: u64 = 4 << 10;

/// Compiles, a few components at a time.
pub(super) struct Workshop {
    compiler: Compiler,
    limits: CompileLimits,
    under_way: Mutex<u32>,
    freed: Condvar,
}

impl Workshop {
    pub(super) fn new(compiler: Compiler, limits: CompileLimits) -> Self {
        Self { compiler, limits, under_way: Mutex::new(0), freed: Condvar::new() }
    }

    /// Compiles `bytes` into the file `output`, in whose folder it keeps what it needs meanwhile.
    pub(super) fn compile(
        &self,
        engine: &Engine,
        bytes: &[u8],
        output: &Path,
    ) -> Result<(), LoadError> {
        let exe = match &self.compiler {
            Compiler::InProcess => {
                let code = engine.precompile_component(bytes).map_err(|error| refusal(&error))?;
                return fs::write(output, code).map_err(|error| trouble(output, &error));
            }
            Compiler::Child(exe) => exe,
        };
        let input = output.with_extension("input");
        fs::write(&input, bytes).map_err(|error| trouble(&input, &error))?;
        let _place = self.wait_for_place();
        let compiled = self.run(exe, &input, output);
        // What stays is swept away when the cache is opened the next time.
        let _ = fs::remove_file(&input);
        if compiled.is_err() {
            let _ = fs::remove_file(output);
        }
        compiled
    }

    fn wait_for_place(&self) -> Place<'_> {
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |count: &mut u32| *count >= CHILDREN_MAX;
        let waited = self.freed.wait_while(under_way, is_full);
        *waited.unwrap_or_else(PoisonError::into_inner) += 1;
        Place(self)
    }

    fn run(&self, exe: &Path, input: &Path, output: &Path) -> Result<(), LoadError> {
        let CompileLimits { cpu, memory_bytes, wall } = self.limits;
        let mut child = Command::new(exe)
            .arg(COMPILE_ARGUMENT)
            .args([input, output])
            .args([cpu.as_secs().to_string(), memory_bytes.to_string()])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                LoadError::Host(format!("cannot start the compiler `{}`: {error}", exe.display()))
            })?;
        let status = wait(&mut child, wall)
            .map_err(|error| LoadError::Host(format!("cannot wait for the compiler: {error}")))?;
        let mut words = Vec::new();
        // A child that was killed may have left others that hold its pipe open.
        if let (Some(_), Some(stderr)) = (status, child.stderr.take()) {
            // What it says is only for people; without it the status still tells.
            let _ = stderr.take(WORDS_BYTES_MAX).read_to_end(&mut words);
        }
        self.verdict(status, String::from_utf8_lossy(&words).trim())
    }

    fn verdict(&self, status: Option<ExitStatus>, words: &str) -> Result<(), LoadError> {
        let CompileLimits { cpu, memory_bytes, wall } = self.limits;
        let limit = |what: String| Err(LoadError::CompileLimit(what));
        let Some(status) = status else { return limit(format!("it took longer than {wall:?}")) };
        let too_long = [Signal::XCPU.as_raw(), Signal::KILL.as_raw()];
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok(()),
            (Some(REFUSED), _) => Err(LoadError::Invalid(words.into())),
            (None, Some(signal)) if too_long.contains(&signal) => {
                limit(format!("it took more than {cpu:?} of processor time"))
            }
            // An allocation that fails aborts the process, and says so.
            (None, Some(_)) if words.contains("memory allocation") => {
                limit(format!("it took more than {} MiB of memory", memory_bytes >> 20))
            }
            _ => Err(LoadError::Host(format!("the compiler failed ({status}): {words}"))),
        }
    }
}

/// A child's place among those under way.
struct Place<'a>(&'a Workshop);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.freed.notify_one();
    }
}

/// Waits until the child ends or its time is up, when it is killed; none then.
fn wait(child: &mut Child, wall: Duration) -> std::io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() >= wall {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// What the binary does when it is called as `EXE __compile INPUT OUTPUT CPU_SECONDS MEMORY_BYTES`,
/// given what follows `__compile`. Returns the exit code.
///
/// It lowers the limits of the whole process, so nothing else may be done in it.
pub fn compile_child(arguments: &[OsString]) -> i32 {
    let [input, output, cpu_seconds, memory_bytes] = arguments else {
        return say(MISUSED, "this command is for the host's own use");
    };
    let number = |text: &OsStr| text.to_str().and_then(|text| text.parse::<u64>().ok());
    let (Some(cpu), Some(memory)) = (number(cpu_seconds), number(memory_bytes)) else {
        return say(MISUSED, "this command is for the host's own use");
    };
    // Limits first: from here on a stranger's bytes decide what happens.
    if let Err(error) = confine(cpu, memory) {
        return say(MISUSED, &format!("cannot limit this process: {error}"));
    }
    match compile_file(Path::new(input), Path::new(output)) {
        Ok(()) => 0,
        Err(LoadError::Invalid(why)) => say(REFUSED, &why),
        Err(error) => say(MISUSED, &error.to_string()),
    }
}

fn confine(cpu_seconds: u64, memory_bytes: u64) -> rustix::io::Result<()> {
    let exactly = |value| Rlimit { current: Some(value), maximum: Some(value) };
    // The second after its time it is killed for good.
    let cpu = Rlimit { current: Some(cpu_seconds), maximum: Some(cpu_seconds.saturating_add(1)) };
    setrlimit(Resource::Cpu, cpu)?;
    setrlimit(Resource::As, exactly(memory_bytes))?;
    setrlimit(Resource::Core, exactly(0))?;
    nice(NICENESS)?;
    set_parent_process_death_signal(Some(Signal::KILL))
}

fn compile_file(input: &Path, output: &Path) -> Result<(), LoadError> {
    let bytes = fs::read(input).map_err(|error| trouble(input, &error))?;
    let engine = engine::compiling().map_err(|error| LoadError::Host(error.to_string()))?;
    let code = engine.precompile_component(&bytes).map_err(|error| refusal(&error))?;
    fs::write(output, code).map_err(|error| trouble(output, &error))
}

fn refusal(error: &wasmtime::Error) -> LoadError {
    LoadError::Invalid(format!("{error:#}"))
}

fn trouble(path: &Path, error: &std::io::Error) -> LoadError {
    LoadError::Host(format!("cannot read or write `{}`: {error}", path.display()))
}

fn say(code: i32, words: &str) -> i32 {
    // Nobody may be listening.
    let _ = writeln!(std::io::stderr(), "{words}");
    code
}
