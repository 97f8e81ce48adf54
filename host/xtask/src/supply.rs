//! Owns what is asked of dependencies: where each lock file has them from, always; their licences, what is
//! banned, and advisories, where cargo-deny is installed (`.cargo/deny.toml`).
//! Never installs it: it takes longer to build than everything else.

use std::fs;
use std::process::Command;

use crate::chore::{At, Problem, ask, repository, run, say};

/// Workspaces with a lock file of their own.
pub(crate) const WORKSPACES: [&str; 7] = [
    "",
    "host/fuzz",
    "plugins",
    "tests/guests",
    "step-sdk/rust",
    "step-sdk/rust/bindings-generator",
    "step-sdk/c/bindings-generator",
];

const RULES: &str = ".cargo/deny.toml";

/// Looks at every lock file.
pub(crate) fn check() -> Result<(), Problem> {
    let mut faults = Vec::new();
    for workspace in WORKSPACES {
        let path = repository().join(workspace).join("Cargo.lock");
        let text = fs::read_to_string(&path).at(&path)?;
        let place = format!("{workspace}/Cargo.lock");
        faults.extend(odd_sources(&text).into_iter().map(|fault| format!("{place}: {fault}")));
    }
    if !faults.is_empty() {
        let message = format!("dependencies from elsewhere\n  {}", faults.join("\n  "));
        return Err(Problem::new(message, "one registry, with a checksum for each package"));
    }
    if ask(Command::new("cargo").args(["deny", "--version"])).is_err() {
        say("cargo-deny is not installed: licences, bans and advisories are NOT looked at");
        say("to have them looked at: cargo install cargo-deny --locked");
        return Ok(());
    }
    for workspace in WORKSPACES {
        deny(workspace, &["licenses", "bans", "sources"])?;
    }
    if run(&mut cargo_deny("", &["fetch", "db"])).is_err() {
        say("the database of advisories cannot be had from here: advisories are NOT looked at");
        return Ok(());
    }
    WORKSPACES.iter().try_for_each(|workspace| deny(workspace, &["advisories"]))
}

fn deny(workspace: &str, what: &[&str]) -> Result<(), Problem> {
    let rules = ["check", "--allow=license-exception-not-encountered"];
    let words: Vec<&str> = rules.iter().chain(what).copied().collect();
    run(&mut cargo_deny(workspace, &words))
}

fn cargo_deny(workspace: &str, words: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    let manifest = if workspace.is_empty() { String::new() } else { format!("{workspace}/") };
    cargo.args(["deny", "--locked", "--all-features"]);
    cargo.arg(format!("--manifest-path={manifest}Cargo.toml"));
    cargo.arg("--config").arg(repository().join(RULES));
    cargo.args(words).current_dir(repository());
    eprintln!("$ cargo deny --manifest-path={manifest}Cargo.toml {}", words.join(" "));
    cargo
}

/// Packages of a lock file that are neither the repository's own nor from the registry that the first
/// of the others is from, and those without a checksum.
fn odd_sources(text: &str) -> Vec<String> {
    let mut registry = None;
    let mut faults = Vec::new();
    for package in text.split("[[package]]").skip(1) {
        let value = |key: &str| {
            package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))
        };
        let Some(source) = value("source") else { continue };
        let name = value("name").unwrap_or_default().trim_matches('"');
        let source = source.trim_matches('"');
        if !source.starts_with("registry+") || *registry.get_or_insert(source) != source {
            faults.push(format!("`{name}` is from {source}"));
        } else if value("checksum").is_none() {
            faults.push(format!("`{name}` has no checksum"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_registry_and_checksums_pass() {
        let package = |name: &str, rest: &str| {
            format!("\n[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\n{rest}")
        };
        let from = |place: &str| format!("source = \"{place}\"\nchecksum = \"00\"\n");
        let good = package("own", "") + &package("a", &from("registry+https://one.example/index"));
        assert_eq!(odd_sources(&good), Vec::<String>::new());
        let bad = [
            package("b", &from("registry+https://two.example/index")),
            package("c", &from("git+https://one.example/c?branch=main#00")),
            package("d", "source = \"registry+https://one.example/index\"\n"),
        ];
        let faults = odd_sources(&(good + &bad.concat()));
        assert_eq!(
            faults,
            [
                "`b` is from registry+https://two.example/index",
                "`c` is from git+https://one.example/c?branch=main#00",
                "`d` has no checksum",
            ]
        );
    }
}
