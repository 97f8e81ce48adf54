//! What a run needs beside its journal: the checked manifest and its loaded components.
//! Finds files and asks the sandbox what they are; never runs a guest.

use super::bounds::{Bounds, Missing, missing_secrets};
use super::lock_file;
use super::look::recorded_manifest;
use super::read::{read_component, read_manifest_text, read_schema};
use super::shared::Shared;
use crate::build;
use crate::manifest::{self, Complaint, FileRef, Level, Manifest, Operator, Pins};
use crate::sandbox::{self, LoadError, Program, ResolvedGrants};
use piton_core::{Digest, Effect, Pipeline};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A manifest with its components, ready to run.
pub(crate) struct Loaded {
    pub(crate) manifest: Manifest,
    /// The manifest's pipeline, with what its components say about themselves.
    pub(crate) pipeline: Arc<Pipeline>,
    /// The digest of the manifest's text.
    pub(crate) digest: Digest,
    /// The folder that relative paths are relative to.
    pub(crate) folder: PathBuf,
    /// By step; none for waiting nodes.
    pub(crate) programs: Vec<Option<Arc<Program>>>,
    pub(crate) components: Vec<Option<Digest>>,
    pub(crate) grants: Vec<ResolvedGrants>,
    /// The text of `input_schema`'s file.
    pub(crate) input_schema: Option<String>,
    /// Why no attempt of it may start on this host as it is; its runs can be looked at.
    pub(crate) hindrance: Option<Hindrance>,
}

/// Why a run that began before is not taken up. Nothing of it is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindrance {
    /// What is in its way, for people.
    pub message: String,
    /// What to do; empty where there is nothing to say.
    pub hint: String,
}

impl Loaded {
    /// Whether this is the same as another one that was just loaded. A run that goes on has its
    /// input, and no schema; one that begins has it checked by the schema as it is by now.
    pub(crate) fn serves_for(&self, other: &Self) -> bool {
        let is_checked_alike =
            other.input_schema.is_none() || self.input_schema == other.input_schema;
        self.digest == other.digest
            && self.folder == other.folder
            && self.components == other.components
            && is_checked_alike
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("pipeline", &self.pipeline.name).finish_non_exhaustive()
    }
}

/// A manifest that cannot be run as it is: the user's mistake.
#[derive(Debug)]
pub struct ManifestRefused {
    /// The manifest's path, as the user gave it.
    pub path: PathBuf,
    /// Its text; empty where it could not be read.
    pub text: String,
    /// All that is wrong with it.
    pub complaints: Vec<Complaint>,
}

impl ManifestRefused {
    pub(super) fn without_text(path: &Path, message: String, hint: &str) -> Self {
        let complaint = complaint(Level::Error, None, message, Some(hint.into()));
        Self { path: path.into(), text: String::new(), complaints: vec![complaint] }
    }
}

impl ManifestRefused {
    /// Adds what is wrong with the components that it names, and what the operator does not allow:
    /// all mistakes are told in one go.
    fn with_components(mut self, sandbox: &sandbox::Sandbox, bounds: &Bounds<'_>) -> Self {
        let Some(mut manifest) = manifest::read_despite_mistakes(&self.text) else { return self };
        let folder = folder_of(&self.path);
        self.complaints.extend(bounds.hold(&mut manifest, &folder));
        if let Ok(found) = look_up(sandbox, bounds, &manifest, &folder, &mut self.complaints) {
            self.complaints.extend(found.complaints);
        }
        sort(&mut self.complaints);
        self
    }
}

/// Puts complaints in the order of their places; those without come last.
fn sort(complaints: &mut [Complaint]) {
    complaints
        .sort_by_key(|complaint| complaint.place.as_ref().map_or(usize::MAX, |place| place.start));
}

/// A complaint about what a manifest names, rather than about its text.
fn complaint(
    level: Level,
    named: Option<&FileRef>,
    message: String,
    hint: Option<String>,
) -> Complaint {
    let place = named.map(|file| file.place.clone());
    Complaint { level, message, place, label: None, hint, others: Vec::new() }
}

/// A manifest that was read and checked, with what it says about itself.
#[derive(Debug)]
pub struct CheckedManifest {
    /// The manifest's path, as the user gave it.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Warnings and notes.
    pub remarks: Vec<Complaint>,
    /// The manifest.
    pub manifest: Manifest,
}

/// Reads and checks a manifest's text alone.
///
/// # Errors
/// [`ManifestRefused`] with every mistake in it.
pub fn read_manifest(path: &Path) -> Result<CheckedManifest, ManifestRefused> {
    let text = read_manifest_text(path).map_err(|error| {
        let message = format!("cannot read `{}`: {error}", path.display());
        ManifestRefused::without_text(path, message, "name a manifest, a TOML file")
    })?;
    match manifest::check(&text) {
        Ok((manifest, remarks)) => {
            Ok(CheckedManifest { path: path.into(), text, remarks, manifest })
        }
        Err(complaints) => Err(ManifestRefused { path: path.into(), text, complaints }),
    }
}

