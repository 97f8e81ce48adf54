//! What one attempt may use and touch, as data: the sandbox enforces it, the manifest fills it in.
//! Owns the defaults; never enforces anything itself.

use std::collections::BTreeMap;
use std::time::Duration;

/// What one attempt may use, besides its wall time ([`Step::timeout`](crate::Step::timeout)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Instructions, roughly. Default 50,000,000,000.
    pub fuel: u64,
    /// All linear memories together. Default 64 MiB.
    pub memory_bytes: u64,
    /// All tables together. Default 100,000.
    pub table_elements: u64,
    /// The call's input. Default 4 MiB.
    pub input_bytes: u64,
    /// What the call returns. Default 4 MiB.
    pub output_bytes: u64,
    /// Log lines, standard output and standard error together; the rest is cut. Default 256 KiB.
    pub log_bytes: u64,
    /// Memos of all phases of the step. Default 1,000.
    pub memo_count: u64,
    /// Keys and values of these memos together. Default 4 MiB.
    pub memo_bytes: u64,
    /// How long a call may go without reporting progress. Default: as long as its timeout.
    pub idle_timeout: Option<Duration>,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: 50_000_000_000,
            memory_bytes: 64 * MIB,
            table_elements: 100_000,
            input_bytes: 4 * MIB,
            output_bytes: 4 * MIB,
            log_bytes: 256 * KIB,
            memo_count: 1_000,
            memo_bytes: 4 * MIB,
            idle_timeout: None,
        }
    }
}

/// What one attempt may touch. The default is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Folders of the host.
    pub dirs: Vec<DirGrant>,
    /// Environment variables, with their values as the manifest gives them.
    pub env: BTreeMap<String, String>,
}

/// A folder of the host that a guest sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirGrant {
    /// The folder on the host, as the manifest names it: relative to the manifest.
    pub host: String,
    /// The absolute path under which the guest sees it.
    pub guest: String,
    /// Whether the guest may change what is in it. Default false.
    pub write: bool,
}
