//! Owns the folders that are measured in, below `target/bench`: manifests, inputs, a data directory, and
//! the database of the loop beside it, so that all of them wait for the same disk.
//! Never measures in a folder that something else was measured in, but where that is asked for.

use crate::options::Options;
use crate::process::{Ended, Running, Trouble};
use piton_tests::guest;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The steps that manifests find in `steps/`.
const STEPS: [&str; 2] = ["add_one", "sha256"];

const DATA: &str = ".piton";
const DATABASE: &str = "loop.db";

/// What all workloads share.
pub(crate) struct Bench {
    /// What was asked for.
    pub(crate) options: Options,
    loop_script: PathBuf,
    folder: PathBuf,
}

impl Bench {
    pub(crate) fn new(options: Options) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tests.with_file_name("target").join("bench");
        Self { options, loop_script: tests.join("bench/loop.py"), folder }
    }

    /// Makes an empty folder in place of what a bench that was cut short left there.
    pub(crate) fn stage(&self, name: &str) -> Result<Stage<'_>, Trouble> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("steps"))?;
        for step in STEPS {
            symlink(guest(step), folder.join("steps").join(step))?;
        }
        Ok(Stage { bench: self, folder })
    }
}

/// A folder to measure in, gone with it.
pub(crate) struct Stage<'a> {
    bench: &'a Bench,
    folder: PathBuf,
}

impl Stage<'_> {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), Trouble> {
        Ok(fs::write(self.path(name), text)?)
    }

    /// Writes `FILE`, one line for each run.
    pub(crate) fn write_lines(&self, file: &str, line: &str, count: u32) -> Result<(), Trouble> {
        let lines = format!("{line}\n").repeat(count as usize);
        self.write(file, &lines)
    }

    /// Forgets all that was recorded, by piton and by the loop, and the compiled code with it.
    pub(crate) fn forget(&self) -> Result<(), Trouble> {
        let data = self.path(DATA);
        if data.exists() {
            fs::remove_dir_all(data)?;
        }
        for ending in ["", "-wal", "-shm"] {
            let file = self.path(&format!("{DATABASE}{ending}"));
            if file.exists() {
                fs::remove_file(file)?;
            }
        }
        Ok(())
    }

    /// Runs piton to its end.
    pub(crate) fn piton(&self, words: &[&str]) -> Result<Ended, Trouble> {
        self.start_piton(words)?.end()
    }

    pub(crate) fn start_piton(&self, words: &[&str]) -> Result<Running, Trouble> {
        Running::start(&self.folder, &self.bench.options.binary, words)
    }

    /// Carries out one run for each line of `file`.
    pub(crate) fn each(&self, manifest: &str, file: &str, parallel: u32) -> Result<Ended, Trouble> {
        self.start_each(manifest, file, parallel)?.end()
    }

    pub(crate) fn start_each(
        &self,
        manifest: &str,
        file: &str,
        parallel: u32,
    ) -> Result<Running, Trouble> {
        let parallel = parallel.to_string();
        self.start_piton(&["run", manifest, "--each", file, "--parallel", &parallel])
    }

    /// Runs the floor of a durable step to its end; `value` goes through the steps. `host/benches/floor.rs`
    /// says what a `writer` is.
    pub(crate) fn floor(&self, writer: &str, turns: Turns, value: &str) -> Result<Ended, Trouble> {
        let component = guest("add_one").join("target/step.wasm").display().to_string();
        let numbers = [turns.runs, turns.steps, turns.parallel].map(|number| number.to_string());
        let [runs, steps, parallel] = &numbers;
        let words = [writer, runs, steps, parallel, ".", &component, value];
        Running::start(&self.folder, &self.bench.options.floor, &words)?.end()
    }

    /// Runs the loop to its end.
    pub(crate) fn hand_written(&self, turns: Turns) -> Result<Ended, Trouble> {
        self.start_hand_written(turns, &[])?.end()
    }

    pub(crate) fn start_hand_written(
        &self,
        turns: Turns,
        more: &[&str],
    ) -> Result<Running, Trouble> {
        let script = self.bench.loop_script.display().to_string();
        let numbers = [turns.runs, turns.steps, turns.parallel].map(|number| number.to_string());
        let [runs, steps, parallel] = &numbers;
        let mut words = vec![script.as_str(), DATABASE, runs, steps, parallel];
        words.extend(more);
        Running::start(&self.folder, Path::new("python3"), &words)
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        // What stays is removed by the next bench.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What the loop is to do.
#[derive(Clone, Copy)]
pub(crate) struct Turns {
    pub(crate) runs: u32,
    pub(crate) steps: u32,
    pub(crate) parallel: u32,
}