/// What a manifest names, looked up.
struct Found {
    /// By step; none for waiting nodes, and where there is a complaint.
    components: Vec<Option<Component>>,
    input_schema: Option<String>,
    complaints: Vec<Complaint>,
}

/// A component's bytes, read once: what is hashed is what is compiled.
struct Component {
    bytes: Vec<u8>,
    program: Arc<Program>,
}

/// A manifest that may be run on this host.
struct Held {
    checked: CheckedManifest,
    folder: PathBuf,
    components: Vec<Option<Component>>,
    grants: Vec<ResolvedGrants>,
    input_schema: Option<String>,
}

impl Held {
    fn digests(&self) -> Vec<Option<Digest>> {
        digests(&self.components)
    }
}

/// What a manifest is held against besides its own rules.
pub(super) struct Rules<'a> {
    pub(super) sandbox: &'a sandbox::Sandbox,
    pub(super) operator: Option<&'a Operator>,
    /// The host's own folder, if a run is about to begin: what it needs is made.
    pub(super) own: Option<&'a Path>,
    /// Whether what a lock file pins must be kept to.
    pub(super) keeps_lock: bool,
}

impl Rules<'_> {
    /// Reads a manifest and all that it names, and holds it against everything.
    fn hold(&self, path: &Path) -> Result<Held, LoadFailed> {
        let mut bounds = Bounds::new(self.operator);
        if let Some(own) = self.own {
            bounds = bounds.and_forbidding(own);
        }
        let lock = self.keeps_lock.then(|| lock_file::read_beside(path)).transpose()?.flatten();
        if let Some(lock) = &lock {
            bounds = bounds.and_guarding(&lock.path);
        }
        let mut checked = read_manifest(path)
            .map_err(|refused| refused.with_components(self.sandbox, &bounds))?;
        let folder = folder_of(path);
        let mut complaints = bounds.hold(&mut checked.manifest, &folder);
        let found =
            look_up(self.sandbox, &bounds, &checked.manifest, &folder, &mut checked.remarks)?;
        complaints.extend(found.complaints);
        if let Some(pins) = lock.as_ref().and_then(|lock| lock.pins(path)) {
            let (digests, named) = (digests(&found.components), path.display().to_string());
            let manifest = &checked.manifest;
            complaints.extend(manifest::refuse_unpinned(manifest, &digests, pins, &named));
        }
        // Nothing is made for a manifest that is refused.
        let begins = self.own.is_some() && complaints.is_empty();
        let missing = if begins { Missing::Make } else { Missing::Let };
        let manifest = &checked.manifest;
        let grants = bounds.resolve_all(manifest, &folder, missing, &mut complaints);
        let level = if self.own.is_some() { Level::Error } else { Level::Warning };
        // Where a manifest is only checked its secrets need not be.
        let secrets = missing_secrets(self.sandbox, manifest, &folder, level);
        let kept = if self.own.is_some() { &mut complaints } else { &mut checked.remarks };
        kept.extend(secrets);
        if complaints.is_empty() {
            let (components, input_schema) = (found.components, found.input_schema);
            return Ok(Held { checked, folder, components, grants, input_schema });
        }
        complaints.append(&mut checked.remarks);
        sort(&mut complaints);
        let CheckedManifest { path, text, .. } = checked;
        Err(ManifestRefused { path, text, complaints }.into())
    }

    /// Checks a manifest and all that it names, without running anything or keeping anything.
    ///
    /// # Errors
    /// [`LoadFailed`] with every mistake.
    pub(super) fn check(&self, path: &Path) -> Result<CheckedManifest, LoadFailed> {
        Ok(self.hold(path)?.checked)
    }

    /// What there is to pin of a manifest.
    ///
    /// # Errors
    /// As [`Rules::check`].
    pub(super) fn pins(&self, path: &Path) -> Result<Pins, LoadFailed> {
        let held = self.hold(path)?;
        Ok(manifest::pins_of(&held.checked.manifest, &held.digests()))
    }
}

fn digests(components: &[Option<Component>]) -> Vec<Option<Digest>> {
    let digest = |found: &Option<Component>| Some(found.as_ref()?.program.digest());
    components.iter().map(digest).collect()
}

