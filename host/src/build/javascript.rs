//! Owns how a step in JavaScript or TypeScript becomes a component: rolldown makes one file of it and what
//! it imports, and componentize-qjs puts an interpreter (QuickJS) around that.
//! Never runs the step on this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use serde_json::json;

use super::artifact::Artifact;
use super::tools::Tool;
use super::{BuildError, Site, Toolchains, child, component_path};

const fn tool(name: &'static str) -> Tool {
    Tool { name, own: Some("node_modules/.bin"), shared: "js/node_modules/.bin" }
}

const BUNDLER: Tool = tool("rolldown");
const COMPONENTIZER: Tool = tool("componentize-qjs");

const HINT: &str =
    "in the step's folder run `npm install --save-dev componentize-qjs@0.4.5 rolldown@1.3.2`";

/// Builds `step.js` or `step.ts` and what it imports; see [`super::build`].
pub(super) fn build(
    folder: &Path,
    toolchains: &Toolchains,
    progress: &mut dyn FnMut(&str),
) -> Result<PathBuf, BuildError> {
    let began = SystemTime::now();
    let site = Site::prepare(folder)?;
    let find =
        |tool: &Tool| {
            tool.find(&site.folder, toolchains.beside.as_deref()).ok_or_else(|| {
                BuildError::Missing { folder: folder.to_owned(), tool: tool.name, hint: HINT }
            })
        };
    let (bundler, componentizer) = (find(&BUNDLER)?, find(&COMPONENTIZER)?);
    let world = site.world(&["step.js", "step.ts"], |line| {
        line.starts_with("export ") && line.contains("reconcile")
    });
    let bundle = site.work.join("step.mjs");
    let settings = write_settings(&site, world, &bundle)?;
    let mut command = Command::new(bundler);
    command.current_dir(&site.folder).arg("--config").arg(settings);
    command.args(["--log-level", "warn"]);
    child::run(&mut command, "rolldown", folder, progress)?;
    let wasm = site.work.join("step.wasm");
    let mut command = Command::new(componentizer);
    command.current_dir(&site.folder);
    command.arg("--wit").arg(site.sdk.join("step.wit")).args(["--world", world]);
    // A step is called once and returns: it needs no event loop.
    command.args(["--sync", "--opt-size", "--js"]).arg(&bundle).arg("--output").arg(&wasm);
    child::run(&mut command, "componentize-qjs", folder, progress)?;
    Artifact { wasm: &wasm, sources: &[], as_of: began }
        .place(folder)
        .map_err(|source| BuildError::File { path: component_path(folder), source })?;
    Ok(component_path(folder))
}

/// Tells rolldown what to bundle: the SDK's entry for the world, with the step under the name that the entry
/// imports. The contract's interfaces are left to the component.
fn write_settings(site: &Site, world: &str, bundle: &Path) -> Result<PathBuf, BuildError> {
    let is_plain = site.folder.join("step.js").is_file();
    let step = site.folder.join(if is_plain { "step.js" } else { "step.ts" });
    let entry = site.sdk.join(format!("{}.js", world.replace('-', "_")));
    let settings = json!({
        "input": entry,
        "resolve": { "alias": { "piton:own-step": step } },
        "output": { "file": bundle, "format": "esm" },
    });
    let text = format!("export default {{ ...{settings}, external: [/^piton:step\\//] }};\n");
    let path = site.work.join("rolldown.config.mjs");
    fs::write(&path, text).map_err(|source| BuildError::File { path: path.clone(), source })?;
    Ok(path)
}
