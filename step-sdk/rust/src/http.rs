//! Owns how a step sends HTTP requests, and what each way to fail means for the next attempt.
//! Never follows a redirect, never retries, and never holds a secret: the host puts those in.
//!
//! The manifest has to grant the host: `grants.http = ["api.example.com"]`. A request that changes
//! something and has no `idempotency-key` gets the attempt's key from the host; a step that sends
//! two different ones gives each a key of its own.
//!
//! ```no_run
//! use piton_step::{Failure, http};
//!
//! #[derive(serde::Deserialize)]
//! struct Charge { id: String }
//!
//! fn charge(cents: u64) -> Result<Charge, Failure> {
//!     http::post_json("https://api.example.com/charges", &serde_json::json!({ "cents": cents }))
//! }
//! ```
//!
//! | what happens | the failure | its code |
//! | --- | --- | --- |
//! | 429, 503 or 529 with `retry-after` | retry after that time | `http-429` and so on |
//! | 408, 425, 429 or 5xx | retryable | `http-500` and so on |
//! | any other status that is no success | permanent | `http-404` and so on |
//! | no connection: refused, unknown name, TLS | retryable | `http-unreachable` |
//! | no grant, a forbidden address, a limit | permanent | `http-denied` |
//! | cut or late after it may have arrived | unknown where it changes something, else retryable | `http-lost` |
//! | an answer that is not the JSON that was wanted | as `http-lost` | `http-bad-answer` |

use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;
use crate::raw::read_text;

mod date;
#[cfg_attr(target_arch = "wasm32", path = "http/component.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "http/native.rs")]
mod transport;

/// Gets JSON.
///
/// # Errors
///
/// As the table of this module says.
pub fn get_json<T: DeserializeOwned>(url: &str) -> Result<T, Failure> {
    Request::new("GET", url).send()?.json()
}

/// Posts JSON, and reads the answer as JSON.
///
/// # Errors
///
/// As the table of this module says.
pub fn post_json<T: DeserializeOwned>(
    url: &str,
    body: &(impl Serialize + ?Sized),
) -> Result<T, Failure> {
    Request::new("POST", url).json(body)?.send()?.json()
}

/// A request that is not sent yet.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status, such as 200.
    pub status: u16,
    /// Its headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body, as it came.
    pub body: Vec<u8>,
    /// Whether the request may have changed something.
    has_effect: bool,
}

/// Why there is no answer.
enum Trouble {
    /// It was not sent, and never will be.
    #[cfg_attr(not(target_arch = "wasm32"), expect(dead_code, reason = "only components send"))]
    Denied(String),
    /// It was not sent this time.
    Unreachable(String),
    /// It may have arrived.
    #[cfg_attr(
        not(any(target_arch = "wasm32", test)),
        expect(dead_code, reason = "only components send")
    )]
    Lost(String),
}

impl Request {
    /// A request with no headers and no body.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        let (method, url) = (method.into(), url.into());
        Request { method, url, headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header. Those that carry secrets are the host's: see `grants.secrets`.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body to JSON, and `content-type` with it.
    ///
    /// # Errors
    ///
    /// Where it cannot be written as JSON: maps with keys that are no texts.
    pub fn json(self, body: &(impl Serialize + ?Sized)) -> Result<Self, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| {
            Failure::permanent("bad-request", format!("it cannot be written as JSON: {error}"))
        })?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// Sends it, and takes no answer for one but success.
    ///
    /// # Errors
    ///
    /// As the table of this module says.
    pub fn send(self) -> Result<Response, Failure> {
        self.send_for_any_status()?.success()
    }

    /// Sends it, and takes any answer.
    ///
    /// # Errors
    ///
    /// Where there is no answer.
    pub fn send_for_any_status(self) -> Result<Response, Failure> {
        let has_effect = !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        let what = format!("{} {}", self.method, without_query(&self.url));
        let sent = transport::send(&self);
        let (status, headers, body) = sent.map_err(|trouble| trouble.failure(&what, has_effect))?;
        Ok(Response { status, headers, body, has_effect })
    }
}

/// What may be shown of an address: queries hold keys now and then.
fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

impl Trouble {
    fn failure(self, what: &str, has_effect: bool) -> Failure {
        match self {
            Trouble::Denied(why) => Failure::permanent("http-denied", format!("{what}: {why}")),
            Trouble::Unreachable(why) => {
                Failure::retryable("http-unreachable", format!("{what}: {why}"))
            }
            Trouble::Lost(why) => lost("http-lost", format!("{what}: {why}"), has_effect),
        }
    }
}