fn look_up(
    sandbox: &sandbox::Sandbox,
    bounds: &Bounds<'_>,
    manifest: &Manifest,
    folder: &Path,
    remarks: &mut Vec<Complaint>,
) -> Result<Found, LoadFailed> {
    let mut found = Found { components: Vec::new(), input_schema: None, complaints: Vec::new() };
    // Many steps may share one component: a map of a thousand lines reads it once.
    let mut known: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for (index, settings) in manifest.steps.iter().enumerate() {
        let Some(named) = &settings.component else {
            found.components.push(None);
            continue;
        };
        if let Some(first) = known.get(named.path.as_str()) {
            let same = found.components[*first].as_ref().map(Component::share);
            found.components.push(same);
            continue;
        }
        known.insert(&named.path, index);
        match load_component(sandbox, bounds, folder, &named.path) {
            Ok((component, is_stale)) => {
                if is_stale {
                    let message = format!("`{}` was changed after it was built", named.path);
                    let hint = format!("run `piton build {}`", folder.join(&named.path).display());
                    remarks.push(complaint(Level::Warning, Some(named), message, Some(hint)));
                }
                found.components.push(Some(component));
            }
            Err(ComponentRefused::User { message, hint }) => {
                found.complaints.push(complaint(Level::Error, Some(named), message, hint));
                found.components.push(None);
            }
            Err(ComponentRefused::Host(message)) => return Err(LoadFailed::Host(message)),
        }
    }
    for ((step, settings), component) in
        manifest.pipeline.steps.iter().zip(&manifest.steps).zip(&found.components)
    {
        let reconciles = component.as_ref().is_none_or(|found| found.program.reconciles());
        if step.effect == Effect::Reconcilable && !reconciles {
            let message = format!(
                "step `{}` has `effect = \"reconcilable\"`, but its component does not export \
                 `reconcile`",
                step.name
            );
            let hint = "make it for the world `reconcilable-plugin`, or choose another `effect`";
            let named = settings.component.as_ref();
            found.complaints.push(complaint(Level::Error, named, message, Some(hint.into())));
        }
    }
    if let Some(schema) = &manifest.input_schema {
        match read_schema(&folder.join(&schema.path)) {
            Ok(text) => found.input_schema = Some(text),
            Err(error) => {
                let message = format!("cannot read the schema `{}`: {error}", schema.path);
                found.complaints.push(complaint(Level::Error, Some(schema), message, None));
            }
        }
    }
    Ok(found)
}

impl Component {
    /// The same component for another step; its bytes are kept once.
    fn share(&self) -> Self {
        Self { bytes: Vec::new(), program: Arc::clone(&self.program) }
    }
}

impl Shared {
    /// Reads, checks and loads a manifest and all that it names. Keeps what a run of it needs in
    /// the component store.
    pub(crate) fn load_manifest(
        &self,
        path: &Path,
    ) -> Result<(Arc<Loaded>, Vec<Complaint>), LoadFailed> {
        let _loading = self.profile().map(|profile| profile.load());
        let sandbox = self.sandbox().map_err(|error| LoadFailed::Host(error.to_string()))?;
        let rules = Rules {
            sandbox,
            operator: self.operator(),
            own: Some(self.data.path()),
            keeps_lock: true,
        };
        let Held { checked, folder, components, grants, input_schema } = rules.hold(path)?;
        let _stay = self.contents_stay();
        for component in components.iter().flatten().filter(|found| !found.bytes.is_empty()) {
            self.keep_component(&component.program.digest(), &component.bytes)?;
        }
        let CheckedManifest { text, remarks, manifest, .. } = checked;
        let digest = self.keep(text.as_bytes())?;
        let programs =
            components.into_iter().map(|component| component.map(|found| found.program)).collect();
        let loaded = assemble(manifest, digest, folder, programs, grants, input_schema);
        Ok((self.remember_loaded(loaded), remarks))
    }

