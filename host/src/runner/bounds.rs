//! What a step is given on this host: the folders and secrets of its grants, found, and held against
//! what the operator allows.
//! Decides nothing about what is allowed; the operator's file says it, and is asked here.

use crate::manifest::{Complaint, Level, Manifest, Operator};
use crate::sandbox::{ResolvedGrants, Sandbox};
use piton_core::{Digest, Grant, Grants, SecretSource};
use std::cell::LazyCell;
use std::path::{Component, Path, PathBuf};

/// How many complaints are made before no further folder is looked for: nobody reads on.
const COMPLAINTS_MAX: usize = 100;

/// What becomes of folders that are granted for writing and not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// They are made: a run is about to begin.
    Make,
    /// They are let be: the manifest is only looked at.
    Let,
}

/// What no step may get.
pub(super) struct Bounds<'a> {
    operator: Option<&'a Operator>,
    /// Folders that no step may see.
    forbidden: Vec<PathBuf>,
    /// Files that say what steps may do: no step may write them.
    guarded: Vec<PathBuf>,
}

impl<'a> Bounds<'a> {
    /// The bounds that an operator sets, where there is one.
    pub(super) fn new(operator: Option<&'a Operator>) -> Self {
        let bounds = Self { operator, forbidden: Vec::new(), guarded: Vec::new() };
        match operator {
            Some(operator) => bounds.and_guarding(operator.path()),
            None => bounds,
        }
    }

    /// The same, with a folder that no step may see: the host's own.
    pub(super) fn and_forbidding(mut self, folder: &Path) -> Self {
        self.forbidden.push(real(folder));
        self
    }

    /// The same, with a file that no step may write.
    pub(super) fn and_guarding(mut self, file: &Path) -> Self {
        // Where it is a link, neither what it leads to nor the link itself.
        let folder = file.parent().map(real).unwrap_or_default();
        self.guarded.extend(file.file_name().map(|name| folder.join(name)));
        self.guarded.push(real(file));
        self
    }

    /// Complains of all in a manifest that the operator does not allow, but for components; lowers
    /// what is left to a default to its ceiling. `folder` is the manifest's.
    pub(super) fn hold(&self, manifest: &mut Manifest, folder: &Path) -> Vec<Complaint> {
        let Some(operator) = self.operator else { return Vec::new() };
        let mut complaints = operator.hold(manifest);
        for settings in &manifest.steps {
            for (grant, place) in settings.grants.each().zip(&settings.grant_places) {
                if complaints.len() > COMPLAINTS_MAX {
                    return complaints;
                }
                if let Some(refused) = refuse_path(operator, grant, folder) {
                    complaints.push(Complaint { place: Some(place.clone()), ..refused });
                }
            }
        }
        complaints
    }

    /// Why the operator does not allow the paths in some grants.
    pub(super) fn refuse_paths(&self, grants: &Grants, folder: &Path) -> Option<Complaint> {
        let operator = self.operator?;
        grants.each().find_map(|grant| refuse_path(operator, grant, folder))
    }

    /// Why the operator does not allow a component.
    pub(super) fn refuse_component(&self, digest: &Digest) -> Option<Complaint> {
        self.operator?.refuse_component(digest)
    }

    /// Finds the folders that steps are granted.
    pub(super) fn resolve_all(
        &self,
        manifest: &Manifest,
        folder: &Path,
        missing: Missing,
        complaints: &mut Vec<Complaint>,
    ) -> Vec<ResolvedGrants> {
        let mut resolved = Vec::new();
        for (step, settings) in manifest.pipeline.steps.iter().zip(&manifest.steps) {
            // It was told where it is written, and nothing is made for it.
            if self.refuse_paths(&settings.grants, folder).is_some() {
                resolved.push(ResolvedGrants::default());
                continue;
            }
            match self.resolve(&settings.grants, folder, missing) {
                Ok(grants) => resolved.push(grants),
                Err(message) => {
                    complaints.push(Complaint {
                        level: Level::Error,
                        message: format!("step `{}`: {message}", step.name),
                        place: settings.component.as_ref().map(|named| named.place.clone()),
                        label: None,
                        hint: None,
                        others: Vec::new(),
                    });
                    resolved.push(ResolvedGrants::default());
                }
            }
        }
        resolved
    }

    /// Finds the folders of some grants.
    ///
    /// # Errors
    /// Why they cannot be given, for people.
    pub(super) fn resolve(
        &self,
        grants: &Grants,
        folder: &Path,
        missing: Missing,
    ) -> Result<ResolvedGrants, String> {
        let absent =
            grants.dirs.iter().filter(|grant| grant.write && !folder.join(&grant.host).exists());
        for grant in absent {
            if missing == Missing::Let {
                return Ok(ResolvedGrants::default());
            }
            let host = folder.join(&grant.host);
            std::fs::create_dir_all(&host)
                .map_err(|error| format!("cannot make the folder `{}`: {error}", grant.host))?;
        }
        let forbidden: Vec<&Path> = self.forbidden.iter().map(PathBuf::as_path).collect();
        let resolved = ResolvedGrants::resolve(grants, folder, &forbidden)
            .map_err(|error| error.to_string())?;
        self.check_found(&resolved)?;
        Ok(resolved)
    }

    /// Holds the folders as they were found: what was only named before may lead elsewhere.
    fn check_found(&self, resolved: &ResolvedGrants) -> Result<(), String> {
        for dir in &resolved.dirs {
            let named = dir.host.display().to_string();
            let is_within = |allowed: &Path| dir.host.starts_with(real(allowed));
            let refused = self.operator.and_then(|operator| operator.refuse_dir(&named, is_within));
            if let Some(refused) = refused {
                return Err(refused.message);
            }
            let held = self.guarded.iter().find(|file| dir.write && file.starts_with(&dir.host));
            if let Some(file) = held {
                return Err(format!(
                    "it may write in `{named}`, and so `{}`, which says what steps may do; grant a \
                     folder that does not hold that file",
                    file.display()
                ));
            }
        }
        Ok(())
    }
}

