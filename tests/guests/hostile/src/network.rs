//! Owns attacks through the network: addresses, requests that are odd, many, or never end.
//! Never fails where something is denied: its output says what came of each way.

use std::collections::BTreeMap;

use piton_step::bindings::http::wasi::http::outgoing_handler::handle;
use piton_step::bindings::http::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingRequest, RequestOptions, Scheme,
};
use piton_step::http::Request;
use piton_step::raw::write_output;
use piton_step::{Failure, FailureKind};
use serde_json::{Value, json};

use crate::{Attack, Done, Input, MIB};

pub(crate) const ATTACKS: &[Attack] = &[
    ("inside-addresses", |_| write_output(&inside_addresses())),
    ("odd-requests", |input| write_output(&odd_requests(&input.url))),
    ("follow-redirect", |input| write_output(&follow_redirect(&input.url))),
    ("read-slowly", read_slowly),
    ("big-upload", big_upload),
    ("many-headers", many_headers),
    ("many-requests", many_requests),
    ("many-connections", many_connections),
    ("post-and-trap", post_and_trap),
    ("forge-key", forge_key),
];

/// Sends requests to places inside, written in many ways.
fn inside_addresses() -> Value {
    let mut ways = BTreeMap::new();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "169.254.169.254",
        "[fd00::1]",
        "100.64.0.1",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f000001",
        "127.1",
        "10.0.0.1",
        "metadata.google.internal",
    ] {
        let url = format!("http://{host}/latest/meta-data");
        ways.insert(host, told(Request::new("GET", url).send_for_any_status().map(drop)));
    }
    json!({ "ways": ways })
}

/// Sends requests that two readers could understand in two ways.
fn odd_requests(url: &str) -> Value {
    let mut ways = BTreeMap::new();
    let host = url.trim_start_matches("http://");
    let port = host.rsplit(':').next().unwrap_or_default();
    for (name, url) in [
        ("a user before the host", format!("http://user@{host}/")),
        ("the host as a user", format!("http://{host}@169.254.169.254/")),
        ("port 0", "http://127.0.0.1:0/".to_owned()),
        ("no port", format!("http://{}:/", host.trim_end_matches(port).trim_end_matches(':'))),
        ("another port", format!("http://{host}0/")),
        ("a line in the path", format!("http://{host}/a\r\nhost: evil.example")),
        ("a space in the path", format!("http://{host}/a b")),
    ] {
        ways.insert(name, told(Request::new("GET", url).send_for_any_status().map(drop)));
    }
    let whole = send(host, |request, _| request.set_path_with_query(Some("http://evil.example/")));
    ways.insert("a whole address as path", whole);
    let own = Fields::new();
    let set = own.append("host", b"evil.example").map(drop);
    ways.insert(
        "a host of its own",
        set.map_or_else(|error| format!("denied: {error}"), |()| "done".into()),
    );
    for method in ["CONNECT", "TRACE", "GET /\r\nx:"] {
        ways.insert(method, told(Request::new(method, url).send_for_any_status().map(drop)));
    }
    let hurried = send(host, |_, options| {
        options.set_connect_timeout(Some(0))?;
        options.set_first_byte_timeout(Some(0))?;
        options.set_between_bytes_timeout(Some(0))
    });
    ways.insert("no time at all", hurried);
    json!({ "ways": ways })
}

/// Sends a GET through the bindings, changed by `change`.
fn send(
    authority: &str,
    change: impl FnOnce(&OutgoingRequest, &RequestOptions) -> Result<(), ()>,
) -> String {
    let request = OutgoingRequest::new(Fields::new());
    let options = RequestOptions::new();
    let set = request
        .set_method(&Method::Get)
        .and_then(|()| request.set_scheme(Some(&Scheme::Http)))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some("/")))
        .and_then(|()| change(&request, &options));
    if set.is_err() {
        return "denied: it cannot even be said".to_owned();
    }
    match handle(request, Some(options)).and_then(|answer| {
        answer.subscribe().block();
        answer.get().and_then(Result::ok).unwrap_or(Err(ErrorCode::InternalError(None)))
    }) {
        Ok(answer) => format!("done: {}", answer.status()),
        Err(error) => format!("denied: {error}"),
    }
}

