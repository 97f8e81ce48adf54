//! Owns how a request goes through `wasi:http`, and which of its errors mean that it was not sent.
//! Never decides what that means for the next attempt: see the table in `http.rs`.

use crate::bindings::http::wasi::http::outgoing_handler;
use crate::bindings::http::wasi::http::types::{
    ErrorCode, Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use crate::bindings::http::wasi::io::streams::StreamError;

use super::{Request, Trouble};

/// What one write may hand over.
const WRITE_BYTES_MAX: usize = 4096;
/// What one read asks for.
const READ_BYTES_MAX: u64 = 64 << 10;

pub(super) type Answer = (u16, Vec<(String, String)>, Vec<u8>);

pub(super) fn send(request: &Request) -> Result<Answer, Trouble> {
    let outgoing = outgoing(request)?;
    let body = outgoing.body().map_err(|()| denied("its `content-length` is none"))?;
    let answer = outgoing_handler::handle(outgoing, None).map_err(|error| trouble(&error))?;
    // A body that cannot be written whole shows in the answer.
    let written = write(body, &request.body);
    answer.subscribe().block();
    let answer = match answer.get() {
        Some(Ok(Ok(answer))) => answer,
        Some(Ok(Err(error))) => return Err(trouble(&error)),
        _ => return Err(Trouble::Lost("the host has no answer".into())),
    };
    let status = answer.status();
    let entries = answer.headers().entries().into_iter();
    let headers = entries
        .map(|(name, value)| (name.to_ascii_lowercase(), String::from_utf8_lossy(&value).into()))
        .collect();
    let body = answer.consume().map_err(|()| Trouble::Lost("the answer has no body".into()))?;
    let body = read(&body)?;
    // A service may answer before it has read everything, and that answer counts.
    drop(written);
    Ok((status, headers, body))
}

fn outgoing(request: &Request) -> Result<OutgoingRequest, Trouble> {
    let url = request.url.split('#').next().unwrap_or_default();
    let (scheme, rest) = match url.split_once("://") {
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(("http", rest)) => (Scheme::Http, rest),
        _ => return Err(denied("its address starts with neither `https://` nor `http://`")),
    };
    let path = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let fields = Fields::new();
    for (name, value) in &request.headers {
        fields
            .append(name, value.as_bytes())
            .map_err(|error| denied(&format!("the header `{name}` cannot be sent: {error}")))?;
    }
    if !request.body.is_empty() {
        let length = request.body.len().to_string();
        fields
            .set("content-length", &[length.into_bytes()])
            .map_err(|error| denied(&format!("its length cannot be sent: {error}")))?;
    }
    let outgoing = OutgoingRequest::new(fields);
    let set = outgoing
        .set_method(&method(&request.method))
        .and_then(|()| outgoing.set_scheme(Some(&scheme)))
        .and_then(|()| outgoing.set_authority(Some(authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(&path)));
    set.map_err(|()| denied("its method or address cannot be sent"))?;
    Ok(outgoing)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), Trouble> {
    if !bytes.is_empty() {
        let stream = body.write().map_err(|()| denied("its body cannot be written"))?;
        for chunk in bytes.chunks(WRITE_BYTES_MAX) {
            stream.blocking_write_and_flush(chunk).map_err(|error| cut(&error))?;
        }
    }
    OutgoingBody::finish(body, None).map_err(|error| trouble(&error))
}

fn read(body: &IncomingBody) -> Result<Vec<u8>, Trouble> {
    let stream = body.stream().map_err(|()| Trouble::Lost("the answer has no body".into()))?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(READ_BYTES_MAX) {
            Ok(more) => bytes.extend_from_slice(&more),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(error) => return Err(cut(&error)),
        }
    }
}

fn cut(error: &StreamError) -> Trouble {
    match error {
        StreamError::LastOperationFailed(error) => Trouble::Lost(error.to_debug_string()),
        StreamError::Closed => Trouble::Lost("the line was cut".into()),
    }
}

fn denied(why: &str) -> Trouble {
    Trouble::Denied(why.to_owned())
}

fn trouble(error: &ErrorCode) -> Trouble {
    match error {
        ErrorCode::HttpRequestDenied => {
            denied("it was denied; the attempt's log says which grant is missing")
        }
        ErrorCode::DestinationIpProhibited
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestBodySize(_) => denied(&error.to_string()),
        ErrorCode::DnsTimeout
        | ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::TlsProtocolError
        | ErrorCode::TlsCertificateError
        | ErrorCode::TlsAlertReceived(_) => Trouble::Unreachable(error.to_string()),
        other => Trouble::Lost(other.to_string()),
    }
}
