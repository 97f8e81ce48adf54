//! Checks what a guest returned, and puts it into the core's words.
//! What is wrong with an output is an end of its own; what is wrong with a failure is put right and noted.

use super::bindings::{Outcome, types};
use super::json;
use super::logs::shorten;
use piton_core::{End, Failure, FailureKind, HostEnd, Json, Reconciled};
use std::time::Duration;

/// What stands for a code that is none.
const BAD_CODE: &str = "bad-code";
const CODE_BYTES_MAX: usize = 64;
const MESSAGE_BYTES_MAX: usize = 4 << 10;
const DETAILS_BYTES_MAX: usize = 64 << 10;

/// The end of an `execute` that returned.
pub(super) fn executed(result: Result<String, types::Failure>, bytes_max: u64) -> End {
    match result {
        Ok(output) => checked(&output, bytes_max, |output| End::Succeeded(Some(output))),
        Err(failure) => End::Failed(self::failure(failure)),
    }
}

/// The end of a `compensate` that returned.
pub(super) fn compensated(result: Result<(), types::Failure>) -> End {
    match result {
        Ok(()) => End::Succeeded(None),
        Err(failure) => End::Failed(self::failure(failure)),
    }
}

/// The end of a `reconcile` that returned.
pub(super) fn reconciled(result: Result<Outcome, types::Failure>, bytes_max: u64) -> End {
    match result {
        Ok(Outcome::Done(output)) => {
            checked(&output, bytes_max, |output| End::Reconciled(Reconciled::Done(output)))
        }
        Ok(Outcome::NotDone) => End::Reconciled(Reconciled::NotDone),
        Ok(Outcome::Unknown) => End::Reconciled(Reconciled::Unknown),
        Err(failure) => End::Failed(self::failure(failure)),
    }
}

fn checked(output: &str, bytes_max: u64, end: impl FnOnce(Json) -> End) -> End {
    let admitted = if output.len() as u64 > bytes_max {
        Err(format!(
            "too large: it has {} bytes, and may have {bytes_max} (`output_max`)",
            output.len()
        ))
    } else {
        json::admit(output)
    };
    match admitted {
        Ok(output) => end(output),
        Err(why) => End::Host(HostEnd::InvalidOutput, format!("what it returned is {why}")),
    }
}

fn failure(failure: types::Failure) -> Failure {
    let mut notes = String::new();
    let code = if is_code(&failure.code) {
        failure.code
    } else {
        notes += &format!(
            " (its code `{}` is none: up to {CODE_BYTES_MAX} of a-z, 0-9 and `-`)",
            shorten(&failure.code, CODE_BYTES_MAX)
        );
        BAD_CODE.into()
    };
    let details = failure.details.and_then(|details| {
        let admitted = if details.len() > DETAILS_BYTES_MAX {
            Err(format!("longer than {DETAILS_BYTES_MAX} bytes"))
        } else {
            json::admit(&details)
        };
        admitted.map_err(|why| notes += &format!(" (its details are left out: {why})")).ok()
    });
    let kept = shorten(&failure.message, MESSAGE_BYTES_MAX);
    let cut = if kept.len() < failure.message.len() { "…" } else { "" };
    Failure {
        kind: kind(failure.kind),
        clean: failure.clean,
        code,
        message: format!("{kept}{cut}{notes}"),
        details,
    }
}

fn kind(kind: types::FailureKind) -> FailureKind {
    match kind {
        types::FailureKind::Retryable => FailureKind::Retryable,
        types::FailureKind::RetryAfter(millis) => {
            FailureKind::RetryAfter(Duration::from_millis(millis))
        }
        types::FailureKind::Permanent => FailureKind::Permanent,
        types::FailureKind::Unknown => FailureKind::Unknown,
    }
}

