//! What an attempt may use: the keys that steps and `[defaults]` share.
//! Owns their ranges; the defaults are the core's, and operators set ceilings of their own.

use super::complaint::Complaints;
use super::shape::{Placed, Table};
use piton_core::{Effect, Limits};
use std::time::Duration;

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;

/// The shortest timeout: less than this, and no call can begin.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);

/// The keys that both a step and `[defaults]` may hold.
#[derive(Debug, Clone, Default)]
pub(super) struct LimitsDraft {
    pub(super) effect: Option<Effect>,
    pub(super) timeout: Option<Duration>,
    pub(super) lost_attempts_max: Option<u32>,
    idle_timeout: Option<Placed<Duration>>,
    fuel: Option<u64>,
    memory: Option<u64>,
    table_max: Option<u64>,
    input_max: Option<u64>,
    output_max: Option<u64>,
    log_max: Option<u64>,
    memo_max: Option<u64>,
    memo_count_max: Option<u64>,
}

impl LimitsDraft {
    pub(super) fn read(table: &Table<'_>, complaints: &mut Complaints) -> Self {
        let effects = [
            ("none", Effect::None),
            ("idempotent", Effect::Idempotent),
            ("reconcilable", Effect::Reconcilable),
            ("unsafe", Effect::Unsafe),
        ];
        let effect = table.get("effect").and_then(|entry| entry.choice(&effects, complaints));
        let mut span = |key: &str| {
            let entry = table.get(key)?;
            Some(entry.placed(entry.duration(TIMEOUT_MIN, complaints)?))
        };
        let timeout = span("timeout").map(|placed| placed.value);
        let idle_timeout = span("idle_timeout");
        let mut size = |key: &str, least, most| table.get(key)?.size(least, most, complaints);
        let memory = size("memory", 64 * KIB, 4 * GIB);
        let input_max = size("input_max", 1, GIB);
        let output_max = size("output_max", 1, GIB);
        let log_max = size("log_max", 0, GIB);
        let memo_max = size("memo_max", 0, GIB);
        let mut integer = |key: &str, least, most| table.get(key)?.integer(least, most, complaints);
        let fuel = integer("fuel", 1, i64::MAX as u64);
        let table_max = integer("table_max", 0, 10_000_000);
        let memo_count_max = integer("memo_count_max", 0, 1_000_000);
        let lost = table.get("lost_attempts_max");
        let lost_attempts_max = lost.and_then(|entry| entry.count(1, 1_000, complaints));
        Self {
            effect,
            timeout,
            lost_attempts_max,
            idle_timeout,
            fuel,
            memory,
            table_max,
            input_max,
            output_max,
            log_max,
            memo_max,
            memo_count_max,
        }
    }

    /// The same, with what it leaves out taken from `behind`.
    pub(super) fn over(&self, behind: &Self) -> Self {
        Self {
            effect: self.effect.or(behind.effect),
            timeout: self.timeout.or(behind.timeout),
            lost_attempts_max: self.lost_attempts_max.or(behind.lost_attempts_max),
            idle_timeout: self.idle_timeout.clone().or_else(|| behind.idle_timeout.clone()),
            fuel: self.fuel.or(behind.fuel),
            memory: self.memory.or(behind.memory),
            table_max: self.table_max.or(behind.table_max),
            input_max: self.input_max.or(behind.input_max),
            output_max: self.output_max.or(behind.output_max),
            log_max: self.log_max.or(behind.log_max),
            memo_max: self.memo_max.or(behind.memo_max),
            memo_count_max: self.memo_count_max.or(behind.memo_count_max),
        }
    }

    /// The limits, with the core's defaults for the rest.
    pub(super) fn limits(&self) -> Limits {
        let defaults = Limits::default();
        Limits {
            fuel: self.fuel.unwrap_or(defaults.fuel),
            memory_bytes: self.memory.unwrap_or(defaults.memory_bytes),
            table_elements: self.table_max.unwrap_or(defaults.table_elements),
            input_bytes: self.input_max.unwrap_or(defaults.input_bytes),
            output_bytes: self.output_max.unwrap_or(defaults.output_bytes),
            log_bytes: self.log_max.unwrap_or(defaults.log_bytes),
            memo_count: self.memo_count_max.unwrap_or(defaults.memo_count),
            memo_bytes: self.memo_max.unwrap_or(defaults.memo_bytes),
            idle_timeout: self.idle_timeout.as_ref().map(|placed| placed.value),
            http: defaults.http,
        }
    }

    /// Warns of an idle timeout of this table that can never pass before the timeout.
    pub(super) fn check_idle(&self, timeout: Duration, complaints: &mut Complaints) {
        if let Some(idle) = self.idle_timeout.as_ref().filter(|idle| idle.value >= timeout) {
            complaints.warning(&idle.place, "`idle_timeout` is not shorter than `timeout`").label(
                format!("the attempt ends after {} anyway", super::duration::format(timeout)),
            );
        }
    }
}
