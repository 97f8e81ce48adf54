//! What the binary says to people, compared with what it said before: plain files in
//! `tests/snapshots`, exit code included; ids, times and paths replaced.
//! Never updates a file unasked: `UPDATE_SNAPSHOTS=1 cargo test -p piton-tests` does.

use crate::{Finished, Home};
use std::path::Path;

/// Compares an end with the file of this name.
///
/// # Panics
/// Where they differ.
#[track_caller]
pub fn check_snapshot(home: &Home, name: &str, finished: &Finished) {
    let Finished { code, stdout, stderr, .. } = finished;
    let code = code.map_or_else(|| "none".into(), |code| code.to_string());
    let whole = format!("exit code {code}\n--- stdout\n{stdout}--- stderr\n{stderr}");
    let actual = redacted(home, &whole);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::create_dir_all(file.parent().expect("a file should lie in a folder"))
            .and_then(|()| std::fs::write(&file, &actual))
            .expect("a snapshot should be written");
        return;
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        actual == expected,
        "`{name}` differs; if it should, run again with UPDATE_SNAPSHOTS=1\n--- expected\n{expected}\n--- actual\n{actual}"
    );
}

/// The text with what changes from run to run replaced.
pub fn redacted(home: &Home, text: &str) -> String {
    let folder = home.folder().display().to_string();
    let text = text.replace(&folder, "HOME");
    let mut redacted = String::new();
    for line in text.split_inclusive('\n') {
        redacted.push_str(&redact_line(line));
    }
    redacted
}

fn redact_line(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let at_word = !out.ends_with(|last: char| last.is_ascii_alphanumeric());
        let found = KINDS.iter().find_map(|(shape, name)| Some((matched(rest, shape)?, *name)));
        match found {
            Some((length, name)) if at_word && ends_word(&rest[length..]) => {
                out.push_str(name);
                rest = &rest[length..];
                // Columns are as wide as what was replaced.
                let gap = rest.len() - rest.trim_start_matches(' ').len();
                rest = &rest[gap.saturating_sub(1)..];
            }
            _ => {
                let length = rest.chars().next().map_or(0, char::len_utf8);
                out.push_str(&rest[..length]);
                rest = &rest[length..];
            }
        }
    }
    out
}

/// What is replaced, longer shapes first: `h` is a hexadecimal digit, `0` a digit, `~` any number
/// of digits, and every other character itself.
const KINDS: [(&str, &str); 11] = [
    ("hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh", "[DIGEST]"),
    ("hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh", "[ID]"),
    ("hhhhhhhhhhhh…", "[DIGEST]…"),
    ("0000-00-00T00:00:00.000Z", "[MOMENT]"),
    ("0000-00-00 00:00:00", "[MOMENT]"),
    ("0000000000000", "[MILLIS]"),
    ("00:00:00", "[CLOCK]"),
    ("~.~ s", "[SPAN]"),
    ("~ ms", "[SPAN]"),
    ("~ s", "[SPAN]"),
    ("(wasmtime ~.~.~)", "(wasmtime [VERSION])"),
];

/// How many bytes of the text's beginning have this shape.
fn matched(text: &str, shape: &str) -> Option<usize> {
    let mut rest = text;
    for wanted in shape.chars() {
        let fits = |found: char| match wanted {
            'h' if shape.starts_with("hhhhhhhh") => found.is_ascii_hexdigit(),
            '0' | '~' => found.is_ascii_digit(),
            other => found == other,
        };
        if !rest.starts_with(fits) {
            return None;
        }
        rest =
            if wanted == '~' { rest.trim_start_matches(fits) } else { &rest[wanted.len_utf8()..] };
    }
    Some(text.len() - rest.len())
}

fn ends_word(rest: &str) -> bool {
    !rest.starts_with(|next: char| next.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_replaced_and_nothing_else() {
        let check = |text: &str, expected: &str| assert_eq!(redact_line(text), expected);
        check("run 01a21017-522c-73fd-b790-f681b2b0a484 completed", "run [ID] completed");
        check("2026-11-25T00:24:53.548Z (47 ms)", "[MOMENT] ([SPAN])");
        check("00:24:53 s01: attempt 1 of 20", "[CLOCK] s01: attempt 1 of 20");
        check("completed  12 ms    key a", "completed  [SPAN] key a");
        check("in 1.25 s · 3 s · 4 steps", "in [SPAN] · [SPAN] · 4 steps");
        check("component aa8179d3dd9c…", "component [DIGEST]…");
        check("piton 0.1.0 (wasmtime 48.0.8)", "piton 0.1.0 (wasmtime [VERSION])");
    }
}
