//! Owns which Rust compiler builds steps: one that has a std for the wasm target.
//! Never fetches one. It uses std alone: the project's own chores share this file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What steps in Rust are compiled for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// Where a clone of piton, or any folder above a step, keeps a private toolchain.
pub(crate) const PRIVATE: &str = "target/wasm-toolchain";

/// A compiler that can build for the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// The one that cargo uses anyway.
    Usual,
    /// One in a folder of its own.
    Private {
        /// The program.
        rustc: PathBuf,
    },
}

impl Compiler {
    /// Makes a call of cargo use this compiler.
    pub(crate) fn configure(&self, cargo: &mut Command) {
        if let Compiler::Private { rustc } = self {
            cargo.env("RUSTC", rustc);
        }
    }
}

/// Finds a compiler, in this order: the usual one; the named private toolchain; one in
/// `target/wasm-toolchain` of the folder or any above it; one above `beside`.
pub(crate) fn find(folder: &Path, named: Option<&Path>, beside: Option<&Path>) -> Option<Compiler> {
    if has_target(Path::new("rustc"), folder) {
        return Some(Compiler::Usual);
    }
    let above = |path: &Path| path.ancestors().map(|a| a.join(PRIVATE)).collect::<Vec<_>>();
    let mut homes: Vec<PathBuf> = named.map(Path::to_owned).into_iter().collect();
    homes.extend(above(folder));
    homes.extend(beside.into_iter().flat_map(above));
    homes
        .into_iter()
        .map(|home| home.join("bin/rustc"))
        .find(|rustc| rustc.is_file() && has_target(rustc, folder))
        .map(|rustc| Compiler::Private { rustc })
}

/// Asks a compiler where its libraries for the target are, and looks there. In the folder, because a
/// toolchain may be chosen by a file in it.
pub(crate) fn has_target(rustc: &Path, folder: &Path) -> bool {
    let mut command = Command::new(rustc);
    command.current_dir(folder).args(["--print", "target-libdir", "--target", TARGET]);
    let Ok(output) = command.stdin(Stdio::null()).output() else { return false };
    let folder = String::from_utf8_lossy(&output.stdout);
    let Ok(files) = fs::read_dir(folder.trim()) else { return false };
    files.flatten().any(|file| {
        let name = file.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}
