//! What somebody has looked at and accepted: `piton.lock`, which pins each step's component and
//! grants, and manifests held against it.
//! Compares what is written; never reads a file or a component.

#[cfg(test)]
mod tests;

use super::complaint::{Complaint, Complaints, Place};
use super::keys::{LOCK, LOCKED_STEP};
use super::shape::{Entry, Table, found};
use super::{Manifest, document, grants, read_digest};
use piton_core::{Digest, Grants};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use toml::Value;

/// The version of the file's form.
const VERSION: u64 = 1;

/// The largest lock file, in bytes: the largest manifest has some megabytes in it.
pub const LOCK_BYTES_MAX: usize = 16 << 20;

/// The lock file of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    /// By the manifest's file name.
    manifests: BTreeMap<String, Pins>,
}

/// What is pinned of one manifest, by step.
pub type Pins = BTreeMap<String, Pin>;

/// What is pinned of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Its component.
    pub component: Digest,
    /// What it may touch.
    pub grants: Grants,
}

/// How a step differs from what is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinChange {
    /// The step.
    pub step: String,
    /// The component that is pinned; none where the step is new.
    pub before: Option<Digest>,
    /// The component that it has; none where the step is gone.
    pub after: Option<Digest>,
    /// What it is granted that is not pinned so, in plain words. Texts of the manifest.
    pub added: Vec<String>,
    /// What is pinned and it is not granted so.
    pub removed: Vec<String>,
    /// Whether it may do something that what is pinned does not allow.
    pub is_wider: bool,
}

impl PinChange {
    /// Whether a run is refused for it.
    pub fn is_refused(&self) -> bool {
        self.is_wider || (self.after.is_some() && self.before != self.after)
    }
}

impl Lock {
    /// Reads a lock file.
    ///
    /// # Errors
    /// All mistakes in one go.
    pub fn read(text: &str) -> Result<Self, Vec<Complaint>> {
        let mut complaints = Complaints::default();
        let lock = read(text, &mut complaints);
        match lock {
            Some(lock) if !complaints.has_errors() => Ok(lock),
            _ => Err(complaints.into_sorted()),
        }
    }

    /// Writes it: the same text for the same pins.
    pub fn write(&self) -> String {
        let mut text = format!(
            "# Written by `piton lock`: the components and grants that somebody has looked at.\n\
             # Change it by that command, and keep it with the manifests.\nversion = {VERSION}\n"
        );
        for (manifest, pins) in &self.manifests {
            let manifest = Value::String(manifest.clone());
            for (step, Pin { component, grants }) in pins {
                let written = grants::write(grants);
                write!(
                    text,
                    "\n[manifests.{manifest}.{step}]\ncomponent = \"sha256:{component}\"\n{written}"
                )
                .expect("a text should take more");
            }
        }
        text
    }

    /// What is pinned of the manifest with this file name.
    pub fn pins(&self, manifest: &str) -> Option<&Pins> {
        self.manifests.get(manifest)
    }

    /// Pins a manifest.
    pub fn pin(&mut self, manifest: &str, pins: Pins) {
        self.manifests.insert(manifest.to_owned(), pins);
    }
}

/// What there is to pin of a manifest; the components are by step, none for steps that wait.
pub fn pins_of(manifest: &Manifest, components: &[Option<Digest>]) -> Pins {
    let steps = manifest.pipeline.steps.iter().zip(&manifest.steps).zip(components);
    let pins = steps.filter_map(|((step, settings), component)| {
        let pin = Pin { component: (*component)?, grants: settings.grants.clone() };
        Some((step.name.clone(), pin))
    });
    pins.collect()
}

/// The steps that differ, by name.
pub fn pin_changes(before: &Pins, after: &Pins) -> Vec<PinChange> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let nothing = Grants::default();
    let change = |name: &String| {
        let (before, after) = (before.get(name), after.get(name));
        let (old, new) = [before, after].map(|pin| pin.map_or(&nothing, |pin| &pin.grants)).into();
        let without = |one: &Grants, other: &Grants| {
            let others: Vec<_> = other.each().collect();
            let only = one.each().filter(|grant| !others.contains(grant));
            only.map(|grant| grant.to_string()).collect::<Vec<_>>()
        };
        PinChange {
            step: name.clone(),
            before: before.map(|pin| pin.component),
            after: after.map(|pin| pin.component),
            added: without(new, old),
            removed: without(old, new),
            is_wider: before.is_none() || !new.each().all(|grant| old.cover(grant)),
        }
    };
    let changes = names.into_iter().map(change);
    let is_change = |change: &PinChange| {
        change.before != change.after || !change.added.is_empty() || !change.removed.is_empty()
    };
    changes.filter(is_change).collect()
}

