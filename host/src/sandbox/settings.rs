//! What the sandbox is told when it is made: where compiled code lives, how many attempts it serves at once.
//! Holds values and defaults; never reads the environment, and decides nothing.

use super::http::{Network, StandIn};
use super::secrets::Variables;
use piton_core::Digest;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::RootCertStore;

const MIB: u64 = 1 << 20;

/// The largest component that is looked at, in bytes.
pub const COMPONENT_BYTES_MAX: u64 = 128 * MIB;

/// How a sandbox is set up. [`Settings::new`] gives the defaults.
#[derive(Clone)]
pub struct Settings {
    /// The folder of compiled code. It is made with mode 0700 where it is missing.
    pub cache_dir: PathBuf,
    /// The key that proves compiled code to be this host's own. Keep it where the journal is, not
    /// in `cache_dir`.
    pub cache_secret: [u8; 32],
    /// Where components are compiled.
    pub compiler: Compiler,
    /// What one compilation may use. Only a child process can be held to it.
    pub compile_limits: CompileLimits,
    /// Attempts that can be under way at once; more wait for their turn. Default 64.
    pub slots: u32,
    /// The largest component that is looked at. Default 128 MiB.
    pub component_bytes_max: u64,
    /// Looks up the variables of the host's environment that hold secrets. Default: there are none.
    pub variables: Variables,
    /// Called with what an operator may want to know. Default: does nothing.
    pub notify: Arc<dyn Fn(Notice) + Send + Sync>,
    /// Who answers all requests of guests, in place of the hosts they go to. Default: nobody does.
    pub stand_in: Option<Arc<dyn StandIn>>,
    /// What stands in for the system's network in a test.
    pub(super) network: Option<Arc<dyn Network>>,
    /// Whom a test trusts instead of the public authorities.
    pub(super) roots: Option<RootCertStore>,
}

/// Where components are compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compiler {
    /// In this process, with no limit: a hostile component can hold it up for minutes. For tests.
    InProcess,
    /// In a child process `EXE __compile …`, which must hand its other arguments to
    /// [`compile_child`](super::compile_child).
    Child(PathBuf),
}

/// What one compilation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Processor time of all threads together, in whole seconds. Default 120 s.
    pub cpu: Duration,
    /// Address space. Default 4 GiB.
    pub memory_bytes: u64,
    /// Wall time. Default 300 s.
    pub wall: Duration,
}

/// What an operator may want to know about the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Memory for all slots could not be set aside, so that each call asks the system for its own:
    /// slower, and otherwise the same.
    PoolUnavailable(String),
    /// A component is being compiled, which may take seconds; the next load takes milliseconds.
    Compiling(Digest),
    /// It was compiled, in this time.
    Compiled(Digest, Duration),
    /// Compiled code was there and is not used, for this reason: it is made anew.
    CacheRejected(Digest, String),
    /// The host panicked in a call of it, and calls it no more.
    Quarantined(Digest),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PoolUnavailable(why) => {
                write!(f, "no memory could be set aside for steps, calls are slower: {why}")
            }
            Self::Compiling(digest) => write!(f, "compiling component {digest}"),
            Self::Compiled(digest, took) => {
                write!(f, "compiled component {digest} in {:.1} s", took.as_secs_f64())
            }
            Self::CacheRejected(digest, why) => {
                write!(f, "compiled code of component {digest} is made anew: {why}")
            }
            Self::Quarantined(digest) => write!(
                f,
                "a call of component {digest} made this host panic, which is a mistake in piton: \
                 please report it. It is called no more until piton is started anew"
            ),
        }
    }
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(120),
            memory_bytes: 4096 * MIB,
            wall: Duration::from_secs(300),
        }
    }
}

impl Settings {
    /// The defaults, with compiled code in `cache_dir`.
    pub fn new(cache_dir: impl Into<PathBuf>, cache_secret: [u8; 32], compiler: Compiler) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            cache_secret,
            compiler,
            compile_limits: CompileLimits::default(),
            slots: 64,
            component_bytes_max: COMPONENT_BYTES_MAX,
            variables: Arc::new(|_| None),
            notify: Arc::new(|_| ()),
            stand_in: None,
            network: None,
            roots: None,
        }
    }
}

impl fmt::Debug for Settings {
    /// Leaves the secret out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("cache_dir", &self.cache_dir)
            .field("compiler", &self.compiler)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}