/// After this, a request that changes something may have done so or not.
fn lost(code: &str, message: String, has_effect: bool) -> Failure {
    if has_effect { Failure::unknown(code, message) } else { Failure::retryable(code, message) }
}

impl Response {
    /// The first value of a header; its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// When the service wants to be asked again, from `retry-after`: a number of seconds or a date.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
        }
        let date = date::parse(text)?;
        Some(date.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// Itself, if its status is 2xx.
    ///
    /// # Errors
    ///
    /// What another status means, as the table of this module says.
    pub fn success(self) -> Result<Self, Failure> {
        let code = format!("http-{}", self.status);
        let message = || {
            let body = String::from_utf8_lossy(&self.body);
            let start: String = body.chars().take(300).collect();
            format!("the answer has status {}: {start}", self.status)
        };
        match (self.status, self.retry_after()) {
            (200..=299, _) => Ok(self),
            (429 | 503 | 529, Some(wait)) => Err(Failure::retry_after(wait, code, message())),
            (408 | 425 | 429 | 500..=599, _) => Err(Failure::retryable(code, message())),
            _ => Err(Failure::permanent(code, message())),
        }
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    ///
    /// Where it is none, or not what was wanted, with the field that does not fit.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let text = std::str::from_utf8(&self.body).map_err(|error| error.to_string());
        text.and_then(read_text).map_err(|problem| {
            let message = format!("the answer does not fit: {problem}");
            lost("http-bad-answer", message, self.has_effect)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureKind;

    fn answer(status: u16, retry_after: Option<&str>, has_effect: bool) -> Response {
        let header = |value: &str| ("retry-after".to_owned(), value.to_owned());
        let headers = retry_after.map(header).into_iter().collect();
        Response { status, headers, body: b"{\"id\":7}".to_vec(), has_effect }
    }

    #[test]
    fn a_status_says_what_the_failure_means() {
        let after = FailureKind::RetryAfter(Duration::from_secs(7));
        for (status, retry_after, expected) in [
            (200, None, None),
            (204, None, None),
            (429, Some("7"), Some(after)),
            (503, Some("7"), Some(after)),
            (529, Some("7"), Some(after)),
            (429, None, Some(FailureKind::Retryable)),
            (503, Some("soon"), Some(FailureKind::Retryable)),
            (500, Some("7"), Some(FailureKind::Retryable)),
            (408, None, Some(FailureKind::Retryable)),
            (404, None, Some(FailureKind::Permanent)),
            (302, None, Some(FailureKind::Permanent)),
        ] {
            let failure = answer(status, retry_after, true).success().err();
            assert_eq!(failure.as_ref().map(|failure| failure.kind), expected, "{status}");
            if let Some(failure) = failure {
                assert_eq!(failure.code, format!("http-{status}"));
            }
        }
    }

    #[test]
    fn an_answer_that_does_not_fit_leaves_the_effect_unknown() {
        #[derive(Debug, serde::Deserialize)]
        struct Wanted {
            #[expect(dead_code, reason = "only read by serde")]
            id: String,
        }
        for (has_effect, kind) in [(true, FailureKind::Unknown), (false, FailureKind::Retryable)] {
            let failure = answer(200, None, has_effect).json::<Wanted>().expect_err("a number");
            assert_eq!((failure.kind, failure.code.as_str()), (kind, "http-bad-answer"));
            assert!(failure.message.contains("field `id`"), "{}", failure.message);
        }
    }

    #[test]
    fn what_was_lost_is_unknown_only_where_it_changes_something() {
        let lost = |has_effect| Trouble::Lost("cut".into()).failure("POST x", has_effect).kind;
        assert_eq!(lost(true), FailureKind::Unknown);
        assert_eq!(lost(false), FailureKind::Retryable);
        let refused = Trouble::Unreachable("refused".into()).failure("POST x", true);
        assert_eq!(refused.kind, FailureKind::Retryable);
    }

    #[test]
    fn queries_are_not_shown() {
        let failure = Request::new("GET", "https://a.example/b?key=1").send().expect_err("native");
        assert!(failure.message.starts_with("GET https://a.example/b: "), "{}", failure.message);
    }
}
