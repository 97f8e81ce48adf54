//! What the operator of a host allows at most: `piton.toml`, and manifests held against it.
//! Compares what is written; never looks at a folder or a component, which the runner does by
//! asking here.

mod read;
#[cfg(test)]
mod tests;

use super::Manifest;
use super::complaint::{Complaint, Complaints, Level, Place};
use super::limits::{Allowed, LimitKind};
use piton_core::{Digest, Grant, Grants, HttpTarget, Limits, SecretSource};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What no manifest may exceed. Without it, whatever the built-in ranges of the manifest allow.
#[derive(Debug, Clone)]
pub struct Operator {
    path: PathBuf,
    ceilings: Vec<Ceiling>,
    components: Option<Allow<Digest>>,
    dirs: Option<Allow<String>>,
    env: Option<Allow<String>>,
    http: Option<Allow<HttpTarget>>,
    secrets: Option<Allow<String>>,
}

/// The most of a limit that a manifest may ask for.
#[derive(Clone)]
struct Ceiling {
    limit: &'static LimitKind,
    most: u64,
    line: usize,
}

/// All that may be granted of one kind.
#[derive(Debug, Clone)]
struct Allow<T> {
    key: &'static str,
    line: usize,
    values: Vec<T>,
}

/// What one call may use and touch, to be held against an [`Operator`].
#[derive(Debug, Clone)]
pub struct Allowance {
    /// Its wall time.
    pub timeout: Duration,
    /// What it may use besides.
    pub limits: Limits,
    /// What it may touch.
    pub grants: Grants,
    /// Whether somebody chose the wall time; else it is a default.
    pub is_timeout_given: bool,
}

impl Operator {
    /// Reads `piton.toml`. `path` is for messages; relative paths in it start at its folder.
    ///
    /// # Errors
    /// All mistakes in one go.
    pub fn read(path: &Path, text: &str) -> Result<Self, Vec<Complaint>> {
        read::read(path, text)
    }

    /// The file it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same for rehearsals, which replace every folder by one of their own and reach no host.
    pub fn for_rehearsal(&self) -> Self {
        Self { dirs: None, http: None, ..self.clone() }
    }

    /// Complains of all that a manifest asks for and may not have, but for folders, files and
    /// components. What it leaves to a default above a ceiling gets the ceiling.
    pub fn hold(&self, manifest: &mut Manifest) -> Vec<Complaint> {
        let mut complaints = Complaints::default();
        // A place in `[defaults]` is told once for all steps.
        let mut told: BTreeSet<usize> = BTreeSet::new();
        let pipeline = Arc::make_mut(&mut manifest.pipeline);
        for (step, settings) in pipeline.steps.iter_mut().zip(&mut manifest.steps) {
            if settings.component.is_none() {
                continue;
            }
            let limits = settings.limits.clone();
            let mut allowed = Allowed { timeout: step.timeout, limits };
            for complaint in self.lower(&mut allowed, &settings.limit_places) {
                if complaint.place.as_ref().is_none_or(|place| told.insert(place.start)) {
                    complaints.add(complaint);
                }
            }
            (step.timeout, settings.limits) = (allowed.timeout, allowed.limits);
            for (grant, place) in settings.grants.each().zip(&settings.grant_places) {
                if let Some(refused) = self.refuse(grant) {
                    complaints.add(Complaint { place: Some(place.clone()), ..refused });
                }
            }
        }
        complaints.into_sorted()
    }

    /// As [`Operator::hold`], of one call.
    pub fn hold_call(&self, call: &mut Allowance) -> Vec<Complaint> {
        let mut allowed = Allowed { timeout: call.timeout, limits: call.limits.clone() };
        let given = call.is_timeout_given.then_some(("timeout", 0..0));
        let mut complaints = self.lower(&mut allowed, &given.into_iter().collect());
        (call.timeout, call.limits) = (allowed.timeout, allowed.limits);
        complaints.extend(call.grants.each().filter_map(|grant| self.refuse(grant)));
        complaints.iter_mut().for_each(|complaint| complaint.place = None);
        complaints
    }

