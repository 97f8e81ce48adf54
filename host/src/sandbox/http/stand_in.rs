//! The seam at which somebody stands in for all that lies beyond the host: requests that a grant covers
//! are answered in this process.
//! Never opens a connection, and is off unless the sandbox's settings name somebody.

use super::super::services::BoxFuture;
use super::Attempt;
use super::body::Sending;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::http::{Method, Response};
use piton_core::HttpTarget;
use std::convert::Infallible;
use std::sync::Arc;
use wasmtime_wasi_http::{Error, WasiBody};

/// A request as it would have left: checked, counted, and with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its method.
    pub method: String,
    /// Where to: scheme, host, port where it is not the scheme's own, path and query.
    pub url: String,
    /// The value of its `idempotency-key` header, where that is a text.
    pub key: Option<String>,
    /// Its whole body.
    pub body: Vec<u8>,
}

/// What it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Stands in for every host that a guest may send requests to.
pub trait StandIn: Send + Sync {
    /// Answers a request. The future is dropped where the attempt is.
    fn answer(&self, sent: Sent) -> BoxFuture<'_, Answered>;

    /// Hears of a request that no grant covers, and that is not sent: `POST https://a.example`.
    fn denied(&self, what: &str);
}

impl Attempt {
    /// Has a request answered without a connection.
    pub(super) async fn ask(
        self: &Arc<Self>,
        stand_in: &dyn StandIn,
        parts: Parts,
        target: &HttpTarget,
        body: WasiBody,
    ) -> Result<Response<WasiBody>, Error> {
        let body = Sending { body, attempt: Arc::clone(self) }.collect().await?.to_bytes();
        let key = parts.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        let is_head = parts.method == Method::HEAD;
        let sent = Sent {
            method: parts.method.to_string(),
            url: format!("{target}{}", parts.uri),
            key: key.map(str::to_owned),
            body: body.to_vec(),
        };
        let Answered { status, headers, body } = stand_in.answer(sent).await;
        let body = if is_head { Bytes::new() } else { Bytes::from(body) };
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(name, value);
        }
        let body = Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync();
        answer.body(body).map_err(|_| Error::HttpProtocolError)
    }
}
