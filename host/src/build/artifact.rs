//! Owns what a build leaves in the folder of a step, and when that is out of date: `target/step.wasm`
//! and, beside it, `target/step.sources`, the files outside the folder that went into it, one a line.
//! Never knows how either was made. It uses std alone: the project's own chores share this file.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// See `build::component_path`.
pub(crate) fn component_path(folder: &Path) -> PathBuf {
    folder.join("target/step.wasm")
}

fn sources_path(folder: &Path) -> PathBuf {
    folder.join("target/step.sources")
}

/// See `build::is_stale`.
pub(crate) fn is_stale(folder: &Path) -> bool {
    let Ok(built) = modified(&component_path(folder)) else { return true };
    let Ok(listed) = fs::read_to_string(sources_path(folder)) else { return true };
    // A source that is gone was there when it was built.
    let is_newer = |path: &Path| modified(path).map_or(true, |modified| modified > built);
    listed.lines().any(|path| is_newer(Path::new(path))) || any_file(folder, &is_newer)
}

fn modified(path: &Path) -> io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

/// What tools leave in a folder, besides hidden files. None of it is a source.
const LEFT_BY_TOOLS: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// Tells whether a file under the folder fits, besides what tools left there. Links to folders are not
/// followed, so that this ends.
fn any_file(folder: &Path, fits: &dyn Fn(&Path) -> bool) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if LEFT_BY_TOOLS.contains(&name.as_ref()) || name.starts_with('.') {
            return false;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => any_file(&entry.path(), fits),
            _ => fits(&entry.path()),
        }
    })
}

/// The result of one build.
pub(crate) struct Artifact<'a> {
    /// The component, where the compiler left it.
    pub(crate) wasm: &'a Path,
    /// The files that went into it; those in the folder may be among them.
    pub(crate) sources: &'a [PathBuf],
    /// When the compiler began to read them: a source that changed after this is not in it.
    pub(crate) as_of: SystemTime,
}

impl Artifact<'_> {
    /// Puts the component into the folder, whole or not at all.
    pub(crate) fn place(&self, folder: &Path) -> io::Result<()> {
        let path = component_path(folder);
        fs::create_dir_all(folder.join("target"))?;
        let inside = fs::canonicalize(folder)?;
        let sources = self.sources.iter().filter(|source| !source.starts_with(&inside));
        let list: String = sources.map(|source| format!("{}\n", source.display())).collect();
        replace(&sources_path(folder), |unfinished| fs::write(unfinished, list))?;
        replace(&path, |unfinished| {
            fs::copy(self.wasm, unfinished)?;
            File::options().append(true).open(unfinished)?.set_modified(self.as_of)
        })
    }
}

/// Two processes may build one folder: each has its own name for what is not finished.
fn replace(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
    write(&unfinished)
        .and_then(|()| fs::rename(&unfinished, path))
        .inspect_err(|_| drop(fs::remove_file(&unfinished)))
}

/// Returns the files that cargo lists in the `.d` file beside what it built: `made: source source …`,
/// with `\ ` for a space in a name. Without that file there are none.
pub(crate) fn sources_of_cargo(made: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(made.with_extension("d")).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let (_, sources) = line.split_once(": ").unwrap_or_default();
    // No file name holds a zero.
    let sources = sources.replace("\\ ", "\0");
    sources.split(' ').filter(|s| !s.is_empty()).map(|s| s.replace('\0', " ").into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A folder of its own, gone at the end. By hand, because this file has no dependency.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("piton-{name}-{}", std::process::id()));
            fs::create_dir_all(path.join("src")).expect("a folder should be made");
            Folder(path)
        }

        fn write(&self, name: &str, text: &str, modified: SystemTime) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, text).expect("a file should be written");
            let file = File::options().append(true).open(&path).expect("it should open");
            file.set_modified(modified).expect("its time should be set");
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn a_name_with_a_space_is_one_source() {
        let folder = Folder::new("sources");
        let wasm = folder.0.join("made.wasm");
        folder.write("made.d", "/t/made.wasm: /a/my\\ step/lib.rs /b.rs\n", SystemTime::now());
        let sources = sources_of_cargo(&wasm);
        assert_eq!(sources, [PathBuf::from("/a/my step/lib.rs"), PathBuf::from("/b.rs")]);
    }

    #[test]
    fn a_component_is_stale_once_a_source_is_newer() {
        let [step, other] = [Folder::new("stale"), Folder::new("stale-other")];
        let then = SystemTime::now() - Duration::from_secs(60);
        step.write("src/lib.rs", "", then);
        let outside = other.write("outside.rs", "", then);
        assert!(is_stale(&step.0), "nothing is built yet");

        let wasm = other.write("made.wasm", "wasm", then);
        let as_of = then + Duration::from_secs(1);
        let artifact = Artifact { wasm: &wasm, sources: &[outside], as_of };
        artifact.place(&step.0).expect("it should be placed");
        assert!(!is_stale(&step.0));

        other.write("outside.rs", "", as_of + Duration::from_secs(1));
        assert!(is_stale(&step.0), "a listed source is newer");
        other.write("outside.rs", "", then);
        assert!(!is_stale(&step.0));
        step.write("src/new.rs", "", as_of + Duration::from_secs(1));
        assert!(is_stale(&step.0), "a file of the folder is newer");
    }
}
