//! Owns durable notes within one step: what one attempt paid for, the next one reads.
//! Never forgets and never overwrites: a key keeps its first value, in all phases of the step.
//!
//! ```
//! use piton_step::{Failure, memo};
//!
//! fn answer(question: &str) -> Result<String, Failure> {
//!     memo::once(&format!("answer/{question}"), || {
//!         // The call that costs money.
//!         Ok("42".to_owned())
//!     })
//! }
//! # assert_eq!(answer("life").unwrap(), "42");
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Failure, host};

/// Returns the note under `key`, or computes it and leaves it there. It is durable before this
/// returns, so no attempt of this step computes it again.
///
/// # Errors
///
/// What `compute` returned (nothing is noted then), or `bad-memo` as [`recall`] and [`remember`].
pub fn once<T: Serialize + DeserializeOwned>(
    key: &str,
    compute: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    match recall(key)? {
        Some(value) => Ok(value),
        None => remember(key, &compute()?),
    }
}

/// Returns the note under `key`, whichever attempt or phase left it.
///
/// # Errors
///
/// `bad-memo`, permanent, where the note does not fit the type: another version of the step left it.
pub fn recall<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Failure> {
    host::recall(key).map(|text| read(key, &text)).transpose()
}

/// Leaves a note under `key` and returns the one that is there: the first value of a key stays.
///
/// # Errors
///
/// `bad-memo`, permanent, where the value cannot be written as JSON, or the first one does not fit.
pub fn remember<T: Serialize + DeserializeOwned>(key: &str, value: &T) -> Result<T, Failure> {
    let text = serde_json::to_string(value).map_err(|error| bad_memo(key, &error))?;
    read(key, &host::remember(key, &text))
}

fn read<T: DeserializeOwned>(key: &str, text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| bad_memo(key, &error))
}

fn bad_memo(key: &str, error: &serde_json::Error) -> Failure {
    Failure::permanent("bad-memo", format!("the note under `{key}` does not fit: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_computes_once() {
        let mut calls = 0;
        for _ in 0..3 {
            let value: Result<u32, Failure> = once("once_computes_once", || {
                calls += 1;
                Ok(7)
            });
            assert_eq!(value, Ok(7));
        }
        assert_eq!(calls, 1);
    }

    #[test]
    fn a_failure_leaves_no_note() {
        let key = "a_failure_leaves_no_note";
        let failed: Result<u32, Failure> = once(key, || Err(Failure::retryable("busy", "")));
        assert!(failed.is_err());
        assert_eq!(once(key, || Ok(1)), Ok(1));
    }

    #[test]
    fn the_first_value_stays() {
        assert_eq!(remember("the_first_value_stays", &1), Ok(1));
        assert_eq!(remember("the_first_value_stays", &2), Ok(1));
    }
}
