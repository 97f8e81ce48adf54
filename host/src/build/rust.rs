//! Owns how a step in Rust becomes a component: by cargo, with a compiler that has the wasm target.
//! Never chooses that compiler (see `toolchain.rs`), and never fetches one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::SystemTime;

use serde_json::Value;

use super::artifact::{self, Artifact};
use super::child;
use super::toolchain::{self, Compiler, TARGET};
use super::{BuildError, Toolchains};

/// Builds the package in a folder; see [`super::build`].
pub(super) fn build(
    folder: &Path,
    toolchains: &Toolchains,
    progress: &mut dyn FnMut(&str),
) -> Result<PathBuf, BuildError> {
    let began = SystemTime::now();
    // Cargo's answers have absolute paths, and they are compared with this one.
    let absolute = fs::canonicalize(folder)
        .map_err(|source| BuildError::File { path: folder.to_owned(), source })?;
    let compiler =
        toolchain::find(&absolute, toolchains.private.as_deref(), toolchains.beside.as_deref())
            .ok_or_else(|| BuildError::NoTarget { folder: folder.to_owned() })?;
    let cargo = Cargo { folder, manifest: absolute.join("Cargo.toml"), compiler };
    let package = cargo.package()?;
    let wasm = cargo.build(&package, progress)?;
    let lock = package.workspace.join("Cargo.lock");
    let mut sources = artifact::sources_of_cargo(&wasm);
    sources.extend([package.workspace.join("Cargo.toml"), lock.clone()]);
    // Cargo may have written the lock file just now, before it read any source.
    let lock_written = fs::metadata(&lock).and_then(|lock| lock.modified()).unwrap_or(began);
    Artifact { wasm: &wasm, sources: &sources, as_of: began.max(lock_written) }
        .place(folder)
        .map_err(|source| BuildError::File { path: super::component_path(folder), source })?;
    Ok(super::component_path(folder))
}

/// The calls of cargo for one folder.
struct Cargo<'a> {
    /// As it was given, for messages.
    folder: &'a Path,
    manifest: PathBuf,
    compiler: Compiler,
}

/// What cargo says about the package in the folder.
struct Package {
    workspace: PathBuf,
    target_folder: PathBuf,
}

impl Cargo<'_> {
    fn package(&self) -> Result<Package, BuildError> {
        let mut command = self.command("metadata");
        command.args(["--no-deps", "--format-version", "1"]);
        let mut said = String::new();
        let mut child = child::start(&mut command, "cargo")?;
        let errors = child::collect_lines(&mut child, &mut |line| said += line, &mut |_| {});
        if !self.succeeded(&mut child)? {
            return Err(self.refused(errors));
        }
        let metadata: Value = serde_json::from_str(&said).unwrap_or_default();
        let text = |key: &str| PathBuf::from(metadata[key].as_str().unwrap_or_default());
        let components = self.components_in(&metadata)?;
        match components {
            1 => Ok(Package {
                workspace: text("workspace_root"),
                target_folder: text("target_directory"),
            }),
            _ => Err(self.not_one_component(format!("{components} libraries of type `cdylib`"))),
        }
    }

    /// Counts the libraries of the package that become a component.
    fn components_in(&self, metadata: &Value) -> Result<usize, BuildError> {
        let package = elements(&metadata["packages"])
            .find(|package| {
                package["manifest_path"].as_str().map(Path::new) == Some(&self.manifest)
            })
            .ok_or_else(|| self.not_one_component("a workspace".to_owned()))?;
        let is_component =
            |target: &&Value| elements(&target["crate_types"]).any(|kind| kind == "cdylib");
        Ok(elements(&package["targets"]).filter(is_component).count())
    }

    /// Returns the path of the component that cargo made, or found to be up to date.
    fn build(
        &self,
        package: &Package,
        progress: &mut dyn FnMut(&str),
    ) -> Result<PathBuf, BuildError> {
        let mut command = self.command("build");
        command.args(["--release", "--lib", "--target", TARGET]);
        command.arg("--message-format=json-render-diagnostics");
        if let Compiler::Private { .. } = &self.compiler {
            // Cargo starts anew where two compilers share one folder.
            command.arg("--target-dir").arg(package.target_folder.join("wasm-build"));
        }
        let mut made = Vec::new();
        let mut child = child::start(&mut command, "cargo")?;
        let errors =
            child::collect_lines(&mut child, &mut |line| made.extend(self.made_in(line)), progress);
        if !self.succeeded(&mut child)? {
            return Err(self.refused(errors));
        }
        match made.as_slice() {
            [wasm] => Ok(wasm.clone()),
            _ => Err(self.not_one_component(format!("{} .wasm files", made.len()))),
        }
    }

    /// Reads one of cargo's messages: the components of this package that it tells of.
    fn made_in(&self, line: &str) -> Vec<PathBuf> {
        let message: Value = serde_json::from_str(line).unwrap_or_default();
        let is_ours = message["reason"] == "compiler-artifact"
            && message["manifest_path"].as_str().map(Path::new) == Some(&self.manifest);
        elements(&message["filenames"])
            .filter(|_| is_ours)
            .filter_map(Value::as_str)
            .map(PathBuf::from)
            .filter(|file| file.extension().is_some_and(|extension| extension == "wasm"))
            .collect()
    }

    fn command(&self, what: &str) -> Command {
        let mut command = Command::new("cargo");
        // In the folder, because that is where rustup and cargo look for their settings.
        command.current_dir(self.manifest.parent().unwrap_or(Path::new(".")));
        command.arg(what).arg("--manifest-path").arg(&self.manifest);
        self.compiler.configure(&mut command);
        command
    }

    fn succeeded(&self, child: &mut Child) -> Result<bool, BuildError> {
        let status = child.wait().map_err(|source| BuildError::NoTool { tool: "cargo", source })?;
        Ok(status.success())
    }

    fn refused(&self, output: String) -> BuildError {
        BuildError::Refused { folder: self.folder.to_owned(), tool: "cargo", output }
    }

    fn not_one_component(&self, found: String) -> BuildError {
        BuildError::NotOneComponent { manifest: self.folder.join("Cargo.toml"), found }
    }
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
