//! Bounds what one evaluation of an expression may make and look at. Twenty times `map(x, x + x)` is short
//! to write and makes a million copies; what a manifest costs is the host's to say.
//! Counts by what values weigh, never by time: the same call must have the same input again.

use cel::ExecutionError;
use cel::common::types::{CelBytes, CelList, CelMap, CelOptional, CelString};
use cel::common::value::{CowVal, Val};
use std::cell::Cell;

/// The most that one evaluation may make, all of its lists, objects and sums together.
pub(super) const MADE_MAX: usize = 2_000_000;
/// The most that one evaluation may look at while it walks through lists.
pub(super) const LOOKED_AT_MAX: usize = 16_000_000;
/// The text that weighs as much as a value.
const TEXT_BYTES: usize = 64;

thread_local! {
    /// What the evaluation under way on this thread has made.
    static MADE: Cell<usize> = const { Cell::new(0) };
    /// What it has looked at.
    static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
}

/// Begins an evaluation.
pub(super) fn begin() {
    MADE.set(0);
    LOOKED_AT.set(0);
}

/// Counts an element of a list, a field of an object, or a sum, and gives it back.
pub(super) fn made<'b, 'v>(
    arguments: Vec<CowVal<'b, 'v>>,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    counted(arguments, |value| {
        let made = MADE.get() + weight(value, MADE_MAX - MADE.get());
        MADE.set(made.min(MADE_MAX));
        if made > MADE_MAX { Err("makes") } else { Ok(()) }
    })
}

/// Counts what a function is called with, and gives it back.
pub(super) fn looked_at<'b, 'v>(
    arguments: Vec<CowVal<'b, 'v>>,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    counted(arguments, |value| {
        let looked_at = LOOKED_AT.get() + weight(value, LOOKED_AT_MAX - LOOKED_AT.get());
        LOOKED_AT.set(looked_at.min(LOOKED_AT_MAX));
        if looked_at > LOOKED_AT_MAX { Err("looks at") } else { Ok(()) }
    })
}

fn counted<'b, 'v>(
    mut arguments: Vec<CowVal<'b, 'v>>,
    count: impl FnOnce(&dyn Val) -> Result<(), &'static str>,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let Some(argument) = arguments.pop() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    match count(argument.as_ref()) {
        Ok(()) => Ok(argument),
        Err(what) => {
            let message = format!("the expression {what} too much; compute it in a step instead");
            Err(ExecutionError::function_error("map", message))
        }
    }
}

/// What a value weighs: one for itself and each in it, and for each 64 bytes of text. What is more
/// than `most` is not looked at further, and weighs more than `most`.
fn weight(value: &dyn Val, most: usize) -> usize {
    let mut left = most;
    if takes(value, &mut left) { most - left } else { most + 1 }
}

fn takes(value: &dyn Val, left: &mut usize) -> bool {
    let text = |bytes: usize| 1 + bytes / TEXT_BYTES;
    let own = if let Some(value) = value.downcast_ref::<CelString<'_>>() {
        text(value.inner().len())
    } else if let Some(value) = value.downcast_ref::<CelBytes<'_>>() {
        text(value.inner().len())
    } else {
        1
    };
    let Some(rest) = left.checked_sub(own) else { return false };
    *left = rest;
    if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        return list.inner().iter().all(|element| takes(element.as_ref(), left));
    }
    if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        let mut entries = map.inner().iter();
        return entries.all(|(key, value)| takes(key.inner(), left) && takes(value.as_ref(), left));
    }
    let held = value.downcast_ref::<CelOptional<'_>>().and_then(|optional| optional.option());
    held.is_none_or(|held| takes(held, left))
}

#[cfg(test)]
mod tests {
    use super::super::value::from_json;
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: usize) {
        let value = from_json(json).expect("it should be JSON");
        assert_eq!(weight(value.as_ref(), 1_000), expected, "{json}");
    }

    #[test]
    fn values_weigh_what_is_in_them() {
        check("1", 1);
        check("\"short\"", 1);
        check("[]", 1);
        check("[1,[2,3]]", 5);
        check("{\"a\":1,\"b\":{\"c\":null}}", 7);
        check(&format!("\"{}\"", "x".repeat(640)), 11);
    }

    #[test]
    fn what_is_too_heavy_is_not_weighed_on() {
        let value = from_json("[1,2,3,4]").expect("it should be JSON");
        assert_eq!(weight(value.as_ref(), 4), 5);
        assert_eq!(weight(value.as_ref(), 5), 5);
    }
}
