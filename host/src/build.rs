//! Owns how the folder of a step becomes a component: which language it is in, which compiler can
//! build it, and where the result lies.
//! Never installs anything, and never looks at the environment: where a private compiler may be is
//! handed in, and what is missing is an error that names the one command that brings it.

mod artifact;
mod toolchain;

use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::SystemTime;

use serde_json::Value;

use artifact::Artifact;
use toolchain::{Compiler, TARGET};

/// Where a private toolchain for the wasm target may be, besides above the folder that is built.
#[derive(Clone, Debug, Default)]
pub struct Toolchains {
    /// A folder that somebody named, in `PITON_WASM_TOOLCHAIN` for example. It comes first.
    pub private: Option<PathBuf>,
    /// A file or folder to look above, after the step's own folder: the running executable.
    pub beside: Option<PathBuf>,
}

/// Returns where the component of a step's folder lies once it is built: `FOLDER/target/step.wasm`,
/// whatever the language.
pub fn component_path(folder: &Path) -> PathBuf {
    artifact::component_path(folder)
}

/// Tells whether a folder must be built: it has no component, or one that is older than a source.
/// Sources are all files of the folder but those in `target` and hidden ones, and what the last build
/// read besides: path dependencies, the workspace's manifest and lock file.
pub fn is_stale(folder: &Path) -> bool {
    artifact::is_stale(folder)
}

/// Builds the step in a folder and returns its component's path, as [`component_path`]. Each line that
/// the compiler reports goes to `progress` as it comes.
///
/// # Errors
///
/// Says what is missing or wrong, with the compiler's own words where it refused the step; see
/// [`BuildError::hint`]. The component of an earlier build stays as it was.
pub fn build(
    folder: &Path,
    toolchains: &Toolchains,
    progress: &mut dyn FnMut(&str),
) -> Result<PathBuf, BuildError> {
    match language_of(folder) {
        Some(Language::Rust) => build_rust(folder, toolchains, progress),
        None => Err(BuildError::NoLanguage { folder: folder.to_owned() }),
    }
}

/// Why a folder could not be built.
#[derive(Debug)]
pub enum BuildError {
    /// No file in the folder says which language the step is in.
    NoLanguage {
        /// The folder, as it was given.
        folder: PathBuf,
    },
    /// No compiler here can build for the wasm target.
    NoTarget {
        /// The folder, as it was given.
        folder: PathBuf,
    },
    /// The folder's manifest does not make exactly one component.
    NotOneComponent {
        /// The manifest.
        manifest: PathBuf,
        /// What it makes instead.
        found: String,
    },
    /// The language's own tool could not be started.
    NoTool {
        /// The tool's name.
        tool: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The compiler refused the step.
    Refused {
        /// The folder, as it was given.
        folder: PathBuf,
        /// The tool's name.
        tool: &'static str,
        /// All that the tool said.
        output: String,
    },
    /// A file could not be read or written.
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl BuildError {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            BuildError::NoLanguage { .. } => {
                Some("a step in Rust has a `Cargo.toml`; a ready component is named by its file")
            }
            BuildError::NoTarget { .. } => Some(
                "run `rustup target add wasm32-wasip2`, or `cargo xtask wasm-target` in a clone of piton",
            ),
            BuildError::NotOneComponent { .. } => Some(
                "name the folder of one package, with `crate-type = [\"cdylib\"]` under `[lib]`",
            ),
            BuildError::NoTool { .. } => Some("install Rust, or put its tools on the PATH"),
            BuildError::Refused { .. } | BuildError::File { .. } => None,
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::NoLanguage { folder } => {
                write!(f, "`{}` holds no step that piton can build", folder.display())
            }
            BuildError::NoTarget { folder } => {
                let folder = folder.display();
                write!(f, "no Rust compiler here can build `{folder}` for the target {TARGET}")
            }
            BuildError::NotOneComponent { manifest, found } => {
                write!(f, "`{}` makes {found} and not one component", manifest.display())
            }
            BuildError::NoTool { tool, source } => write!(f, "cannot start `{tool}`: {source}"),
            BuildError::Refused { folder, tool, output } => {
                write!(f, "{tool} could not build `{}`\n{}", folder.display(), output.trim_end())
            }
            BuildError::File { path, source } => write!(f, "`{}`: {source}", path.display()),
        }
    }
}

impl std::error::Error for BuildError {}

#[derive(Clone, Copy, Debug)]
enum Language {
    Rust,
}

/// A language is known by the file that its own tools start from.
const LANGUAGES: [(&str, Language); 1] = [("Cargo.toml", Language::Rust)];

fn language_of(folder: &Path) -> Option<Language> {
    LANGUAGES.iter().find(|(file, _)| folder.join(file).is_file()).map(|(_, language)| *language)
}

fn build_rust(
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
        .map_err(|source| BuildError::File { path: component_path(folder), source })?;
    Ok(component_path(folder))
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
        let mut child = start(&mut command)?;
        let errors = collect_lines(&mut child, &mut |line| said += line, &mut |_| {});
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
        let mut child = start(&mut command)?;
        let errors =
            collect_lines(&mut child, &mut |line| made.extend(self.made_in(line)), progress);
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

fn start(command: &mut Command) -> Result<Child, BuildError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().map_err(|source| BuildError::NoTool { tool: "cargo", source })
}

/// Reads both streams to their end and returns what came over standard error. They are read at the
/// same time, because a child waits where nobody reads.
fn collect_lines(
    child: &mut Child,
    on_output: &mut (dyn FnMut(&str) + Send),
    on_error: &mut dyn FnMut(&str),
) -> String {
    let output = child.stdout.take().expect("standard output should be piped");
    let errors = child.stderr.take().expect("standard error should be piped");
    let mut said = String::new();
    thread::scope(|scope| {
        scope.spawn(|| for_each_line(output, on_output));
        for_each_line(errors, &mut |line| {
            on_error(line);
            said += line;
            said.push('\n');
        });
    });
    said
}

/// Bytes that are no text are shown as such, and a stream that breaks is at its end.
fn for_each_line(stream: impl Read, on_line: &mut (impl FnMut(&str) + ?Sized)) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while matches!(stream.read_until(b'\n', &mut line), Ok(length) if length > 0) {
        on_line(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}
