//! Grants written as a manifest has them, the same text for the same grants.
//! Never leaves anything out that could be read back as something else.

use super::secrets::MARK;
use piton_core::{DirGrant, Grants, HttpGrant, SecretGrant, SecretSource};
use std::fmt::Write as _;
use toml::{Table, Value};

/// A line for each kind of grant that there is, such as `grants.env = { TZ = "UTC" }`.
pub(in super::super) fn write(grants: &Grants) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: Value| {
        writeln!(text, "grants.{key} = {value}").expect("a text should take more");
    };
    if !grants.dirs.is_empty() {
        line("dirs", Value::Array(grants.dirs.iter().map(dir).collect()));
    }
    if !grants.env.is_empty() {
        let env = grants.env.iter().map(|(name, value)| (name.clone(), text_of(value)));
        line("env", Value::Table(env.collect()));
    }
    if !grants.http.is_empty() {
        line("http", Value::Array(grants.http.iter().map(http).collect()));
    }
    if !grants.secrets.is_empty() {
        let secrets = grants.secrets.iter().map(|grant| (grant.name.clone(), secret(grant)));
        line("secrets", Value::Table(secrets.collect()));
    }
    text
}

fn dir(grant: &DirGrant) -> Value {
    let DirGrant { host, guest, write } = grant;
    table([("host", text_of(host)), ("guest", text_of(guest)), ("write", Value::Boolean(*write))])
}

fn http(grant: &HttpGrant) -> Value {
    let HttpGrant { target, methods, idempotency_key } = grant;
    let mut fields = vec![("host", text_of(&target.to_string()))];
    if !methods.is_empty() {
        fields.push(("methods", texts(methods)));
    }
    if !idempotency_key {
        fields.push(("idempotency_key", Value::Boolean(false)));
    }
    table(fields)
}

fn secret(grant: &SecretGrant) -> Value {
    let SecretGrant { name: _, header, before, after, targets, source } = grant;
    let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
    let source = match source {
        SecretSource::Variable(variable) => ("env", text_of(variable)),
        SecretSource::File(file) => ("file", text_of(file)),
    };
    let format = text_of(&format!("{before}{MARK}{after}"));
    table([("header", text_of(header)), ("format", format), ("hosts", texts(&targets)), source])
}

fn table(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value));
    Value::Table(fields.collect::<Table>())
}

fn texts(texts: &[String]) -> Value {
    Value::Array(texts.iter().map(|text| text_of(text)).collect())
}

fn text_of(text: &str) -> Value {
    Value::String(text.to_owned())
}
