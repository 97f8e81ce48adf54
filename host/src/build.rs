//! Owns how the folder of a step becomes a component: which language it is in, which compiler can
//! build it, and where the result lies.
//! Never installs anything, and never looks at the environment: where a private compiler may be is
//! handed in, and what is missing is an error that names the one command that brings it.

mod artifact;
mod c;
mod child;
mod javascript;
mod python;
mod rust;
mod toolchain;
mod tools;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toolchain::TARGET;

/// Where tools may be that are neither in the step's folder nor on the search path.
#[derive(Clone, Debug, Default)]
pub struct Toolchains {
    /// A Rust toolchain that somebody named, in `PITON_WASM_TOOLCHAIN` for example. It comes first.
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
/// Sources are all files of the folder but hidden ones and those that tools leave there (`target`,
/// `node_modules`, `__pycache__`), and what the last build read besides: path dependencies, the workspace's manifest and lock file.
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
        Some(Language::Rust) => rust::build(folder, toolchains, progress),
        Some(Language::Python) => python::build(folder, toolchains, progress),
        Some(Language::JavaScript) => javascript::build(folder, toolchains, progress),
        Some(Language::C) => c::build(folder, toolchains, progress),
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
    /// A tool that the language needs is nowhere.
    Missing {
        /// The folder, as it was given.
        folder: PathBuf,
        /// What is missing.
        tool: &'static str,
        /// The command that brings it.
        hint: &'static str,
    },
    /// The folder has no copy of the SDK, which a step in this language is built with.
    NoSdk {
        /// Where it should be.
        sdk: PathBuf,
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
            BuildError::NoLanguage { .. } => Some(
                "a step has a `Cargo.toml`, `step.py`, `step.js`, `step.ts` or `step.c`; `piton new step NAME` writes one",
            ),
            BuildError::NoTarget { .. } => Some(
                "run `rustup target add wasm32-wasip2`, or `cargo xtask wasm-target` in a clone of piton",
            ),
            BuildError::NotOneComponent { .. } => Some(
                "name the folder of one package, with `crate-type = [\"cdylib\"]` under `[lib]`",
            ),
            BuildError::Missing { hint, .. } => Some(hint),
            BuildError::NoSdk { .. } => {
                Some("`piton new step NAME` in another folder writes one; copy it from there")
            }
            BuildError::NoTool { tool: "cargo", .. } => {
                Some("install Rust, or put its tools on the PATH")
            }
            BuildError::NoTool { .. } => None,
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
            BuildError::Missing { folder, tool, .. } => {
                write!(f, "`{}` needs {tool}, which is nowhere here", folder.display())
            }
            BuildError::NoSdk { sdk } => {
                write!(f, "there is no copy of the SDK at `{}`", sdk.display())
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
    Python,
    JavaScript,
    C,
}

/// A language is known by the file that its own tools start from.
const LANGUAGES: [(&str, Language); 5] = [
    ("Cargo.toml", Language::Rust),
    ("step.py", Language::Python),
    ("step.js", Language::JavaScript),
    ("step.ts", Language::JavaScript),
    ("step.c", Language::C),
];

fn language_of(folder: &Path) -> Option<Language> {
    LANGUAGES.iter().find(|(file, _)| folder.join(file).is_file()).map(|(_, language)| *language)
}

/// The copy of the SDK that a step in Python, JavaScript or C has in its folder.
const SDK: &str = "piton_step";

/// The places of one build, for the languages whose tools leave all that to `piton build`.
struct Site {
    /// The folder without links, for tools that run elsewhere.
    folder: PathBuf,
    /// The SDK in it.
    sdk: PathBuf,
    /// A folder for what tools write on the way.
    work: PathBuf,
}

impl Site {
    fn prepare(folder: &Path) -> Result<Site, BuildError> {
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| BuildError::File { path, source }
        };
        let absolute = fs::canonicalize(folder).map_err(file(folder))?;
        let sdk = absolute.join(SDK);
        if !sdk.join("step.wit").is_file() {
            return Err(BuildError::NoSdk { sdk: folder.join(SDK) });
        }
        let work = absolute.join("target/build");
        fs::create_dir_all(&work).map_err(file(&work))?;
        Ok(Site { folder: absolute, sdk, work })
    }

    /// Returns the world of a step: it can tell what became of lost calls where one line of its source
    /// says so.
    fn world(&self, sources: &[&str], is_reconcile: fn(&str) -> bool) -> &'static str {
        let texts =
            sources.iter().filter_map(|name| fs::read_to_string(self.folder.join(name)).ok());
        let can_reconcile = texts.into_iter().any(|text| text.lines().any(is_reconcile));
        if can_reconcile { "reconcilable-plugin" } else { "plugin" }
    }
}
