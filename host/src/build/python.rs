//! Owns how a step in Python becomes a component: by componentize-py, which puts an interpreter around it.
//! Never runs the step on this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use super::artifact::Artifact;
use super::tools::Tool;
use super::{BuildError, Site, Toolchains, child, component_path};

const TOOL: Tool = Tool { name: "componentize-py", own: Some(".venv/bin"), shared: "python/bin" };

const HINT: &str = "in the step's folder run `python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1`";

/// Builds `step.py` and what it imports; see [`super::build`].
pub(super) fn build(
    folder: &Path,
    toolchains: &Toolchains,
    progress: &mut dyn FnMut(&str),
) -> Result<PathBuf, BuildError> {
    let began = SystemTime::now();
    let site = Site::prepare(folder)?;
    let tool = TOOL.find(&site.folder, toolchains.beside.as_deref()).ok_or_else(|| {
        BuildError::Missing { folder: folder.to_owned(), tool: "componentize-py", hint: HINT }
    })?;
    let wasm = site.work.join("step.wasm");
    let world = site.world(&["step.py"], |line| line.starts_with("def reconcile("));
    let mut command = Command::new(tool);
    command.current_dir(&site.folder).arg("--quiet");
    command.arg("--wit-path").arg(site.sdk.join("step.wit")).args(["--world", world]);
    command.args(["componentize", "--python-path"]).arg(&site.folder);
    command.arg("--output").arg(&wasm).arg("piton_step.component");
    command.env("VIRTUAL_ENV", packages_of(&site)?);
    child::run(&mut command, "componentize-py", folder, progress)?;
    Artifact { wasm: &wasm, sources: &[], as_of: began }
        .place(folder)
        .map_err(|source| BuildError::File { path: component_path(folder), source })?;
    Ok(component_path(folder))
}

/// Returns the environment whose packages the step can import: its own, or else one without any. The machine's
/// must not slip in.
fn packages_of(site: &Site) -> Result<PathBuf, BuildError> {
    let own = site.folder.join(".venv");
    if own.is_dir() {
        return Ok(own);
    }
    let none = site.work.join("no-packages");
    let packages = none.join("lib/site-packages");
    fs::create_dir_all(&packages)
        .map_err(|source| BuildError::File { path: packages.clone(), source })?;
    Ok(none)
}
