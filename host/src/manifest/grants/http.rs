//! Where a step's requests may go: `grants.http`, and how a manifest writes a target.
//! Looks at the text alone; never resolves a name.

use super::super::complaint::Complaints;
use super::super::keys::HTTP;
use super::super::shape::{Entry, Placed, Table, Value, found};
use piton_core::{HttpGrant, HttpHost, HttpScheme, HttpTarget};
use std::net::{IpAddr, Ipv6Addr};

/// The longest name of a host and of one of its parts (RFC 1035, section 2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// How a target is written.
pub(super) const NOTATION: &str =
    "such as \"api.example.com\", \"https://*.example.com\" or \"http://127.0.0.1:8080\"";

/// Reads `http`: a list of targets, each a text or a table.
pub(super) fn read(entry: &Entry<'_>, complaints: &mut Complaints) -> Vec<Placed<HttpGrant>> {
    let values = entry.list(complaints).unwrap_or_default();
    let mut placed = |value: &Value<'_>| {
        Some(Placed { value: read_grant(value, complaints)?, place: value.span() })
    };
    values.iter().filter_map(&mut placed).collect()
}

fn read_grant(value: &Value<'_>, complaints: &mut Complaints) -> Option<HttpGrant> {
    if value.get_ref().is_str() {
        let target = read_target(value, complaints)?;
        return Some(HttpGrant { target, methods: Vec::new(), idempotency_key: true });
    }
    if !value.get_ref().is_table() {
        let message = "`http` must hold hosts in quotes, or tables";
        complaints.error(&value.span(), message).label(found(value)).hint(NOTATION);
        return None;
    }
    let table = Table::read(&HTTP, value, complaints)?;
    let host = table.get("host");
    if host.is_none() {
        complaints
            .error(&table.place, "a grant of HTTP needs `host`")
            .hint("such as `{ host = \"api.example.com\", methods = [\"GET\"] }`");
    }
    let methods = table.get("methods").map(|entry| read_methods(entry, complaints));
    let key = table.get("idempotency_key").map(|entry| entry.boolean(complaints));
    Some(HttpGrant {
        target: read_target(host?.value, complaints)?,
        methods: methods.unwrap_or(Some(Vec::new()))?,
        idempotency_key: key.unwrap_or(Some(true))?,
    })
}

fn read_methods(entry: &Entry<'_>, complaints: &mut Complaints) -> Option<Vec<String>> {
    let values = entry.list(complaints)?;
    if values.is_empty() {
        complaints
            .error(&entry.place(), "`methods` is empty, so that nothing could be sent")
            .hint("leave the key out to allow every method");
        return None;
    }
    let mut methods = Vec::new();
    for value in values {
        let text = value.get_ref().as_str().unwrap_or_default();
        let is_method =
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
        if !is_method || matches!(text, "CONNECT" | "TRACE") {
            let upper = text.to_ascii_uppercase();
            let hint = (upper != text && !upper.is_empty()).then(|| format!("write `\"{upper}\"`"));
            let message = if is_method {
                format!("no step may use the method {text}")
            } else {
                "`methods` must hold methods in capitals and quotes, such as \"GET\"".into()
            };
            complaints.error(&value.span(), message).hint_if(hint);
            continue;
        }
        methods.push(text.to_owned());
    }
    (methods.len() == values.len()).then_some(methods)
}

/// Reads one target, with complaints.
pub(in super::super) fn read_target(
    value: &Value<'_>,
    complaints: &mut Complaints,
) -> Option<HttpTarget> {
    let Some(text) = value.get_ref().as_str() else {
        let message = "a host must be a text in quotes";
        complaints.error(&value.span(), message).label(found(value)).hint(NOTATION);
        return None;
    };
    match parse(text) {
        Ok(target) => Some(target),
        Err(reason) => {
            let message = format!("`{text}` is no host that can be granted");
            complaints.error(&value.span(), message).label(reason).hint(NOTATION);
            None
        }
    }
}

