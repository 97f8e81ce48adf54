//! Amounts of bytes as a manifest writes them: `"64MiB"`.
//! Owns the notation; never decides which sizes make sense where.

/// How to write one, for hints.
pub(super) const NOTATION: &str =
    "write a whole number with `B`, `KiB`, `MiB` or `GiB`, such as \"64MiB\"";

const UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Reads an amount of bytes.
///
/// # Errors
/// What is wrong with the text, as a fragment.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err("it does not begin with a number".to_owned());
    }
    if unit.is_empty() {
        return Err(format!("a unit is missing after `{number}`"));
    }
    let Some((_, size)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("`{unit}` is no unit of size"));
    };
    let too_large = || "it is larger than there are bytes".to_owned();
    let number: u64 = number.parse().map_err(|_| too_large())?;
    number.checked_mul(*size).ok_or_else(too_large)
}

/// Writes an amount of bytes in the largest unit that keeps it whole.
pub(super) fn format(bytes: u64) -> String {
    let fits = |(_, size): &&(&str, u64)| bytes >= *size && bytes.is_multiple_of(*size);
    let (unit, size) = UNITS.iter().rev().find(fits).unwrap_or(&UNITS[0]);
    format!("{}{unit}", bytes / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<u64, &str>) {
        assert_eq!(parse(text), expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        check("0B", Ok(0));
        check("100B", Ok(100));
        check("64MiB", Ok(64 << 20));
        check("4GiB", Ok(4 << 30));
    }

    #[test]
    fn what_is_no_size_says_why() {
        check("", Err("it does not begin with a number"));
        check("MiB", Err("it does not begin with a number"));
        check("64", Err("a unit is missing after `64`"));
        check("64MB", Err("`MB` is no unit of size"));
        check("1.5GiB", Err("`.5GiB` is no unit of size"));
        check("99999999999GiB", Err("it is larger than there are bytes"));
    }

    #[test]
    fn what_is_written_reads_back() {
        for bytes in [0, 1, 1_023, 1_024, 1_536, 64 << 20, u64::MAX] {
            assert_eq!(parse(&format(bytes)), Ok(bytes));
        }
    }
}