/// Goes where an answer says.
fn follow_redirect(url: &str) -> Value {
    let first = Request::new("GET", url).send_for_any_status();
    let Ok(first) = first else { return json!({ "first": told(first.map(drop)) }) };
    let to = first.header("location").unwrap_or_default().to_owned();
    let second = told(Request::new("GET", to).send_for_any_status().map(drop));
    json!({ "first": first.status, "second": second })
}

/// Reads an answer that never ends, to its end.
fn read_slowly(input: &Input) -> Done {
    let answer = Request::new("POST", &input.url).send_for_any_status()?;
    write_output(&json!({ "bytes": answer.body.len() }))
}

/// Sends 1 GiB.
fn big_upload(input: &Input) -> Done {
    let request = OutgoingRequest::new(Fields::new());
    let authority = input.url.trim_start_matches("http://");
    let set = request.set_method(&Method::Post);
    let set = set.and_then(|()| request.set_scheme(Some(&Scheme::Http)));
    let set = set.and_then(|()| request.set_authority(Some(authority)));
    let set = set.and_then(|()| request.set_path_with_query(Some("/")));
    set.map_err(|()| Failure::permanent("bad-request", "it cannot even be said"))?;
    let Ok(body) = request.body() else { return Ok("{}".to_owned()) };
    let answer = handle(request, None);
    let mut sent = 0;
    if let Ok(stream) = body.write() {
        let part = vec![b'x'; 4096];
        while sent < 1024 * MIB && stream.blocking_write_and_flush(&part).is_ok() {
            sent += part.len();
        }
    }
    drop(answer);
    write_output(&json!({ "sent": sent }))
}

/// Sends a request with a hundred thousand headers.
fn many_headers(input: &Input) -> Done {
    let headers = Fields::new();
    let mut set = 0;
    for n in 0..100_000 {
        if headers.append(&format!("x-{n}"), b"value").is_err() {
            break;
        }
        set += 1;
    }
    let request = OutgoingRequest::new(headers);
    let authority = input.url.trim_start_matches("http://");
    let _ = request.set_scheme(Some(&Scheme::Http));
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(Some("/"));
    let sent = handle(request, None).map(|answer| {
        answer.subscribe().block();
        matches!(answer.get(), Some(Ok(Ok(_))))
    });
    write_output(&json!({ "set": set, "sent": sent.unwrap_or(false) }))
}

/// Sends requests until one is denied.
fn many_requests(input: &Input) -> Done {
    let mut sent = 0;
    while sent < 100_000 && Request::new("GET", &input.url).send_for_any_status().is_ok() {
        sent += 1;
    }
    write_output(&json!({ "sent": sent }))
}

/// Begins requests, and never reads an answer.
fn many_connections(input: &Input) -> Done {
    let authority = input.url.trim_start_matches("http://");
    let mut held = Vec::new();
    for _ in 0..1_000 {
        let request = OutgoingRequest::new(Fields::new());
        let _ = request.set_scheme(Some(&Scheme::Http));
        let _ = request.set_authority(Some(authority));
        let _ = request.set_path_with_query(Some("/"));
        held.extend(handle(request, None).ok());
    }
    let mut answers: Vec<IncomingResponse> = Vec::new();
    for answer in &held {
        answer.subscribe().block();
        answers.extend(answer.get().and_then(Result::ok).and_then(Result::ok));
    }
    write_output(&json!({ "held": answers.len() }))
}

/// Changes something, and is gone before it can say so.
fn post_and_trap(input: &Input) -> Done {
    let sent = Request::new("POST", &input.url).send_for_any_status();
    panic!("told to panic after {}", told(sent.map(drop)))
}

/// Sends a key that it made up, in place of its own.
fn forge_key(input: &Input) -> Done {
    let forged = "00000000-0000-8000-8000-000000000000";
    let request = Request::new("POST", &input.url).header("idempotency-key", forged);
    request.send_for_any_status()?;
    write_output(&json!({ "own": input.key, "forged": forged }))
}

fn told(sent: Result<(), Failure>) -> String {
    match sent {
        Ok(()) => "done".to_owned(),
        Err(failure) => {
            let kind = if failure.kind == FailureKind::Permanent { "denied" } else { "failed" };
            format!("{kind}: {}: {}", failure.code, failure.message)
        }
    }
}
