//! A home for one test: a folder with manifests, steps and a data directory, gone with the test.
//! Never shares anything with another home, and lets no environment variable through.

use crate::{Calls, Finished, Invocation, Running, Story, guest};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The steps that manifests find in `steps/`, relative to themselves.
const STEPS: [&str; 6] = ["counter", "hostile", "payer", "reconcilable", "echo", "flaky"];

/// A folder that a test has for itself.
pub struct Home {
    folder: TempDir,
}

impl Home {
    /// Makes one, with the steps in it and an empty folder `out` to be granted.
    ///
    /// # Panics
    /// Where it cannot be made, or a step has not been built.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("piton-").tempdir();
        let home = Self { folder: folder.expect("a temporary folder should be made") };
        fs::create_dir(home.path("out")).expect("a folder should be made");
        fs::create_dir(home.path("steps")).expect("a folder should be made");
        for name in STEPS {
            let link = home.path("steps").join(name);
            std::os::unix::fs::symlink(guest(name), link).expect("a link should be made");
        }
        home
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The data directory that every invocation uses.
    pub fn data(&self) -> PathBuf {
        self.path(".piton")
    }

    /// Writes a file.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("`{name}`: {error}"));
        path
    }

    /// A home with this manifest in it, as `pipeline.toml`.
    pub fn with(manifest: impl AsRef<[u8]>) -> Self {
        let home = Self::new();
        home.write("pipeline.toml", manifest);
        home
    }

    /// The binary with these arguments, to be run in this home.
    pub fn piton(&self, arguments: &[&str]) -> Invocation {
        Invocation::new(self.folder.path(), arguments)
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        self.piton(arguments).run()
    }

    /// Starts the binary.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.piton(arguments).start()
    }

    /// The calls that the guests noted.
    pub fn calls(&self) -> Calls {
        Calls::read(&self.path("out/calls.ndjson"))
    }

    /// Where a run stands, by `show --json`.
    pub fn summary(&self, run: &str) -> Value {
        self.run(&["show", "--json", run]).expect_code(0).json()
    }

    /// What became true of a run, by `events --json`.
    pub fn events(&self, run: &str) -> Vec<Value> {
        self.run(&["events", "--json", run]).expect_code(0).json_lines()
    }

    /// All that is known of a run: what was recorded of it, and what its steps noted.
    pub fn story(&self, run: &str) -> Story {
        Story::new(self.events(run), self.calls().of_run(run))
    }

    /// All runs, by `runs --json`, newest first.
    pub fn runs(&self) -> Vec<Value> {
        self.run(&["runs", "--json", "--limit", "10000"]).expect_code(0).json_lines()
    }

    /// The id of the run that was started with this key; none while nothing is recorded of it.
    pub fn run_of_key(&self, key: &str) -> Option<String> {
        if !self.data().join("format").exists() {
            return None;
        }
        let runs = self.runs();
        let found = runs.iter().find(|run| run["key"] == key)?;
        Some(found["run"].as_str().expect("a run should have an id").to_owned())
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}
