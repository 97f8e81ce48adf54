//! Turns the grants of a manifest into what a guest sees of its host: folders and variables, or nothing.
//! Nothing is inherited from the host's own process. Never widens a grant, and makes no folder.

use super::logs::{Logs, Stream};
use piton_core::{Grants, HttpGrant, SecretGrant, SecretSource};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};

/// The most random bytes that a guest gets in one call.
const RANDOM_BYTES_MAX: u64 = 1 << 20;

/// The largest file that is read for a secret.
const SECRET_FILE_BYTES_MAX: u64 = 64 << 10;

/// Grants with the host's folders found and checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResolvedGrants {
    /// Folders of the host.
    pub dirs: Vec<ResolvedDir>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Where requests may go.
    pub http: Vec<HttpGrant>,
    /// Secrets that the host puts into requests.
    pub secrets: Vec<ResolvedSecret>,
}

/// A secret's grant, with its file found; its value is read anew for each call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedSecret {
    /// The grant.
    pub grant: SecretGrant,
    /// Where the file of [`SecretSource::File`] is looked for from.
    base: PathBuf,
}

/// A folder of the host that a guest sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedDir {
    /// Its absolute path on the host, without symbolic links.
    pub host: PathBuf,
    /// The absolute path under which the guest sees it.
    pub guest: String,
    /// Whether the guest may change what is in it.
    pub write: bool,
}

/// Why a grant cannot be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantError {
    /// The host's folder cannot be looked at, or is no folder.
    Unusable {
        /// The folder as the manifest names it.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// The guest's path is not absolute, or not in its plain form.
    GuestPath(String),
    /// The way to the folder leads through a symbolic link below the manifest's own folder, where a
    /// step with a grant could have made it.
    Link {
        /// The folder as the manifest names it.
        host: String,
        /// Where it leads.
        target: PathBuf,
    },
    /// Two grants have the same guest path.
    GuestPathTwice(String),
    /// One granted folder holds the other, and one of them may be written: what is read-only under
    /// one name could be changed under the other.
    Overlap(PathBuf, PathBuf),
    /// The folder holds, or lies in, one that no guest may see: the host's own data.
    Forbidden(PathBuf),
    /// A secret's file lies in a folder that the same step may write.
    SecretInDir(String),
    /// A variable's name is empty or holds `=` or a zero character, or its value does.
    Variable(String),
}

impl fmt::Display for GrantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable { host, why } => {
                write!(f, "cannot grant folder `{host}`: {why}; make it, or correct `host`")
            }
            Self::Link { host, target } => write!(
                f,
                "cannot grant folder `{host}`: a symbolic link on the way leads to `{}`; a step may \
                 have made it, so name that folder itself if it is the one you mean",
                target.display()
            ),
            Self::GuestPath(path) => write!(
                f,
                "`{path}` is no path that a step can see: write it as `/data`, without `.` and `..`"
            ),
            Self::GuestPathTwice(path) => write!(f, "two folders are granted as `{path}`"),
            Self::Overlap(one, other) => write!(
                f,
                "granted folder `{}` lies in granted folder `{}`: grant separate folders where one \
                 may be written",
                one.display(),
                other.display()
            ),
            Self::Forbidden(path) => write!(
                f,
                "cannot grant folder `{}`: the host keeps its own data there",
                path.display()
            ),
            Self::SecretInDir(name) => write!(
                f,
                "the file of secret `{name}` lies in a folder that the step may write: keep it \
                 elsewhere"
            ),
            Self::Variable(name) => {
                write!(f, "`{name}` cannot be granted as an environment variable")
            }
        }
    }
}

impl std::error::Error for GrantError {}

