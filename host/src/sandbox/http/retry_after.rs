//! Reads `retry-after`, the header by which a service says when to come back.
//! Only tells it to people: whether and when there is another attempt is said by the step.

use hyper::http::HeaderMap;
use hyper::http::header::RETRY_AFTER;
use std::time::{Duration, SystemTime};

/// How long to wait, from a number of seconds or a date (RFC 9110, section 10.2.3).
pub(super) fn of(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    // A date that has passed means now.
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::http::HeaderValue;

    #[test]
    fn seconds_and_dates_are_read() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for (text, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("Sun, 09 Sep 2001 01:47:40 GMT", Some(60)),
            ("Sun, 09 Sep 2001 01:00:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("99999999999999999999", Some(u64::MAX)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            assert_eq!(of(&headers, now), expected.map(Duration::from_secs), "{text}");
        }
    }
}
