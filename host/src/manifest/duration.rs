//! Spans of time as a manifest writes them: `"1m30s"`.
//! Owns the notation; never decides which spans make sense where.

use std::time::Duration;

/// The longest span a manifest may name: 100 years of 365 days.
pub(super) const DURATION_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// How to write one, for hints.
pub(super) const NOTATION: &str =
    "write whole numbers with `d`, `h`, `m`, `s` or `ms`, the largest first, such as \"1m30s\"";

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a span of time.
///
/// # Errors
/// What is wrong with the text, as a fragment.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text;
    let mut millis: u64 = 0;
    let mut allowed = UNITS.as_slice();
    if rest.is_empty() {
        return Err("it is empty".to_owned());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        if number.is_empty() {
            return Err(format!("a number is missing before `{rest}`"));
        }
        if unit.is_empty() {
            return Err(format!("a unit is missing after `{number}`"));
        }
        let Some(at) = allowed.iter().position(|(name, _)| *name == unit) else {
            let known = UNITS.iter().any(|(name, _)| *name == unit);
            let reason = if known { "comes too late" } else { "is no unit of time" };
            return Err(format!("`{unit}` {reason}"));
        };
        let too_long = || "it is longer than 100 years".to_owned();
        let number: u64 = number.parse().map_err(|_| too_long())?;
        let part = number.checked_mul(allowed[at].1).ok_or_else(too_long)?;
        millis = millis.checked_add(part).ok_or_else(too_long)?;
        if Duration::from_millis(millis) > DURATION_MAX {
            return Err(too_long());
        }
        allowed = &allowed[at + 1..];
        rest = after;
    }
    Ok(Duration::from_millis(millis))
}

/// Writes a span of time as [`parse`] reads it.
pub(super) fn format(span: Duration) -> String {
    let mut millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, size) in UNITS {
        if millis >= size {
            text.push_str(&format!("{}{unit}", millis / size));
            millis %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<u64, &str>) {
        let expected = expected.map(Duration::from_millis).map_err(str::to_owned);
        assert_eq!(parse(text), expected, "{text}");
    }

    #[test]
    fn spans_are_sums_of_units() {
        check("30s", Ok(30_000));
        check("1m30s", Ok(90_000));
        check("500ms", Ok(500));
        check("1d2h3m4s5ms", Ok(93_784_005));
        check("0s", Ok(0));
        check("36500d", Ok(3_153_600_000_000));
    }

    #[test]
    fn what_is_no_span_says_why() {
        check("", Err("it is empty"));
        check("30", Err("a unit is missing after `30`"));
        check("s", Err("a number is missing before `s`"));
        check("1.5s", Err("a unit is missing after `1`"));
        check("-1s", Err("a number is missing before `-1s`"));
        check("1s1m", Err("`m` comes too late"));
        check("1s1s", Err("`s` comes too late"));
        check("3 s", Err("a unit is missing after `3`"));
        check("2weeks", Err("`weeks` is no unit of time"));
        check("36501d", Err("it is longer than 100 years"));
        check("99999999999999999999s", Err("it is longer than 100 years"));
        check("1s\u{e9}", Err("a number is missing before `\u{e9}`"));
    }

    #[test]
    fn what_is_written_reads_back() {
        for millis in [0, 1, 999, 1_000, 61_001, 86_400_000, 90_061_001] {
            let span = Duration::from_millis(millis);
            assert_eq!(parse(&format(span)), Ok(span));
        }
    }
}
