//! Finds the addresses of a host, checks every one of them, and connects to one that was checked.
//! A name is looked up once per request; nothing is remembered, and no proxy is asked.

use super::super::services::BoxFuture;
use super::super::time::Time;
use super::addresses::not_public;
use super::stand_in::StandIn;
use piton_core::{HttpHost, HttpScheme, HttpTarget};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use wasmtime_wasi_http::Error;

/// How long a name may take to be looked up.
const LOOKUP_TIME_MAX: Duration = Duration::from_secs(10);
/// Lookups at once, of all attempts: each holds a thread, for as long as the system takes.
const LOOKUPS_MAX: usize = 16;
/// Addresses of one name that are tried; all are checked.
const ADDRESSES_TRIED: usize = 4;
/// How long connecting may take, TLS included, where the guest does not say.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(30);

/// What the network is asked. Tests answer in its place.
pub(in super::super) trait Network: Send + Sync {
    /// All addresses of a name.
    fn lookup(&self, name: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
    /// A connection to this very address.
    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>>;
}

/// The network of the system.
struct System;

impl Network for System {
    fn lookup(&self, name: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name.as_str(), port)).await?.collect()) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(address))
    }
}

/// The way out for all attempts of a sandbox. It holds no connection and no session.
pub(in super::super) struct Gate {
    network: Arc<dyn Network>,
    lookups: Arc<Semaphore>,
    tls: Arc<ClientConfig>,
    stand_in: Option<Arc<dyn StandIn>>,
}

/// A connection to whom a request goes.
pub(super) trait Line: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

/// Why there is no connection: what the guest is told, and what people are.
pub(super) struct Unreachable {
    pub(super) error: Error,
    pub(super) why: String,
}

impl Unreachable {
    fn new(error: Error, why: impl Into<String>) -> Self {
        Self { error, why: why.into() }
    }
}

impl Gate {
    /// `network` stands in for the system's where it is given, and `roots` for the public ones.
    pub(in super::super) fn new(
        network: Option<Arc<dyn Network>>,
        roots: Option<RootCertStore>,
    ) -> Result<Self, rustls::Error> {
        let roots = roots
            .unwrap_or_else(|| RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A session that two attempts share would tie one run to another.
        tls.resumption = Resumption::disabled();
        Ok(Self {
            network: network.unwrap_or_else(|| Arc::new(System)),
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            tls: Arc::new(tls),
            stand_in: None,
        })
    }

    /// The same, with somebody who answers in place of everybody beyond it.
    pub(in super::super) fn behind(self, stand_in: Option<Arc<dyn StandIn>>) -> Self {
        Self { stand_in, ..self }
    }

    /// Who answers instead of the hosts that requests go to.
    pub(super) fn stand_in(&self) -> Option<&dyn StandIn> {
        self.stand_in.as_deref()
    }

    /// Connects to a target, one that holds no pattern.
    pub(super) async fn open(
        &self,
        target: &HttpTarget,
        time: &Time,
        connect_time: Option<Duration>,
    ) -> Result<Box<dyn Line>, Unreachable> {
        let (name, addresses) = match &target.host {
            HttpHost::Address(address) => {
                (ServerName::from(*address), vec![SocketAddr::new(*address, target.port)])
            }
            HttpHost::Name(name) | HttpHost::Below(name) => {
                let server = ServerName::try_from(name.clone());
                let server = server.map_err(|_| {
                    Unreachable::new(Error::HttpRequestUriInvalid, "its host is no name")
                })?;
                (server, self.addresses(name, target.port, time).await?)
            }
        };
        let within = connect_time.unwrap_or(CONNECT_TIME_MAX).min(time.left());
        let connected = timeout(within, async {
            let stream = self.dial(&addresses, within).await?;
            // Small requests should not wait for more.
            let _ = stream.set_nodelay(true);
            match target.scheme {
                HttpScheme::Http => Ok(Box::new(stream) as Box<dyn Line>),
                HttpScheme::Https => self.secure(name, stream).await,
            }
        });
        connected.await.unwrap_or_else(|_| {
            let why = format!("it did not answer within {within:?}");
            Err(Unreachable::new(Error::ConnectionTimeout, why))
        })
    }

    /// The addresses of a name, every one of them public.
    async fn addresses(
        &self,
        name: &str,
        port: u16,
        time: &Time,
    ) -> Result<Vec<SocketAddr>, Unreachable> {
        let within = LOOKUP_TIME_MAX.min(time.left());
        let looked_up = timeout(within, async {
            // Never closed. The task keeps its permit as long as the system keeps the thread, even
            // when nobody waits for it any more.
            let permit = Arc::clone(&self.lookups).acquire_owned().await;
            let lookup = self.network.lookup(name.to_owned(), port);
            let task = tokio::spawn(async move {
                let _permit = permit;
                lookup.await
            });
            task.await.unwrap_or_else(|error| Err(io::Error::other(error)))
        });
        let looked_up = looked_up.await.map_err(|_| {
            Unreachable::new(Error::DnsTimeout, format!("its name was not found in {within:?}"))
        })?;
        let unknown =
            |why: String| Unreachable::new(Error::DnsError { rcode: None, info_code: None }, why);
        let addresses =
            looked_up.map_err(|error| unknown(format!("its name is not found: {error}")))?;
        if addresses.is_empty() {
            return Err(unknown("its name has no address".into()));
        }
        for address in &addresses {
            if let Some(what) = not_public(address.ip()) {
                return Err(prohibited(name, address.ip(), what));
            }
        }
        Ok(addresses)
    }

    /// Connects to one of some addresses, giving each a part of the time.
    async fn dial(
        &self,
        addresses: &[SocketAddr],
        within: Duration,
    ) -> Result<TcpStream, Unreachable> {
        let end = Instant::now() + within;
        let mut last = Unreachable::new(Error::DestinationUnavailable, "it has no address");
        let tried = addresses.iter().take(ADDRESSES_TRIED);
        for (address, parts) in tried.zip((1..=addresses.len().min(ADDRESSES_TRIED)).rev()) {
            let left = end.saturating_duration_since(Instant::now());
            let part = left / u32::try_from(parts).unwrap_or(1);
            last = match timeout(part, self.network.connect(*address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    Unreachable::new(Error::ConnectionRefused, "it refused the connection")
                }
                Ok(Err(error)) => {
                    Unreachable::new(Error::DestinationUnavailable, error.to_string())
                }
                Err(_) => Unreachable::new(
                    Error::ConnectionTimeout,
                    format!("it did not answer within {part:?}"),
                ),
            };
        }
        Err(last)
    }

    async fn secure(
        &self,
        name: ServerName<'static>,
        stream: TcpStream,
    ) -> Result<Box<dyn Line>, Unreachable> {
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        match connector.connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
                let is_certificate = matches!(inner, Some(rustls::Error::InvalidCertificate(_)));
                let code = if is_certificate {
                    Error::TlsCertificateError
                } else {
                    Error::TlsProtocolError
                };
                Err(Unreachable::new(code, format!("TLS failed: {error}")))
            }
        }
    }
}

fn prohibited(name: &str, address: IpAddr, what: &str) -> Unreachable {
    let why = format!(
        "`{name}` is at {address}, which is not public ({what}); only a grant of that address \
         itself would allow it"
    );
    Unreachable::new(Error::DestinationIpProhibited, why)
}
