//! What a run needs beside its journal: the checked manifest and its loaded components.
//! Finds files and asks the sandbox what they are; never runs a guest.

use super::shared::Shared;
use crate::build;
use crate::manifest::{self, Complaint, FileRef, Level, Manifest};
use crate::sandbox::{self, LoadError, Program, ResolvedGrants};
use piton_core::{Digest, Effect, Grant, Grants, Pipeline, SecretSource, StepIndex};
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
}

impl Loaded {
    /// The component of a step, as the manifest names it; none for waiting nodes.
    pub(crate) fn component_path(&self, step: StepIndex) -> Option<&str> {
        let settings = self.manifest.steps.get(step.0 as usize)?;
        settings.component.as_ref().map(|component| component.path.as_str())
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
    fn without_text(path: &Path, message: String, hint: &str) -> Self {
        let complaint = complaint(Level::Error, None, message, Some(hint.into()));
        Self { path: path.into(), text: String::new(), complaints: vec![complaint] }
    }
}

impl ManifestRefused {
    /// Adds what is wrong with the components that it names: all mistakes are told in one go.
    fn with_components(mut self, sandbox: &sandbox::Sandbox) -> Self {
        let Some(manifest) = manifest::read_despite_mistakes(&self.text) else { return self };
        let folder = folder_of(&self.path);
        if let Ok(found) = look_up(sandbox, &manifest, &folder, &mut self.complaints) {
            self.complaints.extend(found.complaints);
        }
        self.complaints.sort_by_key(|complaint| {
            complaint.place.as_ref().map_or(usize::MAX, |place| place.start)
        });
        self
    }
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
    let text = std::fs::read_to_string(path).map_err(|error| {
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

/// What becomes of folders that are granted for writing and not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// They are made: a run is about to begin.
    Make,
    /// They are let be: the manifest is only looked at.
    Let,
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

/// Checks a manifest and all that it names, without running anything or keeping anything.
///
/// # Errors
/// [`LoadFailed`] with every mistake.
pub(super) fn check_with_components(
    sandbox: &sandbox::Sandbox,
    path: &Path,
) -> Result<CheckedManifest, LoadFailed> {
    let mut checked = read_manifest(path).map_err(|refused| refused.with_components(sandbox))?;
    let folder = folder_of(path);
    let mut found = look_up(sandbox, &checked.manifest, &folder, &mut checked.remarks)?;
    resolve_all(&checked.manifest, &folder, &[], Missing::Let, &mut found.complaints);
    // Where a manifest is checked its secrets need not be.
    checked.remarks.extend(missing_secrets(sandbox, &checked.manifest, &folder, Level::Warning));
    if found.complaints.is_empty() {
        return Ok(checked);
    }
    found.complaints.append(&mut checked.remarks);
    let CheckedManifest { path, text, .. } = checked;
    Err(ManifestRefused { path, text, complaints: found.complaints }.into())
}

fn look_up(
    sandbox: &sandbox::Sandbox,
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
        match load_component(sandbox, folder, &named.path) {
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
        match std::fs::read_to_string(folder.join(&schema.path)) {
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
    ) -> Result<(Loaded, Vec<Complaint>), LoadFailed> {
        let sandbox = self.sandbox().map_err(|error| LoadFailed::Host(error.to_string()))?;
        let checked = read_manifest(path).map_err(|refused| refused.with_components(sandbox))?;
        let CheckedManifest { text, mut remarks, manifest, .. } = checked;
        let folder = folder_of(path);
        let Found { components, input_schema, mut complaints } =
            look_up(sandbox, &manifest, &folder, &mut remarks)?;
        let own = self.data.path();
        let grants = resolve_all(&manifest, &folder, &[own], Missing::Make, &mut complaints);
        complaints.extend(missing_secrets(sandbox, &manifest, &folder, Level::Error));
        if !complaints.is_empty() {
            return Err(ManifestRefused { path: path.into(), text, complaints }.into());
        }
        for component in components.iter().flatten().filter(|found| !found.bytes.is_empty()) {
            self.keep(&component.bytes)?;
        }
        let digest = self.keep(text.as_bytes())?;
        let programs =
            components.into_iter().map(|component| component.map(|found| found.program)).collect();
        Ok((assemble(manifest, digest, folder, programs, grants, input_schema), remarks))
    }

    /// Loads what a run began with, whatever the files say by now.
    pub(crate) fn load_recorded(
        &self,
        manifest_digest: Digest,
        folder: &Path,
        components: &dyn Fn(&str) -> Option<Digest>,
    ) -> Result<Loaded, String> {
        let text = self.components.get(&manifest_digest).map_err(|error| error.to_string())?;
        let text = String::from_utf8(text)
            .map_err(|_| format!("the recorded manifest {manifest_digest} is no text"))?;
        let (manifest, _) = manifest::check(&text).map_err(|complaints| {
            let first = complaints.first().map_or("", |complaint| &complaint.message);
            format!("the recorded manifest is refused by this version of piton: {first}")
        })?;
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
        let mut complaints = Vec::new();
        let own = self.data.path();
        let grants = resolve_all(&manifest, folder, &[own], Missing::Make, &mut complaints);
        // Without it every attempt would be denied, and the run would turn back for that alone.
        complaints.extend(missing_secrets(sandbox, &manifest, folder, Level::Error));
        if let Some(complaint) = complaints.first() {
            return Err(complaint.message.clone());
        }
        Ok(assemble(manifest, manifest_digest, folder.into(), programs, grants, None))
    }
}

fn load_component(
    sandbox: &sandbox::Sandbox,
    folder: &Path,
    named: &str,
) -> Result<(Component, bool), ComponentRefused> {
    let (file, is_stale) = component_file(&folder.join(named), named)?;
    let bytes = std::fs::read(&file).map_err(|error| ComponentRefused::User {
        message: format!("cannot read the component `{named}`: {error}"),
        hint: None,
    })?;
    let digest = sandbox::digest_of(&bytes);
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
    Loaded { manifest, pipeline, digest, folder, programs, components, grants, input_schema }
}

/// Where the manifest's relative paths start, as an absolute path.
pub(crate) fn folder_of(manifest: &Path) -> PathBuf {
    let absolute = std::path::absolute(manifest).unwrap_or_else(|_| manifest.into());
    absolute.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// A complaint for each secret that steps are granted and this host cannot find.
fn missing_secrets(
    sandbox: &sandbox::Sandbox,
    manifest: &Manifest,
    folder: &Path,
    level: Level,
) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for settings in &manifest.steps {
        for (grant, place) in settings.grants.each().zip(&settings.grant_places) {
            let Grant::Secret(secret) = grant else { continue };
            let grants = Grants { secrets: vec![secret.clone()], ..Grants::default() };
            let Ok(grants) = ResolvedGrants::resolve(&grants, folder, &[]) else { continue };
            for missing in sandbox.secrets_missing(&grants) {
                let hint = match &secret.source {
                    SecretSource::Variable(name) => format!("set `{name}` where piton is started"),
                    SecretSource::File(name) => {
                        format!("looked for `{}`", folder.join(name).display())
                    }
                };
                let mut complaint = complaint(level, None, missing.to_string(), Some(hint));
                complaint.place = Some(place.clone());
                complaints.push(complaint);
            }
        }
    }
    complaints
}

/// Finds the folders that steps are granted.
fn resolve_all(
    manifest: &Manifest,
    folder: &Path,
    forbidden: &[&Path],
    missing: Missing,
    complaints: &mut Vec<Complaint>,
) -> Vec<ResolvedGrants> {
    let forbidden: Vec<PathBuf> =
        forbidden.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let forbidden: Vec<&Path> = forbidden.iter().map(PathBuf::as_path).collect();
    let mut resolved = Vec::new();
    for (step, settings) in manifest.pipeline.steps.iter().zip(&manifest.steps) {
        match resolve(&settings.grants, folder, &forbidden, missing) {
            Ok(grants) => resolved.push(grants),
            Err(message) => {
                let message = format!("step `{}`: {message}", step.name);
                let named = settings.component.as_ref();
                complaints.push(complaint(Level::Error, named, message, None));
                resolved.push(ResolvedGrants::default());
            }
        }
    }
    resolved
}

fn resolve(
    grants: &Grants,
    folder: &Path,
    forbidden: &[&Path],
    missing: Missing,
) -> Result<ResolvedGrants, String> {
    let absent =
        grants.dirs.iter().filter(|grant| grant.write && !folder.join(&grant.host).exists());
    for grant in absent {
        if missing == Missing::Let {
            return Ok(ResolvedGrants::default());
        }
        let host = folder.join(&grant.host);
        std::fs::create_dir_all(&host)
            .map_err(|error| format!("cannot make the folder `{}`: {error}", grant.host))?;
    }
    ResolvedGrants::resolve(grants, folder, forbidden).map_err(|error| error.to_string())
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
