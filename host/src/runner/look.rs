//! Folds runs to look at them: from what is kept of their beginning alone. Nothing is compiled, no
//! folder is granted and no secret looked up, so that what has ended can be told for ever.
//! Never takes a run up.

use super::{Host, HostFailure, SayFailed, off_the_loop};
use crate::journal::stored::{Decoder, RunStartedStored};
use crate::journal::{ComponentStore, RunRecords};
use crate::{manifest, sandbox};
use piton_core::{Digest, Event, Pipeline, Run, RunId, StepIndex, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A run and the events that it was folded from.
pub(super) type Looked = (Run, Vec<(Timestamp, Event)>);

/// What a run began with.
pub(super) struct Begun {
    pub(super) pipeline: Arc<Pipeline>,
    /// By step, as the manifest names it; none for waiting nodes.
    component_paths: Vec<Option<String>>,
}

impl Begun {
    /// The component of a step, as the manifest names it; none for waiting nodes.
    pub(super) fn component_path(&self, step: StepIndex) -> Option<&str> {
        self.component_paths.get(step.0 as usize)?.as_deref()
    }
}

/// Looks at one run after the other. What they began with is read once.
pub(super) struct Looks<'a> {
    contents: &'a ComponentStore,
    begun: BTreeMap<(Digest, BTreeMap<String, Digest>), Arc<Begun>>,
    reconciling: BTreeMap<Digest, bool>,
    /// What is damaged and is done without; none where nothing may be.
    damaged: Option<Vec<String>>,
}

impl<'a> Looks<'a> {
    pub(super) fn new(contents: &'a ComponentStore) -> Self {
        Self { contents, begun: BTreeMap::new(), reconciling: BTreeMap::new(), damaged: None }
    }

    /// Looks at runs whose components cannot be read, too: what became of them is in the journal.
    fn despite_damage(contents: &'a ComponentStore) -> Self {
        Self { damaged: Some(Vec::new()), ..Self::new(contents) }
    }

    pub(super) fn fold(&mut self, id: RunId, records: &RunRecords) -> Result<Looked, HostFailure> {
        let begun = self.begun(id, records)?;
        fold(id, &begun.pipeline, records)
    }

    /// What a run began with.
    pub(super) fn begun(
        &mut self,
        id: RunId,
        records: &RunRecords,
    ) -> Result<Arc<Begun>, HostFailure> {
        let RunStartedStored { manifest, components, .. } = started(id, records)?;
        let known = (manifest, components);
        if let Some(begun) = self.begun.get(&known) {
            return Ok(Arc::clone(begun));
        }
        let begun = self.read(&known.0, &known.1);
        let begun = Arc::new(begun.map_err(|what| unreadable(id, what))?);
        self.begun.insert(known, Arc::clone(&begun));
        Ok(begun)
    }

    fn read(
        &mut self,
        manifest: &Digest,
        components: &BTreeMap<String, Digest>,
    ) -> Result<Begun, String> {
        let text = self.contents.get(manifest).map_err(|error| error.to_string())?;
        let manifest = recorded_manifest(manifest, text)?;
        let mut pipeline = manifest.pipeline.as_ref().clone();
        for step in &mut pipeline.steps {
            let Some(component) = components.get(&step.name) else {
                step.reconciles = false;
                continue;
            };
            step.reconciles = match (self.reconciles(component), &mut self.damaged) {
                (Ok(reconciles), _) => reconciles,
                (Err(what), Some(damaged)) => {
                    damaged.push(format!("step `{}`: {what}", step.name));
                    false
                }
                (Err(what), None) => return Err(what),
            };
        }
        let named = manifest.steps.into_iter().map(|settings| settings.component);
        let component_paths = named.map(|file| file.map(|file| file.path)).collect();
        Ok(Begun { pipeline: Arc::new(pipeline), component_paths })
    }

    fn reconciles(&mut self, component: &Digest) -> Result<bool, String> {
        if let Some(known) = self.reconciling.get(component) {
            return Ok(*known);
        }
        let bytes = self.contents.get(component).map_err(|error| error.to_string())?;
        let found = sandbox::reconciles(&bytes).map_err(|error| error.to_string())?;
        self.reconciling.insert(*component, found);
        Ok(found)
    }
}

/// What the first event of a run says.
pub(super) fn started(id: RunId, records: &RunRecords) -> Result<RunStartedStored, HostFailure> {
    let first = records.records.first().ok_or_else(|| unreadable(id, "it has no event"))?;
    RunStartedStored::peek(&first.json).map_err(|error| unreadable(id, error.to_string()))
}

/// Folds a run of a pipeline from its records.
pub(super) fn fold(
    id: RunId,
    pipeline: &Arc<Pipeline>,
    records: &RunRecords,
) -> Result<Looked, HostFailure> {
    let mut run = Run::new(id, Arc::clone(pipeline));
    let decoder = Decoder::new(pipeline);
    let mut events = Vec::with_capacity(records.records.len());
    for record in &records.records {
        let event = decoder.decode(&record.json);
        let event = event.map_err(|error| unreadable(id, error.to_string()))?;
        run.apply(record.at, &event).map_err(|error| unreadable(id, error.to_string()))?;
        events.push((record.at, event));
    }
    Ok((run, events))
}

/// Reads the manifest that a run began with.
pub(super) fn recorded_manifest(
    digest: &Digest,
    text: Vec<u8>,
) -> Result<manifest::Manifest, String> {
    let text = String::from_utf8(text)
        .map_err(|_| format!("the recorded manifest {digest} is no text"))?;
    let (manifest, _) = manifest::check(&text).map_err(|complaints| {
        let first = complaints.first().map_or("", |complaint| &complaint.message);
        format!("the recorded manifest is refused by this version of piton: {first}")
    })?;
    Ok(manifest)
}

pub(super) fn unreadable(id: RunId, what: impl std::fmt::Display) -> HostFailure {
    HostFailure::new(format!("run {id} cannot be read: {what}"), "look with `piton events`")
}

impl Host {
    /// Folds a run to look at it. Tells what is damaged of what it needs to go on, too.
    pub(super) async fn look_at(&self, run: RunId) -> Result<(Looked, Vec<String>), SayFailed> {
        let records = self.records(run)?;
        let host = self.clone();
        let looked = off_the_loop(move || {
            let mut looks = Looks::despite_damage(&host.shared.components);
            let looked = looks.fold(run, &records)?;
            Ok((looked, looks.damaged.unwrap_or_default()))
        });
        looked.await.map_err(SayFailed::Host)
    }
}
