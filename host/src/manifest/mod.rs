//! Turns the text of a manifest into a checked pipeline, with a place for every complaint.
//!
//! [`check`] finds all mistakes in one go. What it returns holds the pipeline as the core runs it,
//! what each step may use and touch, and the expressions, ready to be evaluated.
//!
//! Never does I/O: texts come in, and paths go out as they are written. Never runs anything.

mod budget;
mod cel_words;
mod complaint;
mod defaults;
mod duration;
mod expression;
mod grants;
mod graph;
mod keys;
mod limits;
mod lock;
mod names;
mod operator;
mod order;
mod path;
mod policy;
mod program;
mod programs;
mod resolver;
mod schema;
mod scope;
mod shape;
mod size;
mod step;
mod svg;
mod template;
mod value;
mod variables;
mod weight;

#[cfg(test)]
mod tests;

pub use complaint::{Complaint, Level, Place, render};
pub use grants::parse_http_target;
pub use graph::{GraphFormat, escaped};
pub use lock::{LOCK_BYTES_MAX, Lock, Pin, PinChange, Pins, pin_changes, pins_of, refuse_unpinned};
pub use operator::{Allowance, Operator};
pub use programs::Programs;
pub use schema::{InputMistake, InputPlace, SCHEMA_BYTES_MAX};

use complaint::Complaints;
use defaults::Defaults;
use names::{Names, check_name};
use piton_core::{Digest, Grants, Json, Limits, Pipeline, StepIndex};
use shape::Table;
use std::collections::BTreeMap;
use std::sync::Arc;
use step::{StepDraft, StepReader};
use template::Template;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use variables::Variables;

/// The longest manifest, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 1 << 20;

/// The most steps of a pipeline.
pub const STEPS_MAX: usize = 10_000;

/// A manifest without mistakes.
#[derive(Debug)]
pub struct Manifest {
    /// The pipeline, as the core runs it.
    ///
    /// `Step::reconciles` is true for `effect = "reconcilable"` only: whoever loads a component
    /// knows whether it exports `reconcile`.
    pub pipeline: Arc<Pipeline>,
    /// What the core does not need to know of each step, by [`StepIndex`].
    pub steps: Vec<StepSettings>,
    /// The expressions.
    pub programs: Programs,
    /// The JSON Schema of the run's input, to be handed to [`Manifest::check_input`].
    pub input_schema: Option<FileRef>,
}

/// What the host must know of a step to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepSettings {
    /// The component; none for a step that waits.
    pub component: Option<FileRef>,
    /// What one attempt may use.
    pub limits: Limits,
    /// Where each limit is written that the manifest gives, by key.
    pub limit_places: BTreeMap<&'static str, Place>,
    /// What one attempt may touch.
    pub grants: Grants,
    /// Where each grant is written, in the order of [`Grants::each`].
    pub grant_places: Vec<Place>,
    /// Why the step is never undone; given exactly where the pipeline says so.
    pub compensate_reason: Option<String>,
    /// What an approval asks, for people.
    pub ask: Option<String>,
}

/// A file that the manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    /// As it is written: relative to the manifest, unless it is absolute.
    pub path: String,
    /// Where it is written.
    pub place: Place,
}

impl Manifest {
    /// Checks a run's input, and writes it anew so that no key comes twice.
    ///
    /// `schema_text` is the content of [`Manifest::input_schema`], loaded by the caller.
    ///
    /// # Errors
    /// All mistakes (at most 100), each with its path in the input; or the one in the schema.
    pub fn check_input(
        &self,
        input_json: &str,
        schema_text: Option<&str>,
    ) -> Result<Json, Vec<InputMistake>> {
        schema::check_input(input_json, schema_text)
    }

    /// Draws the pipeline.
    pub fn graph(&self, format: GraphFormat) -> String {
        graph::draw(&self.pipeline, format)
    }
}

/// Reads a span such as `1m30s`, as manifests write it.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    duration::parse(text)
}

