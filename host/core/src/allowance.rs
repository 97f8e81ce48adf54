//! What one attempt may use and touch, as data: the sandbox enforces it, the manifest fills it in.
//! Owns the defaults; never enforces anything itself.

mod grant;

pub use grant::Grant;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// What one attempt may use, besides its wall time ([`Step::timeout`](crate::Step::timeout)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Instructions, roughly. Default 50,000,000,000.
    pub fuel: u64,
    /// All linear memories together. Default 64 MiB.
    pub memory_bytes: u64,
    /// All tables together. Default 100,000.
    pub table_elements: u64,
    /// The call's input. Default 4 MiB.
    pub input_bytes: u64,
    /// What the call returns. Default 4 MiB.
    pub output_bytes: u64,
    /// Log lines, standard output and standard error together; the rest is cut. Default 256 KiB.
    pub log_bytes: u64,
    /// Memos of all phases of the step. Default 1,000.
    pub memo_count: u64,
    /// Keys and values of these memos together. Default 4 MiB.
    pub memo_bytes: u64,
    /// How long a call may go without reporting progress. Default: as long as its timeout.
    pub idle_timeout: Option<Duration>,
    /// Outgoing HTTP.
    pub http: HttpLimits,
}

/// What one attempt may send and be sent, over all its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Requests that leave the host. Default 1,000.
    pub requests: u64,
    /// Connections at once; a further request waits for one of them to end. Default 8.
    pub connections: u32,
    /// Bodies of all requests together. Default 64 MiB.
    pub request_bytes: u64,
    /// Bodies of all responses together, as they come: nothing is decompressed. Default 64 MiB.
    pub response_bytes: u64,
    /// Names and values of the headers of one request, or of one response. Default 32 KiB.
    pub header_bytes: u64,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: 50_000_000_000,
            memory_bytes: 64 * MIB,
            table_elements: 100_000,
            input_bytes: 4 * MIB,
            output_bytes: 4 * MIB,
            log_bytes: 256 * KIB,
            memo_count: 1_000,
            memo_bytes: 4 * MIB,
            idle_timeout: None,
            http: HttpLimits::default(),
        }
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            requests: 1_000,
            connections: 8,
            request_bytes: 64 * MIB,
            response_bytes: 64 * MIB,
            header_bytes: 32 * KIB,
        }
    }
}

/// What one attempt may touch. The default is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Folders of the host.
    pub dirs: Vec<DirGrant>,
    /// Environment variables, with their values as the manifest gives them.
    pub env: BTreeMap<String, String>,
    /// Where requests may go.
    pub http: Vec<HttpGrant>,
    /// Secrets that the host puts into requests.
    pub secrets: Vec<SecretGrant>,
}

/// A folder of the host that a guest sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirGrant {
    /// The folder on the host, as the manifest names it: relative to the manifest.
    pub host: String,
    /// The absolute path under which the guest sees it.
    pub guest: String,
    /// Whether the guest may change what is in it. Default false.
    pub write: bool,
}

/// Requests that a guest may send. The first grant that covers a request counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpGrant {
    /// Where to.
    pub target: HttpTarget,
    /// With which methods; any where there are none.
    pub methods: Vec<String>,
    /// Whether a request that changes something and has no `idempotency-key` gets the attempt's.
    /// Default true.
    pub idempotency_key: bool,
}

/// Where a request goes, or where requests may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    /// How.
    pub scheme: HttpScheme,
    /// To whom.
    pub host: HttpHost,
    /// At which port.
    pub port: u16,
}

/// How a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpScheme {
    /// As it is.
    Http,
    /// Over TLS.
    Https,
}

/// Whom a request is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpHost {
    /// A name, in lower case. It never stands for an address that is not public.
    Name(String),
    /// Every name that ends in a dot and this, in lower case; not the name itself.
    Below(String),
    /// This address, written as such; it may be one that is not public.
    Address(IpAddr),
}

impl HttpScheme {
    /// The port where none is named.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl HttpHost {
    /// Whether all that `other` stands for is also this.
    fn covers(&self, other: &Self) -> bool {
        let is_below = |name: &str, end: &str| {
            name.strip_suffix(end).is_some_and(|start| start.len() > 1 && start.ends_with('.'))
        };
        match (self, other) {
            (Self::Below(end), Self::Name(name)) => is_below(name, end),
            (Self::Below(end), Self::Below(name)) => name == end || is_below(name, end),
            _ => self == other,
        }
    }
}

impl HttpTarget {
    /// Whether all that `other` stands for is also this.
    pub fn covers(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.port == other.port && self.host.covers(&other.host)
    }
}

impl fmt::Display for HttpTarget {
    /// As a manifest has it: `https://api.example.com`, with the port where it is not the usual one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.word())?;
        match &self.host {
            HttpHost::Name(name) => f.write_str(name)?,
            HttpHost::Below(name) => write!(f, "*.{name}")?,
            HttpHost::Address(IpAddr::V4(address)) => write!(f, "{address}")?,
            HttpHost::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
        }
        if self.port == self.scheme.default_port() {
            return Ok(());
        }
        write!(f, ":{}", self.port)
    }
}

/// A secret that the host puts into requests on their way out. The guest never has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretGrant {
    /// What it is called, in messages and where its value is blotted out.
    pub name: String,
    /// The header that carries it, in lower case. What the guest sets there is replaced.
    pub header: String,
    /// The header's value up to the secret, such as `Bearer `.
    pub before: String,
    /// The header's value after the secret.
    pub after: String,
    /// The only places that it is sent to.
    pub targets: Vec<HttpTarget>,
    /// Where the host finds it.
    pub source: SecretSource,
}

/// Where the host finds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In this variable of its environment.
    Variable(String),
    /// In this file, as the manifest names it: relative to the manifest.
    File(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: HttpHost) -> HttpTarget {
        HttpTarget { scheme: HttpScheme::Https, host, port: 443 }
    }

    #[test]
    fn a_star_stands_for_names_below_and_not_beside() {
        let below = target(HttpHost::Below("example.com".into()));
        for (name, expected) in [
            ("a.example.com", true),
            ("a.b.example.com", true),
            ("example.com", false),
            (".example.com", false),
            ("badexample.com", false),
            ("a.example.com.evil", false),
        ] {
            assert_eq!(below.covers(&target(HttpHost::Name(name.into()))), expected, "{name}");
        }
        assert!(below.covers(&target(HttpHost::Below("a.example.com".into()))));
        assert!(!target(HttpHost::Name("example.com".into())).covers(&below));
    }

    #[test]
    fn scheme_and_port_must_be_the_same() {
        let one = target(HttpHost::Name("a".into()));
        assert!(!one.covers(&HttpTarget { port: 444, ..one.clone() }));
        assert!(!one.covers(&HttpTarget { scheme: HttpScheme::Http, ..one.clone() }));
    }

    #[test]
    fn a_target_is_shown_as_a_manifest_has_it() {
        let loopback = HttpHost::Address(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1_u16]));
        let shown = HttpTarget { port: 8080, ..target(loopback) }.to_string();
        assert_eq!(shown, "https://[::1]:8080");
        assert_eq!(target(HttpHost::Below("a.b".into())).to_string(), "https://*.a.b");
    }
}