    /// Lowers what is above its ceiling and was not asked for; complains of what was.
    fn lower(
        &self,
        allowed: &mut Allowed,
        given: &BTreeMap<&'static str, Place>,
    ) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        for Ceiling { limit, most, line } in &self.ceilings {
            let asked = (limit.get)(allowed);
            if asked <= *most {
                continue;
            }
            (limit.set)(allowed, *most);
            if let Some(place) = given.get(limit.key) {
                let message = format!("`{}` is above the operator's ceiling", limit.key);
                let hint = format!(
                    "the ceiling is set at `{}`; ask for less, or have it raised there",
                    self.at(*line)
                );
                complaints.push(Complaint {
                    place: Some(place.clone()),
                    label: Some(format!("it may be at most {}", limit.told(*most))),
                    ..complaint(message, hint)
                });
            }
        }
        complaints
    }

    /// Why a grant may not be given, as far as its text tells.
    fn refuse(&self, grant: Grant<'_>) -> Option<Complaint> {
        match grant {
            Grant::Variable(name, _) => {
                let allow = self.env.as_ref()?;
                let what = format!("the variable `{name}`");
                (!allow.values.iter().any(|allowed| allowed == name))
                    .then(|| self.not_allowed(&what, allow))
            }
            Grant::Http(grant) => {
                let allow = self.http.as_ref()?;
                let what = format!("requests to {}", grant.target);
                (!allow.values.iter().any(|allowed| allowed.covers(&grant.target)))
                    .then(|| self.not_allowed(&what, allow))
            }
            Grant::Secret(grant) => {
                let allow = self.secrets.as_ref()?;
                let SecretSource::Variable(variable) = &grant.source else { return None };
                let what = format!("a secret from the variable `{variable}`");
                // A name with a slash in the list is a file's.
                let is_listed =
                    !is_path(variable) && allow.values.iter().any(|allowed| allowed == variable);
                (!is_listed).then(|| self.not_allowed(&what, allow))
            }
            Grant::Dir(_) => None,
        }
    }

    /// Why a component may not be called.
    pub fn refuse_component(&self, digest: &Digest) -> Option<Complaint> {
        let allow = self.components.as_ref()?;
        let what = format!("the component sha256:{digest}");
        (!allow.values.contains(digest)).then(|| {
            let hint = format!(
                "`components` at `{}` lists the digests that are allowed; look at this one with \
                 `piton inspect` before you add it",
                self.at(allow.line)
            );
            complaint(format!("the operator does not allow {what}"), hint)
        })
    }

    /// Why a folder may not be granted. `is_within` says whether it is, or lies in, another one,
    /// which is given as a path that may be relative to nothing but the current folder.
    pub fn refuse_dir(&self, named: &str, is_within: impl Fn(&Path) -> bool) -> Option<Complaint> {
        let allow = self.dirs.as_ref()?;
        let is_allowed = allow.values.iter().any(|allowed| is_within(&self.found(allowed)));
        (!is_allowed).then(|| self.not_allowed(&format!("the folder `{named}`"), allow))
    }

    /// Why a file may not hold a secret; `is_within` as of [`Operator::refuse_dir`].
    pub fn refuse_secret_file(
        &self,
        named: &str,
        is_within: impl Fn(&Path) -> bool,
    ) -> Option<Complaint> {
        let allow = self.secrets.as_ref()?;
        let mut paths = allow.values.iter().filter(|allowed| is_path(allowed));
        let is_allowed = paths.any(|allowed| is_within(&self.found(allowed)));
        (!is_allowed).then(|| self.not_allowed(&format!("a secret from the file `{named}`"), allow))
    }

    /// A path of the file, from where this process is.
    fn found(&self, named: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(named)
    }

    fn not_allowed<T: Display>(&self, what: &str, allow: &Allow<T>) -> Complaint {
        let Allow { key, line, values } = allow;
        const SHOWN_MAX: usize = 5;
        let mut shown: Vec<String> =
            values.iter().take(SHOWN_MAX).map(|value| format!("`{value}`")).collect();
        match values.len().saturating_sub(SHOWN_MAX) {
            0 if shown.is_empty() => shown.push("nothing".into()),
            0 => {}
            more => shown.push(format!("{more} more")),
        }
        let hint = format!("`{key}` at `{}` allows {}", self.at(*line), shown.join(", "));
        complaint(format!("the operator does not allow {what}"), hint)
    }

    /// A line of the file, for people.
    fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }
}

/// Whether an entry of `secrets` is a path: names of variables hold no slash.
fn is_path(entry: &str) -> bool {
    entry.contains('/')
}

fn complaint(message: String, hint: String) -> Complaint {
    let (place, label, others) = (None, None, Vec::new());
    Complaint { level: Level::Error, message, place, label, hint: Some(hint), others }
}

impl fmt::Debug for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} (line {})", self.limit.key, self.most, self.line)
    }
}
