//! Writes the copy of a manifest that is rehearsed: it waits for milliseconds, and may write only in
//! folders of the rehearsal's own, and reaches nobody. Never changes what a step is, or how often it is
//! tried.

use crate::runner::CheckedManifest;
use piton_core::{Pipeline, StepIndex};
use std::path::{Component, Path, PathBuf};
use toml::{Table, Value};

/// As short as a manifest can ask for.
const SHORT: &str = "1ms";
/// The fields of a retry policy that say how long to wait.
const WAITS: [&str; 3] = ["base", "cap", "floor"];

/// The copy of a manifest.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) text: String,
    /// The folders that its steps may write to. They must be there, and are empty before each run.
    pub(super) folders: Vec<PathBuf>,
}

/// Makes the copy. Folders for writing are put into `folder`.
///
/// # Errors
/// Why it cannot be made, for people.
pub(super) fn copy_of(checked: &CheckedManifest, folder: &Path) -> Result<Copy, String> {
    let mut root: Table = checked.text.parse().map_err(|error| format!("{error}"))?;
    let manifest = std::path::absolute(&checked.path).map_err(|error| error.to_string())?;
    let base = manifest.parent().unwrap_or(Path::new("/")).to_owned();
    let mut steps = match root.remove("steps") {
        Some(Value::Table(steps)) => steps,
        _ => Table::new(),
    };
    let writable = writable(checked, &base);
    let mut copying = Copying { base, folder, writable, folders: Vec::new() };
    copying.shorten_root(&mut root);
    let mut text = written(&root)?;
    // In the order of the manifest, which a table by itself does not keep.
    let pipeline = &checked.manifest.pipeline;
    for index in pipeline.indexes() {
        let name = &pipeline.step(index).name;
        let Some(Value::Table(mut step)) = steps.remove(name) else { continue };
        copying.change_step(&mut step, pipeline, index);
        let one = Table::from_iter([(name.clone(), Value::Table(step))]);
        text.push_str(&written(&Table::from_iter([("steps".to_owned(), Value::Table(one))]))?);
    }
    Ok(Copy { text, folders: copying.folders })
}

fn written(table: &Table) -> Result<String, String> {
    toml::to_string(table).map(|text| text + "\n").map_err(|error| error.to_string())
}

/// Every folder that some step may write to.
fn writable(checked: &CheckedManifest, base: &Path) -> Vec<PathBuf> {
    let grants = checked.manifest.steps.iter().flat_map(|step| &step.grants.dirs);
    let mut folders: Vec<PathBuf> =
        grants.filter(|dir| dir.write).map(|dir| found(base, &dir.host)).collect();
    folders.sort();
    folders.dedup();
    folders
}

/// The folder that a manifest's path means, whether it is there or not.
fn found(base: &Path, named: &str) -> PathBuf {
    let path = base.join(named);
    path.canonicalize().unwrap_or_else(|_| {
        let mut plain = PathBuf::new();
        for part in path.components() {
            match part {
                Component::ParentDir => drop(plain.pop()),
                Component::CurDir => {}
                part => plain.push(part),
            }
        }
        plain
    })
}

struct Copying<'a> {
    base: PathBuf,
    folder: &'a Path,
    writable: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Copying<'_> {
    fn shorten_root(&self, root: &mut Table) {
        let defaults = root.entry("defaults").or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(defaults) = defaults {
            for key in ["retry", "undo"] {
                let policy = defaults.entry(key).or_insert_with(|| Value::Table(Table::new()));
                drop_waits(policy);
                if let Value::Table(policy) = policy {
                    policy.extend(WAITS.map(|wait| (wait.to_owned(), Value::from(SHORT))));
                }
            }
        }
        if let Some(Value::Table(pipeline)) = root.get_mut("pipeline")
            && let Some(schema) = pipeline.get_mut("input_schema")
        {
            self.make_absolute(schema);
        }
    }

    fn change_step(&mut self, step: &mut Table, pipeline: &Pipeline, index: StepIndex) {
        step.get_mut("component").into_iter().for_each(|path| self.make_absolute(path));
        for key in ["retry", "undo"] {
            step.get_mut(key).into_iter().for_each(drop_waits);
        }
        if step.contains_key("wait") || step.remove("wait_until").is_some() {
            step.insert("wait".into(), SHORT.into());
            // What the moment was made from still comes before.
            let after = pipeline.step(index).after.iter();
            let after = after.map(|before| Value::from(pipeline.step(*before).name.as_str()));
            step.insert("after".into(), Value::Array(after.collect()));
        }
        let Some(Value::Table(grants)) = step.get_mut("grants") else { return };
        // A rehearsal reaches nobody: the copy grants no network, and so needs no secrets.
        grants.remove("http");
        grants.remove("secrets");
        let Some(Value::Array(dirs)) = grants.get_mut("dirs") else { return };
        for dir in dirs {
            if let Value::Table(dir) = dir {
                self.replace_folder(dir);
            }
        }
    }

    /// A folder that may be written is replaced, by whatever step it is read.
    fn replace_folder(&mut self, dir: &mut Table) {
        let Some(Value::String(host)) = dir.get_mut("host") else { return };
        let real = found(&self.base, host);
        let held = self.writable.iter().enumerate().find(|(_, folder)| real.starts_with(folder));
        let path = match held {
            None => real,
            Some((nth, folder)) => {
                let rest = real.strip_prefix(folder).unwrap_or(Path::new(""));
                let own: PathBuf =
                    self.folder.join(nth.to_string()).join(rest).components().collect();
                if !self.folders.contains(&own) {
                    self.folders.push(own.clone());
                }
                own
            }
        };
        *host = path.display().to_string();
    }

    fn make_absolute(&self, path: &mut Value) {
        if let Value::String(path) = path {
            *path = self.base.join(&*path).display().to_string();
        }
    }
}

/// What a policy leaves out comes from the defaults.
fn drop_waits(policy: &mut Value) {
    let Value::Table(policy) = policy else { return };
    WAITS.iter().for_each(|wait| drop(policy.remove(*wait)));
    if let Some(Value::Array(rules)) = policy.get_mut("rules") {
        rules.iter_mut().for_each(drop_waits);
    }
}