/// Reads a manifest. Gives warnings and notes beside it, in the order of their places.
///
/// # Errors
/// All mistakes in one go, with the warnings between them; only a mistake in the syntax of TOML
/// hides the others. At most 100 are kept.
pub fn check(text: &str) -> Result<(Manifest, Vec<Complaint>), Vec<Complaint>> {
    let mut complaints = Complaints::default();
    let manifest = read(text, &mut complaints);
    let failed = complaints.has_errors();
    let complaints = complaints.into_sorted();
    match manifest {
        Some(manifest) if !failed => Ok((manifest, complaints)),
        _ => Err(complaints),
    }
}

/// Reads a manifest that [`check`] refuses, as far as it can be read: what it names may be looked
/// up, so that mistakes there are told in the same go. Never to be run.
pub fn read_despite_mistakes(text: &str) -> Option<Manifest> {
    read(text, &mut Complaints::default())
}

fn read(text: &str, complaints: &mut Complaints) -> Option<Manifest> {
    let document = document("manifest", text, MANIFEST_BYTES_MAX, complaints)?;
    let start = 0..text.find('\n').unwrap_or(text.len());
    let root = Table::of(&keys::ROOT, document.get_ref(), start.clone(), complaints);
    let head = root.get("pipeline");
    let head = head.and_then(|entry| Table::read(&keys::PIPELINE, entry.value, complaints));
    let (mut pipeline, input_schema) = defaults::read_pipeline(head.as_ref(), &start, complaints);
    pipeline.budget = root.get("budget").and_then(|entry| budget::read(entry.value, complaints));
    let defaults = root.get("defaults");
    let defaults = defaults.and_then(|entry| Table::read(&keys::DEFAULTS, entry.value, complaints));
    let defaults = defaults.map(|table| Defaults::read(&table, complaints)).unwrap_or_default();
    let steps = steps_in_order(&root, &start, complaints)?;
    let names = Names::of(steps.iter().map(|(name, ..)| *name).collect());
    let mut reader = StepReader {
        text,
        names: &names,
        defaults: &defaults,
        variables: Variables::of(&names),
        complaints,
    };
    let drafts: Vec<StepDraft> =
        steps.into_iter().map(|(name, place, table)| reader.read(name, place, &table)).collect();
    let mut variables = reader.variables;
    let output = root
        .get("output")
        .map(|entry| Template::compile(text, entry.value, &mut variables, complaints));
    pipeline.steps = drafts.iter().map(|draft| draft.step.clone()).collect();
    order::check(&mut pipeline, &drafts, complaints);
    note_assumed_effects(&drafts, complaints);
    Some(assemble(pipeline, drafts, output, input_schema))
}

fn assemble(
    pipeline: Pipeline,
    drafts: Vec<StepDraft>,
    output: Option<Template>,
    input_schema: Option<FileRef>,
) -> Manifest {
    let dependents = pipeline.dependents();
    let last = pipeline
        .indexes()
        .filter(|index| dependents[index.0 as usize].is_empty())
        .map(|index: StepIndex| (index, pipeline.step(index).name.clone()))
        .collect();
    let (settings, programs) =
        drafts.into_iter().map(|draft| (draft.settings, draft.program)).unzip();
    let programs = Programs { steps: programs, output, last };
    Manifest { pipeline: Arc::new(pipeline), steps: settings, programs, input_schema }
}

/// Reads a component's digest, as `piton inspect` shows it.
fn read_digest(value: &shape::Value<'_>, complaints: &mut Complaints) -> Option<Digest> {
    let text = value.get_ref().as_str().unwrap_or_default();
    let digest = text.strip_prefix("sha256:").and_then(|hex| hex.parse().ok());
    if digest.is_none() {
        complaints
            .error(&value.span(), "this is no digest of a component")
            .hint("write `sha256:` and 64 lower-case digits, as `piton inspect` shows them");
    }
    digest
}

/// The line of a byte, from 1.
fn line_of(text: &str, byte: usize) -> usize {
    let before = text.as_bytes().iter().take(byte);
    before.filter(|byte| **byte == b'\n').count() + 1
}

