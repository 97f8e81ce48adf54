//! Owns where tools are looked for: in the step's folder, on the search path, in `target/tools` above the
//! folder, and in one above the running executable.
//! Never installs one. The step's own come first: whoever put them there wants them and no others.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a clone of piton, or any folder above a step, keeps tools that several steps share.
pub(super) const SHARED: &str = "target/tools";

/// One tool.
pub(super) struct Tool {
    /// Its name on the search path.
    pub(super) name: &'static str,
    /// Where it may be in the step's folder, or none.
    pub(super) own: Option<&'static str>,
    /// Where it may be in a folder of shared tools.
    pub(super) shared: &'static str,
}

impl Tool {
    /// Returns what to start it by.
    pub(super) fn find(&self, folder: &Path, beside: Option<&Path>) -> Option<PathBuf> {
        let own = self.own.map(|own| folder.join(own).join(self.name));
        own.filter(|own| own.is_file())
            .or_else(|| is_on_the_path(self.name).then(|| self.name.into()))
            .or_else(|| {
                shared(folder, beside)
                    .map(|tools| tools.join(self.shared).join(self.name))
                    .find(|tool| tool.is_file())
            })
    }
}

/// Returns each folder of shared tools that may be, nearest first.
pub(super) fn shared<'a>(
    folder: &'a Path,
    beside: Option<&'a Path>,
) -> impl Iterator<Item = PathBuf> + 'a {
    let above = folder.ancestors().chain(beside.into_iter().flat_map(Path::ancestors));
    above.map(|folder| folder.join(SHARED))
}

/// Tells whether a program of this name can be started. What it says is of no interest.
pub(super) fn is_on_the_path(name: &str) -> bool {
    let mut command = Command::new(name);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}
