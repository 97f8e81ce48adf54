//! A server on loopback that does what it is told, over plain sockets: no library puts it right.
//! Hears whole requests; knows nothing of what is under test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) url: String,
    heard: Arc<Mutex<String>>,
    hung_up: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
enum Manner {
    Answers(String),
    Drips,
    IsSilent,
    IsSecured(TlsAcceptor),
}

impl Server {
    /// Answers every request with this text, and closes.
    pub(super) async fn answering(text: &str) -> Self {
        Self::start(Manner::Answers(text.to_owned())).await
    }

    /// Answers every request with nothing.
    pub(super) async fn echoing() -> Self {
        Self::answering("HTTP/1.1 204 No Content\r\n\r\n").await
    }

    /// Answers with a body that never ends, a byte at a time.
    pub(super) async fn dripping() -> Self {
        Self::start(Manner::Drips).await
    }

    /// Takes a request and says nothing.
    pub(super) async fn silent() -> Self {
        Self::start(Manner::IsSilent).await
    }

    /// Answers over TLS, as `api.example`.
    pub(super) async fn secured() -> Self {
        let chain = CertificateDer::from_pem_slice(include_bytes!("certificates/server.pem"));
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("certificates/server-key.pem"));
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the versions should be known")
            .with_no_client_auth()
            .with_single_cert(
                vec![chain.expect("it should be a certificate")],
                key.expect("it should be a key"),
            );
        let config = Arc::new(config.expect("the certificate should fit its key"));
        Self::start(Manner::IsSecured(config.into())).await
    }

    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port should be free");
        let address = listener.local_addr().expect("it should have an address");
        let heard = Arc::new(Mutex::new(String::new()));
        let hung_up = Arc::new(Notify::new());
        let (hearing, hanging) = (heard.clone(), hung_up.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (manner, heard) = (manner.clone(), hearing.clone());
                let hung_up = hanging.clone();
                tokio::spawn(async move { serve(stream, &manner, &heard, &hung_up).await });
            }
        });
        Self { address, url: format!("http://{address}"), heard, hung_up, task }
    }

    /// The last request's head.
    pub(super) fn heard(&self) -> String {
        self.heard.lock().expect("no test panics here").clone()
    }

    /// Waits until a client has closed its connection.
    pub(super) async fn hung_up(&self) {
        let hung_up = tokio::time::timeout(Duration::from_secs(10), self.hung_up.notified()).await;
        hung_up.expect("the client should hang up");
    }
}

/// The authority that vouches for [`Server::secured`].
pub(super) fn authority() -> RootCertStore {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("certificates/authority.pem"));
    let mut roots = RootCertStore::empty();
    roots.add(certificate.expect("it should be a certificate")).expect("it should be one to trust");
    roots
}

async fn serve(stream: TcpStream, manner: &Manner, heard: &Mutex<String>, hung_up: &Notify) {
    match manner {
        Manner::IsSecured(acceptor) => {
            // A client that does not trust this server hangs up.
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nsecured";
            converse(stream, &Manner::Answers(answer.into()), heard).await;
        }
        plain => converse(stream, plain, heard).await,
    }
    hung_up.notify_one();
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    manner: &Manner,
    heard: &Mutex<String>,
) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut bytes = [0; 1024];
        match stream.read(&mut bytes).await {
            Ok(len) if len > 0 => head.extend_from_slice(&bytes[..len]),
            _ => return,
        }
    }
    *heard.lock().expect("no test panics here") = String::from_utf8_lossy(&head).into_owned();
    match manner {
        Manner::Answers(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
            // Reads on, so that nothing unread turns the end into a reset.
            let mut rest = [0; 1024];
            while stream.read(&mut rest).await.is_ok_and(|len| len > 0) {}
        }
        Manner::Drips => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await;
            while stream.write_all(b".").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Manner::IsSilent | Manner::IsSecured(_) => {
            let _ = stream.read(&mut [0; 1]).await;
        }
    }
}
