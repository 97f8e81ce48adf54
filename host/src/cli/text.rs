//! Small texts for people: spans, ages, amounts, tables.
//! Works on values alone; never looks anything up.

use piton::runner::Amounts;
use std::time::Duration;

/// A span as people say it: `1.2 s`, `4 min`, `3 h`, `2 d`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    match seconds {
        s if s < 1.0 => format!("{} ms", span.as_millis()),
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3_600.0 => format!("{} min {} s", span.as_secs() / 60, span.as_secs() % 60),
        s if s < 86_400.0 => {
            format!("{} h {} min", span.as_secs() / 3_600, span.as_secs() / 60 % 60)
        }
        _ => format!("{} d {} h", span.as_secs() / 86_400, span.as_secs() / 3_600 % 24),
    }
}

/// Milliseconds since the epoch of a moment in RFC 3339; none where it is no such text.
pub(crate) fn millis(rfc3339: &str) -> Option<i64> {
    Some(rfc3339.parse::<jiff::Timestamp>().ok()?.as_millisecond())
}

/// The span between two moments in RFC 3339; none where the first is not before the second.
pub(crate) fn between(from: &str, to: &str) -> Option<Duration> {
    let millis = millis(to)?.checked_sub(millis(from)?)?;
    u64::try_from(millis).ok().map(Duration::from_millis)
}

/// How far away a moment is: `in 4 min`, or `now`.
pub(crate) fn until(rfc3339: &str) -> String {
    let now = jiff::Timestamp::now().as_millisecond();
    let left = millis(rfc3339).map_or(0, |at| at.saturating_sub(now));
    match u64::try_from(left) {
        Ok(left) if left > 0 => format!("in {}", span(Duration::from_millis(left))),
        _ => "now".into(),
    }
}

/// The time of day of a moment, UTC, to the second.
pub(crate) fn clock(rfc3339: &str) -> &str {
    rfc3339.get(11..19).unwrap_or(rfc3339)
}

/// Amounts: `1.05 usd, 3 calls`; empty where there are none.
pub(crate) fn amounts(amounts: &Amounts) -> String {
    let parts: Vec<String> =
        amounts.iter().map(|(unit, amount)| format!("{amount} {unit}")).collect();
    parts.join(", ")
}

/// How many there are of something: `1 run`, `2 runs`.
pub(crate) fn count(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A number of bytes: `312 bytes`, `4.0 KiB`, `1.2 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return count(bytes, "byte");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        (amount, unit) = (amount / 1024.0, unit + 1);
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// Rows in columns, two spaces apart, without trailing blanks.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let padding = width - cell.chars().count();
            format!("{cell}{}", " ".repeat(padding))
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_say_them() {
        for (millis, expected) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_250, "1.2 s"),
            (61_000, "1 min 1 s"),
            (3_660_000, "1 h 1 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn bytes_have_the_largest_unit_that_fits() {
        for (number, expected) in
            [(1, "1 byte"), (1023, "1023 bytes"), (4096, "4.0 KiB"), (1_258_291, "1.2 MiB")]
        {
            assert_eq!(bytes(number), expected);
        }
    }

    #[test]
    fn tables_line_up_without_trailing_blanks() {
        let rows = [vec!["a".into(), "bb".into()], vec!["ccc".into(), String::new()]];
        assert_eq!(table(&rows), "a    bb\nccc");
    }
}
