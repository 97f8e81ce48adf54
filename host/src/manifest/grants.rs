//! What a step may touch: `grants`.
//! Owns which grants make sense together; never looks at the host's files.

mod http;
mod secrets;
mod write;

pub use http::parse as parse_http_target;
pub(super) use http::read_target;
pub(super) use write::write;

use super::complaint::{Complaints, Place};
use super::keys::{DIR, GRANTS};
use super::shape::{Entry, Placed, Table, found};
use piton_core::{DirGrant, Grants};
use std::collections::BTreeMap;

/// Reads a step's `grants`. Gives with them where each is written, in the order of
/// [`Grants::each`].
pub(super) fn read(entry: &Entry<'_>, complaints: &mut Complaints) -> (Grants, Vec<Place>) {
    let Some(table) = Table::read(&GRANTS, entry.value, complaints) else {
        return Default::default();
    };
    read_table(&table, complaints)
}

fn read_table(table: &Table<'_>, complaints: &mut Complaints) -> (Grants, Vec<Place>) {
    let mut places = Vec::new();
    let mut grants = Grants::default();
    for dir in table.get("dirs").map(|entry| read_dirs(entry, complaints)).unwrap_or_default() {
        grants.dirs.push(dir.value);
        places.push(dir.place);
    }
    for (name, value) in
        table.get("env").map(|entry| read_env(entry, complaints)).unwrap_or_default()
    {
        grants.env.insert(name, value.value);
        places.push(value.place);
    }
    for grant in table.get("http").map(|entry| http::read(entry, complaints)).unwrap_or_default() {
        grants.http.push(grant.value);
        places.push(grant.place);
    }
    let secrets = table.get("secrets").map(|entry| secrets::read(entry, &grants.http, complaints));
    for (secret, place) in secrets.unwrap_or_default() {
        grants.secrets.push(secret);
        places.push(place);
    }
    (grants, places)
}

fn read_dirs(entry: &Entry<'_>, complaints: &mut Complaints) -> Vec<Placed<DirGrant>> {
    let mut dirs: Vec<Placed<DirGrant>> = Vec::new();
    let mut guest_places: Vec<Place> = Vec::new();
    for value in entry.list(complaints).unwrap_or_default() {
        let Some(table) = Table::read(&DIR, value, complaints) else { continue };
        let Some(Placed { value: dir, place }) = read_dir(&table, complaints) else { continue };
        let overlapping = dirs.iter().position(|other| overlap(&other.value.guest, &dir.guest));
        if let Some(nth) = overlapping {
            complaints
                .error(&place, "two granted folders overlap in the guest")
                .label(format!("`{}`", dir.guest))
                .other(guest_places[nth].clone(), format!("`{}`", dirs[nth].value.guest))
                .hint("give each a path that is not within the other's");
            continue;
        }
        dirs.push(Placed { value: dir, place: value.span() });
        guest_places.push(place);
    }
    dirs
}

/// One granted folder, with the place of its guest path.
fn read_dir(table: &Table<'_>, complaints: &mut Complaints) -> Option<Placed<DirGrant>> {
    let mut text = |key: &'static str| {
        let entry = table.get(key);
        if entry.is_none() {
            let message = format!("a granted folder needs `{key}`");
            complaints.error(&table.place, message).hint(
                "such as `{ host = \"out\", guest = \"/data\", write = true }`; `write` is false \
                 unless given",
            );
        }
        let entry = entry?;
        Some(entry.placed(entry.text(complaints)?.to_owned()))
    };
    let (host, guest) = (text("host"), text("guest"));
    let write = table.get("write").map(|entry| entry.boolean(complaints));
    let (host, guest, write) = (host?, guest?, write.unwrap_or(Some(false))?);
    if host.value.contains('\0') {
        complaints.error(&host.place, "a path cannot hold a null character");
        return None;
    }
    let Some(path) = normal_guest_path(&guest.value) else {
        complaints
            .error(&guest.place, "the guest's path must be absolute and plain")
            .hint("such as \"/data\": from `/` on, without `.`, `..`, `//` or `\\`");
        return None;
    };
    Some(Placed { value: DirGrant { host: host.value, guest: path, write }, place: guest.place })
}

/// The path without a closing slash, if it is absolute and holds no part that leads elsewhere.
fn normal_guest_path(path: &str) -> Option<String> {
    let inner = path.strip_prefix('/')?;
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if inner.is_empty() {
        return (path == "/").then(|| path.to_owned());
    }
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
    inner.split('/').all(is_plain).then(|| format!("/{inner}"))
}

/// Whether one of two guest paths is, or is within, the other.
fn overlap(a: &str, b: &str) -> bool {
    let within = |outer: &str, inner: &str| {
        let rest = inner.strip_prefix(outer.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(a, b) || within(b, a)
}

fn read_env(entry: &Entry<'_>, complaints: &mut Complaints) -> BTreeMap<String, Placed<String>> {
    let mut variables = BTreeMap::new();
    let Some(table) = entry.value.get_ref().as_table() else {
        complaints.error(&entry.place(), "`env` must be a table").label(found(entry.value));
        return variables;
    };
    for (key, value) in table.iter() {
        let name = key.get_ref();
        if name.is_empty() || name.contains(['=', '\0']) {
            complaints.error(&key.span(), format!("`{name}` cannot be a variable's name"));
            continue;
        }
        let text = value.get_ref().as_str().filter(|text| !text.contains('\0'));
        let Some(text) = text else {
            let message = format!("the variable `{name}` must be a text in quotes");
            complaints.error(&value.span(), message).label(found(value));
            continue;
        };
        if text.contains("${") {
            complaints
                .error(&value.span(), "a variable of the environment takes no expression")
                .hint("pass what changes from run to run as `input`");
            continue;
        }
        let placed = Placed { value: text.to_owned(), place: key.span() };
        variables.insert(name.clone().into_owned(), placed);
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_paths_are_absolute_and_plain() {
        for (path, expected) in [
            ("/data", Some("/data")),
            ("/data/", Some("/data")),
            ("/a/b", Some("/a/b")),
            ("/", Some("/")),
            ("data", None),
            ("/a/../b", None),
            ("/a//b", None),
            ("//", None),
            ("/a\\b", None),
        ] {
            assert_eq!(normal_guest_path(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_folder_overlaps_what_is_within_it() {
        for (a, b, expected) in [
            ("/a", "/a", true),
            ("/a", "/a/b", true),
            ("/a/b", "/a", true),
            ("/", "/a", true),
            ("/a", "/ab", false),
            ("/a/b", "/a/c", false),
        ] {
            assert_eq!(overlap(a, b), expected, "{a} {b}");
        }
    }
}
