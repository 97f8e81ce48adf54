//! Owns the rules of the house that no linter knows: what each file begins with, how long it may be,
//! which words are in none, that links lead somewhere, and that the core depends on nothing.
//! Never changes a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::chore::{At, Problem, ask, repository};

/// Lines of code a file may have, without empty lines and comments.
const CODE_LINES_MAX: usize = 700;

/// Files that were longer when the rule came, with the length they must not pass. Only ever smaller.
const LONGER: [(&str, usize); 0] = [];

/// What a program wrote.
const GENERATED: &str = "step-sdk/rust/src/bindings/";

/// Folders that hold nothing of the repository's own.
const SKIPPED: [&str; 6] = ["target", ".git", ".piton", "out", "node_modules", "fuzz"];

const TEXTS: [&str; 9] = ["rs", "md", "toml", "json", "wit", "py", "js", "c", "h"];

/// What no file says, each with the reason. In two halves, so that this file does not say it either.
const FORBIDDEN: [((&str, &str), &str); 6] = [
    (("exactly", " once"), "no host can promise it: say what is called at most or at least once"),
    (("/work/ma", "in"), "a path of somebody's machine"),
    (("/work/sha", "red"), "a path of somebody's machine"),
    (("/ro", "ot/"), "a path of somebody's machine"),
    (("cra", "tes.io"), "where packages come from is a setting of whoever builds"),
    (("registry", ".npmjs"), "where packages come from is a setting of whoever builds"),
];

/// Checks all rules, and tells everything that breaks one.
pub(crate) fn check() -> Result<(), Problem> {
    let mut faults = Vec::new();
    let mut files = Vec::new();
    collect(&repository(), &mut files)?;
    for path in files {
        let name = path.strip_prefix(repository()).unwrap_or(&path).display().to_string();
        // Somebody else's temporary file may be gone by now.
        let Ok(bytes) = fs::read(&path) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        faults.extend(faults_of(&name, &text));
        if name.ends_with(".md") {
            faults.extend(
                dead_links(&path, &text).map(|link| format!("{name}: nothing at `{link}`")),
            );
        }
    }
    faults.extend(dependencies_of_the_core()?);
    if faults.is_empty() {
        return Ok(());
    }
    Err(Problem::new(format!("the house is not tidy\n  {}", faults.join("\n  ")), ""))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Problem> {
    for entry in fs::read_dir(folder).at(folder)?.flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            collect(&path, files)?;
        } else if kind.is_file() && is_text(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_text(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy());
    extension.is_some_and(|extension| TEXTS.contains(&extension.as_ref()))
}

fn faults_of(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for ((first, second), reason) in FORBIDDEN {
        let word = format!("{first}{second}");
        let lines = text.lines().enumerate();
        for (index, _) in lines.filter(|(_, line)| line.to_lowercase().contains(&word)) {
            faults.push(format!("{name}:{}: says `{word}`: {reason}", index + 1));
        }
    }
    if !name.ends_with(".rs") {
        return faults;
    }
    if !text.starts_with("//! ") {
        faults.push(format!("{name}:1: does not begin with what it owns and what it never does"));
    }
    let allowed = LONGER.iter().find(|(longer, _)| *longer == name);
    let allowed = allowed.map_or(CODE_LINES_MAX, |(_, lines)| *lines);
    let lines = code_lines(text);
    if lines > allowed && !name.starts_with(GENERATED) {
        faults.push(format!(
            "{name}: {lines} lines of code, more than {allowed}: split it by concept"
        ));
    }
    faults
}

fn code_lines(text: &str) -> usize {
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//");
    text.lines().map(str::trim).filter(is_code).count()
}

/// Links of a page to files that are not there. Addresses and places in the same page are let be.
fn dead_links<'a>(page: &'a Path, text: &'a str) -> impl Iterator<Item = &'a str> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let links = links.map(|(link, _)| link.split('#').next().unwrap_or(link));
    let is_file = |link: &&str| !link.is_empty() && !link.contains(':') && !link.contains(' ');
    let folder = page.parent().unwrap_or(page);
    links.filter(is_file).filter(|link| !folder.join(link).exists())
}

fn dependencies_of_the_core() -> Result<Vec<String>, Problem> {
    let mut cargo = Command::new("cargo");
    cargo.args(["tree", "--locked", "-p", "piton-core", "-e", "normal,build", "--prefix", "none"]);
    let tree = ask(cargo.current_dir(repository()))?;
    let others = tree.lines().filter(|line| !line.starts_with("piton-core "));
    let fault = |line: &str| {
        format!("host/core/Cargo.toml: piton-core depends on {line}, and on nothing it must")
    };
    Ok(others.filter(|line| !line.is_empty()).map(fault).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_opening_is_told() {
        assert_eq!(faults_of("a.rs", "//! Owns nothing.\nfn a() {}\n"), Vec::<String>::new());
        assert_eq!(faults_of("a.rs", "fn a() {}\n").len(), 1);
        assert_eq!(faults_of("a.md", "no opening\n"), Vec::<String>::new());
    }

    #[test]
    fn only_code_counts_for_the_length() {
        assert_eq!(code_lines("//! Head.\n\n// why\nfn a() {\n    // how\n}\n"), 2);
        let long = "//! Head.\n".to_owned() + &"fn a() {}\n".repeat(CODE_LINES_MAX + 1);
        assert_eq!(faults_of("a.rs", &long).len(), 1);
        assert_eq!(faults_of(&format!("{GENERATED}a.rs"), &long), Vec::<String>::new());
    }

    #[test]
    fn a_forbidden_word_is_told_with_its_line() {
        let word = format!("Exactly{}", " once");
        let faults = faults_of("a.md", &format!("one\nrun {word}\n"));
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("a.md:2: "), "{}", faults[0]);
    }

    #[test]
    fn links_within_a_page_and_to_the_web_are_let_be() {
        let here = repository().join("README.md");
        let text = "[a](#words) [b](https://example.org/x) [c](Cargo.toml#x) [d](no-such-file.md)";
        assert_eq!(dead_links(&here, text).collect::<Vec<_>>(), ["no-such-file.md"]);
    }
}