fn refuse_path(operator: &Operator, grant: Grant<'_>, folder: &Path) -> Option<Complaint> {
    let is_within = |named: &str| {
        let path = folder.join(named);
        // Where everything is allowed, nothing is looked for.
        let found = LazyCell::new(move || real(&path));
        move |allowed: &Path| found.starts_with(real(allowed))
    };
    match grant {
        Grant::Dir(dir) => operator.refuse_dir(&dir.host, is_within(&dir.host)),
        Grant::Secret(secret) => match &secret.source {
            SecretSource::File(file) => operator.refuse_secret_file(file, is_within(file)),
            SecretSource::Variable(_) => None,
        },
        _ => None,
    }
}

/// The path without links and `..`, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut real = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::ParentDir => drop(real.pop()),
            part => {
                real.push(part);
                real = real.canonicalize().unwrap_or(real);
            }
        }
    }
    real
}

/// A complaint for each secret that steps are granted and this host cannot find.
pub(super) fn missing_secrets(
    sandbox: &Sandbox,
    manifest: &Manifest,
    folder: &Path,
    level: Level,
) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    // Many steps may use one secret, under several names: each variable or file is told once.
    let mut told = Vec::new();
    for settings in &manifest.steps {
        for (grant, place) in settings.grants.each().zip(&settings.grant_places) {
            let Grant::Secret(secret) = grant else { continue };
            if told.contains(&&secret.source) {
                continue;
            }
            told.push(&secret.source);
            let grants = Grants { secrets: vec![secret.clone()], ..Grants::default() };
            let Ok(grants) = ResolvedGrants::resolve(&grants, folder, &[]) else { continue };
            for missing in sandbox.secrets_missing(&grants) {
                let hint = match &secret.source {
                    SecretSource::Variable(name) => format!("set `{name}` where piton is started"),
                    SecretSource::File(name) => {
                        format!("looked for `{}`", folder.join(name).display())
                    }
                };
                complaints.push(Complaint {
                    level,
                    message: missing.to_string(),
                    place: Some(place.clone()),
                    label: None,
                    hint: Some(hint),
                    others: Vec::new(),
                });
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use piton_core::DirGrant;

    fn grants(host: &str, write: bool) -> Grants {
        let dir = DirGrant { host: host.into(), guest: "/data".into(), write };
        Grants { dirs: vec![dir], ..Grants::default() }
    }

    /// A folder with `allowed`, `other`, and an operator's file in it.
    fn home() -> (tempfile::TempDir, Operator) {
        let home = tempfile::tempdir().expect("a temporary folder should be made");
        for name in ["allowed", "other", "etc"] {
            std::fs::create_dir(home.path().join(name)).expect("a folder should be made");
        }
        let path = home.path().join("etc/piton.toml");
        let text = "[allow]\ndirs = [\"../allowed\"]\nsecrets = [\"../allowed/\"]";
        let operator = Operator::read(&path, text).expect("it should be read");
        (home, operator)
    }

    #[test]
    fn folders_are_held_by_where_they_lead() {
        let (home, operator) = home();
        std::os::unix::fs::symlink("../other", home.path().join("allowed/link")).expect("a link");
        std::os::unix::fs::symlink("allowed", home.path().join("alias")).expect("a link");
        let bounds = Bounds::new(Some(&operator));
        let allowed = |host: &str| bounds.refuse_paths(&grants(host, true), home.path()).is_none();
        for host in ["allowed", "allowed/new/folder", "other/../allowed", "alias/new"] {
            assert!(allowed(host), "{host}");
        }
        for host in ["other", "allowed/..", "allowed/link", "allowed/link/new", "/", "allowedly"] {
            assert!(!allowed(host), "{host}");
        }
    }

    #[test]
    fn a_folder_is_held_once_more_as_it_is_found() {
        let (home, operator) = home();
        let bounds = Bounds::new(Some(&operator));
        let told = bounds.resolve(&grants("allowed/../other", false), home.path(), Missing::Make);
        let told = told.expect_err("it should be refused");
        assert!(told.starts_with("the operator does not allow the folder"), "{told}");
    }

    #[test]
    fn a_file_of_a_secret_is_held_by_where_it_leads() {
        let (home, operator) = home();
        let refused = |named: &'static str| {
            let found = real(&home.path().join(named));
            operator.refuse_secret_file(named, move |allowed| found.starts_with(real(allowed)))
        };
        assert_eq!(refused("allowed/key"), None);
        assert!(refused("allowed/../other/key").is_some());
    }

    #[test]
    fn no_step_writes_what_says_what_it_may_do() {
        let (home, _) = home();
        let text = home.path().join("etc/piton.toml");
        let operator = Operator::read(&text, "").expect("it should be read");
        let bounds = Bounds::new(Some(&operator)).and_guarding(&home.path().join("piton.lock"));
        std::os::unix::fs::symlink("../etc/piton.toml", home.path().join("other/link"))
            .expect("a link should be made");
        let bounds = bounds.and_guarding(&home.path().join("other/link"));
        let resolve =
            |host: &str, write| bounds.resolve(&grants(host, write), home.path(), Missing::Let);
        for host in ["etc", ".", "other"] {
            let told = resolve(host, true).expect_err("it should be refused");
            assert!(told.contains("which says what steps may do"), "{told}");
            assert!(resolve(host, false).is_ok());
        }
        assert!(resolve("allowed", true).is_ok());
    }
}