/// Parses a text as TOML; `what` it should be is for messages.
fn document<'t>(
    what: &str,
    text: &'t str,
    bytes_max: usize,
    complaints: &mut Complaints,
) -> Option<Spanned<DeTable<'t>>> {
    if text.len() > bytes_max {
        let message = format!("the {what} is larger than {} MiB", bytes_max >> 20);
        let too_large = complaints.placeless(message);
        if what == "manifest" {
            too_large.hint("keep data in files, and give them to the steps that need them");
        }
        return None;
    }
    match DeTable::parse(text) {
        Ok(document) => Some(document),
        Err(error) => {
            complain_of_syntax(what, text, &error, complaints);
            None
        }
    }
}

fn complain_of_syntax(
    what: &str,
    text: &str,
    error: &toml::de::Error,
    complaints: &mut Complaints,
) {
    if error.message().contains("recursion limit") || error.message().contains("recurse") {
        complaints.placeless(format!("the {what} is nested too deep"));
        return;
    }
    let place = error.span().unwrap_or(0..text.len().min(1));
    complaints
        .error(&place, format!("the {what} is not TOML"))
        .label(error.message())
        .hint("the other mistakes show once this one is mended");
}

type NamedStep<'t> = (&'t str, Place, Table<'t>);

/// The steps in the order of the manifest; none where there is not one.
fn steps_in_order<'t>(
    root: &Table<'t>,
    start: &Place,
    complaints: &mut Complaints,
) -> Option<Vec<NamedStep<'t>>> {
    let missing = |place: &Place, complaints: &mut Complaints| {
        complaints
            .error(place, "the pipeline has no steps")
            .hint("add one: `[steps.NAME]` with a `component`");
    };
    let Some(entry) = root.get("steps") else {
        missing(start, complaints);
        return None;
    };
    let DeValue::Table(table) = entry.value.get_ref() else {
        complaints
            .error(&entry.place(), "`steps` must hold a table for each step")
            .hint("write `[steps.NAME]`");
        return None;
    };
    if table.is_empty() {
        missing(&entry.key_place, complaints);
        return None;
    }
    if table.len() > STEPS_MAX {
        let message = format!("the pipeline has {} steps, more than {STEPS_MAX}", table.len());
        complaints
            .error(&entry.key_place, message)
            .hint("a step with `map` is called for each item of a list");
        return None;
    }
    let mut steps: Vec<_> = table.iter().collect();
    steps.sort_by_key(|(key, _)| key.span().start);
    let mut read = Vec::with_capacity(steps.len());
    for (key, value) in steps {
        let name = key.get_ref().as_ref();
        check_name("a step", name, &key.span(), complaints);
        let table = match value.get_ref() {
            DeValue::Table(table) => Table::of(&keys::STEP, table, value.span(), complaints),
            _ => {
                let label = shape::found(value);
                complaints
                    .error(&value.span(), format!("step `{name}` must be a table"))
                    .label(label);
                continue;
            }
        };
        read.push((name, key.span(), table));
    }
    Some(read)
}

/// Says once for all steps that their `effect` was not given.
fn note_assumed_effects(drafts: &[StepDraft], complaints: &mut Complaints) {
    let assumed: Vec<&str> = drafts
        .iter()
        .filter(|draft| draft.effect_is_assumed)
        .map(|draft| draft.step.name.as_str())
        .collect();
    if assumed.is_empty() || complaints.has_errors() {
        return;
    }
    let shown = &assumed[..assumed.len().min(3)];
    let names = match assumed.len() - shown.len() {
        0 => shape::listed(shown),
        more => {
            let quoted: Vec<String> = shown.iter().map(|name| format!("`{name}`")).collect();
            format!("{} and {more} more", quoted.join(", "))
        }
    };
    complaints.note(format!("`effect = \"idempotent\"` is assumed for {names}")).hint(
        "an attempt with unknown outcome is repeated with the same idempotency key; say so \
               if that may not be done",
    );
}
