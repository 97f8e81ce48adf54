//! Every key that a manifest may hold, table by table.
//! Owns the list only; what a key means is where it is read. `host/docs/manifest.md` describes each.

/// Keys with those of the limits between them: what a step, `[defaults]` and `[ceilings]` share.
macro_rules! with_limits {
    ([$($before:literal),* $(,)?], [$($after:literal),* $(,)?]) => {
        &[
            $($before,)*
            "fuel",
            "memory",
            "table_max",
            "input_max",
            "output_max",
            "log_max",
            "memo_max",
            "memo_count_max",
            "http_requests_max",
            "http_connections_max",
            "http_sent_max",
            "http_received_max",
            "http_headers_max",
            $($after,)*
        ]
    };
}

/// A table of the manifest and the keys it may hold.
#[derive(Debug)]
pub(super) struct TableKind {
    /// What it is, for messages.
    pub(super) name: &'static str,
    /// Its keys.
    pub(super) keys: &'static [&'static str],
}

pub(super) static ROOT: TableKind = TableKind {
    name: "the manifest",
    keys: &["pipeline", "defaults", "steps", "output", "budget"],
};

pub(super) static PIPELINE: TableKind = TableKind {
    name: "`[pipeline]`",
    keys: &[
        "name",
        "input_schema",
        "deadline",
        "on_sibling_failure",
        "on_compensation_failure",
        "compensation_parallel",
    ],
};

pub(super) static DEFAULTS: TableKind = TableKind {
    name: "`[defaults]`",
    keys: with_limits!(
        ["effect", "timeout", "idle_timeout"],
        ["lost_attempts_max", "retry", "undo"]
    ),
};

pub(super) static STEP: TableKind = TableKind {
    name: "a step",
    keys: with_limits!(
        [
            "component",
            "input",
            "after",
            "when",
            "map",
            "max_parallel",
            "tolerate",
            "items_max",
            "wait",
            "wait_until",
            "signal",
            "approval",
            "pivot",
            "effect",
            "compensate",
            "compensate_reason",
            "on_exhausted",
            "timeout",
            "idle_timeout"
        ],
        ["idempotency_window", "lost_attempts_max", "retry", "undo", "grants"]
    ),
};

/// The keys of a step that say what it waits for.
pub(super) const WAITING: [&str; 4] = ["wait", "wait_until", "signal", "approval"];

/// The keys of a step that say what it does.
pub(super) const DOING: [&str; 5] = ["component", "wait", "wait_until", "signal", "approval"];

/// The keys of a step that have a meaning although it calls no component.
pub(super) const FOR_WAITING: [&str; 8] =
    ["after", "when", "pivot", "on_exhausted", "wait", "wait_until", "signal", "approval"];

/// The keys of a step that have a meaning only beside `map`.
pub(super) const FOR_MAP: [&str; 3] = ["max_parallel", "tolerate", "items_max"];

pub(super) static RETRY: TableKind = TableKind {
    name: "a retry policy",
    keys: &[
        "attempts",
        "base",
        "factor",
        "cap",
        "floor",
        "jitter",
        "max_elapsed",
        "retry_after_max",
        "throttled_attempts",
        "rules",
    ],
};

pub(super) static RULE: TableKind = TableKind {
    name: "a retry rule",
    keys: &[
        "code",
        "as",
        "attempts",
        "base",
        "factor",
        "cap",
        "floor",
        "jitter",
        "max_elapsed",
        "retry_after_max",
        "throttled_attempts",
    ],
};

pub(super) static APPROVAL: TableKind =
    TableKind { name: "`approval`", keys: &["from", "ask", "due", "on_timeout"] };

pub(super) static GRANTS: TableKind =
    TableKind { name: "`grants`", keys: &["dirs", "env", "http", "secrets"] };

pub(super) static DIR: TableKind =
    TableKind { name: "a granted folder", keys: &["host", "guest", "write"] };

pub(super) static HTTP: TableKind =
    TableKind { name: "a grant of HTTP", keys: &["host", "methods", "idempotency_key"] };

pub(super) static SECRET: TableKind =
    TableKind { name: "a secret", keys: &["header", "format", "hosts", "env", "file"] };

/// An operator's `piton.toml`, which `host/docs/operator.md` describes.
pub(super) static OPERATOR: TableKind =
    TableKind { name: "`piton.toml`", keys: &["ceilings", "allow"] };

pub(super) static CEILINGS: TableKind =
    TableKind { name: "`[ceilings]`", keys: with_limits!(["timeout"], []) };

pub(super) static ALLOW: TableKind =
    TableKind { name: "`[allow]`", keys: &["components", "dirs", "env", "http", "secrets"] };

/// `piton.lock`, which `piton lock` writes.
pub(super) static LOCK: TableKind =
    TableKind { name: "`piton.lock`", keys: &["version", "manifests"] };

pub(super) static LOCKED_STEP: TableKind =
    TableKind { name: "a pinned step", keys: &["component", "grants"] };

/// Those of the operator.
#[cfg(test)]
pub(super) static OF_OPERATOR: [&TableKind; 3] = [&OPERATOR, &CEILINGS, &ALLOW];

/// Those of a manifest.
#[cfg(test)]
pub(super) static ALL: [&TableKind; 11] =
    [&ROOT, &PIPELINE, &DEFAULTS, &STEP, &RETRY, &RULE, &APPROVAL, &GRANTS, &DIR, &HTTP, &SECRET];
