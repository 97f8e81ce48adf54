//! Grants one by one: what each gives in plain words, and whether others give it already.
//! Compares what is written; never looks at a file, or at what a name stands for.

use super::{DirGrant, Grants, HttpGrant, HttpTarget, SecretGrant, SecretSource};
use std::fmt;

/// One of a step's grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant<'g> {
    /// A folder of the host.
    Dir(&'g DirGrant),
    /// A variable of the step's environment, and its value.
    Variable(&'g str, &'g str),
    /// Requests.
    Http(&'g HttpGrant),
    /// A secret in requests.
    Secret(&'g SecretGrant),
}

impl Grants {
    /// All of them, in an order that depends on them alone.
    pub fn each(&self) -> impl Iterator<Item = Grant<'_>> {
        let variables = self.env.iter().map(|(name, value)| Grant::Variable(name, value));
        let dirs = self.dirs.iter().map(Grant::Dir);
        let secrets = self.secrets.iter().map(Grant::Secret);
        dirs.chain(variables).chain(self.http.iter().map(Grant::Http)).chain(secrets)
    }

    /// Whether all that this grant gives is given by these already.
    pub fn cover(&self, grant: Grant<'_>) -> bool {
        self.each().any(|own| match (own, grant) {
            (Grant::Dir(own), Grant::Dir(other)) => own.covers(other),
            (Grant::Http(own), Grant::Http(other)) => own.covers(other),
            (Grant::Secret(own), Grant::Secret(other)) => own.covers(other),
            (own, other) => own == other,
        })
    }
}

impl DirGrant {
    /// Whether all that `other` gives is within this. Where the guest sees it makes no difference.
    fn covers(&self, other: &Self) -> bool {
        let is_within = match (parts(&self.host), parts(&other.host)) {
            (Some(own), Some(other)) => other.starts_with(&own),
            // A path that starts elsewhere may lead through links: it only covers itself.
            _ => self.host == other.host,
        };
        is_within && (self.write || !other.write)
    }
}

/// The parts of a path that can only lead below where it starts, if it is one.
fn parts(path: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> =
        path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    (!path.starts_with('/') && !parts.contains(&"..")).then_some(parts)
}

impl HttpGrant {
    /// Whether every request that `other` allows is allowed by this. One that leaves the
    /// idempotency key out is only covered by one that does, too.
    fn covers(&self, other: &Self) -> bool {
        let has_methods = self.methods.is_empty()
            || !other.methods.is_empty()
                && other.methods.iter().all(|method| self.methods.contains(method));
        let keeps_key = other.idempotency_key || !self.idempotency_key;
        has_methods && keeps_key && self.target.covers(&other.target)
    }
}

impl SecretGrant {
    /// Whether it is the same secret in the same header, sent to no further place.
    fn covers(&self, other: &Self) -> bool {
        let is_target = |target: &HttpTarget| self.targets.iter().any(|own| own.covers(target));
        let targets = self.targets.clone();
        other.targets.iter().all(is_target) && Self { targets, ..other.clone() } == *self
    }
}

impl fmt::Display for Grant<'_> {
    /// All that the grant says, as what the step may do. Holds texts of the manifest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dir(DirGrant { host, guest, write }) => {
                let how = if *write { "read and write" } else { "read" };
                write!(f, "may {how} files in the folder `{host}`, as `{guest}`")
            }
            Self::Variable(name, value) => write!(f, "is given the variable `{name}` as {value:?}"),
            Self::Http(HttpGrant { target, methods, idempotency_key }) => {
                write!(f, "may send HTTP to {target}")?;
                if !methods.is_empty() {
                    write!(f, ", only {}", methods.join(", "))?;
                }
                if !idempotency_key {
                    f.write_str(", without idempotency keys")?;
                }
                Ok(())
            }
            Self::Secret(SecretGrant { name, header, before, after, targets, source }) => {
                let (kind, place) = match source {
                    SecretSource::Variable(variable) => ("variable", variable),
                    SecretSource::File(file) => ("file", file),
                };
                let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "has the secret `{name}`, from the {kind} `{place}`, sent to {} as \
                     `{header}: {before}…{after}`",
                    targets.join(", ")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HttpHost, HttpScheme};
    use super::*;
    use std::collections::BTreeMap;

    fn dir(host: &str, write: bool) -> Grants {
        let dir = DirGrant { host: host.into(), guest: "/data".into(), write };
        Grants { dirs: vec![dir], ..Grants::default() }
    }

    fn target(host: HttpHost) -> HttpTarget {
        HttpTarget { scheme: HttpScheme::Https, host, port: 443 }
    }

    fn name(name: &str) -> HttpTarget {
        target(HttpHost::Name(name.into()))
    }

    fn http(target: HttpTarget, methods: &[&str], idempotency_key: bool) -> Grants {
        let methods = methods.iter().map(|method| (*method).to_owned()).collect();
        Grants { http: vec![HttpGrant { target, methods, idempotency_key }], ..Grants::default() }
    }

    fn secret(targets: &[&str]) -> SecretGrant {
        SecretGrant {
            name: "KEY".into(),
            header: "authorization".into(),
            before: "Bearer ".into(),
            after: String::new(),
            targets: targets.iter().map(|target| name(target)).collect(),
            source: SecretSource::Variable("KEY".into()),
        }
    }

    fn with_secret(secret: SecretGrant) -> Grants {
        Grants { secrets: vec![secret], ..Grants::default() }
    }

    #[track_caller]
    fn check(own: &Grants, other: &Grants, expected: bool) {
        let covered = other.each().all(|grant| own.cover(grant));
        assert_eq!(covered, expected, "{own:?}\n{other:?}");
    }

    #[test]
    fn a_folder_covers_what_is_within_and_reading_alone() {
        check(&dir("out", true), &dir("out", false), true);
        check(&dir("out", false), &dir("out", true), false);
        check(&dir("out", true), &dir("./out/", true), true);
        check(&dir("out", true), &dir("out/inner", true), true);
        check(&dir("out/inner", true), &dir("out", true), false);
        check(&dir("out", true), &dir("output", true), false);
        check(&dir("out", true), &dir("out/../secret", true), false);
        check(&dir(".", true), &dir("..", true), false);
        check(&dir("/srv", true), &dir("/srv", true), true);
        check(&dir("/srv", true), &dir("/srv/inner", true), false);
        check(&dir(".", true), &dir("/srv", true), false);
        check(&Grants::default(), &dir("out", false), false);
    }

    #[test]
    fn a_variable_covers_itself_with_its_value_alone() {
        let env = |value: &str| Grants {
            env: BTreeMap::from([("TZ".to_owned(), value.to_owned())]),
            ..Grants::default()
        };
        check(&env("UTC"), &env("UTC"), true);
        check(&env("UTC"), &env("Europe/Paris"), false);
        check(&env("UTC"), &Grants::default(), true);
    }

    #[test]
    fn requests_are_covered_by_host_method_and_key() {
        let below = || target(HttpHost::Below("example.com".into()));
        check(&http(below(), &[], true), &http(name("a.example.com"), &[], true), true);
        check(&http(name("a.example.com"), &[], true), &http(below(), &[], true), false);
        check(&http(name("a"), &[], true), &http(name("a"), &["GET"], true), true);
        check(&http(name("a"), &["GET"], true), &http(name("a"), &[], true), false);
        check(&http(name("a"), &["GET", "PUT"], true), &http(name("a"), &["PUT"], true), true);
        check(&http(name("a"), &["GET"], true), &http(name("a"), &["PUT"], true), false);
        check(&http(name("a"), &[], true), &http(name("a"), &[], false), false);
        check(&http(name("a"), &[], false), &http(name("a"), &[], true), true);
    }

    #[test]
    fn a_secret_may_go_to_fewer_places_and_nothing_else_may_change() {
        let both = || with_secret(secret(&["a", "b"]));
        check(&both(), &with_secret(secret(&["b"])), true);
        check(&with_secret(secret(&["b"])), &both(), false);
        let changed = [
            SecretGrant { name: "OTHER".into(), ..secret(&["a"]) },
            SecretGrant { header: "x-key".into(), ..secret(&["a"]) },
            SecretGrant { before: String::new(), ..secret(&["a"]) },
            SecretGrant { after: "!".into(), ..secret(&["a"]) },
            SecretGrant { source: SecretSource::File("KEY".into()), ..secret(&["a"]) },
        ];
        for changed in changed {
            check(&both(), &with_secret(changed), false);
        }
    }

    #[test]
    fn a_grant_is_told_in_full() {
        let told = |grants: &Grants| {
            grants.each().map(|grant| grant.to_string()).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(
            told(&dir("out", true)),
            "may read and write files in the folder `out`, as `/data`"
        );
        assert_eq!(
            told(&http(name("a.example"), &["GET", "PUT"], false)),
            "may send HTTP to https://a.example, only GET, PUT, without idempotency keys"
        );
        assert_eq!(
            told(&with_secret(secret(&["a.example"]))),
            "has the secret `KEY`, from the variable `KEY`, sent to https://a.example as \
             `authorization: Bearer …`"
        );
    }
}