    /// Loads what a run began with, whatever the files say by now.
    pub(crate) fn load_recorded(
        &self,
        manifest_digest: Digest,
        folder: &Path,
        components: &dyn Fn(&str) -> Option<Digest>,
    ) -> Result<Loaded, String> {
        let _loading = self.profile().map(|profile| profile.load());
        let text = self.components.get(&manifest_digest).map_err(|error| error.to_string())?;
        let mut manifest = recorded_manifest(&manifest_digest, text)?;
        let sandbox = self.sandbox().map_err(|error| error.to_string())?;
        let mut programs = Vec::new();
        for step in &manifest.pipeline.steps {
            let Some(digest) = components(&step.name) else {
                programs.push(None);
                continue;
            };
            let bytes = || self.components.get(&digest).map_err(std::io::Error::other);
            let program = sandbox.load(digest, bytes);
            programs.push(Some(program.map_err(|error| {
                format!("the component of step `{}` cannot be used: {error}", step.name)
            })?));
        }
        let bounds = Bounds::new(self.operator()).and_forbidding(self.data.path());
        let mut complaints = bounds.hold(&mut manifest, folder);
        let digests = programs.iter().flatten().map(|program| program.digest());
        complaints.extend(digests.filter_map(|digest| bounds.refuse_component(&digest)));
        let missing = if complaints.is_empty() { Missing::Make } else { Missing::Let };
        let grants = bounds.resolve_all(&manifest, folder, missing, &mut complaints);
        // Without it every attempt would be denied, and the run would turn back for that alone.
        complaints.extend(missing_secrets(sandbox, &manifest, folder, Level::Error));
        let hindrance = complaints.into_iter().next().map(|complaint| Hindrance {
            message: complaint.message,
            hint: complaint.hint.unwrap_or_default(),
        });
        let loaded = assemble(manifest, manifest_digest, folder.into(), programs, grants, None);
        Ok(Loaded { hindrance, ..loaded })
    }
}

fn load_component(
    sandbox: &sandbox::Sandbox,
    bounds: &Bounds<'_>,
    folder: &Path,
    named: &str,
) -> Result<(Component, bool), ComponentRefused> {
    let (file, is_stale) = component_file(&folder.join(named), named)?;
    let bytes = read_component(&file).map_err(|error| ComponentRefused::User {
        message: format!("cannot read the component `{named}`: {error}"),
        hint: None,
    })?;
    let digest = sandbox::digest_of(&bytes);
    // Compiling is work for a stranger: what may not be called is not even compiled.
    if let Some(Complaint { message, hint, .. }) = bounds.refuse_component(&digest) {
        return Err(ComponentRefused::User { message, hint });
    }
    let program = sandbox.load(digest, || Ok(bytes.clone())).map_err(|error| match error {
        LoadError::Host(message) => ComponentRefused::Host(message),
        refused => ComponentRefused::User {
            message: format!("`{named}` cannot be used: {refused}"),
            hint: None,
        },
    })?;
    Ok((Component { bytes, program }, is_stale))
}

/// The component that a manifest's path means: a file, or what a plugin's folder was built into.
pub fn component_file(path: &Path, named: &str) -> Result<(PathBuf, bool), ComponentRefused> {
    if !path.is_dir() {
        if path.is_file() {
            return Ok((path.into(), false));
        }
        return Err(ComponentRefused::User {
            message: format!("there is no component at `{named}`"),
            hint: Some(format!("looked for `{}`", path.display())),
        });
    }
    let built = build::component_path(path);
    if !built.is_file() {
        return Err(ComponentRefused::User {
            message: format!("`{named}` has not been built"),
            hint: Some(format!("run `piton build {}`", path.display())),
        });
    }
    Ok((built, build::is_stale(path)))
}

fn assemble(
    manifest: Manifest,
    digest: Digest,
    folder: PathBuf,
    programs: Vec<Option<Arc<Program>>>,
    grants: Vec<ResolvedGrants>,
    input_schema: Option<String>,
) -> Loaded {
    let mut pipeline = (*manifest.pipeline).clone();
    for (step, program) in pipeline.steps.iter_mut().zip(&programs) {
        step.reconciles = program.as_ref().is_some_and(|program| program.reconciles());
    }
    let components =
        programs.iter().map(|program| program.as_ref().map(|program| program.digest())).collect();
    let pipeline = Arc::new(pipeline);
    let hindrance = None;
    Loaded {
        manifest,
        pipeline,
        digest,
        folder,
        programs,
        components,
        grants,
        input_schema,
        hindrance,
    }
}

/// Where the manifest's relative paths start, as an absolute path.
pub(crate) fn folder_of(manifest: &Path) -> PathBuf {
    let absolute = std::path::absolute(manifest).unwrap_or_else(|_| manifest.into());
    absolute.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Why a component cannot be loaded.
#[derive(Debug)]
pub enum ComponentRefused {
    /// It is not what the manifest needs.
    User {
        /// What is wrong with it.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The host could not go on.
    Host(String),
}

impl ComponentRefused {
    /// What to do, where there is something to say.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::User { hint, .. } => hint.as_deref(),
            Self::Host(_) => None,
        }
    }
}

impl fmt::Display for ComponentRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { message, .. } | Self::Host(message) => f.write_str(message),
        }
    }
}

/// Why a manifest cannot be loaded.
#[derive(Debug)]
pub enum LoadFailed {
    /// The user's mistake.
    Manifest(ManifestRefused),
    /// The host could not go on.
    Host(String),
}

impl From<ManifestRefused> for LoadFailed {
    fn from(refused: ManifestRefused) -> Self {
        Self::Manifest(refused)
    }
}
