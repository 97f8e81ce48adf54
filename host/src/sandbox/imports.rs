//! What a component may import, in plain words, and what to do about what it may not.
//! One table for `inspect` and for refusals; grants nothing itself.

/// The contract's interface that makes a component a step.
pub(super) const STEP: &str = "piton:step/step@0.1.0";
/// The contract's interface that makes a lost call answerable.
pub(super) const RECONCILE: &str = "piton:step/reconcile@0.1.0";

/// What each import means: the start of its name, what a step can do with it, what it needs.
const MEANINGS: [(&str, &str, Option<&str>); 18] = [
    ("piton:step/types", "knows the contract's types", None),
    ("piton:step/log", "writes log lines, kept with the run", None),
    ("piton:step/report", "reports progress and usage", None),
    ("piton:step/memo", "remembers notes between attempts", None),
    (
        "wasi:cli/environment",
        "reads environment variables that the manifest grants",
        Some("grants.env"),
    ),
    ("wasi:cli/stdin", "reads its standard input, which is empty", None),
    ("wasi:cli/std", "prints, which is kept with the run", None),
    ("wasi:cli/terminal", "asks whether it talks to a terminal, and is told no", None),
    ("wasi:cli/exit", "exits, which ends its attempt", None),
    ("wasi:clocks/monotonic-clock", "measures time, and waits", None),
    ("wasi:clocks/wall-clock", "reads the clock", None),
    (
        "wasi:filesystem/",
        "reads and writes files in folders that the manifest grants",
        Some("grants.dirs"),
    ),
    ("wasi:http/", "may send HTTP requests to hosts that the manifest grants", Some("grants.http")),
    ("wasi:io/", "reads, writes and waits through other interfaces", None),
    ("wasi:random/", "draws random numbers", None),
    ("wasi:sockets/ip-name-lookup", "looks up names, which is always denied", None),
    ("wasi:sockets/", "opens connections, which is always denied", None),
    ("wasi:config/", "reads settings", None),
];

/// What a step can do with an import, where it is known.
pub(super) fn meaning(name: &str) -> Option<&'static str> {
    MEANINGS.iter().find(|(start, ..)| name.starts_with(start)).map(|(_, meaning, _)| *meaning)
}

/// The grant without which an import gives nothing.
pub(super) fn grant(name: &str) -> Option<&'static str> {
    MEANINGS.iter().find(|(start, ..)| name.starts_with(start)).and_then(|(.., grant)| *grant)
}

/// What is to be done about an import that the host does not link.
pub(super) fn hint(name: &str) -> &'static str {
    if name.starts_with("piton:step/") {
        "it was built for another version of the contract; build it against this version's `step.wit`"
    } else if name.starts_with("wasi:") && name.contains("@0.3") {
        "this host has WASI 0.2; build the step for `wasm32-wasip2`"
    } else if name.starts_with("wasi:") {
        "of WASI 0.2 this host has cli, clocks, filesystem, http (to send requests), io, random and sockets"
    } else if name.starts_with("wasi_snapshot_preview1") || name == "env" {
        "it is made for WASI 0.1; build the step for `wasm32-wasip2`"
    } else {
        "a step may import `piton:step/log`, `report` and `memo`, and WASI 0.2; compose it with the \
         component that it needs"
    }
}

/// Whether an exported name is the contract's, of a version that this host does not have.
pub(super) fn is_other_version(name: &str) -> bool {
    name.starts_with("piton:step/step") && name != STEP
}
