//! Owns how a Rust toolchain for the wasm target is made of Debian's packages, in a folder of its own.
//! Never installs a package, and never changes anything outside that folder and apt's own lists.
//!
//! Debian has a rustc that can make WebAssembly (`rustc-web`), the source of its std, and a C library
//! for WASI, but neither a std for `wasm32-wasip2` nor the linker for components. The linker comes from
//! the toolchain that runs this, and std is compiled here once: with bitcode, so that steps can be
//! optimised across it. Such a std serves only the very compiler that made it, which is why this takes
//! Debian's compiler and not the usual one: Debian has the source of its own version alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::chore::{At, Problem, ask, cannot_start, check, remove_folder, run, say};
use crate::toolchain::TARGET;

const OTHER_WAY: &str =
    "run `rustup target add wasm32-wasip2` where the network and the machine's owner allow it";

/// Finds the libraries that belong to the compiler, wherever the folder lies.
const WRAPPER: &str = r#"#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")
libs=$(echo "$root"/usr/lib/*-linux-gnu)
LD_LIBRARY_PATH=$libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec "$root/usr/bin/rustc" "$@"
"#;

const EMPTY_CRATE: &str = r#"[package]
name = "empty"
version = "0.0.0"
edition = "2021"
[profile.release]
panic = "abort"
[workspace]
"#;

/// Makes the toolchain in a new folder, which becomes `home` once it is complete.
pub(crate) fn make(home: &Path) -> Result<(), Problem> {
    let linker = Linker::find()?;
    let work = home.with_extension("new");
    remove_folder(&work)?;
    let debs = download(&work)?;
    unpack(&debs, &work)?;
    linker.copy_to(&work)?;
    let rustc = write_wrapper(&work)?;
    build_std(&rustc, &work)?;
    for rest in ["usr/src", "usr/lib/rustlib/src", "usr/share"] {
        remove_folder(&work.join(rest))?;
    }
    remove_folder(home)?;
    fs::rename(&work, home).at(home)?;
    say(&format!("the toolchain is ready in {}", home.display()));
    Ok(())
}

/// The linker for components, which Debian does not have.
struct Linker {
    folder: PathBuf,
    host: String,
}

impl Linker {
    fn find() -> Result<Linker, Problem> {
        let about = ask(Command::new("rustc").arg("-vV"))?;
        let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let sysroot = ask(Command::new("rustc").args(["--print", "sysroot"]))?;
        let folder = Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin");
        if !folder.join("wasm-component-ld").is_file() {
            let message = format!("there is no `wasm-component-ld` in `{}`", folder.display());
            return Err(Problem::new(message, "use a Rust toolchain of rustup's, which has one"));
        }
        Ok(Linker { folder, host: host.to_owned() })
    }

    fn copy_to(&self, work: &Path) -> Result<(), Problem> {
        let bin = work.join("usr/lib/rustlib").join(&self.host).join("bin");
        fs::create_dir_all(&bin).at(&bin)?;
        let parts = ["wasm-component-ld", "rust-lld", "gcc-ld"].map(|part| self.folder.join(part));
        run(Command::new("cp").arg("-r").args(parts).arg(bin))
    }
}

/// Returns the names of all packages to unpack: the compiler, what it needs that this machine lacks,
/// the source of std, and the C library. Some names carry a version, so apt is asked for them.
fn packages() -> Result<Vec<String>, Problem> {
    let no_apt = || Problem::new(format!("no std for {TARGET}, and no apt to make one"), OTHER_WAY);
    let known = ask(Command::new("apt-cache").args(["madison", "rust-web-src"]));
    if known.map_err(|_| no_apt())?.trim().is_empty() {
        update_lists()?;
    }
    let driver = dependency("libstd-rust-web-dev", "libstd-rust-web-")?;
    let llvm = dependency(&driver, "libllvm")?;
    let mut packages = vec![driver, llvm];
    let fixed = ["rustc-web", "libstd-rust-web-dev", "rust-web-src", "wasi-libc"];
    packages.extend(fixed.map(str::to_owned));
    let mut simulate = Command::new("apt-get");
    simulate.args(["install", "--simulate", "--no-install-recommends"]).args(&packages);
    let missing = ask(&mut simulate)?;
    let missing = missing.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
    packages.extend(missing.filter(|name| name.starts_with("lib")).map(str::to_owned));
    packages.sort();
    packages.dedup();
    Ok(packages)
}

/// Returns the dependency of a package whose name begins so and goes on with a digit.
fn dependency(package: &str, beginning: &str) -> Result<String, Problem> {
    let all = ask(Command::new("apt-cache").args(["depends", package]))?;
    let names = all.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let is_versioned = |name: &&str| {
        let rest = name.strip_prefix(beginning);
        rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    names.map(str::trim).find(is_versioned).map(str::to_owned).ok_or_else(|| {
        let message = format!("Debian's package `{package}` depends on no `{beginning}…`");
        Problem::new(message, format!("it needs Debian 12 or later; or {OTHER_WAY}"))
    })
}

fn update_lists() -> Result<(), Problem> {
    say("fetching apt's package lists");
    run(Command::new("apt-get").args(["-q", "update"])).map_err(|problem| {
        Problem::new(
            format!("apt cannot fetch its package lists\n{problem}"),
            format!("run `apt-get update` as root, then this again; or {OTHER_WAY}"),
        )
    })
}

/// Returns the folder with all packages. Old lists name files that the mirror no longer has, so a
/// download that fails is tried once more with new ones.
fn download(work: &Path) -> Result<PathBuf, Problem> {
    let folder = work.join("debs");
    fs::create_dir_all(&folder).at(&folder)?;
    if let Err(problem) = download_into(&folder) {
        eprintln!("{problem}");
        update_lists()?;
        download_into(&folder)?;
    }
    Ok(folder)
}

fn download_into(folder: &Path) -> Result<(), Problem> {
    let packages = packages()?;
    say(&format!("fetching {}", packages.join(" ")));
    run(Command::new("apt-get").args(["-q", "download"]).args(packages).current_dir(folder))
}

fn unpack(debs: &Path, work: &Path) -> Result<(), Problem> {
    say("unpacking");
    for file in fs::read_dir(debs).at(debs)?.flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if name.starts_with("rust-web-src_") {
            unpack_source_of_std(&file.path(), work)?;
        } else if name.ends_with(".deb") {
            run(Command::new("dpkg-deb").arg("--extract").arg(file.path()).arg(work))?;
        }
    }
    remove_folder(debs)
}

/// A tenth of the package.
fn unpack_source_of_std(deb: &Path, work: &Path) -> Result<(), Problem> {
    let mut open = Command::new("dpkg-deb");
    open.arg("--fsys-tarfile").arg(deb).stdout(Stdio::piped());
    let mut opened = open.spawn().map_err(|error| cannot_start(&open, &error))?;
    let stream = opened.stdout.take().expect("standard output should be piped");
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--directory").arg(work);
    tar.args(["--wildcards", "./usr/src/*/library", "./usr/lib/rustlib/src"]);
    let unpacked = tar.stdin(stream).status().map_err(|error| cannot_start(&tar, &error))?;
    let opened = opened.wait().map_err(|error| cannot_start(&open, &error))?;
    check(&tar, unpacked, "")?;
    check(&open, opened, "")
}

