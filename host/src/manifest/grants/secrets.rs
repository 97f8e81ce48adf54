//! Secrets that the host puts into a step's requests: `grants.secrets`.
//! Reads where a secret is found and where it goes; never reads a secret.

use super::super::complaint::{Complaints, Place};
use super::super::keys::SECRET;
use super::super::shape::{Entry, Table, found};
use super::http;
use piton_core::{HttpGrant, HttpHost, HttpScheme, HttpTarget, SecretGrant, SecretSource};
use std::net::IpAddr;

/// The longest name of a secret.
const NAME_BYTES_MAX: usize = 64;
/// What stands for the secret in `format`.
pub(super) const MARK: &str = "${secret}";
/// Headers that are the host's to set, or that make one message look like two.
const NO_SECRET_IN: [&str; 12] = [
    "host",
    "connection",
    "content-length",
    "expect",
    "idempotency-key",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Reads `secrets`: a table of them by name. Gives with each where its name stands.
pub(super) fn read(
    entry: &Entry<'_>,
    http: &[HttpGrant],
    complaints: &mut Complaints,
) -> Vec<(SecretGrant, Place)> {
    let Some(table) = entry.value.get_ref().as_table() else {
        complaints.error(&entry.place(), "`secrets` must be a table").label(found(entry.value));
        return Vec::new();
    };
    let mut secrets: Vec<(SecretGrant, Place)> = Vec::new();
    for (key, value) in table.iter() {
        let name = key.get_ref().as_ref();
        if !is_name(name) {
            complaints
                .error(&key.span(), format!("`{name}` cannot be the name of a secret"))
                .label("letters, digits and `_`, a letter first");
            continue;
        }
        let Some(table) = Table::read(&SECRET, value, complaints) else { continue };
        let Some(secret) = read_secret(name, &table, http, complaints) else { continue };
        if let Some((other, place)) = secrets.iter().find(|(other, _)| collide(other, &secret)) {
            let message =
                format!("two secrets would go into the header `{}` of one request", secret.header);
            complaints
                .error(&key.span(), message)
                .other(place.clone(), format!("`{}`", other.name))
                .hint("give each its own header, or its own `hosts`");
            continue;
        }
        secrets.push((secret, key.span()));
    }
    secrets
}

fn read_secret(
    name: &str,
    table: &Table<'_>,
    http: &[HttpGrant],
    complaints: &mut Complaints,
) -> Option<SecretGrant> {
    for key in ["header", "hosts"] {
        if table.get(key).is_none() {
            complaints.error(&table.place, format!("the secret `{name}` needs `{key}`")).hint(
                "such as `{ header = \"authorization\", format = \"Bearer ${secret}\", hosts = \
                 [\"api.example.com\"] }`",
            );
        }
    }
    let header = table.get("header").and_then(|entry| read_header(entry, complaints));
    let hosts = table.get("hosts").and_then(|entry| read_hosts(entry, http, complaints));
    let format = match table.get("format") {
        Some(entry) => read_format(entry, complaints),
        None => Some((String::new(), String::new())),
    };
    let source = read_source(name, table, complaints);
    let (before, after) = format?;
    Some(SecretGrant {
        name: name.to_owned(),
        header: header?,
        before,
        after,
        targets: hosts?,
        source: source?,
    })
}

fn read_header(entry: &Entry<'_>, complaints: &mut Complaints) -> Option<String> {
    let header = entry.text(complaints)?.to_ascii_lowercase();
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !header.bytes().all(is_of_name) {
        complaints
            .error(&entry.place(), format!("`{header}` cannot be the name of a header"))
            .hint("such as \"authorization\" or \"x-api-key\"");
        return None;
    }
    if NO_SECRET_IN.contains(&header.as_str()) {
        let message = format!("the header `{header}` cannot carry a secret");
        complaints.error(&entry.place(), message).label("the host sets it itself");
        return None;
    }
    Some(header)
}

fn read_format(entry: &Entry<'_>, complaints: &mut Complaints) -> Option<(String, String)> {
    let text = entry.value.get_ref().as_str();
    let parts = text.and_then(|text| text.split_once(MARK));
    let is_plain =
        |part: &str| part.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !part.contains("${");
    let parts = parts.filter(|(before, after)| is_plain(before) && is_plain(after));
    if parts.is_none() {
        complaints
            .error(&entry.place(), "`format` must be a text that holds `${secret}` once")
            .hint("such as \"Bearer ${secret}\"; without `format` it is the secret alone");
    }
    parts.map(|(before, after)| (before.to_owned(), after.to_owned()))
}

fn read_hosts(
    entry: &Entry<'_>,
    http: &[HttpGrant],
    complaints: &mut Complaints,
) -> Option<Vec<HttpTarget>> {
    let values = entry.list(complaints)?;
    if values.is_empty() {
        complaints.error(&entry.place(), "`hosts` is empty, so that the secret would go nowhere");
        return None;
    }
    let mut targets = Vec::new();
    for value in values {
        let Some(target) = http::read_target(value, complaints) else { continue };
        let is_reachable =
            |grant: &HttpGrant| grant.target.covers(&target) || target.covers(&grant.target);
        if !http.iter().any(is_reachable) {
            complaints
                .error(&value.span(), format!("no request may go to `{target}`"))
                .hint(format!("add \"{target}\" to `grants.http`"));
            continue;
        }
        if is_open(&target) {
            complaints
                .warning(&value.span(), "the secret would be sent as plain text")
                .hint("use `https://`");
        }
        targets.push(target);
    }
    (targets.len() == values.len()).then_some(targets)
}

/// Whether others can read on the way what is sent there.
fn is_open(target: &HttpTarget) -> bool {
    let is_here =
        matches!(target.host, HttpHost::Address(address) if IpAddr::is_loopback(&address));
    target.scheme == HttpScheme::Http && !is_here
}

fn read_source(name: &str, table: &Table<'_>, complaints: &mut Complaints) -> Option<SecretSource> {
    match (table.get("env"), table.get("file")) {
        (Some(env), Some(file)) => {
            complaints
                .error(&file.key_place, format!("the secret `{name}` is in two places"))
                .other(env.key_place.clone(), "`env`")
                .hint("leave one of them out");
            None
        }
        (None, Some(file)) => Some(SecretSource::File(file.text(complaints)?.to_owned())),
        (Some(env), None) => {
            let variable = env.text(complaints)?;
            if variable.contains(['=', '\0']) {
                let message = format!("`{variable}` cannot be a variable's name");
                complaints.error(&env.place(), message);
                return None;
            }
            Some(SecretSource::Variable(variable.to_owned()))
        }
        (None, None) => Some(SecretSource::Variable(name.to_owned())),
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether one request could get both.
fn collide(one: &SecretGrant, other: &SecretGrant) -> bool {
    one.header == other.header
        && one.targets.iter().any(|target| {
            other.targets.iter().any(|other| target.covers(other) || other.covers(target))
        })
}
