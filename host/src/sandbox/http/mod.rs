//! The one way out: requests that a step sends through `wasi:http`, under its grants.
//!
//! A request is checked, counted, put in order and sent over a connection of its own, and answered
//! as it comes: no redirect is followed, nothing is decompressed, kept or shared with another run.
//! Never sends what no grant covers, and never shows a secret to a guest.

mod addresses;
mod body;
mod budget;
mod headers;
mod network;
mod notes;
mod permit;
mod retry_after;
mod stand_in;

#[cfg(test)]
mod tests;

pub(super) use network::{Gate, Network};
pub use stand_in::{Answered, Sent, StandIn};

use super::call::Call;
use super::logs::Logs;
use super::secrets::Secret;
use super::stopwatch::HostCall;
use super::time::Time;
use body::{Receiving, Sending};
use budget::Budget;
use http_body_util::BodyExt;
use hyper::client::conn::http1::Builder;
use hyper::http::request::Parts;
use hyper::http::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use notes::Notes;
use piton_core::{HttpGrant, HttpTarget, IdempotencyKey};
use std::collections::BTreeSet;
use std::error::Error as _;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::{sleep, timeout};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// What a guest hands over of a body in one write, and so what the host holds of each: a guest may
/// have thousands of bodies open.
const BODY_CHUNK_BYTES: usize = 16 << 10;
/// The least that is read of a response's headers at once: hyper takes no less.
const HEADER_BUFFER_BYTES_MIN: usize = 8 << 10;
/// Headers of one response.
const RESPONSE_HEADERS_MAX: usize = 256;

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Outcome = Result<(Response<WasiBody>, Io), Error>;

/// Sends the requests of one attempt.
pub(super) struct Outgoing(Arc<Attempt>);

/// What all requests of one attempt share, and nothing else does.
struct Attempt {
    step: String,
    key: IdempotencyKey,
    grants: Vec<HttpGrant>,
    secrets: Vec<Secret>,
    budget: Budget,
    notes: Notes,
    time: Arc<Time>,
    gate: Arc<Gate>,
    /// Which requests carry the attempt's key.
    keyed: Mutex<BTreeSet<String>>,
}

impl Outgoing {
    pub(super) fn new(
        call: &Call,
        secrets: Vec<Secret>,
        time: Arc<Time>,
        logs: Arc<Logs>,
        gate: Arc<Gate>,
    ) -> Self {
        Self(Arc::new(Attempt {
            step: call.step.clone(),
            key: call.key,
            grants: call.grants.http.clone(),
            secrets,
            budget: Budget::new(call.limits.http),
            notes: Notes::new(logs),
            time,
            gate,
            keyed: Mutex::default(),
        }))
    }
}

