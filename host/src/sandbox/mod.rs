//! Runs untrusted components: wasmtime, limits, grants and the contract's host interfaces.
//!
//! [`Sandbox::load`] turns a component into a [`Program`], [`Sandbox::call`] calls it once. Every
//! call has a store and an instance of its own; nothing survives it but what it returned.
//!
//! Never knows a journal, a run's state or a manifest: what a guest says and remembers goes to
//! [`Services`], how its call ended comes back as [`Ended`].

mod bindings;
mod cache;
mod call;
mod compile;
mod ends;
mod engine;
mod grants;
mod guest;
mod http;
mod imports;
mod inert;
mod inspect;
mod json;
mod load_error;
mod logs;
mod meter;
mod passed;
mod program;
mod quarantine;
mod redact;
mod returned;
mod room;
mod secrets;
mod services;
mod settings;
mod stopwatch;
mod ticker;
mod time;

#[cfg(test)]
mod tests;

pub use call::{Call, Ended};
pub use compile::{COMPILE_ARGUMENT, compile_child};
pub use engine::SandboxError;
pub use grants::{GrantError, ResolvedDir, ResolvedGrants, ResolvedSecret};
pub use guest::MemosKept;
pub use http::{Answered, Sent, StandIn};
pub use inert::inert;
pub use inspect::{Fit, Import, Inspection, Producer, World, digest_of, reconciles};
pub use json::admit;
pub use load_error::LoadError;
pub use program::Program;
#[cfg(any(fuzzing, test))]
pub(crate) use returned::fuzzed_output;
pub use secrets::{SecretMissing, SecretText, Variables};
pub use services::{BoxFuture, Level, LogLine, Progress, RememberError, Services, Source};
pub use settings::{COMPONENT_BYTES_MAX, CompileLimits, Compiler, Notice, Settings};
pub use stopwatch::{HostCall, Stage, Stopwatch};

use cache::{Cache, Found};
use compile::Workshop;
use guest::Guest;
use piton_core::Digest;
use quarantine::Quarantine;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;
use ticker::Ticker;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Linker;

/// Loads and calls components. One per process.
pub struct Sandbox {
    settings: Settings,
    engine: Engine,
    linker: Linker<Guest>,
    cache: Cache,
    workshop: Workshop,
    gate: Arc<http::Gate>,
    ticker: Ticker,
    slots: Semaphore,
    quarantine: Quarantine,
    programs: Mutex<HashMap<Digest, Arc<Place>>>,
}

/// Where the threads that want one program meet: one loads it, the others wait and share.
#[derive(Default)]
struct Place(Mutex<Loaded>);

#[derive(Default)]
enum Loaded {
    #[default]
    Nothing,
    Program(Weak<Program>),
    /// It would fail the same way again, and take as long.
    Refused(LoadError),
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Starts the engine and opens the cache of compiled code.
    ///
    /// # Errors
    /// Where the folder of compiled code cannot be used, or is open to others.
    pub fn new(settings: Settings) -> Result<Self, SandboxError> {
        let engine = engine::running(&settings)?;
        let cache = Cache::open(&settings.cache_dir, settings.cache_secret, engine.clone())?;
        let linker = program::linker(&engine);
        let linker = linker.map_err(|error| SandboxError(format!("cannot link: {error:#}")))?;
        let gate = http::Gate::new(settings.network.clone(), settings.roots.clone());
        let gate = gate.map_err(|error| SandboxError(format!("cannot set up TLS: {error}")))?;
        let gate = gate.behind(settings.stand_in.clone());
        let ticker = Ticker::start(engine.clone());
        let ticker =
            ticker.map_err(|error| SandboxError(format!("cannot start a thread: {error}")))?;
        Ok(Self {
            workshop: Workshop::new(settings.compiler.clone(), settings.compile_limits),
            slots: Semaphore::new(settings.slots as usize),
            quarantine: Quarantine::default(),
            programs: Mutex::new(HashMap::new()),
            settings,
            engine,
            linker,
            cache,
            gate: Arc::new(gate),
            ticker,
        })
    }

