//! Owns the check that the README tells the truth: its example is written to files, built and run as
//! a reader would, and its table has every command.
//! Never knows what the example is about: the README alone says that.
//!
//! A code block whose first line names a file after the language (```` ```rust greet/src/lib.rs ````) is
//! that file; if it is a manifest, it is checked. A ```` ```console ```` block is a session: each line that begins with `$ ` is run, and
//! what follows is what it prints, in which `…` stands for anything.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::chore::{At, Problem, ask, cannot_start, remove_folder, repository};
use crate::demo;

/// Follows the README.
pub(crate) fn check() -> Result<(), Problem> {
    let path = repository().join("README.md");
    let text = fs::read_to_string(&path).at(&path)?;
    let piton = demo::build_piton()?;
    commands_are_listed(&text, &piton)?;
    let blocks = blocks(&text);
    let sandbox = Sandbox::new(&piton)?;
    let mut manifests = Vec::new();
    for block in &blocks {
        if let Some(file) = block.file() {
            sandbox.write(file, &block.text)?;
            manifests.extend(block.text.contains("[pipeline]").then_some(file));
        } else if block.head == "console" {
            for step in session(&block.text) {
                sandbox.follow(&step)?;
            }
        }
    }
    for file in manifests {
        let prints = vec!["…".to_owned()];
        sandbox.follow(&Step { command: format!("piton check {file}"), prints })?;
    }
    let has_example = blocks.iter().any(|block| block.head == "console");
    if has_example { Ok(()) } else { Err(wrong("it has no example that can be followed")) }
}

fn wrong(what: &str) -> Problem {
    Problem::new(format!("README.md: {what}"), "")
}

/// Every command that `piton` has is in the README.
fn commands_are_listed(readme: &str, piton: &Path) -> Result<(), Problem> {
    let help = ask(Command::new(piton).arg("--help"))?;
    let commands = help.split_once("Commands:\n").map_or("", |(_, rest)| rest);
    let lines = commands.lines().take_while(|line| line.starts_with("  "));
    let names = lines.filter(|line| !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    let missing: Vec<&str> = names
        .filter(|name| *name != "help")
        .filter(|name| {
            !readme.contains(&format!("`{name}`")) && !readme.contains(&format!("`{name} "))
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(wrong(&format!("its table lacks `{}`", missing.join("`, `"))))
}

#[derive(Debug, PartialEq, Eq)]
struct Block {
    /// What stands after the opening fence.
    head: String,
    text: String,
}

impl Block {
    fn file(&self) -> Option<&str> {
        self.head.split_once(' ').map(|(_, file)| file.trim())
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(head)) => {
                open = Some(Block { head: head.trim().to_owned(), text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text += line;
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// A command, and what it prints.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    command: String,
    prints: Vec<String>,
}

fn session(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                steps.push(Step { command: command.to_owned(), prints: Vec::new() });
            }
            (None, Some(step)) => step.prints.push(line.trim_end().to_owned()),
            (None, None) => {}
        }
    }
    steps
}

/// A folder outside the repository, with a clone named `piton` in it, as the README supposes.
struct Sandbox {
    folder: PathBuf,
    path: String,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

impl Sandbox {
    fn new(piton: &Path) -> Result<Sandbox, Problem> {
        let folder = env::temp_dir().join(format!("piton-readme-{}", std::process::id()));
        remove_folder(&folder)?;
        fs::create_dir_all(&folder).at(&folder)?;
        let clone = folder.join("piton");
        symlink(repository(), &clone).at(&clone)?;
        let plugins = folder.join("plugins");
        symlink(repository().join("plugins"), &plugins).at(&plugins)?;
        let binaries = piton.parent().unwrap_or(piton).display();
        let path = format!("{binaries}:{}", env::var("PATH").unwrap_or_default());
        Ok(Sandbox { folder, path })
    }

    fn write(&self, file: &str, text: &str) -> Result<(), Problem> {
        let path = self.folder.join(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).at(parent)?;
        }
        fs::write(&path, text).at(&path)
    }

    fn follow(&self, step: &Step) -> Result<(), Problem> {
        eprintln!("$ {}", step.command);
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{} 2>&1", step.command)).current_dir(&self.folder);
        shell.env("PATH", &self.path).env_remove("PITON_DATA").stdin(Stdio::null());
        // The example's dependencies are compiled once, not once for each gate.
        shell.env("CARGO_TARGET_DIR", repository().join("target/readme"));
        let output = shell.output().map_err(|error| cannot_start(&shell, &error))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let status = output.status;
            return Err(wrong(&format!("`{}` ended with {status}\n{said}", step.command)));
        }
        let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
        if matches(&step.prints, &lines) {
            return Ok(());
        }
        let expected = step.prints.join("\n");
        let message = format!("`{}` prints\n{said}and not\n{expected}", step.command);
        Err(wrong(&message))
    }
}

/// Whether lines are as told. A line that is only `…` stands for any number of lines, and `…` within
/// a line for any text.
fn matches(told: &[String], lines: &[&str]) -> bool {
    match (told.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "…" => {
            (0..=lines.len()).any(|skipped| matches(rest, &lines[skipped..]))
        }
        (Some((first, rest)), Some((line, others))) => fits(first, line) && matches(rest, others),
        _ => false,
    }
}

fn fits(told: &str, line: &str) -> bool {
    let Some((head, rest)) = told.split_once('…') else { return told == line };
    let Some(line) = line.strip_prefix(head) else { return false };
    let places = line.char_indices().map(|(at, _)| at).chain([line.len()]);
    places.into_iter().any(|at| fits(rest, &line[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_may_be_a_file() {
        let blocks = blocks("text\n```rust a/lib.rs\nfn a() {}\n```\n```sh\nls\n```\n");
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[0].file(), Some("a/lib.rs"));
        assert_eq!(blocks[0].text, "fn a() {}\n");
        assert_eq!(blocks[1].file(), None);
    }

    #[test]
    fn a_session_is_commands_and_what_they_print() {
        let steps = session("$ one\na\nb\n$ two\n");
        assert_eq!(steps.len(), 2);
        assert_eq!(steps[0].prints, ["a", "b"]);
        assert_eq!(steps[1], Step { command: "two".into(), prints: Vec::new() });
    }

    #[test]
    fn an_ellipsis_stands_for_anything() {
        let told = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        assert!(matches(&told(&["…", "run … ended"]), &["x", "y", "run 7 ended"]));
        assert!(matches(&told(&["…"]), &[]));
        assert!(!matches(&told(&["run … ended"]), &["run 7 goes on"]));
        assert!(!matches(&told(&["a"]), &["a", "b"]));
    }
}
