//! Owns attacks by what a step says while it is under way: logs, prints, progress, memos, usage.
//! Never stops before it is stopped.

use std::io::{self, Write};

use piton_step::raw::write_output;
use piton_step::{Failure, Level, log, memo, progress, usage};
use serde_json::json;

use crate::{Attack, Done, Input, MIB};

pub(crate) const ATTACKS: &[Attack] = &[
    ("control-codes", control_codes),
    ("stdout-flood", |_| flood(&mut io::stdout())),
    ("stderr-flood", |_| flood(&mut io::stderr())),
    ("log-flood", log_flood),
    ("progress-flood", progress_flood),
    ("memo-flood", memo_flood),
    ("memo-big", memo_big),
    ("memo-big-keys", memo_big_keys),
    ("usage-overflow", usage_overflow),
    ("usage-bad-unit", usage_bad_unit),
    ("usage-many-units", usage_many_units),
];

const FLOOD: u64 = 200_000;

/// Red, a title, a link, cursor moves, right-to-left, a lone return, a bell, HTML, and a forged line.
const CODES: &str = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\ \
    \x1b[2J\x1b[1;1H \u{202e}gnp.exe\u{202c} \u{9b}31m one\rtwo\u{8}\u{0} <script>alert(1)</script>\
    \nerror: forged line\n";

/// Puts control codes into every text that people may see.
fn control_codes(_: &Input) -> Done {
    for level in [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error] {
        log(level, CODES);
    }
    println!("{CODES}");
    eprintln!("{CODES}");
    progress(1, 2, CODES);
    Err(Failure::permanent(format!("code{CODES}"), CODES).details(&json!({ CODES: CODES })))
}

/// Prints 100 MiB in lines, and 16 MiB without an end.
fn flood(stream: &mut dyn Write) -> Done {
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    let mut printed = 0;
    for _ in 0..100 * MIB / line.len() {
        stream.write_all(&line)?;
        printed += line.len();
    }
    for _ in 0..16 {
        stream.write_all(&vec![b'y'; MIB])?;
        printed += MIB;
    }
    write_output(&json!({ "printed": printed }))
}

/// Logs 200,000 lines, and one of 16 MiB.
fn log_flood(_: &Input) -> Done {
    for n in 0..FLOOD {
        log(Level::Info, &format!("line {n}"));
    }
    log(Level::Info, &"x".repeat(16 * MIB));
    write_output(&json!({ "sent": FLOOD + 1 }))
}

/// Reports progress 200,000 times, each of more than all.
fn progress_flood(_: &Input) -> Done {
    for n in 0..FLOOD {
        progress(u64::MAX - n, n, "more than all");
    }
    write_output(&json!({ "sent": FLOOD }))
}

/// Leaves 200,000 notes, each of which the host would have to put on the disk.
fn memo_flood(_: &Input) -> Done {
    for n in 0..FLOOD {
        memo::remember(&format!("note {n}"), &n)?;
    }
    write_output(&json!({ "notes": FLOOD }))
}

/// Leaves a note of 10 MiB.
fn memo_big(_: &Input) -> Done {
    memo::remember("big", &"x".repeat(10 * MIB))?;
    write_output(&json!({ "notes": 1 }))
}

/// Leaves notes under keys of 1 MiB.
fn memo_big_keys(_: &Input) -> Done {
    for n in 0..64 {
        memo::remember(&format!("{n} {}", "k".repeat(MIB)), &n)?;
    }
    write_output(&json!({ "notes": 64 }))
}

/// Spends the largest number there is, twice.
fn usage_overflow(_: &Input) -> Done {
    usage("usd", u64::MAX);
    usage("usd", u64::MAX);
    write_output(&json!({ "sent": 2 }))
}

/// Spends a little, and then in a unit of 1 MiB.
fn usage_bad_unit(_: &Input) -> Done {
    usage("usd", 7);
    usage(&"u".repeat(MIB), 1);
    write_output(&json!({ "sent": 2 }))
}

/// Spends in a million units.
fn usage_many_units(_: &Input) -> Done {
    for n in 0..1_000_000 {
        usage(&format!("unit-{n}"), 1);
    }
    write_output(&json!({ "sent": 1_000_000 }))
}
