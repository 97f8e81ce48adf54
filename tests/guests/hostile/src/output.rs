//! Owns attacks by what a step returns.
//! Never returns what it should.

use std::time::Duration;

use piton_step::Failure;

use crate::{Attack, Done, Input, MIB};

pub(crate) const ATTACKS: &[Attack] = &[
    ("big-output", |_| Ok(format!("\"{}\"", "x".repeat(60 * MIB)))),
    ("big-failure", |_| Err(Failure::permanent("big", "x".repeat(60 * MIB)))),
    ("long-message", |_| Err(Failure::permanent("long", "x".repeat(8 * MIB)))),
    ("bad-json", |_| Ok(r#"{"half":"#.to_owned())),
    ("bad-utf8", bad_utf8),
    ("nan", |_| Ok("NaN".to_owned())),
    ("huge-number", |_| Ok("1e999".to_owned())),
    ("lone-surrogate", |_| Ok(r#""\ud800""#.to_owned())),
    ("two-values", |_| Ok("1 2".to_owned())),
    ("deep-json", |_| Ok("[".repeat(100_000) + &"]".repeat(100_000))),
    ("many-values", |_| Ok(format!("[0{}]", ",0".repeat(2 * MIB - 2)))),
    ("name-twice", |_| Ok(r#"{"amount":1,"amount":2}"#.to_owned())),
    ("retry-never", retry_never),
];

/// Returns bytes that are no text.
#[expect(unsafe_code, reason = "a step in another language may return any bytes")]
fn bad_utf8(_: &Input) -> Done {
    let bytes = b"\"\xff\xfe\xed\xa0\x80\"".to_vec();
    // SAFETY: nothing here reads it as text; it goes straight to the host, which has to notice.
    Ok(unsafe { String::from_utf8_unchecked(bytes) })
}

/// Asks to be tried again after the longest time there is.
fn retry_never(_: &Input) -> Done {
    Err(Failure::retry_after(Duration::MAX, "never", "come back never"))
}
