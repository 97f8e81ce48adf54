//! Owns `cargo xtask wasm-target`: steps in Rust can be built on this machine once it has run.
//! Never fetches anything where a compiler for the target is there already.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::chore::{At, Problem, repository, say};
use crate::private_toolchain;
use crate::toolchain::{self, Compiler, PRIVATE, TARGET};

/// Longer than a download on a slow line, shorter than a person's patience with a line that is dead.
const RUSTUP_PATIENCE: Duration = Duration::from_secs(120);

/// Returns a compiler for the target, and brings it first where there is none: by rustup, or else as a
/// private toolchain made of Debian's packages.
pub(crate) fn ensure() -> Result<Compiler, Problem> {
    if let Some(compiler) = find() {
        return Ok(compiler);
    }
    if may_use_rustup() && add_with_rustup() {
        say(&format!("rustup brought {TARGET}"));
        return Ok(Compiler::Usual);
    }
    make_private()?;
    find().ok_or_else(|| {
        Problem::new(
            "the private toolchain is made, and has no std for the target all the same",
            "",
        )
    })
}

fn find() -> Option<Compiler> {
    let named = env::var_os("PITON_WASM_TOOLCHAIN").map(PathBuf::from);
    toolchain::find(&repository(), named.as_deref(), None)
}

/// Where the machine's owner says that rustup installs nothing on its own, neither does this.
pub(crate) fn may_use_rustup() -> bool {
    env::var_os("RUSTUP_AUTO_INSTALL").is_none_or(|value| value != "0")
}

/// A machine without rustup, or without a way to its server, is no problem yet.
fn add_with_rustup() -> bool {
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(repository()).stdin(Stdio::null());
    let Ok(mut child) = rustup.stdout(std::io::stderr()).spawn() else { return false };
    let end = Instant::now() + RUSTUP_PATIENCE;
    while Instant::now() < end {
        match child.try_wait() {
            Ok(Some(status)) => {
                return status.success()
                    && toolchain::has_target(Path::new("rustc"), &repository());
            }
            Ok(None) => sleep(Duration::from_millis(100)),
            Err(_) => break,
        }
    }
    say("rustup takes too long");
    drop(child.kill().and_then(|()| child.wait()));
    false
}

/// One process makes it, and the others wait for it.
fn make_private() -> Result<(), Problem> {
    let home = repository().join(PRIVATE);
    let lock_path = home.with_extension("lock");
    let target = repository().join("target");
    fs::create_dir_all(&target).at(&target)?;
    let lock = File::create(&lock_path).at(&lock_path)?;
    lock.lock().at(&lock_path)?;
    if find().is_some() {
        return Ok(());
    }
    private_toolchain::make(&home)
}
