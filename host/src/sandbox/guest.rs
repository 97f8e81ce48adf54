//! All that the host keeps for the guest of one attempt, and its answers to the guest's calls.
//! Counts and caps before it passes anything on; never decides what an end means.

use super::bindings::{log, memo, report, types};
use super::http::Outgoing;
use super::logs::{Logs, shorten};
use super::meter::Meter;
use super::redact::Redactor;
use super::services::{Level, Progress, Services};
use super::stopwatch::HostCall;
use super::time::Time;
use piton_core::{HostEnd, Limits, UNIT_BYTES_MAX, Usage, is_unit};
use std::fmt;
use std::sync::Arc;
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Open files, streams and the like that one attempt may have.
const RESOURCES_MAX: usize = 4_096;
/// Units of usage that one attempt may report.
const UNITS_MAX: usize = 64;
/// What is shown of a progress message.
const PROGRESS_BYTES_MAX: usize = 1 << 10;

/// The data of one attempt's store.
pub(super) struct Guest {
    given: Given,
    http: WasiHttpCtx,
    resources: ResourceTable,
    /// What memory it has.
    pub(super) meter: Meter,
    /// What it spent since the last `remember`.
    pub(super) usage: Usage,
    /// What it spent in all.
    spent: Usage,
    memos: MemoRoom,
}

/// What one attempt's guest is given to call on.
pub(super) struct Given {
    pub(super) wasi: WasiCtx,
    pub(super) outgoing: Outgoing,
    pub(super) services: Arc<dyn Services>,
    pub(super) redactor: Arc<Redactor>,
    pub(super) time: Arc<Time>,
    /// What it said.
    pub(super) logs: Arc<Logs>,
}

/// What this step may still remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MemoRoom {
    count: u64,
    bytes: u64,
    count_max: u64,
    bytes_max: u64,
}

/// Memos that earlier attempts of the step left, which count against its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemosKept {
    /// How many there are.
    pub count: u64,
    /// Keys and values together.
    pub bytes: u64,
}

/// Stops a guest in the middle of a host call: an end that is decided already.
#[derive(Debug)]
pub(super) struct Stop(pub(super) HostEnd, pub(super) String);

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}

impl std::error::Error for Stop {}

impl Guest {
    pub(super) fn new(given: Given, limits: &Limits, kept: MemosKept) -> Self {
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(RESOURCES_MAX);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(usize::try_from(limits.http.header_bytes).unwrap_or(usize::MAX));
        Self {
            given,
            http,
            resources,
            meter: Meter::new(limits.memory_bytes, limits.table_elements),
            usage: Usage::new(),
            spent: Usage::new(),
            memos: MemoRoom {
                count: kept.count,
                bytes: kept.bytes,
                count_max: limits.memo_count,
                bytes_max: limits.memo_bytes,
            },
        }
    }

    /// What it said.
    pub(super) fn logs(&self) -> &Logs {
        &self.given.logs
    }

    /// Adds to both sums or to none.
    fn spend(&mut self, unit: &str, micros: u64) -> Result<(), String> {
        if !is_unit(unit) {
            let unit = shorten(unit, UNIT_BYTES_MAX);
            return Err(format!(
                "it reported usage in `{unit}`, which is no unit: use up to {UNIT_BYTES_MAX} of \
                 a-z, 0-9, `_` and `-`, a letter first"
            ));
        }
        let is_new = self.spent.iter().all(|(known, _)| known != unit);
        if is_new && self.spent.iter().count() >= UNITS_MAX {
            return Err(format!("it reported usage in more than {UNITS_MAX} units"));
        }
        self.spent.add(unit, micros).map_err(|error| format!("it reported usage, and {error}"))?;
        // A part of a sum that fits.
        self.usage.add(unit, micros).map_err(|error| error.to_string())
    }
}

impl MemoRoom {
    /// Takes room for one more memo, or says why there is none.
    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        let Self { count_max, bytes_max, .. } = *self;
        let count = self.count.saturating_add(1);
        let bytes = self.bytes.saturating_add((key.len() + value.len()) as u64);
        if count > count_max {
            return Err(format!("it remembered more than {count_max} values (`memo_count_max`)"));
        }
        if bytes > bytes_max {
            return Err(format!("it remembered more than {bytes_max} bytes (`memo_max`)"));
        }
        (self.count, self.bytes) = (count, bytes);
        Ok(())
    }
}

fn denied(message: String) -> wasmtime::Error {
    Stop(HostEnd::Denied, message).into()
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.given.wasi, table: &mut self.resources }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.resources,
            hooks: &mut self.given.outgoing,
        }
    }
}

impl types::Host for Guest {}

impl log::Host for Guest {
    fn log(&mut self, level: log::Level, message: String) {
        let _asking = self.given.time.asks(HostCall::Log);
        let level = match level {
            log::Level::Trace => Level::Trace,
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        self.given.logs.log(level, &message);
    }
}

impl report::Host for Guest {
    fn progress(&mut self, done: u64, total: Option<u64>, message: String) {
        let _asking = self.given.time.asks(HostCall::Progress);
        self.given.time.progressed();
        let done = total.map_or(done, |total| done.min(total));
        let message = self.given.redactor.text(&message);
        let message = shorten(&message, PROGRESS_BYTES_MAX);
        self.given.services.progress(Progress { done, total, message });
    }

    fn usage(&mut self, unit: String, micros: u64) -> wasmtime::Result<()> {
        let _asking = self.given.time.asks(HostCall::Usage);
        // One that holds a secret is no unit, and is named in the message without it.
        let unit = self.given.redactor.text(&unit).into_owned();
        self.spend(&unit, micros).map_err(denied)
    }
}

impl memo::Host for Guest {
    fn recall(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        let _asking = self.given.time.asks(HostCall::Recall);
        Ok(self.given.services.recall(&self.given.redactor.text(&key)))
    }

    async fn remember(&mut self, key: String, value: String) -> wasmtime::Result<String> {
        let _asking = self.given.time.asks(HostCall::Remember);
        let redactor = &self.given.redactor;
        let (key, value) = (redactor.text(&key).into_owned(), redactor.text(&value).into_owned());
        // The first value stays; nothing is written, and so nothing counts.
        if let Some(first) = self.given.services.recall(&key) {
            return Ok(first);
        }
        self.memos.take(&key, &value).map_err(denied)?;
        let usage = std::mem::take(&mut self.usage);
        let services = self.given.services.clone();
        let remembered = services.remember(key, value, usage).await;
        remembered.map_err(|error| {
            Stop(HostEnd::Lost, format!("the host could not keep what it remembered: {error}"))
                .into()
        })
    }
}
