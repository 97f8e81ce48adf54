//! What an attempt may use: the keys that steps, `[defaults]` and an operator's `[ceilings]` share.
//! Owns their notation and ranges; the defaults are the core's.

use super::complaint::{Complaints, Place};
use super::shape::{Placed, Table};
use super::{duration, size};
use piton_core::{Effect, Limits};
use std::collections::BTreeMap;
use std::time::Duration;

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;

/// The shortest timeout: less than this, and no call can begin.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);

/// What one attempt may use, its wall time included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) timeout: Duration,
    pub(super) limits: Limits,
}

/// A limit, as manifests write it.
pub(super) struct LimitKind {
    pub(super) key: &'static str,
    notation: Notation,
    least: u64,
    most: u64,
    pub(super) get: fn(&Allowed) -> u64,
    pub(super) set: fn(&mut Allowed, u64),
}

/// How a limit is written.
#[derive(Clone, Copy)]
enum Notation {
    /// A span of time, held in milliseconds.
    Time,
    /// Bytes.
    Size,
    /// A number.
    Count,
}

/// A row of [`LIMITS`] for a field of [`Limits`].
macro_rules! limit {
    ($key:literal, $notation:ident, $range:expr, $($field:ident).+) => {
        LimitKind {
            key: $key,
            notation: Notation::$notation,
            least: *$range.start(),
            most: *$range.end(),
            get: |allowed| allowed.limits.$($field).+,
            set: |allowed, amount| allowed.limits.$($field).+ = amount,
        }
    };
}

/// All of them.
pub(super) static LIMITS: [LimitKind; 14] = [
    LimitKind {
        key: "timeout",
        notation: Notation::Time,
        least: TIMEOUT_MIN.as_millis() as u64,
        most: u64::MAX,
        get: |allowed| u64::try_from(allowed.timeout.as_millis()).unwrap_or(u64::MAX),
        set: |allowed, millis| allowed.timeout = Duration::from_millis(millis),
    },
    limit!("fuel", Count, (1..=i64::MAX as u64), fuel),
    limit!("memory", Size, (64 * KIB..=4 * GIB), memory_bytes),
    limit!("table_max", Count, (0..=10_000_000), table_elements),
    limit!("input_max", Size, (1..=GIB), input_bytes),
    limit!("output_max", Size, (1..=GIB), output_bytes),
    limit!("log_max", Size, (0..=GIB), log_bytes),
    limit!("memo_max", Size, (0..=GIB), memo_bytes),
    limit!("memo_count_max", Count, (0..=1_000_000), memo_count),
    limit!("http_requests_max", Count, (0..=1_000_000), http.requests),
    LimitKind {
        key: "http_connections_max",
        notation: Notation::Count,
        least: 1,
        most: 256,
        get: |allowed| allowed.limits.http.connections.into(),
        set: |allowed, amount| {
            allowed.limits.http.connections = u32::try_from(amount).unwrap_or(u32::MAX);
        },
    },
    limit!("http_sent_max", Size, (0..=GIB), http.request_bytes),
    limit!("http_received_max", Size, (0..=GIB), http.response_bytes),
    limit!("http_headers_max", Size, (KIB..=128 * KIB), http.header_bytes),
];

impl LimitKind {
    /// What a table says about it.
    pub(super) fn read(
        &self,
        table: &Table<'_>,
        complaints: &mut Complaints,
    ) -> Option<Placed<u64>> {
        let entry = table.get(self.key)?;
        let amount = match self.notation {
            Notation::Time => {
                let span = entry.duration(Duration::from_millis(self.least), complaints)?;
                u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
            }
            Notation::Size => entry.size(self.least, self.most, complaints)?,
            Notation::Count => entry.integer(self.least, self.most, complaints)?,
        };
        Some(entry.placed(amount))
    }

    /// An amount of it, for people.
    pub(super) fn told(&self, amount: u64) -> String {
        match self.notation {
            Notation::Time => duration::format(Duration::from_millis(amount)),
            Notation::Size => size::format(amount),
            Notation::Count => amount.to_string(),
        }
    }
}

/// The keys that both a step and `[defaults]` may hold.
#[derive(Debug, Clone, Default)]
pub(super) struct LimitsDraft {
    pub(super) effect: Option<Effect>,
    pub(super) lost_attempts_max: Option<u32>,
    idle_timeout: Option<Placed<Duration>>,
    /// By key.
    amounts: BTreeMap<&'static str, Placed<u64>>,
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
        let idle_timeout = table
            .get("idle_timeout")
            .and_then(|entry| Some(entry.placed(entry.duration(TIMEOUT_MIN, complaints)?)));
        let amounts = LIMITS
            .iter()
            .filter_map(|limit| Some((limit.key, limit.read(table, complaints)?)))
            .collect();
        let lost = table.get("lost_attempts_max");
        let lost_attempts_max = lost.and_then(|entry| entry.count(1, 1_000, complaints));
        Self { effect, lost_attempts_max, idle_timeout, amounts }
    }

    /// The same, with what it leaves out taken from `behind`.
    pub(super) fn over(&self, behind: &Self) -> Self {
        let mut amounts = behind.amounts.clone();
        amounts.extend(self.amounts.iter().map(|(key, amount)| (*key, amount.clone())));
        Self {
            effect: self.effect.or(behind.effect),
            lost_attempts_max: self.lost_attempts_max.or(behind.lost_attempts_max),
            idle_timeout: self.idle_timeout.clone().or_else(|| behind.idle_timeout.clone()),
            amounts,
        }
    }

    /// What it allows, where `timeout` is the core's default of that.
    pub(super) fn allowed(&self, timeout: Duration) -> Allowed {
        let mut allowed = Allowed { timeout, limits: Limits::default() };
        allowed.limits.idle_timeout = self.idle_timeout.as_ref().map(|placed| placed.value);
        for limit in &LIMITS {
            if let Some(amount) = self.amounts.get(limit.key) {
                (limit.set)(&mut allowed, amount.value);
            }
        }
        allowed
    }

    /// The wall time that it gives itself.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.amounts.get("timeout").map(|amount| Duration::from_millis(amount.value))
    }

    /// Where each limit is written that it gives, by key.
    pub(super) fn places(&self) -> BTreeMap<&'static str, Place> {
        self.amounts.iter().map(|(key, amount)| (*key, amount.place.clone())).collect()
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
