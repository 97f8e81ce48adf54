//! Owns how a step in C becomes a component: by clang, with the C library for WASI, and by the linker for
//! components that comes with Rust.
//! Never runs the step on this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use super::artifact::Artifact;
use super::{BuildError, Site, Toolchains, child, component_path, tools};

const TARGET: &str = "wasm32-wasi";

/// As Debian names them, newest first.
const CLANGS: [&str; 8] =
    ["clang", "clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16", "clang-14"];

const COMPILER_HINT: &str =
    "on Debian or Ubuntu run `apt-get install clang wasi-libc libclang-rt-dev-wasm32`";

const LINKER_HINT: &str = "install Rust, whose toolchain has it, or run `cargo install wasm-component-ld` and put `wasm-ld` on the PATH";

/// Builds `step.c` and the other C files of the folder; see [`super::build`]. What begins with `test` is left
/// out.
pub(super) fn build(
    folder: &Path,
    toolchains: &Toolchains,
    progress: &mut dyn FnMut(&str),
) -> Result<PathBuf, BuildError> {
    let began = SystemTime::now();
    let site = Site::prepare(folder)?;
    let missing = |tool, hint| BuildError::Missing { folder: folder.to_owned(), tool, hint };
    let compiler = Compiler::find(&site.folder, toolchains.beside.as_deref())
        .ok_or_else(|| missing("clang with a C library for WASI", COMPILER_HINT))?;
    let linker = Linker::find(&site.folder)
        .ok_or_else(|| missing("the linker wasm-component-ld", LINKER_HINT))?;
    let own = sources_in(&site.folder)?;
    let names: Vec<_> = own.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    let world = site.world(&names, |line| {
        line.starts_with("piton_outcome") && line.contains("step_reconcile(")
    });
    let contract = site.sdk.join(world.replace('-', "_"));
    let mut sdk = sources_in(&site.sdk)?;
    sdk.extend(sources_in(&contract)?);
    let mut objects = Vec::new();
    // In a folder each, because a step may have a file that is named as one of the SDK's.
    for (name, sources) in [("own", own), ("sdk", sdk)] {
        let work = site.work.join(name);
        // What is left of a file that is gone must not be linked.
        drop(fs::remove_dir_all(&work));
        fs::create_dir_all(&work).map_err(file(&work))?;
        let mut command = compiler.command();
        command.current_dir(&work).args(["-c", "-Os", "-std=c17", "-Wall", "-Wextra"]);
        command.arg("-Wno-unused-parameter");
        if world == "reconcilable-plugin" {
            command.arg("-DPITON_RECONCILABLE");
        }
        for include in [&site.folder, &site.sdk, &contract] {
            command.arg("-I").arg(include);
        }
        command.args(sources);
        child::run(&mut command, "clang", folder, progress)?;
        objects.extend(files_in(&work, "o")?);
    }
    let wasm = site.work.join("step.wasm");
    let mut command = linker.command();
    command.arg("-o").arg(&wasm).args(["--entry", "_initialize", "--gc-sections", "--strip-debug"]);
    command.arg(compiler.libraries.join("crt1-reactor.o")).args(objects);
    command.arg("-L").arg(&compiler.libraries).arg("-lc").arg(&compiler.builtins);
    child::run(&mut command, "wasm-component-ld", folder, progress)?;
    Artifact { wasm: &wasm, sources: &[], as_of: began }
        .place(folder)
        .map_err(file(&component_path(folder)))?;
    Ok(component_path(folder))
}

/// A clang that can compile for WASI, with what it links against.
struct Compiler {
    program: PathBuf,
    /// `/`, or the folder that Debian's packages were unpacked in.
    root: PathBuf,
    libraries: PathBuf,
    builtins: PathBuf,
}

impl Compiler {
    fn find(folder: &Path, beside: Option<&Path>) -> Option<Compiler> {
        let installed = CLANGS.into_iter().filter(|name| tools::is_on_the_path(name));
        let installed = installed.map(|name| (PathBuf::from(name), PathBuf::from("/")));
        let unpacked = tools::shared(folder, beside).flat_map(|tools| {
            let root = tools.join("c");
            let program = move |name| (root.join("usr/bin").join(name), root.clone());
            CLANGS.into_iter().map(program)
        });
        let unpacked = unpacked.filter(|(program, _)| program.is_file());
        installed.chain(unpacked).find_map(|(program, root)| Compiler::with(program, root))
    }

    fn with(program: PathBuf, root: PathBuf) -> Option<Compiler> {
        let libraries = root.join("usr/lib").join(TARGET);
        let mut compiler = Compiler { program, root, libraries, builtins: PathBuf::new() };
        let mut command = compiler.command();
        command.args(["--rtlib=compiler-rt", "--print-libgcc-file-name"]);
        let said = command.stdin(Stdio::null()).output().ok()?;
        compiler.builtins = String::from_utf8_lossy(&said.stdout).trim().into();
        let is_complete =
            compiler.libraries.join("crt1-reactor.o").is_file() && compiler.builtins.is_file();
        is_complete.then_some(compiler)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--target=".to_owned() + TARGET);
        command.arg("-isystem").arg(self.root.join("usr/include").join(TARGET));
        if self.root != Path::new("/") {
            // An unpacked compiler finds its own libraries nowhere else.
            command.env("LD_LIBRARY_PATH", libraries_for_programs(&self.root));
        }
        command
    }
}

/// Debian keeps the libraries of programs in a folder that is named after the machine.
fn libraries_for_programs(root: &Path) -> PathBuf {
    let folders = fs::read_dir(root.join("usr/lib")).into_iter().flatten().flatten();
    let is_of_machine = |path: &PathBuf| path.to_string_lossy().ends_with("-linux-gnu");
    folders.map(|folder| folder.path()).find(is_of_machine).unwrap_or_default()
}

/// The linker that makes a component of what clang made.
struct Linker {
    program: PathBuf,
    /// The linker that it calls in turn, where that is not on the search path.
    core: Option<PathBuf>,
}

impl Linker {
    fn find(folder: &Path) -> Option<Linker> {
        Linker::of_rust(folder).or_else(|| {
            let name = "wasm-component-ld";
            tools::is_on_the_path(name).then(|| Linker { program: name.into(), core: None })
        })
    }

    fn of_rust(folder: &Path) -> Option<Linker> {
        let mut command = Command::new("rustc");
        command.current_dir(folder).args(["--print", "sysroot"]).stdin(Stdio::null());
        let said = command.output().ok()?;
        let sysroot = PathBuf::from(String::from_utf8_lossy(&said.stdout).trim());
        let hosts = fs::read_dir(sysroot.join("lib/rustlib")).ok()?;
        let folders = hosts.flatten().map(|host| host.path().join("bin"));
        let linker = |bin: PathBuf| Linker {
            program: bin.join("wasm-component-ld"),
            core: Some(bin.join("gcc-ld/wasm-ld")),
        };
        folders.map(linker).find(|linker| linker.program.is_file())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(core) = &self.core {
            command.arg("--wasm-ld-path").arg(core);
        }
        command
    }
}

fn sources_in(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let mut sources = files_in(folder, "c")?;
    sources.retain(|path| {
        path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with("test"))
    });
    Ok(sources)
}

/// Returns the files that end so, in order of their names.
fn files_in(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, BuildError> {
    let entries = fs::read_dir(folder).map_err(file(folder))?;
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    Ok(files)
}

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> BuildError {
    let path = path.to_owned();
    move |source| BuildError::File { path, source }
}
