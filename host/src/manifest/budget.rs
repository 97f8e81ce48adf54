//! `[budget]`: what a run may spend, read to the millionth.
//! Never takes a number through binary fractions: money is exact.

use super::complaint::Complaints;
use super::shape::{Value, found};
use piton_core::{Budget, OnBudget, Usage, is_unit};
use toml::de::DeValue;

const MICROS: u64 = 1_000_000;

/// Reads the table; none where it is not one, or holds no limit.
pub(super) fn read(value: &Value<'_>, complaints: &mut Complaints) -> Option<Budget> {
    let Some(table) = value.get_ref().as_table() else {
        complaints.error(&value.span(), "`[budget]` must be a table").label(found(value));
        return None;
    };
    let mut budget = Budget { limits: Usage::new(), on: OnBudget::default() };
    let mut names_a_unit = false;
    for (key, value) in table.iter() {
        let name = key.get_ref().as_ref();
        if name == "on" {
            budget.on = read_on(value, complaints).unwrap_or_default();
            continue;
        }
        names_a_unit = true;
        if !is_unit(name) {
            complaints
                .error(&key.span(), format!("`{name}` is no unit that a step can report"))
                .hint("a unit is up to 32 of a-z, 0-9, `_` and `-`, a letter first");
        } else if let Some(micros) = read_amount(name, value, complaints) {
            budget.limits.add(name, micros).expect("a unit is named once in a table");
        }
    }
    if !names_a_unit {
        complaints
            .error(&value.span(), "the budget has no limit")
            .hint("name a unit that the steps report, such as `usd = 2.00`");
    }
    (!budget.limits.is_empty()).then_some(budget)
}

fn read_on(value: &Value<'_>, complaints: &mut Complaints) -> Option<OnBudget> {
    match value.get_ref().as_str() {
        Some("pause") => return Some(OnBudget::Pause),
        Some("rollback") => return Some(OnBudget::RollBack),
        Some(word) => {
            let hint = complaints.did_you_mean(word, ["pause", "rollback"]);
            complaints
                .error(&value.span(), format!("`on` cannot be `{word}`"))
                .hint("it is one of `pause` and `rollback`")
                .hint_if(hint);
        }
        None => {
            complaints
                .error(&value.span(), "`on` must be a word in quotes")
                .label(found(value))
                .hint("one of `pause` and `rollback`");
        }
    }
    None
}

fn read_amount(unit: &str, value: &Value<'_>, complaints: &mut Complaints) -> Option<u64> {
    let read = match value.get_ref() {
        DeValue::Integer(integer) if integer.radix() == 10 => micros(integer.as_str()),
        DeValue::Float(float) => micros(float.as_str()),
        _ => Err("it must be a number, such as 2.00"),
    };
    match read {
        Ok(micros) => Some(micros),
        Err(reason) => {
            let message = format!("the budget of `{unit}` cannot be this");
            complaints.error(&value.span(), message).label(reason);
            None
        }
    }
}

/// Millionths of a decimal number as it is written.
fn micros(written: &str) -> Result<u64, &'static str> {
    let written = written.replace('_', "");
    let written = written.strip_prefix('+').unwrap_or(&written);
    let (whole, fraction) = written.split_once('.').unwrap_or((written, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.starts_with('-') {
        return Err("it must be more than 0");
    }
    if !is_digits(whole) || !is_digits(fraction) {
        return Err("it must be written in digits, without an exponent");
    }
    if fraction.trim_end_matches('0').len() > 6 {
        return Err(
            "it may have six places behind the point, as spending is counted in millionths",
        );
    }
    let fraction: u64 =
        format!("{:0<6.6}", fraction).parse().expect("six digits should be a number");
    let whole: u64 = whole.parse().map_err(|_| TOO_LARGE)?;
    let micros = whole.checked_mul(MICROS).and_then(|micros| micros.checked_add(fraction));
    match micros.ok_or(TOO_LARGE)? {
        0 => Err("it must be more than 0"),
        micros => Ok(micros),
    }
}

const TOO_LARGE: &str = "it is more than can be counted";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        for (written, expected) in [
            ("2.00", Ok(2_000_000)),
            ("200_000", Ok(200_000_000_000)),
            ("0.000001", Ok(1)),
            ("0.1000000", Ok(100_000)),
            ("18446744073709.551615", Ok(u64::MAX)),
            ("0.07", Ok(70_000)),
        ] {
            assert_eq!(micros(written), expected, "{written}");
        }
        for written in
            ["0", "0.0", "-1", "-0.5", "1e3", "inf", "nan", "0.0000001", "18446744073709.551616"]
        {
            assert!(micros(written).is_err(), "{written}");
        }
    }
}
