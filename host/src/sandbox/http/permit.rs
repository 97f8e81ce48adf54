//! Decides whether a request may leave: where it goes, and which grant covers it.
//! Looks at the request alone; never at what a name stands for.

use hyper::http::uri::Scheme;
use hyper::http::{Method, Uri};
use piton_core::{HttpGrant, HttpHost, HttpScheme, HttpTarget};
use std::net::{IpAddr, Ipv4Addr};
use wasmtime_wasi_http::Error;

/// Where a request goes.
///
/// # Errors
/// Where it goes nowhere that a grant could name: what the guest is told, and what people are.
pub(super) fn target_of(uri: &Uri) -> Result<HttpTarget, (Error, String)> {
    let invalid = |why: &str| (Error::HttpRequestUriInvalid, why.to_owned());
    let scheme = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => HttpScheme::Https,
        Some(scheme) if *scheme == Scheme::HTTP => HttpScheme::Http,
        _ => return Err(invalid("its scheme is neither `http` nor `https`")),
    };
    let authority = uri.authority().ok_or_else(|| invalid("it names no host"))?;
    if authority.as_str().contains('@') {
        return Err(invalid("it names a user before its host; send a header instead"));
    }
    // What follows the host, which may be an IPv6 address in brackets: nothing, or a port.
    let after = &authority.as_str()[authority.host().len()..];
    let port = match after.strip_prefix(':') {
        None if after.is_empty() => scheme.default_port(),
        None => return Err(invalid("its host is none")),
        Some(port) => {
            let is_plain = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            let port = port.parse().ok().filter(|port| *port != 0 && is_plain);
            port.ok_or_else(|| invalid("its port is none"))?
        }
    };
    let host = host_of(authority.host()).ok_or_else(|| invalid("its host is none"))?;
    Ok(HttpTarget { scheme, host, port })
}

/// A name or an address. What only some systems take for an address, such as `2130706433` or
/// `127.1`, is neither.
fn host_of(host: &str) -> Option<HttpHost> {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Some(HttpHost::Address(IpAddr::V6(address.parse().ok()?)));
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Some(HttpHost::Address(IpAddr::V4(address)));
    }
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with(|first: char| first.is_ascii_digit());
    let is_name = !last.is_empty() && !is_number && host.bytes().all(is_of_name);
    is_name.then(|| HttpHost::Name(host.to_ascii_lowercase()))
}

/// The grant that covers a request.
///
/// # Errors
/// What is missing, in words that say which line of the manifest would allow it.
pub(super) fn grant_for<'g>(
    grants: &'g [HttpGrant],
    step: &str,
    method: &Method,
    target: &HttpTarget,
) -> Result<&'g HttpGrant, String> {
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        return Err(format!("no step may use the method {method}"));
    }
    let mut allowed: Vec<&str> = Vec::new();
    for grant in grants.iter().filter(|grant| grant.target.covers(target)) {
        if grant.methods.is_empty()
            || grant.methods.iter().any(|allowed| allowed == method.as_str())
        {
            return Ok(grant);
        }
        allowed.extend(grant.methods.iter().map(String::as_str));
    }
    if !allowed.is_empty() {
        return Err(format!(
            "its grant has only the methods {}; add \"{method}\" to `methods`",
            allowed.join(", ")
        ));
    }
    // An element of a map has its step's grants.
    let step = step.split('[').next().unwrap_or(step);
    Err(format!(
        "no grant covers it; `grants.http = [\"{}\"]` in `[steps.{step}]` would",
        as_written(target)
    ))
}

/// A target in the shortest form that a manifest takes.
fn as_written(target: &HttpTarget) -> String {
    let text = target.to_string();
    text.strip_prefix("https://").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str) -> Result<String, String> {
        let uri: Uri = uri.parse().expect("a test's address should parse");
        target_of(&uri).map(|target| target.to_string()).map_err(|(_, why)| why)
    }

    #[test]
    fn a_request_goes_where_its_address_says() {
        for (uri, expected) in [
            ("https://api.example.com/a?b", "https://api.example.com"),
            ("https://API.Example.com:443/", "https://api.example.com"),
            ("http://api.example.com:8080", "http://api.example.com:8080"),
            ("http://127.0.0.1/", "http://127.0.0.1"),
            ("http://[::1]:80/", "http://[::1]"),
            ("http://[::ffff:127.0.0.1]/", "http://[::ffff:127.0.0.1]"),
        ] {
            assert_eq!(target(uri).as_deref(), Ok(expected), "{uri}");
        }
    }

    #[test]
    fn odd_addresses_lead_nowhere() {
        for uri in [
            "https://user@api.example.com/",
            "https://user:password@api.example.com/",
            "https://api.example.com:0/",
            "https://api.example.com:70000/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://127.1/",
            "https://0177.0.0.1/",
            "https://api.example.com./",
            "ftp://api.example.com/",
            "/relative",
        ] {
            // Some of them do not even parse.
            let Ok(uri) = uri.parse::<Uri>() else { continue };
            assert!(target_of(&uri).is_err(), "{uri}");
        }
    }

    fn check(method: &str, uri: &str, expected: Result<(), &str>) {
        let target =
            |text: &str| target_of(&text.parse().expect("it should parse")).map_err(|(_, why)| why);
        let grant = |text: &str, methods: &[&str]| HttpGrant {
            target: target(text).expect("it should be a target"),
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
            idempotency_key: true,
        };
        let grants = [grant("https://a.example", &[]), grant("http://127.0.0.1:8080", &["GET"])];
        let method = Method::from_bytes(method.as_bytes()).expect("it should be a method");
        let uri = target(uri).expect("it should be a target");
        let found = grant_for(&grants, "charge[3]", &method, &uri);
        assert_eq!(found.map(|_| ()), expected.map_err(str::to_owned), "{method} {uri}");
    }

    #[test]
    fn a_denial_says_what_would_allow_it() {
        check("POST", "https://a.example/x", Ok(()));
        check("GET", "http://127.0.0.1:8080/", Ok(()));
        check(
            "POST",
            "http://127.0.0.1:8080/",
            Err("its grant has only the methods GET; add \"POST\" to `methods`"),
        );
        check(
            "GET",
            "https://b.example/secret-path",
            Err("no grant covers it; `grants.http = [\"b.example\"]` in `[steps.charge]` would"),
        );
        check(
            "GET",
            "http://a.example/",
            Err(
                "no grant covers it; `grants.http = [\"http://a.example\"]` in `[steps.charge]` would",
            ),
        );
        check("TRACE", "https://a.example/", Err("no step may use the method TRACE"));
    }
}