fn write_wrapper(work: &Path) -> Result<PathBuf, Problem> {
    let bin = work.join("bin");
    let rustc = bin.join("rustc");
    fs::create_dir_all(&bin).at(&bin)?;
    fs::write(&rustc, WRAPPER).at(&rustc)?;
    fs::set_permissions(&rustc, fs::Permissions::from_mode(0o755)).at(&rustc)?;
    Ok(rustc)
}

fn build_std(rustc: &Path, work: &Path) -> Result<(), Problem> {
    say("compiling std (a minute on two cores)");
    let folder = work.join("std");
    fs::create_dir_all(folder.join("src")).at(&folder)?;
    fs::write(folder.join("src/lib.rs"), "").at(&folder)?;
    fs::write(folder.join("Cargo.toml"), EMPTY_CRATE).at(&folder)?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--release", "-Zbuild-std=std,panic_abort"]);
    cargo.args(["--target", TARGET, "--target-dir"]).arg(folder.join("target"));
    cargo.current_dir(&folder).env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", "-C embed-bitcode=yes");
    run(&mut cargo)?;
    let lib = work.join("usr/lib/rustlib").join(TARGET).join("lib");
    let own = lib.join("self-contained");
    fs::create_dir_all(&own).at(&own)?;
    let built = folder.join("target").join(TARGET).join("release/deps");
    for file in fs::read_dir(&built).at(&built)?.flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libempty-") {
            fs::copy(file.path(), lib.join(name)).at(&lib)?;
        }
    }
    for part in ["crt1-command.o", "crt1-reactor.o", "libc.a"] {
        let from = work.join("usr/lib/wasm32-wasi").join(part);
        fs::copy(&from, own.join(part)).at(&from)?;
    }
    remove_folder(&folder)
}
