//! Tries the targets on what is kept, changed: a fuzzer's work for as many tries as a test run has time
//! for, and the same ones each time. What breaks is told in full, to be kept.
//! Never looks at coverage: that is left to a real fuzzer.

use super::{TARGETS, Target};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// No input is longer, in bytes: what is long is tried elsewhere.
const LENGTH_MAX: usize = 8 << 10;

/// What stands in texts where their readers have most to decide.
const TOKENS: [&[u8]; 24] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b"\"",
    b"'",
    b"\\",
    b"${",
    b"\"\"\"",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xf0\x9f\x92\xa9",
    b"\xe2\x80\xae",
    b"\x1b[2J",
    b"\\u0000",
    b"\\ud800",
    b"NaN",
    b"=",
    b",",
    b".",
];

/// Numbers at which something ends.
const NUMBERS: [&[u8]; 12] = [
    b"0",
    b"-0",
    b"1",
    b"-1",
    b"255",
    b"4294967296",
    b"9007199254740993",
    b"9223372036854775807",
    b"-9223372036854775809",
    b"18446744073709551615",
    b"18446744073709551616",
    b"1e999",
];

/// Chance that is the same each time.
struct Chance(u64);

impl Chance {
    /// The next number below `limit`; 0 where that is 0.
    fn below(&mut self, limit: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        usize::try_from(bits % (limit.max(1) as u64)).unwrap_or_default()
    }

    /// Part of some bytes: more often short than long.
    fn part<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let from = self.below(bytes.len());
        let longest = (bytes.len() - from) >> self.below(6);
        &bytes[from..from + self.below(longest + 1)]
    }
}

/// What a target's inputs are made of.
struct Kept {
    seeds: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
}

impl Kept {
    fn of(target: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let files = std::fs::read_dir(&folder).expect("a folder should be read").flatten();
        let mut paths: Vec<_> = files.map(|file| file.path()).collect();
        // In whichever order the disk has them.
        paths.sort();
        let seeds = paths.iter().map(|path| std::fs::read(path).expect("a file should be read"));
        let mut seeds: Vec<Vec<u8>> = seeds.collect();
        seeds.iter_mut().for_each(|seed| seed.truncate(LENGTH_MAX));
        let mut words: BTreeSet<Vec<u8>> = BTreeSet::new();
        for seed in &seeds {
            let parts = seed.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
            words.extend(parts.filter(|part| (2..=40).contains(&part.len())).map(<[u8]>::to_vec));
        }
        words.extend(TOKENS.map(<[u8]>::to_vec));
        Self { seeds, words: words.into_iter().collect() }
    }

    fn change(&self, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = self.seeds[chance.below(self.seeds.len())].clone();
        for _ in 0..=chance.below(4) {
            self.change_once(&mut bytes, chance);
        }
        bytes.truncate(LENGTH_MAX);
        bytes
    }

    fn change_once(&self, bytes: &mut Vec<u8>, chance: &mut Chance) {
        let at = chance.below(bytes.len() + 1);
        match chance.below(9) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << chance.below(8);
                }
            }
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = chance.below(256) as u8;
                }
            }
            2 => bytes.truncate(at),
            3 => {
                let end = at + chance.below(bytes.len() - at + 1);
                bytes.drain(at..end);
            }
            // The end of one behind the beginning of another.
            4 => {
                let other = &self.seeds[chance.below(self.seeds.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[chance.below(other.len())..]);
            }
            // Something of itself once more, or many times.
            5 => {
                let part = chance.part(bytes).to_vec();
                let times = if chance.below(4) == 0 { 1 + chance.below(200) } else { 1 };
                insert(bytes, at, &part.repeat(times.min(LENGTH_MAX / part.len().max(1))));
            }
            6 => insert(bytes, at, &self.words[chance.below(self.words.len())]),
            // Another number in a number's place.
            7 => {
                let digits = |byte: &u8| byte.is_ascii_digit();
                let from = at + bytes[at..].iter().position(digits).unwrap_or(0);
                let end = bytes[from..].iter().position(|byte| !digits(byte)).unwrap_or(0);
                let number = NUMBERS[chance.below(NUMBERS.len())];
                bytes.splice(from..from + end, number.iter().copied());
            }
            // A word in another's place.
            _ => {
                let end = bytes[at..].iter().position(|byte| !byte.is_ascii_alphanumeric());
                bytes.drain(at..at + end.unwrap_or(0));
                insert(bytes, at, &self.words[chance.below(self.words.len())]);
            }
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    bytes.splice(at..at, what.iter().copied());
}

/// Tries a target so many times.
///
/// # Panics
/// Where it panics, with the input it did for.
#[track_caller]
fn holds_for(target: &str, tries: usize) {
    let known: Option<&Target> = TARGETS.iter().find(|(name, _)| *name == target);
    let (_, function) = known.expect("there should be such a target");
    let kept = Kept::of(target);
    let mut chance = Chance(tries as u64);
    for number in 0..tries {
        let bytes = kept.change(&mut chance);
        let held = catch_unwind(AssertUnwindSafe(|| function(&bytes)));
        assert!(
            held.is_ok(),
            "`{target}` broke at try {number} of {tries}; keep this in `fuzz/corpus/{target}` once it \
             is mended:\n\"{}\"",
            bytes.escape_ascii()
        );
    }
}

#[test]
fn a_changed_manifest_passes() {
    holds_for("manifest", 10_000);
}

#[test]
fn a_changed_expression_passes() {
    holds_for("expression", 10_000);
}

#[test]
fn a_changed_record_passes() {
    holds_for("stored_event", 50_000);
}

#[test]
fn a_changed_entry_passes() {
    holds_for("log_entry", 50_000);
}

#[test]
fn a_changed_journal_passes() {
    holds_for("journal_page", 800);
}

#[test]
fn a_changed_output_passes() {
    holds_for("guest_output", 40_000);
}

#[test]
fn a_changed_line_passes() {
    holds_for("socket", 200_000);
}
