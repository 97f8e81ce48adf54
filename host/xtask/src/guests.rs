//! Owns `cargo xtask guests`: all steps of this repository as components, each in its folder's
//! `target/step.wasm`, where `piton build` would put it.
//! Never builds what is up to date.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime};

use crate::artifact::{self, Artifact};
use crate::chore::{At, Problem, repository, run, say};
use crate::toolchain::{Compiler, TARGET};
use crate::wasm_target;

/// The example steps.
pub(crate) const PLUGINS: &str = "plugins";

/// The steps made for tests.
pub(crate) const GUESTS: &str = "tests/guests";

/// Both workspaces are built into one folder, so that what they have in common is compiled once.
const BUILT: &str = "target/guests";

pub(crate) fn build(workspaces: &[&str]) -> Result<(), Problem> {
    let began = Instant::now();
    let mut steps = 0;
    let mut compiler = None;
    for workspace in workspaces.iter().map(|workspace| repository().join(workspace)) {
        let folders = folders_of_steps(&workspace)?;
        steps += folders.len();
        if folders.iter().any(|folder| artifact::is_stale(folder)) {
            let compiler = match &compiler {
                Some(compiler) => compiler,
                None => compiler.insert(wasm_target::ensure()?),
            };
            build_workspace(&workspace, &folders, compiler)?;
        }
    }
    let done = if compiler.is_some() { "built" } else { "up to date" };
    say(&format!("{steps} steps are {done}, {:.1} s", began.elapsed().as_secs_f64()));
    Ok(())
}

/// Members of a workspace that are steps, as their manifests say; the others serve them.
fn folders_of_steps(workspace: &Path) -> Result<Vec<PathBuf>, Problem> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(workspace).at(workspace)?.flatten() {
        let manifest = fs::read_to_string(entry.path().join("Cargo.toml")).unwrap_or_default();
        if manifest.contains("\"cdylib\"") {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

/// In one call of cargo, which then uses both cores.
fn build_workspace(
    workspace: &Path,
    folders: &[PathBuf],
    compiler: &Compiler,
) -> Result<(), Problem> {
    let as_of = SystemTime::now();
    let built = repository().join(BUILT);
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--target", TARGET, "--target-dir"]).arg(&built);
    cargo.current_dir(workspace);
    compiler.configure(&mut cargo);
    run(&mut cargo)?;
    for folder in folders {
        let name = folder.file_name().expect("a step should have a folder");
        let wasm = built.join(TARGET).join("release").join(name).with_extension("wasm");
        let mut sources = artifact::sources_of_cargo(&wasm);
        sources.extend(["Cargo.toml", "Cargo.lock"].map(|file| workspace.join(file)));
        let artifact = Artifact { wasm: &wasm, sources: &sources, as_of };
        artifact.place(folder).at(&wasm)?;
    }
    Ok(())
}
