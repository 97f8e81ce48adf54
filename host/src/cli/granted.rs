//! What a component may use and touch that is called without a run: what a step of a manifest may, and
//! what the command line grants besides.
//! Never looks at a granted folder, and never widens a grant.

use super::complain::Complaint;
use super::context::Context;
use piton::manifest::{self, Allowance};
use piton::runner::component_file;
use piton_core::{DirGrant, Grants, HttpGrant, Json, Limits, SecretSource};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct Granted {
    /// Allow what this manifest allows the step that calls it: limits, timeout, grants.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,

    /// With --manifest: as which step [default: the one that calls it].
    #[arg(long, value_name = "NAME", requires = "manifest")]
    step: Option<String>,

    /// Grant a folder for reading and writing: `HOST:/GUEST`.
    #[arg(long, value_name = "HOST:/GUEST")]
    dir: Vec<String>,

    /// Grant requests to a host: `api.example.com` or `http://127.0.0.1:8080`.
    #[arg(long, value_name = "HOST")]
    http: Vec<String>,

    /// Grant an environment variable.
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,

    /// How long a call may take [default: as the manifest says, or 30s].
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
}

impl Granted {
    /// Adds the grants of the command line, with folders as they are named.
    fn add_to(&self, grants: &mut Grants) -> Result<(), Complaint> {
        for dir in &self.dir {
            let (host, guest) = dir.split_once(':').ok_or_else(|| {
                Complaint::mistake(
                    format!("`{dir}` names no two folders"),
                    "write `--dir out:/data`",
                )
            })?;
            grants.dirs.push(DirGrant { host: host.into(), guest: guest.into(), write: true });
        }
        for host in &self.http {
            let target = manifest::parse_http_target(host).map_err(|reason| {
                Complaint::mistake(
                    format!("`--http {host}`: {reason}"),
                    "write `--http api.example.com`",
                )
            })?;
            grants.http.push(HttpGrant { target, methods: Vec::new(), idempotency_key: true });
        }
        for variable in &self.env {
            let (name, value) = variable.split_once('=').ok_or_else(|| {
                Complaint::mistake(
                    format!("`--env {variable}` gives no value"),
                    "write `--env TZ=UTC`",
                )
            })?;
            grants.env.insert(name.into(), value.into());
        }
        Ok(())
    }

    /// What one call of the component may use and touch.
    pub(crate) fn allowance(
        &self,
        component: &Path,
        context: &Context,
    ) -> Result<Allowance, Complaint> {
        let mut allowance = match &self.manifest {
            Some(manifest) => self.of_manifest(manifest, component, context)?,
            None => Allowance {
                timeout: std::time::Duration::from_secs(30),
                limits: Limits::default(),
                grants: Grants::default(),
                is_timeout_given: false,
            },
        };
        self.add_to(&mut allowance.grants)?;
        if let Some(given) = &self.timeout {
            allowance.timeout = manifest::parse_duration(given).map_err(|error| {
                Complaint::mistake(format!("`--timeout {given}`: {error}"), "write `30s`")
            })?;
            allowance.is_timeout_given = true;
        }
        Ok(allowance)
    }

    /// What a step of the manifest may use and touch, its paths as they are from here.
    fn of_manifest(
        &self,
        path: &Path,
        component: &Path,
        context: &Context,
    ) -> Result<Allowance, Complaint> {
        let checked = context.read_manifest(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let file = |path: &Path| component_file(path, "").ok()?.0.canonicalize().ok();
        let wanted = file(component);
        let manifest = &checked.manifest;
        let steps: Vec<_> = (manifest.pipeline.steps.iter().zip(&manifest.steps))
            .filter(|(step, settings)| match &self.step {
                Some(name) => *name == step.name,
                None => settings.component.as_ref().is_some_and(|named| {
                    wanted.is_some() && file(&folder.join(&named.path)) == wanted
                }),
            })
            .collect();
        let (step, settings) = match steps.as_slice() {
            [one] => *one,
            [] => {
                let what = self.step.as_ref().map_or_else(
                    || format!("no step of `{}` calls this component", path.display()),
                    |name| format!("`{}` has no step `{name}`", path.display()),
                );
                return Err(Complaint::mistake(what, "see its steps with `piton graph`"));
            }
            more => {
                let names: Vec<&str> = more.iter().map(|(step, _)| &*step.name).collect();
                let what = format!("more than one step of `{}` calls it", path.display());
                let hint = format!("say which by `--step`: {}", names.join(", "));
                return Err(Complaint::mistake(what, hint));
            }
        };
        let from_here = |path: &str| folder.join(path).display().to_string();
        let mut grants = settings.grants.clone();
        for dir in &mut grants.dirs {
            dir.host = from_here(&dir.host);
        }
        for secret in &mut grants.secrets {
            if let SecretSource::File(file) = &mut secret.source {
                *file = from_here(file);
            }
        }
        let limits = settings.limits.clone();
        Ok(Allowance { timeout: step.timeout, limits, grants, is_timeout_given: true })
    }
}

/// A JSON value that was given on the command line.
pub(crate) fn json(text: &str, what: &str) -> Result<Json, Complaint> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        Complaint::mistake(format!("{what} is no JSON: {error}"), "text is written as '\"text\"'")
    })?;
    Ok(Json::from_checked(value.to_string()))
}