/// Reads a target as a manifest has it: `api.example.com`, `https://*.example.com:8443`,
/// `http://127.0.0.1:8080`. Without a scheme it is `https`.
///
/// # Errors
/// What is wrong with it, as a fragment.
pub fn parse(text: &str) -> Result<HttpTarget, String> {
    let (scheme, rest) = match text.split_once("://") {
        None => (HttpScheme::Https, text),
        Some(("https", rest)) => (HttpScheme::Https, rest),
        Some(("http", rest)) => (HttpScheme::Http, rest),
        Some(_) => return Err("only `http://` and `https://` can be granted".into()),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#']) {
        return Err("a grant is for a whole host: leave the path out".into());
    }
    if rest.contains('@') {
        return Err("a grant names no user; `grants.secrets` can send a secret".into());
    }
    let (host, port) = split_port(rest)?;
    let port = match port {
        None => scheme.default_port(),
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            let port = port.parse().ok().filter(|port| *port != 0);
            port.ok_or("a port is a number from 1 to 65535")?
        }
        Some(_) => return Err("a port is a number from 1 to 65535".into()),
    };
    Ok(HttpTarget { scheme, host: parse_host(host)?, port })
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), String> {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        // The address keeps its brackets, so that it is known for one.
        let host = &text[..address.len() + 2];
        return match rest.strip_prefix(':') {
            None if rest.is_empty() => Ok((host, None)),
            Some(port) => Ok((host, Some(port))),
            None => Err("after `]` only a port can follow".into()),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => {
            Err("write an IPv6 address in brackets, such as `[::1]:8080`".into())
        }
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn parse_host(text: &str) -> Result<HttpHost, String> {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| "this is no IPv6 address")?;
        return granted_address(IpAddr::V6(address));
    }
    if let Ok(address) = text.parse() {
        return granted_address(IpAddr::V4(address));
    }
    let name = text.to_ascii_lowercase();
    if let Some(end) = name.strip_prefix("*.") {
        check_name(end)?;
        if !end.contains('.') {
            return Err("this is all of a top-level domain; name one below it".into());
        }
        return Ok(HttpHost::Below(end.to_owned()));
    }
    check_name(&name)?;
    Ok(HttpHost::Name(name))
}

/// An address that somebody could have.
fn granted_address(address: IpAddr) -> Result<HttpHost, String> {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    if address.is_unspecified() || address.is_multicast() || is_broadcast {
        return Err("no host has this address".into());
    }
    Ok(HttpHost::Address(address))
}

fn check_name(name: &str) -> Result<(), String> {
    if name.contains('*') {
        return Err("`*` may only stand first, as in `*.example.com`".into());
    }
    if name.is_empty() {
        return Err("it has no name".into());
    }
    if !name.is_ascii() {
        return Err("write a name in its ASCII form, which starts with `xn--`".into());
    }
    if name == "localhost" || name.ends_with(".localhost") {
        return Err("name this machine by its address, such as `http://127.0.0.1:8080`".into());
    }
    let is_label = |label: &str| {
        let is_of_label = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && label.bytes().all(is_of_label)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > NAME_BYTES_MAX || !name.split('.').all(is_label) {
        return Err("a name has parts of letters, digits and `-`, with dots between".into());
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.starts_with(|first: char| first.is_ascii_digit()) {
        return Err("this is no name, and no address with four parts".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_shown_alike() {
        for (text, expected) in [
            ("api.example.com", "https://api.example.com"),
            ("API.example.com:443", "https://api.example.com"),
            ("api.example.com:8443/", "https://api.example.com:8443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://*.example.com", "https://*.example.com"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("[2001:db8::1]", "https://[2001:db8::1]"),
            ("http://database", "http://database"),
        ] {
            let target = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(target.to_string(), expected, "{text}");
            assert_eq!(parse(&target.to_string()), Ok(target), "{text}");
        }
    }

    #[test]
    fn what_is_no_target_is_told() {
        for (text, expected) in [
            ("ftp://example.com", "only `http://` and `https://`"),
            ("HTTP://example.com", "only `http://` and `https://`"),
            ("api.example.com/v1", "leave the path out"),
            ("user@example.com", "names no user"),
            ("example.com:0", "a port is"),
            ("example.com:+80", "a port is"),
            ("example.com:99999", "a port is"),
            ("example.com:", "a port is"),
            ("::1", "in brackets"),
            ("[::1]x", "only a port can follow"),
            ("[1.2.3.4]", "no IPv6 address"),
            ("*", "may only stand first"),
            ("a.*.example.com", "may only stand first"),
            ("*.com", "top-level domain"),
            ("", "no name"),
            ("localhost:8080", "by its address"),
            ("größe.example", "ASCII"),
            ("a..b", "with dots between"),
            ("example.com.", "with dots between"),
            ("-a.example", "with dots between"),
            ("127.1", "no address with four parts"),
            ("2130706433", "no address with four parts"),
            ("0.0.0.0", "no host has"),
            ("224.0.0.1", "no host has"),
            ("[::]", "no host has"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
