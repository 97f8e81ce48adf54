//! Owns attacks that want memory: its own, its stack, and the host's by handles.
//! Never gives any of it back.

use std::hint::black_box;

use piton_step::bindings::http::wasi::clocks::monotonic_clock;
use piton_step::bindings::http::wasi::http::types::Fields;
use piton_step::raw::write_output;
use serde_json::json;

use crate::{Attack, Done, Input, MIB};

pub(crate) const ATTACKS: &[Attack] = &[
    ("grow", grow),
    ("deep", |_| Ok(dive(black_box(1)).to_string())),
    ("pollables", pollables),
    ("fields", fields),
];

/// Takes memory until there is none.
fn grow(_: &Input) -> Done {
    let mut taken = Vec::new();
    loop {
        taken.push(black_box(vec![1_u8; MIB]));
    }
}

/// Calls itself for ever. Not a loop in disguise: the two operations do not fold into one.
#[inline(never)]
fn dive(depth: u64) -> u64 {
    if depth == 0 { 1 } else { dive(depth.wrapping_add(1)).wrapping_mul(31) ^ depth }
}

/// Waits for a million moments at once, each of which is a thing of the host's.
fn pollables(_: &Input) -> Done {
    let held: Vec<_> =
        (0..1_000_000).map(|n| monotonic_clock::subscribe_duration(n << 40)).collect();
    write_output(&json!({ "held": held.len() }))
}

/// Makes a hundred thousand sets of headers that are never sent, each of which the host holds.
fn fields(_: &Input) -> Done {
    let mut held = Vec::new();
    for _ in 0..100_000 {
        let fields = Fields::new();
        let set = fields.append("x-large", &[b'x'; 16 << 10]);
        held.push((fields, set.is_ok()));
    }
    write_output(&json!({ "held": held.len() }))
}