    /// Makes a component ready to be called: from the cache, or by compiling it. Blocks, for
    /// seconds where a large component is compiled: not for a thread that serves others.
    ///
    /// `bytes` is only asked where there is no compiled code. A program that is still in use is
    /// given again, and a component that was refused is refused again, without a second look.
    ///
    /// # Errors
    /// Why it is not taken. [`LoadError::is_refusal`] tells the component's fault from the host's.
    pub fn load(
        &self,
        digest: Digest,
        bytes: impl FnOnce() -> std::io::Result<Vec<u8>>,
    ) -> Result<Arc<Program>, LoadError> {
        let place = {
            let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
            programs.entry(digest).or_default().clone()
        };
        // Held while it is loaded: whoever wants the same program waits here.
        let mut loaded = place.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*loaded {
            Loaded::Refused(error) => return Err(error.clone()),
            Loaded::Program(program) => {
                if let Some(program) = program.upgrade() {
                    return Ok(program);
                }
            }
            Loaded::Nothing => {}
        }
        let made = self.make(digest, bytes);
        *loaded = match &made {
            Ok(program) => Loaded::Program(Arc::downgrade(program)),
            // Other bytes may come under the same digest, or the host's trouble may pass.
            Err(LoadError::WrongDigest { .. } | LoadError::Host(_)) => Loaded::Nothing,
            Err(error) => Loaded::Refused(error.clone()),
        };
        made
    }

    /// Removes the compiled code of a component, made by whichever version; returns how many bytes
    /// it had. One that is in use stays in memory; who needs it again makes it anew.
    ///
    /// # Errors
    /// Where a file cannot be removed.
    pub fn forget(&self, digest: Digest) -> std::io::Result<u64> {
        let place = {
            let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
            programs.entry(digest).or_default().clone()
        };
        // Nobody loads it meanwhile.
        let _loading = place.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.cache.forget(digest)
    }

    fn make(
        &self,
        digest: Digest,
        bytes: impl FnOnce() -> std::io::Result<Vec<u8>>,
    ) -> Result<Arc<Program>, LoadError> {
        let component = match self.cache.load(digest) {
            Found::Code(component) => component,
            Found::Nothing => self.compile(digest, bytes)?,
            Found::Unfit(error) => return Err(error),
            Found::Rejected(why) => {
                (self.settings.notify)(Notice::CacheRejected(digest, why));
                self.compile(digest, bytes)?
            }
        };
        Program::new(digest, &component, &self.linker).map(Arc::new)
    }

    fn compile(
        &self,
        digest: Digest,
        bytes: impl FnOnce() -> std::io::Result<Vec<u8>>,
    ) -> Result<wasmtime::component::Component, LoadError> {
        let bytes = bytes()
            .map_err(|error| LoadError::Host(format!("cannot read component {digest}: {error}")))?;
        let found = self.inspect(&bytes)?;
        if found.digest != digest {
            return Err(LoadError::WrongDigest { expected: digest, found: found.digest });
        }
        // Refused before seconds are spent on it; whether its types fit is seen afterwards.
        if found.world.is_none() {
            return Err(LoadError::NoStep { lacks: imports::STEP, exports: found.exports });
        }
        (self.settings.notify)(Notice::Compiling(digest));
        let started = Instant::now();
        let draft = self.cache.draft(digest);
        self.workshop.compile(&self.engine, &bytes, &draft)?;
        let component = self.cache.keep(digest, &draft)?;
        (self.settings.notify)(Notice::Compiled(digest, started.elapsed()));
        Ok(component)
    }

    /// The secrets of some grants that cannot be had as things stand: so that a run is refused
    /// before it begins.
    pub fn secrets_missing(&self, grants: &ResolvedGrants) -> Vec<SecretMissing> {
        let variables = &self.settings.variables;
        let read = grants.secrets.iter().map(|secret| secrets::read(secret, variables));
        read.filter_map(Result::err).collect()
    }

    /// The secrets of some grants, or the first that cannot be had.
    fn secrets(&self, grants: &ResolvedGrants) -> Result<Vec<secrets::Secret>, SecretMissing> {
        let variables = &self.settings.variables;
        grants.secrets.iter().map(|secret| secrets::read(secret, variables)).collect()
    }

    /// Looks at a component without compiling it.
    ///
    /// # Errors
    /// Where it is none, or one that is not even looked at. A component that is no step is
    /// described, too.
    pub fn inspect(&self, bytes: &[u8]) -> Result<Inspection, LoadError> {
        inspect::inspect(bytes, self.settings.component_bytes_max)
    }
}