/// `[a-z0-9][a-z0-9-]{0,63}`
fn is_code(code: &str) -> bool {
    code.len() <= CODE_BYTES_MAX
        && !code.is_empty()
        && !code.starts_with('-')
        && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// What a guest may return, from bytes that a fuzzer makes up: parts with a zero byte between them.
/// What goes on of it is within its limits, harmless to show, and the same for every reader.
#[cfg(any(fuzzing, test))]
pub(crate) fn fuzzed_output(bytes: &[u8]) {
    const OUTPUT_BYTES_MAX: u64 = 64 << 10;
    let parts: Vec<_> = bytes.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let part = |n: usize| parts.get(n).map(|part| part.clone().into_owned());
    let output = part(0).unwrap_or_default();
    if let End::Succeeded(Some(json)) = executed(Ok(output.clone()), OUTPUT_BYTES_MAX) {
        assert!(json.as_str().len() as u64 <= OUTPUT_BYTES_MAX);
        assert_eq!(json::admit(json.as_str()).as_ref(), Ok(&json), "it should stay as it is");
        let value: serde_json::Value =
            serde_json::from_str(&output).expect("what is taken should be JSON");
        let kept: serde_json::Value =
            serde_json::from_str(json.as_str()).expect("what is kept should be JSON");
        assert_eq!(value, kept, "every reader should see the same");
    }
    let failed = types::Failure {
        kind: types::FailureKind::RetryAfter(bytes.len() as u64),
        clean: false,
        code: part(1).unwrap_or_default(),
        message: part(2).unwrap_or_default(),
        details: part(3),
    };
    let failure = failure(failed);
    assert!(is_code(&failure.code), "`{}` is no code", failure.code);
    assert!(failure.message.len() <= 2 * MESSAGE_BYTES_MAX, "{} bytes", failure.message.len());
    if let Some(details) = &failure.details {
        assert!(details.as_str().len() <= DETAILS_BYTES_MAX);
        assert_eq!(json::admit(details.as_str()).as_ref(), Ok(details));
    }
    let shown = super::inert(&failure.message);
    assert!(!shown.chars().any(char::is_control), "{shown:?} could steer a terminal");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: &str, message: &str, details: Option<&str>) -> Failure {
        failure(types::Failure {
            kind: types::FailureKind::RetryAfter(u64::MAX),
            clean: true,
            code: code.into(),
            message: message.into(),
            details: details.map(Into::into),
        })
    }

    #[test]
    fn a_failure_goes_on_as_it_is() {
        let failure = failed("card-declined", "no", Some("{\"a\": 1}"));
        assert_eq!(failure.kind, FailureKind::RetryAfter(Duration::from_millis(u64::MAX)));
        assert_eq!((failure.code.as_str(), failure.message.as_str()), ("card-declined", "no"));
        assert_eq!(failure.details.expect("the details should stay").as_str(), "{\"a\":1}");
    }

    #[test]
    fn a_code_that_is_none_is_replaced_and_noted() {
        let long = "a".repeat(65);
        for code in ["", "-a", "Card", "a b", "a\x1b[2J", "ä", &long] {
            let failure = failed(code, "no", None);
            assert_eq!(failure.code, BAD_CODE, "{code}");
            assert!(failure.message.starts_with("no (its code"), "{}", failure.message);
        }
        assert_eq!(failed(&long[1..], "no", None).message, "no");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let failure = failed("a", &"ä".repeat(100_000), None);
        assert_eq!(failure.message.len(), MESSAGE_BYTES_MAX + "…".len());
    }

    #[test]
    fn details_that_are_no_json_are_left_out_and_noted() {
        let failure = failed("a", "no", Some("{"));
        assert_eq!(failure.details, None);
        assert!(failure.message.contains("details are left out"), "{}", failure.message);
    }

    #[test]
    fn an_output_above_its_limit_is_not_even_parsed() {
        let end = executed(Ok("[1]".into()), 2);
        assert!(matches!(end, End::Host(HostEnd::InvalidOutput, why) if why.contains("too large")));
        assert_eq!(executed(Ok("[1]".into()), 3), End::Succeeded(Some(Json::from_checked("[1]"))));
    }
}
