//! What is granted on the command line to a component that is called without a run.
//! Reads options alone; never looks at a folder, and never widens a grant.

use super::complain::Complaint;
use piton::manifest::{self, Allowance};
use piton_core::{DirGrant, Grants, HttpGrant, Json, Limits};

#[derive(clap::Args)]
pub(crate) struct Granted {
    /// Grant a folder for reading and writing: `HOST:/GUEST`.
    #[arg(long, value_name = "HOST:/GUEST")]
    dir: Vec<String>,

    /// Grant requests to a host: `api.example.com` or `http://127.0.0.1:8080`.
    #[arg(long, value_name = "HOST")]
    http: Vec<String>,

    /// Grant an environment variable.
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,

    /// How long a call may take [default: 30s].
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
}

impl Granted {
    /// The grants, with folders as they are named.
    fn grants(&self) -> Result<Grants, Complaint> {
        let mut grants = Grants::default();
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
        Ok(grants)
    }

    /// What one call may use and touch.
    pub(crate) fn allowance(&self) -> Result<Allowance, Complaint> {
        let given = self.timeout.as_deref();
        let timeout = manifest::parse_duration(given.unwrap_or("30s")).map_err(|error| {
            let given = given.unwrap_or_default();
            Complaint::mistake(format!("`--timeout {given}`: {error}"), "write `30s`")
        })?;
        Ok(Allowance {
            timeout,
            limits: Limits::default(),
            grants: self.grants()?,
            is_timeout_given: given.is_some(),
        })
    }
}

/// A JSON value that was given on the command line.
pub(crate) fn json(text: &str, what: &str) -> Result<Json, Complaint> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        Complaint::mistake(format!("{what} is no JSON: {error}"), "text is written as '\"text\"'")
    })?;
    Ok(Json::from_checked(value.to_string()))
}
