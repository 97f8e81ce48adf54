//! `piton.toml`, read with a place for every mistake.
//! Owns what an operator may write; never decides what a manifest may.

use super::super::complaint::{Complaint, Complaints};
use super::super::grants::read_target;
use super::super::keys::{ALLOW, CEILINGS, OPERATOR};
use super::super::limits::LIMITS;
use super::super::shape::{Table, Value, found};
use super::super::{MANIFEST_BYTES_MAX, document, line_of, read_digest};
use super::{Allow, Ceiling, Operator};
use piton_core::HttpTarget;
use std::path::Path;

pub(super) fn read(path: &Path, text: &str) -> Result<Operator, Vec<Complaint>> {
    let mut complaints = Complaints::default();
    let operator = read_text(path, text, &mut complaints);
    match operator {
        Some(operator) if !complaints.has_errors() => Ok(operator),
        _ => Err(complaints.into_sorted()),
    }
}

fn read_text(path: &Path, text: &str, complaints: &mut Complaints) -> Option<Operator> {
    let document = document("configuration", text, MANIFEST_BYTES_MAX, complaints)?;
    let root = Table::of(&OPERATOR, document.get_ref(), 0..0, complaints);
    let ceilings = root.get("ceilings");
    let ceilings =
        ceilings.and_then(|entry| Table::read(&CEILINGS, entry.value, complaints)).map(|table| {
            let read = LIMITS.iter().filter_map(|limit| {
                let most = limit.read(&table, complaints)?;
                Some(Ceiling { limit, most: most.value, line: line_of(text, most.place.start) })
            });
            read.collect()
        });
    let allow = root.get("allow");
    let allow = allow.and_then(|entry| Table::read(&ALLOW, entry.value, complaints));
    let mut reader = AllowReader { text, table: allow.as_ref(), complaints };
    Some(Operator {
        path: path.into(),
        ceilings: ceilings.unwrap_or_default(),
        components: reader.list("components", read_digest),
        dirs: reader.list("dirs", |value, complaints| plain("a path", value, complaints)),
        env: reader.list("env", |value, complaints| plain("a variable", value, complaints)),
        http: reader.list("http", target),
        secrets: reader
            .list("secrets", |value, complaints| plain("a variable or a path", value, complaints)),
    })
}

struct AllowReader<'a, 't> {
    text: &'a str,
    table: Option<&'a Table<'t>>,
    complaints: &'a mut Complaints,
}

impl AllowReader<'_, '_> {
    fn list<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&Value<'_>, &mut Complaints) -> Option<T>,
    ) -> Option<Allow<T>> {
        let entry = self.table?.get(key)?;
        let values = entry.list(self.complaints)?;
        let values = values.iter().filter_map(|value| read(value, self.complaints)).collect();
        Some(Allow { key, line: line_of(self.text, entry.key_place.start), values })
    }
}

fn plain(what: &str, value: &Value<'_>, complaints: &mut Complaints) -> Option<String> {
    let text = value.get_ref().as_str().filter(|text| !text.is_empty() && !text.contains('\0'));
    if text.is_none() {
        complaints
            .error(&value.span(), format!("this must be {what} in quotes"))
            .label(found(value));
    }
    text.map(str::to_owned)
}

fn target(value: &Value<'_>, complaints: &mut Complaints) -> Option<HttpTarget> {
    read_target(value, complaints)
}