impl ResolvedGrants {
    /// Finds the folders of `grants`, relative ones from `base`. No grant may touch `forbidden`
    /// folders: the host's data directory.
    ///
    /// # Errors
    /// The first grant that cannot be given.
    pub fn resolve(grants: &Grants, base: &Path, forbidden: &[&Path]) -> Result<Self, GrantError> {
        let mut dirs: Vec<ResolvedDir> = Vec::with_capacity(grants.dirs.len());
        for grant in &grants.dirs {
            let unusable = |why: String| GrantError::Unusable { host: grant.host.clone(), why };
            let host = base.join(&grant.host).canonicalize();
            let host = host.map_err(|error| unusable(error.to_string()))?;
            if leads_elsewhere(base, Path::new(&grant.host), &host) {
                return Err(GrantError::Link { host: grant.host.clone(), target: host });
            }
            if !host.is_dir() {
                return Err(unusable("it is no folder".into()));
            }
            let dir = ResolvedDir { host, guest: grant.guest.clone(), write: grant.write };
            dir.check(&dirs, forbidden)?;
            dirs.push(dir);
        }
        for (name, value) in &grants.env {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(GrantError::Variable(name.clone()));
            }
        }
        let mut secrets = Vec::with_capacity(grants.secrets.len());
        for grant in &grants.secrets {
            let secret = ResolvedSecret { grant: grant.clone(), base: base.to_path_buf() };
            if secret.lies_in(&dirs) {
                return Err(GrantError::SecretInDir(grant.name.clone()));
            }
            secrets.push(secret);
        }
        Ok(Self { dirs, env: grants.env.clone(), http: grants.http.clone(), secrets })
    }

    /// What the guest of one attempt sees, and nothing else.
    ///
    /// # Errors
    /// What has become of a granted folder, for people.
    pub(super) fn context(&self, logs: &Arc<Logs>) -> Result<WasiCtx, String> {
        // The builder starts with no arguments, variables, folders, input and network; clocks and
        // random numbers are real. Of `inherit_…` nothing is ever called.
        let mut builder = WasiCtxBuilder::new();
        let (stdout, stderr) = Stream::pair(logs);
        builder.stdout(stdout).stderr(stderr).max_random_size(RANDOM_BYTES_MAX);
        builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        for (name, value) in &self.env {
            builder.env(name, value);
        }
        for dir in &self.dirs {
            dir.check_still_there()?;
            let perms = if dir.write { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            builder.preopened_dir(&dir.host, &dir.guest, perms).map_err(|error| {
                let host = dir.host.display();
                format!("folder `{host}`, granted as `{}`, cannot be opened: {error:#}", dir.guest)
            })?;
        }
        Ok(builder.build())
    }
}

/// Whether a plain relative path, which can only lead below `base`, was led away by a link.
fn leads_elsewhere(base: &Path, path: &Path, found: &Path) -> bool {
    let is_plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    let plain: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    let base = base.canonicalize();
    path.components().all(is_plain) && base.is_ok_and(|base| base.join(plain) != found)
}

impl ResolvedSecret {
    /// The secret in its file, without the line end after it.
    pub(super) fn read_file(&self) -> Result<String, String> {
        let SecretSource::File(name) = &self.grant.source else {
            return Err("it has none".into());
        };
        let path = self.base.join(name).canonicalize().map_err(|error| error.to_string())?;
        if leads_elsewhere(&self.base, Path::new(name), &path) {
            return Err("a symbolic link on the way leads elsewhere, which a step may have made; \
                        name the file itself"
                .into());
        }
        let known = path.metadata().map_err(|error| error.to_string())?;
        if !known.is_file() || known.len() > SECRET_FILE_BYTES_MAX {
            return Err(format!("it is no file of at most {SECRET_FILE_BYTES_MAX} bytes"));
        }
        let mut text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
        Ok(text)
    }

    /// Whether a step that writes these folders could put another file in its place.
    fn lies_in(&self, dirs: &[ResolvedDir]) -> bool {
        let SecretSource::File(name) = &self.grant.source else { return false };
        let path = self.base.join(name);
        let path = path.canonicalize().unwrap_or(path);
        dirs.iter().any(|dir| dir.write && path.starts_with(&dir.host))
    }
}

impl ResolvedDir {
    /// A guest that may write around here could have put a link in the folder's place since.
    fn check_still_there(&self) -> Result<(), String> {
        let (host, guest) = (self.host.display(), &self.guest);
        match self.host.canonicalize() {
            Ok(found) if found == self.host => Ok(()),
            Ok(_) => {
                Err(format!("folder `{host}`, granted as `{guest}`, has become a symbolic link"))
            }
            Err(error) => {
                Err(format!("folder `{host}`, granted as `{guest}`, cannot be opened: {error}"))
            }
        }
    }

