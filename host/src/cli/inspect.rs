//! `piton inspect`: tells what a component is, what it can do and which grants it needs, before it is
//! run; and what each step of a manifest that calls it is granted.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::exit;
use piton::runner::{Checking, component_file, read_component};
use piton::sandbox::{Fit, Inspection, digest_of, inert};
use piton_core::Digest;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The component: a `.wasm` file, or the folder of a step that was built.
    component: PathBuf,

    /// Compare it with what this manifest grants the steps that call it.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,

    /// With --manifest: only this step.
    #[arg(long, value_name = "NAME", requires = "manifest")]
    step: Option<String>,
}

/// A step that calls the component.
struct Caller {
    step: String,
    /// In plain words. Texts of the manifest.
    granted: Vec<String>,
    fit: Fit,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let named = arguments.component.display().to_string();
    let (file, _) = component_file(&arguments.component, &named)
        .map_err(|refused| Complaint::mistake(refused.to_string(), refused.hint().unwrap_or("")))?;
    let bytes = read_component(&file)
        .map_err(|error| Complaint::mistake(format!("cannot read `{named}`: {error}"), ""))?;
    let checking = Checking::new(&context.globals.data, &context.settings()?)?;
    let inspection = checking
        .inspect(&bytes)
        .map_err(|error| Complaint::mistake(format!("`{named}` cannot be used: {error}"), ""))?;
    let callers = match &arguments.manifest {
        None => None,
        Some(manifest) => Some(callers(context, &inspection, manifest, arguments.step.as_deref())?),
    };
    let refused = checking.refuses(&inspection.digest);
    if context.globals.json {
        print_json(&document(&inspection, refused.is_none(), callers.as_deref()));
        return Ok(ExitCode::from(exit::COMPLETED));
    }
    tell(&inspection);
    if let Some(refused) = refused {
        print(&format!("operator   {}", refused.message));
    }
    for caller in callers.iter().flatten() {
        tell_caller(caller);
    }
    Ok(ExitCode::from(exit::COMPLETED))
}

fn tell(inspection: &Inspection) {
    print(&format!("digest     sha256:{}", inspection.digest));
    let world = inspection.world.map_or("none: it is no step", |world| world.word());
    print(&format!("world      {world}"));
    print(&format!("size       {} KiB", inspection.size_bytes.div_ceil(1024)));
    for producer in &inspection.producers {
        let made = format!("made with  {} {}", inert(&producer.name), inert(&producer.version));
        print(made.trim_end());
    }
    for does in inspection.does() {
        print(&format!("it         {does}"));
    }
    for import in &inspection.imports {
        let unknown = if import.meaning.is_none() { ", which this host does not know" } else { "" };
        let grant = import.grant.map(|grant| format!(" (needs `{grant}`)")).unwrap_or_default();
        print(&format!("imports    {}{unknown}{grant}", inert(&import.name)));
    }
    for export in &inspection.exports {
        print(&format!("exports    {}", inert(export)));
    }
}

fn tell_caller(caller: &Caller) {
    let Caller { step, granted, fit } = caller;
    print(&format!("\nstep {step}"));
    if granted.is_empty() {
        print("  is granted nothing");
    }
    granted.iter().for_each(|grant| print(&format!("  {}", inert(grant))));
    let keys =
        |keys: &[&str]| keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    if !fit.missing.is_empty() {
        print(&format!("  imports, and is not granted: {}", keys(&fit.missing)));
    }
    if !fit.unused.is_empty() {
        print(&format!("  is granted, and does not import: {}", keys(&fit.unused)));
    }
}

/// The steps of a manifest that call these very bytes.
fn callers(
    context: &Context,
    inspection: &Inspection,
    path: &Path,
    only: Option<&str>,
) -> Result<Vec<Caller>, Complaint> {
    let checked = context.read_manifest(path)?;
    let manifest = &checked.manifest;
    let name = path.display();
    if let Some(step) = only
        && manifest.pipeline.index_of(step).is_none()
    {
        let message = format!("`{name}` has no step `{step}`");
        return Err(Complaint::mistake(message, "see its steps with `piton graph`"));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut callers = Vec::new();
    for (step, settings) in manifest.pipeline.steps.iter().zip(&manifest.steps) {
        let Some(component) = &settings.component else { continue };
        if only.is_some_and(|only| only != step.name)
            || digest_at(&folder.join(&component.path)) != Some(inspection.digest)
        {
            continue;
        }
        callers.push(Caller {
            step: step.name.clone(),
            granted: settings.grants.each().map(|grant| grant.to_string()).collect(),
            fit: inspection.fit(&settings.grants),
        });
    }
    if callers.is_empty() {
        let message = match only {
            None => format!("no step of `{name}` calls this component"),
            Some(step) => format!("step `{step}` of `{name}` does not call this component"),
        };
        return Err(Complaint::mistake(message, "its bytes are compared, and not its path"));
    }
    Ok(callers)
}

/// The digest of the component that a path means; none where it has none.
fn digest_at(path: &Path) -> Option<Digest> {
    let (file, _) = component_file(path, "").ok()?;
    Some(digest_of(&read_component(&file).ok()?))
}

fn document(
    inspection: &Inspection,
    is_allowed: bool,
    callers: Option<&[Caller]>,
) -> serde_json::Value {
    let steps = |callers: &[Caller]| {
        let step = |Caller { step, granted, fit }: &Caller| {
            serde_json::json!({
                "step": step, "granted": granted, "missing": fit.missing, "unused": fit.unused,
            })
        };
        callers.iter().map(step).collect::<Vec<_>>()
    };
    serde_json::json!({
        "digest": inspection.digest.to_string(),
        "world": inspection.world.map(|world| world.word()),
        "bytes": inspection.size_bytes,
        "imports": inspection.imports.iter().map(|import| serde_json::json!({
            "name": import.name, "meaning": import.meaning, "grant": import.grant,
        })).collect::<Vec<_>>(),
        "exports": inspection.exports,
        "producers": inspection.producers.iter().map(|producer| serde_json::json!({
            "field": producer.field, "name": producer.name, "version": producer.version,
        })).collect::<Vec<_>>(),
        "does": inspection.does(),
        "needs": inspection.needs(),
        "allowed": is_allowed,
        "steps": callers.map(steps),
    })
}