/// Complains of every component that is not the pinned one, and of every grant that is wider.
/// `named` is how the user calls the manifest.
pub fn refuse_unpinned(
    manifest: &Manifest,
    components: &[Option<Digest>],
    pins: &Pins,
    named: &str,
) -> Vec<Complaint> {
    let mut complaints = Complaints::default();
    let hint = format!(
        "see what changed with `piton lock {named}`; take it with `piton lock {named} --accept`"
    );
    let steps = manifest.pipeline.steps.iter().zip(&manifest.steps).zip(components);
    for ((step, settings), component) in steps {
        let Some(named) = &settings.component else { continue };
        let name = &step.name;
        let Some(pin) = pins.get(name) else {
            let message = format!("step `{name}` is not in `piton.lock`");
            complaints.error(&named.place, message).hint(&hint);
            continue;
        };
        if let Some(component) = component.filter(|component| *component != pin.component) {
            let message = format!("the component of step `{name}` is not the one in `piton.lock`");
            let (is, pinned) = (short(&component), short(&pin.component));
            let label = format!("this is sha256:{is}…, pinned is sha256:{pinned}…");
            complaints.error(&named.place, message).label(label).hint(&hint);
        }
        for (grant, place) in settings.grants.each().zip(&settings.grant_places) {
            if !pin.grants.cover(grant) {
                let message = format!("step `{name}` is granted more than `piton.lock` says");
                complaints.error(place, message).label(format!("it {grant}")).hint(&hint);
            }
        }
    }
    complaints.into_sorted()
}

/// The beginning of a digest, for people.
fn short(digest: &Digest) -> String {
    digest.to_string()[..12].to_owned()
}

fn read(text: &str, complaints: &mut Complaints) -> Option<Lock> {
    let document = document("lock file", text, LOCK_BYTES_MAX, complaints)?;
    let start = 0..text.find('\n').unwrap_or(text.len());
    let root = Table::of(&LOCK, document.get_ref(), start.clone(), complaints);
    match root.get("version") {
        None if root.misspells_any(&["version"]) => {}
        None => {
            complaints
                .error(&start, "the lock file has no `version`")
                .hint("write it anew: delete it, and run `piton lock` for each manifest beside it");
        }
        Some(entry) => {
            let version = entry.integer(1, u64::MAX, complaints);
            if version.is_some_and(|version| version != VERSION) {
                complaints
                    .error(&entry.place(), "this version of piton does not know this lock file")
                    .label(format!("it knows version {VERSION}"));
                return None;
            }
        }
    }
    let mut lock = Lock::default();
    let Some(entry) = root.get("manifests") else { return Some(lock) };
    let Some(manifests) = entry.value.get_ref().as_table() else {
        complaints.error(&entry.place(), "`manifests` must be a table").label(found(entry.value));
        return None;
    };
    for (name, value) in manifests.iter() {
        let Some(steps) = value.get_ref().as_table() else {
            complaints
                .error(&value.span(), "a manifest must be a table of its steps")
                .label(found(value));
            continue;
        };
        let mut pins = Pins::new();
        for (step, value) in steps.iter() {
            let table = Table::read(&LOCKED_STEP, value, complaints);
            if let Some(pin) = table.and_then(|table| read_pin(&table, &step.span(), complaints)) {
                pins.insert(step.get_ref().clone().into_owned(), pin);
            }
        }
        lock.manifests.insert(name.get_ref().clone().into_owned(), pins);
    }
    Some(lock)
}

fn read_pin(table: &Table<'_>, place: &Place, complaints: &mut Complaints) -> Option<Pin> {
    let component = table.get("component");
    if component.is_none() && !table.misspells_any(&["component"]) {
        complaints.error(place, "a pinned step needs `component`");
    }
    let grants = |entry: &Entry<'_>| grants::read(entry, complaints).0;
    let grants = table.get("grants").map(grants).unwrap_or_default();
    Some(Pin { component: read_digest(component?.value, complaints)?, grants })
}