    fn check(&self, others: &[Self], forbidden: &[&Path]) -> Result<(), GrantError> {
        let parts = self.guest.strip_prefix('/').map(|rest| rest.split('/'));
        let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
        if !parts.is_some_and(|mut parts| self.guest == "/" || parts.all(is_plain)) {
            return Err(GrantError::GuestPath(self.guest.clone()));
        }
        for other in others {
            if other.guest == self.guest {
                return Err(GrantError::GuestPathTwice(self.guest.clone()));
            }
            if (self.write || other.write) && self.host.starts_with(&other.host) {
                return Err(GrantError::Overlap(self.host.clone(), other.host.clone()));
            }
            if (self.write || other.write) && other.host.starts_with(&self.host) {
                return Err(GrantError::Overlap(other.host.clone(), self.host.clone()));
            }
        }
        let touches = |path: &&Path| {
            let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
            self.host.starts_with(&path) || path.starts_with(&self.host)
        };
        if forbidden.iter().any(touches) {
            return Err(GrantError::Forbidden(self.host.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use piton_core::DirGrant;

    fn resolve(base: &Path, dirs: &[(&str, &str, bool)]) -> Result<ResolvedGrants, GrantError> {
        let dirs = dirs.iter().map(|(host, guest, write)| DirGrant {
            host: (*host).into(),
            guest: (*guest).into(),
            write: *write,
        });
        let grants = Grants { dirs: dirs.collect(), ..Grants::default() };
        ResolvedGrants::resolve(&grants, base, &[&base.join(".piton")])
    }

    fn folders() -> tempfile::TempDir {
        let base = tempfile::tempdir().expect("a temporary folder should be made");
        for name in ["a/inner", "b", ".piton/journal"] {
            std::fs::create_dir_all(base.path().join(name)).expect("a folder should be made");
        }
        base
    }

    #[test]
    fn folders_are_found_from_the_base() {
        let base = folders();
        let grants = resolve(base.path(), &[("a", "/data", true), ("b", "/", false)]);
        let grants = grants.expect("both folders should be granted");
        assert_eq!(grants.dirs[0].host, base.path().canonicalize().expect("it exists").join("a"));
    }

    #[test]
    fn a_missing_folder_and_a_file_are_refused() {
        let base = folders();
        std::fs::write(base.path().join("file"), "").expect("a file should be written");
        for name in ["missing", "file"] {
            let refused = resolve(base.path(), &[(name, "/data", false)]);
            assert!(matches!(refused, Err(GrantError::Unusable { .. })), "{name}");
        }
    }

    #[test]
    fn a_writable_folder_shares_nothing_with_another() {
        let base = folders();
        for (one, other) in [(true, false), (false, true)] {
            let refused = resolve(base.path(), &[("a", "/a", one), ("a/inner", "/b", other)]);
            assert!(matches!(refused, Err(GrantError::Overlap(..))));
            let refused = resolve(base.path(), &[("a/inner", "/a", one), ("a", "/b", other)]);
            assert!(matches!(refused, Err(GrantError::Overlap(..))));
        }
        assert!(resolve(base.path(), &[("a", "/a", false), ("a/inner", "/b", false)]).is_ok());
    }

    #[test]
    fn a_link_that_a_step_could_have_made_is_not_followed() {
        let base = folders();
        let link = base.path().join("a/link");
        std::os::unix::fs::symlink("/etc", &link).expect("a link should be made");
        let refused = resolve(base.path(), &[("./a/link", "/data", false)]);
        assert!(matches!(refused, Err(GrantError::Link { target, .. }) if target == *"/etc"));
        let grants = resolve(base.path(), &[("./b", "/data", false)]).expect("it is a folder");
        std::fs::remove_dir(base.path().join("b")).expect("it should be empty");
        std::os::unix::fs::symlink("/etc", base.path().join("b")).expect("a link should be made");
        let gone = grants.dirs[0].check_still_there().expect_err("it should be refused");
        assert!(gone.ends_with("has become a symbolic link"), "{gone}");
    }

    #[test]
    fn the_data_of_the_host_is_never_granted() {
        let base = folders();
        for name in [".piton", ".piton/journal", "."] {
            let refused = resolve(base.path(), &[(name, "/data", false)]);
            assert!(matches!(refused, Err(GrantError::Forbidden(_))), "{name}");
        }
    }

    #[test]
    fn guest_paths_are_plain_and_differ() {
        let base = folders();
        for path in ["data", "", "/a/../b", "/a//b", "/./a", "/a/"] {
            let refused = resolve(base.path(), &[("a", path, false)]);
            assert!(matches!(refused, Err(GrantError::GuestPath(_))), "{path}");
        }
        let refused = resolve(base.path(), &[("a", "/x", false), ("b", "/x", false)]);
        assert!(matches!(refused, Err(GrantError::GuestPathTwice(_))));
    }
}