/// At the attempt's end everything here is dropped, one request after the other: what is left by one
/// that is gone is not for those that still wait, or they would set out after the end.
impl Drop for Outgoing {
    fn drop(&mut self) {
        self.0.budget.close();
    }
}

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Outcome> + Send> {
        let attempt = Arc::clone(&self.0);
        Box::new(async move {
            let response = attempt.send(request, options.unwrap_or_default()).await?;
            // The connection is driven by a task that the response's body holds.
            Ok((response, Box::new(std::future::ready(Ok(()))) as Io))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }

    fn p2_error_from_hyper(&mut self, _: &hyper::Error) -> ErrorCode {
        ErrorCode::HttpProtocolError
    }
}

impl Attempt {
    /// Sends a request, and returns when its answer's headers are there.
    async fn send(
        self: &Arc<Self>,
        request: Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<Response<WasiBody>, Error> {
        let mut asking = self.time.asks(HostCall::Http);
        let (mut parts, body) = request.into_parts();
        let target = self.admit(&mut parts)?;
        if let Some(stand_in) = self.gate.stand_in() {
            return self.ask(stand_in, parts, &target, body).await;
        }
        let patience = [options.connect_timeout, options.first_byte_timeout];
        if patience.contains(&Some(Duration::ZERO)) {
            // Or it were a matter of luck whether an answer comes in no time.
            return Err(Error::ConnectionTimeout);
        }
        let what = format!("{} {target}", parts.method);
        let permit = self.budget.connection().await.ok_or(Error::ConnectionTerminated)?;
        if self.time.check().is_err() {
            // Those before it gave up at the attempt's end, and left their room to nobody.
            return Err(Error::ConnectionTimeout);
        }
        let opened = self.gate.open(&target, &self.time, options.connect_timeout).await;
        let line = opened.map_err(|unreachable| {
            self.notes.tell(format!("`{what}` could not be sent: {}", unreachable.why));
            unreachable.error
        })?;
        let header_bytes = usize::try_from(self.budget.header_bytes()).unwrap_or(usize::MAX);
        let (mut sender, connection) = Builder::new()
            .max_buf_size(header_bytes.max(HEADER_BUFFER_BYTES_MIN))
            .max_headers(RESPONSE_HEADERS_MAX)
            .handshake::<_, Sending>(TokioIo::new(line))
            .await
            .map_err(Error::Hyper)?;
        // What ends it is told to whoever waits for the response or reads its body.
        let connection = wasmtime_wasi::runtime::spawn(async move { drop(connection.await) });
        let sending = Sending { body, attempt: Arc::clone(self) };
        let left = self.time.left();
        let patience = options.first_byte_timeout.unwrap_or(left).min(left);
        let sent = sender.send_request(Request::from_parts(parts, sending));
        let answer = timeout(patience, sent).await.map_err(|_| Error::ConnectionReadTimeout)?;
        let answer = answer.map_err(|error| {
            let error = failed(&error);
            self.notes.tell(format!("`{what}` has no answer: {error}"));
            error
        })?;
        self.note_throttling(&what, &answer);
        asking.has_status(answer.status().as_u16());
        let pace = options.between_bytes_timeout.unwrap_or(left).min(left);
        Ok(answer.map(|body| {
            let attempt = Arc::clone(self);
            let late = Box::pin(sleep(pace));
            let (_connection, _permit) = (connection, permit);
            Receiving { body, attempt, pace, late, _connection, _permit, asking }.boxed_unsync()
        }))
    }

    /// Checks and counts a request, and puts it in order for the wire. Says where it goes.
    fn admit(&self, parts: &mut Parts) -> Result<HttpTarget, Error> {
        let method = parts.method.clone();
        let target = permit::target_of(&parts.uri).map_err(|(error, why)| {
            self.notes.tell(format!("a {method} request was denied: {why}"));
            self.tell_stand_in(&method, &parts.uri);
            error
        })?;
        let deny = |why: String| {
            self.notes.tell(format!("`{method} {target}` was denied: {why}"));
            Error::HttpRequestDenied
        };
        let grant = permit::grant_for(&self.grants, &self.step, &method, &target);
        let grant = grant.map_err(|why| {
            self.tell_stand_in(&method, &target);
            deny(why)
        })?;
        self.budget.request().map_err(|most| {
            deny(format!("an attempt may send {} requests (`http_requests_max`)", most.0))
        })?;
        parts.uri = headers::origin_form(&parts.uri)?;
        headers::set_host(&mut parts.headers, &target)?;
        if grant.idempotency_key && headers::has_effect(&method) {
            let path = parts.uri.path().to_owned();
            if headers::set_key(&mut parts.headers, &self.key.to_string()) {
                self.note_key(&method, &target, &path);
            }
        }
        // After what the guest can set, and counted with it.
        headers::set_secrets(&mut parts.headers, &target, &self.secrets);
        let uri_bytes = parts.uri.path_and_query().map_or(0, |path| path.as_str().len() as u64);
        let bytes = headers::bytes_of(&parts.headers).saturating_add(uri_bytes);
        if bytes > self.budget.header_bytes() {
            let most = self.budget.header_bytes();
            deny(format!(
                "its headers have {bytes} bytes, and may have {most} (`http_headers_max`)"
            ));
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            return Err(Error::HttpRequestHeaderSectionSize(Some(bytes)));
        }
        Ok(target)
    }

    fn tell_stand_in(&self, method: &Method, whom: &dyn std::fmt::Display) {
        if let Some(stand_in) = self.gate.stand_in() {
            stand_in.denied(&format!("{method} {whom}"));
        }
    }

    /// A service takes two requests with one key for the same.
    fn note_key(&self, method: &Method, target: &HttpTarget, path: &str) {
        let mut keyed = self.keyed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = keyed.len() < 2 && keyed.insert(format!("{method} {target}{path}"));
        if is_new && keyed.len() == 2 {
            self.notes.tell(
                "two different requests carry this attempt's idempotency key, and a service may \
                 take the second for the first; let the step set `idempotency-key` itself, or \
                 grant `idempotency_key = false`"
                    .into(),
            );
        }
    }

    fn note_throttling<B>(&self, what: &str, answer: &Response<B>) {
        let status = answer.status();
        if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            return;
        }
        let after = retry_after::of(answer.headers(), SystemTime::now());
        let after = after.map_or("without `retry-after`".into(), |wait| {
            format!("with `retry-after` of {} s", Duration::as_secs(&wait))
        });
        self.notes.tell(format!("`{what}` was answered {} {after}", status.as_u16()));
    }
}

/// Why there is no answer, in the words of wasi:http.
fn failed(error: &hyper::Error) -> Error {
    let source = error.source();
    if let Some(Error::HttpRequestBodySize(size)) = source.and_then(|s| s.downcast_ref()) {
        return Error::HttpRequestBodySize(*size);
    }
    if error.is_parse_too_large() {
        Error::HttpResponseHeaderSectionSize(None)
    } else if error.is_parse() || error.is_user() {
        Error::HttpProtocolError
    } else {
        // Cut, reset or closed: whether the request arrived, nobody knows.
        Error::ConnectionTerminated
    }
}
