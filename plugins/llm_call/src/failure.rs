//! Owns what a service's refusal means for the next attempt.
//! Never looks at an answer that came: see `answer.rs`.

use std::time::Duration;

use piton_step::{Failure, FailureKind};
use serde::Deserialize;

/// How much of a service's own words goes into a message.
const CHARACTERS_MAX: usize = 300;

/// The error of both APIs: `{"error": {"type", "code", "message"}}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    error: Error,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Error {
    #[serde(rename = "type")]
    kind: Option<String>,
    /// A text at OpenAI, a number at some of its kin.
    code: Option<serde_json::Value>,
    message: Option<String>,
}

/// What an answer means whose status is no success.
pub(crate) fn of_status(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Failure {
    let error = serde_json::from_slice::<Wire>(body).unwrap_or_default().error;
    let message = message(status, &error, body);
    let numbered = format!("http-{status}");
    if let Some(code) = permanent_code(status, &error) {
        return Failure::permanent(code, message);
    }
    match (status, retry_after) {
        (429 | 503 | 529, Some(wait)) => Failure::retry_after(wait, numbered, message),
        (408 | 409 | 425 | 429 | 500..=599, _) => Failure::retryable(numbered, message),
        _ => Failure::permanent(numbered, message),
    }
}

/// No answer came. Whether the question arrived does not matter: it can only have cost money.
pub(crate) fn of_lost(failure: Failure) -> Failure {
    match failure.kind {
        FailureKind::Unknown => Failure { kind: FailureKind::Retryable, ..failure },
        _ => failure,
    }
}

/// The word for what no further attempt will mend.
fn permanent_code(status: u16, error: &Error) -> Option<&'static str> {
    let kind = error.kind.as_deref().unwrap_or_default();
    let code = error.code.as_ref().and_then(|code| code.as_str()).unwrap_or_default();
    let text = error.message.as_deref().unwrap_or_default().to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let is_too_long = code == "context_length_exceeded"
        || status == 413
        || status == 400
            && says(&["prompt is too long", "maximum context length", "context window"]);
    match status {
        _ if is_too_long => Some("context-too-long"),
        400 if ["content_filter", "content_policy_violation"].contains(&code) => Some("refused"),
        401 | 403 => Some("key-refused"),
        402 => Some("no-credit"),
        400 if says(&["credit balance is too low"]) => Some("no-credit"),
        429 if code == "insufficient_quota" || kind == "insufficient_quota" => Some("no-credit"),
        _ => None,
    }
}

fn message(status: u16, error: &Error, body: &[u8]) -> String {
    let whole = String::from_utf8_lossy(body);
    let said = error.message.as_deref().unwrap_or(&whole);
    let start: String = said.trim().chars().take(CHARACTERS_MAX).collect();
    match &error.kind {
        Some(kind) => format!("the service answered {status}, {kind}: {start}"),
        None => format!("the service answered {status}: {start}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SOON: Duration = Duration::from_secs(7);

    #[track_caller]
    fn check(status: u16, wait: Option<Duration>, body: &str, kind: FailureKind, code: &str) {
        let failure = of_status(status, wait, body.as_bytes());
        assert_eq!((failure.kind, failure.code.as_str()), (kind, code), "{failure}");
    }

    fn openai(kind: &str, code: &str, message: &str) -> String {
        json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
            .to_string()
    }

    fn anthropic(kind: &str, message: &str) -> String {
        json!({ "type": "error", "error": { "type": kind, "message": message } }).to_string()
    }

    #[test]
    fn a_busy_service_is_asked_again() {
        use FailureKind::{RetryAfter, Retryable};
        let overloaded = anthropic("overloaded_error", "Overloaded");
        let limited = openai("requests", "rate_limit_exceeded", "Rate limit reached");
        check(429, Some(SOON), &limited, RetryAfter(SOON), "http-429");
        check(429, None, &limited, Retryable, "http-429");
        check(503, Some(SOON), "", RetryAfter(SOON), "http-503");
        check(529, Some(SOON), &overloaded, RetryAfter(SOON), "http-529");
        check(529, None, &overloaded, Retryable, "http-529");
        check(500, Some(SOON), "<html>", Retryable, "http-500");
        check(408, None, "", Retryable, "http-408");
        check(409, None, "", Retryable, "http-409");
    }

    #[test]
    fn what_no_attempt_mends_is_permanent() {
        use FailureKind::Permanent;
        let long = openai("invalid_request_error", "context_length_exceeded", "too many tokens");
        check(400, None, &long, Permanent, "context-too-long");
        let long = anthropic("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum");
        check(400, None, &long, Permanent, "context-too-long");
        check(413, None, &anthropic("request_too_large", ""), Permanent, "context-too-long");
        check(401, None, &anthropic("authentication_error", ""), Permanent, "key-refused");
        check(403, None, "", Permanent, "key-refused");
        check(400, None, &openai("", "content_filter", ""), Permanent, "refused");
        let empty = openai("insufficient_quota", "insufficient_quota", "You exceeded your quota");
        check(429, Some(SOON), &empty, Permanent, "no-credit");
        check(402, None, &anthropic("billing_error", ""), Permanent, "no-credit");
        check(404, None, &anthropic("not_found_error", "model: m-2"), Permanent, "http-404");
        check(400, None, &anthropic("invalid_request_error", "max_tokens"), Permanent, "http-400");
    }

    #[test]
    fn a_code_that_is_a_number_does_not_hide_the_message() {
        let failure = of_status(502, None, br#"{"error":{"code":502,"message":"no upstream"}}"#);
        assert_eq!(failure.message, "the service answered 502: no upstream");
    }

    #[test]
    fn a_lost_answer_is_worth_another_attempt() {
        let lost = of_lost(Failure::unknown("http-lost", "cut"));
        assert_eq!((lost.kind, lost.code.as_str()), (FailureKind::Retryable, "http-lost"));
        let denied = of_lost(Failure::permanent("http-denied", "no grant"));
        assert_eq!(denied.kind, FailureKind::Permanent);
    }
}
