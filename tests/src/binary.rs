//! Finds the binary under test and the components that the tests run.
//! Builds the binary if need be, but never a component: that is `cargo xtask guests`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of the workspace.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the tests should lie in the workspace")
}

/// The binary under test, up to date.
///
/// # Panics
/// Where it cannot be built.
pub fn binary() -> &'static Path {
    // What failed once fails for all: nobody waits for a second try.
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let binary = BINARY.get_or_init(|| match std::env::var_os("PITON_BINARY") {
        Some(named) => Ok(PathBuf::from(named)),
        None => build(),
    });
    binary.as_ref().unwrap_or_else(|said| panic!("the binary under test cannot be built:\n{said}"))
}

/// Builds it in the profile and target folder of this executable, which lies in
/// `TARGET/PROFILE/deps`.
fn build() -> Result<PathBuf, String> {
    let executable = std::env::current_exe().expect("an executable should know where it is");
    let profile = executable.ancestors().nth(2).expect("it should lie in `TARGET/PROFILE/deps`");
    let target = profile.parent().expect("a profile's folder should lie in the target folder");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).args(["build", "--quiet", "--package", "piton", "--bin", "piton"]);
    cargo.arg("--target-dir").arg(target);
    match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => {}
        Some(name) => {
            cargo.args(["--profile", name]);
        }
    }
    let output = cargo.output().expect("cargo should start");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(profile.join("piton"))
}

/// The folder of a step that was built: one of `tests/guests`, or else of `plugins`.
///
/// # Panics
/// Where it has not been built.
pub fn guest(name: &str) -> PathBuf {
    let folders = [root().join("tests/guests").join(name), root().join("plugins").join(name)];
    let built = folders.iter().find(|folder| folder.join("target/step.wasm").is_file());
    match built {
        Some(folder) => folder.clone(),
        None => panic!("step `{name}` is not built; build the steps by `cargo xtask guests`"),
    }
}
