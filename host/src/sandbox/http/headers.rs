//! Makes a guest's request into what goes on the wire: target, `host`, idempotency key, secrets.
//! What frames a message or names its receiver is the host's to say, whatever the guest wrote.

use super::super::secrets::Secret;
use hyper::http::Method;
use hyper::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::{PathAndQuery, Uri};
use piton_core::HttpTarget;
use wasmtime_wasi_http::Error;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// What belongs to a connection and not to a request, besides what wasi:http forbids already.
const OF_THE_CONNECTION: [HeaderName; 5] =
    [header::TE, header::TRAILER, header::EXPECT, header::UPGRADE, header::CONNECTION];

/// Whether a request with this method may change something.
pub(super) fn has_effect(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH | Method::DELETE)
}

/// The path and query alone: a whole address would tell the server of another host.
pub(super) fn origin_form(uri: &Uri) -> Result<Uri, Error> {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let path = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
    let is_plain = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    let path = if is_plain { PathAndQuery::try_from(path).ok() } else { None };
    Ok(Uri::from(path.ok_or(Error::HttpRequestUriInvalid)?))
}

/// Sets what the host has to say in the headers of a request.
pub(super) fn set_host(headers: &mut HeaderMap, target: &HttpTarget) -> Result<(), Error> {
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
    let text = target.to_string();
    let host = text.split_once("://").map_or(text.as_str(), |(_, host)| host);
    let host = HeaderValue::from_str(host).map_err(|_| Error::HttpRequestUriInvalid)?;
    headers.insert(header::HOST, host);
    Ok(())
}

/// Gives a request the attempt's key where it has none of its own. Tells whether it now carries it.
///
/// The draft has the key in quotes (draft-ietf-httpapi-idempotency-key-header, section 2.1). The
/// services that there are take the whole value for the key, and a step that searches for its
/// effect has the key without quotes: so it goes without.
pub(super) fn set_key(headers: &mut HeaderMap, key: &str) -> bool {
    if headers.contains_key(IDEMPOTENCY_KEY) {
        return headers.get(IDEMPOTENCY_KEY).is_some_and(|own| own == key);
    }
    // A key is a UUID, which is a header's value.
    HeaderValue::from_str(key).is_ok_and(|key| headers.insert(IDEMPOTENCY_KEY, key).is_none())
}

/// Puts the secrets for this target into a request, in place of what the guest set there.
pub(super) fn set_secrets(headers: &mut HeaderMap, target: &HttpTarget, secrets: &[Secret]) {
    for secret in secrets {
        if secret.targets.iter().any(|granted| granted.covers(target)) {
            headers.insert(secret.header.clone(), secret.line.clone());
        }
    }
}

/// The bytes of all names and values.
pub(super) fn bytes_of(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| (name.as_str().len() + value.len()) as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use piton_core::{HttpHost, HttpScheme};

    #[test]
    fn the_target_on_the_wire_names_no_host() {
        for (uri, expected) in [
            ("https://a.example/b?c", "/b?c"),
            ("https://a.example", "/"),
            ("https://a.example?c", "/?c"),
        ] {
            let uri = uri.parse().expect("a test's address should parse");
            assert_eq!(origin_form(&uri).expect("it should have a path").to_string(), expected);
        }
        assert!(origin_form(&Uri::from_static("*")).is_err());
    }

    #[test]
    fn the_host_header_is_the_targets() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, HeaderValue::from_static("user@a.example"));
        headers.append(header::HOST, HeaderValue::from_static("b.example"));
        headers.append(header::EXPECT, HeaderValue::from_static("100-continue"));
        let host = HttpHost::Name("a.example".into());
        let target = HttpTarget { scheme: HttpScheme::Https, host, port: 8443 };
        set_host(&mut headers, &target).expect("it should be set");
        assert_eq!(headers.len(), 1);
        assert_eq!(headers[header::HOST], "a.example:8443");
    }

    #[test]
    fn a_key_of_the_guests_own_stays() {
        let mut headers = HeaderMap::new();
        assert!(set_key(&mut headers, "ours"));
        assert_eq!(headers[IDEMPOTENCY_KEY], "ours");
        headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_static("theirs"));
        assert!(!set_key(&mut headers, "ours"));
        assert_eq!(headers[IDEMPOTENCY_KEY], "theirs");
    }
}
