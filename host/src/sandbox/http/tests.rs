//! Requests of an attempt against a server that is slow, lies, cuts the line or sends elsewhere.
//! The network is made up but for loopback: no test leaves this machine.

mod server;

use super::super::MemosKept;
use super::super::grants::ResolvedGrants;
use super::super::redact::Redactor;
use super::super::secrets::SecretText;
use super::super::services::{BoxFuture, LogLine, Progress, RememberError, Services};
use super::*;
use http_body_util::{Empty, Full};
use hyper::body::Bytes;
use hyper::http::{HeaderName, HeaderValue};
use piton_core::{
    HttpHost, HttpLimits, HttpScheme, IdempotencyKey, Json, Limits, Phase, RunId, Usage,
};
use server::Server;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpStream;
use tokio_rustls::rustls::RootCertStore;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);
const PUBLIC: &str = "93.184.215.14";

/// Names and where they are; every public address is the test's server.
#[derive(Default)]
struct MadeUp {
    /// What each look-up of a name answers, the last for ever.
    names: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    server: Mutex<Option<SocketAddr>>,
    /// What was connected to.
    dialled: Mutex<Vec<SocketAddr>>,
}

impl Network for MadeUp {
    fn lookup(&self, name: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let mut names = self.names.lock().expect("no test panics here");
        let answer = match names.get_mut(&name) {
            None => Err(io::Error::other("no such name")),
            Some(answers) if answers.len() > 1 => Ok(answers.remove(0)),
            Some(answers) => Ok(answers[0].clone()),
        };
        let answer =
            answer.map(|found| found.iter().map(|ip| SocketAddr::new(*ip, port)).collect());
        Box::pin(std::future::ready(answer))
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> {
        self.dialled.lock().expect("no test panics here").push(address);
        let server = *self.server.lock().expect("no test panics here");
        Box::pin(TcpStream::connect(server.unwrap_or(address)))
    }
}

#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Services for Lines {
    fn log(&self, line: LogLine<'_>) {
        self.0.lock().expect("no test panics here").push(line.text.to_owned());
    }

    fn progress(&self, _: Progress<'_>) {}

    fn recall(&self, _: &str) -> Option<String> {
        None
    }

    fn remember(
        &self,
        _: String,
        value: String,
        _: Usage,
    ) -> BoxFuture<'_, Result<String, RememberError>> {
        Box::pin(std::future::ready(Ok(value)))
    }
}

/// An attempt that may send, and what is told of it.
struct Rig {
    network: Arc<MadeUp>,
    lines: Arc<Lines>,
    grants: Vec<HttpGrant>,
    secrets: Vec<Secret>,
    limits: HttpLimits,
    time: Duration,
    roots: Option<RootCertStore>,
    stand_in: Option<Arc<dyn StandIn>>,
}

fn target(text: &str) -> HttpTarget {
    permit::target_of(&text.parse().expect("it should parse")).expect("it should be a target")
}

impl Rig {
    fn new(granted: &[&str]) -> Self {
        let grant = |text: &&str| HttpGrant {
            target: target(text),
            methods: Vec::new(),
            idempotency_key: true,
        };
        Self {
            network: Arc::default(),
            lines: Arc::default(),
            grants: granted.iter().map(grant).collect(),
            secrets: Vec::new(),
            limits: HttpLimits::default(),
            time: LONG,
            roots: None,
            stand_in: None,
        }
    }

    fn names(self, name: &str, answers: &[&[&str]]) -> Self {
        let parse = |text: &&str| text.parse().expect("it should be an address");
        let answers = answers.iter().map(|answer| answer.iter().map(parse).collect()).collect();
        self.network.names.lock().expect("no test panics here").insert(name.into(), answers);
        self
    }

    /// Every connection goes to the server, whatever its address.
    fn behind(self, server: &Server) -> Self {
        *self.network.server.lock().expect("no test panics here") = Some(server.address);
        self
    }

    fn attempt(&mut self) -> Outgoing {
        let redactor = Arc::new(Redactor::new(&self.secrets));
        let logs = Logs::new(self.lines.clone(), 1 << 20, redactor);
        let call = Call {
            phase: Phase::Execute,
            run: RunId::from_bits(1),
            step: "charge".into(),
            attempt: 1,
            key: IdempotencyKey::from_bits(2),
            execute_key: IdempotencyKey::from_bits(2),
            input: Json::null(),
            output: None,
            cause: None,
            time_limit: self.time,
            limits: Limits { http: self.limits, ..Limits::default() },
            grants: ResolvedGrants { http: self.grants.clone(), ..ResolvedGrants::default() },
            memos_kept: MemosKept::default(),
        };
        let network: Arc<dyn Network> = self.network.clone();
        let gate = Gate::new(Some(network), self.roots.take()).expect("TLS should be set up");
        let gate = gate.behind(self.stand_in.take());
        let time = Arc::new(Time::start(self.time, None));
        Outgoing::new(&call, std::mem::take(&mut self.secrets), time, logs, Arc::new(gate))
    }

    fn told(&self) -> String {
        self.lines.0.lock().expect("no test panics here").join("\n")
    }

    fn dialled(&self) -> Vec<String> {
        let dialled = self.network.dialled.lock().expect("no test panics here");
        dialled.iter().map(ToString::to_string).collect()
    }
}

fn request(method: &str, uri: &str, body: &str) -> Request<WasiBody> {
    let body = if body.is_empty() {
        Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync()
    } else {
        Full::new(Bytes::from(body.to_owned())).map_err(|never| match never {}).boxed_unsync()
    };
    Request::builder().method(method).uri(uri).body(body).expect("it should be a request")
}

async fn send(
    outgoing: &mut Outgoing,
    request: Request<WasiBody>,
) -> Result<Response<WasiBody>, Error> {
    let done = Box::new(std::future::ready(Ok(())));
    Box::into_pin(outgoing.send_request(request, None, done)).await.map(|(response, _)| response)
}

async fn read(response: Response<WasiBody>) -> Result<String, Error> {
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn a_granted_request_is_answered() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
    let mut rig = Rig::new(&[&server.url]);
    let mut outgoing = rig.attempt();
    let response = send(&mut outgoing, request("GET", &format!("{}/a?b=c", server.url), "")).await;
    assert_eq!(
        read(response.expect("it should be answered")).await.expect("it should be whole"),
        "hello"
    );
    let heard = server.heard();
    assert!(heard.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains(&format!("host: {}\r\n", server.address)), "{heard}");
    assert_eq!(rig.told(), "");
}

#[tokio::test]
async fn without_a_grant_nothing_is_sent_and_the_missing_line_is_told() {
    let server = Server::answering("HTTP/1.1 200 OK\r\n\r\n").await;
    let mut rig = Rig::new(&["https://api.example"]);
    let mut outgoing = rig.attempt();
    let denied = send(&mut outgoing, request("GET", &server.url, "")).await;
    assert!(matches!(denied, Err(Error::HttpRequestDenied)));
    let expected = format!("`grants.http = [\"{}\"]` in `[steps.charge]` would", server.url);
    assert!(rig.told().contains(&expected), "{}", rig.told());
    assert_eq!(rig.dialled(), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_with_any_private_address_is_not_connected_to() {
    for answer in [
        &["127.0.0.1"][..],
        &["169.254.169.254"],
        &[PUBLIC, "10.0.0.1"],
        &[PUBLIC, "::1"],
        &["::ffff:127.0.0.1"],
    ] {
        let mut rig = Rig::new(&["http://api.example"]).names("api.example", &[answer]);
        let mut outgoing = rig.attempt();
        let denied = send(&mut outgoing, request("GET", "http://api.example/", "")).await;
        assert!(matches!(denied, Err(Error::DestinationIpProhibited)), "{answer:?}");
        assert!(rig.told().contains("which is not public"), "{}", rig.told());
        assert_eq!(rig.dialled(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_is_connected_to_is_what_was_checked() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    // The second look-up would lead inside: there must be none, and the second request is denied.
    let mut rig = Rig::new(&["http://api.example"])
        .names("api.example", &[&[PUBLIC], &["127.0.0.1"]])
        .behind(&server);
    let mut outgoing = rig.attempt();
    let first = send(&mut outgoing, request("GET", "http://api.example/", "")).await;
    assert!(first.is_ok());
    assert_eq!(rig.dialled(), [format!("{PUBLIC}:80")]);
    let second = send(&mut outgoing, request("GET", "http://api.example/", "")).await;
    assert!(matches!(second, Err(Error::DestinationIpProhibited)));
    assert_eq!(rig.dialled().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_handed_to_the_guest_and_its_target_is_checked_again() {
    let server = Server::answering(
        "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let mut rig = Rig::new(&[&server.url]);
    let mut outgoing = rig.attempt();
    let answer = send(&mut outgoing, request("GET", &server.url, "")).await.expect("an answer");
    assert_eq!(answer.status(), 302);
    let hop = answer.headers()["location"].to_str().expect("it should be text").to_owned();
    let denied = send(&mut outgoing, request("GET", &hop, "")).await;
    assert!(matches!(denied, Err(Error::HttpRequestDenied)));
    assert_eq!(rig.dialled().len(), 1);
}

#[tokio::test]
async fn a_body_that_drips_ends_with_the_time() {
    let server = Server::dripping().await;
    let mut rig = Rig { time: SHORT, ..Rig::new(&[&server.url]) };
    let mut outgoing = rig.attempt();
    let answer = send(&mut outgoing, request("GET", &server.url, "")).await.expect("an answer");
    drop(answer);
    // The connection goes with the answer.
    server.hung_up().await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = Server::silent().await;
    let mut rig = Rig { time: SHORT, ..Rig::new(&[&server.url]) };
    let mut outgoing = rig.attempt();
    let late = send(&mut outgoing, request("GET", &server.url, "")).await;
    assert!(matches!(late, Err(Error::ConnectionReadTimeout)));
}

#[tokio::test]
async fn a_cut_line_is_told_from_an_end() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf").await;
    let mut rig = Rig::new(&[&server.url]);
    let mut outgoing = rig.attempt();
    let answer = send(&mut outgoing, request("GET", &server.url, "")).await.expect("an answer");
    assert!(matches!(read(answer).await, Err(Error::HttpResponseIncomplete)));
    let server = Server::answering("").await;
    let mut rig = Rig::new(&[&server.url]);
    let cut = send(&mut rig.attempt(), request("POST", &server.url, "x")).await;
    assert!(matches!(cut, Err(Error::ConnectionTerminated)));
}

#[tokio::test]
async fn limits_are_over_all_requests() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
    let limits =
        HttpLimits { requests: 3, response_bytes: 12, request_bytes: 4, ..HttpLimits::default() };
    let mut rig = Rig { limits, ..Rig::new(&[&server.url]) };
    let mut outgoing = rig.attempt();
    for _ in 0..2 {
        let answer = send(&mut outgoing, request("GET", &server.url, "")).await.expect("an answer");
        assert!(read(answer).await.is_ok());
    }
    let answer = send(&mut outgoing, request("GET", &server.url, "")).await.expect("an answer");
    assert!(matches!(read(answer).await, Err(Error::HttpResponseBodySize(Some(12)))));
    let denied = send(&mut outgoing, request("GET", &server.url, "")).await;
    assert!(matches!(denied, Err(Error::HttpRequestDenied)));
    assert!(rig.told().contains("an attempt may send 3 requests"), "{}", rig.told());
    let mut rig = Rig { limits, ..Rig::new(&[&server.url]) };
    let upload = send(&mut rig.attempt(), request("POST", &server.url, "12345")).await;
    assert!(matches!(upload, Err(Error::HttpRequestBodySize(Some(4)))));
}

#[tokio::test]
async fn headers_are_limited_both_ways() {
    let many = format!("HTTP/1.1 200 OK\r\nx-large: {}\r\n\r\n", "x".repeat(100_000));
    let server = Server::answering(&many).await;
    let mut rig = Rig::new(&[&server.url]);
    let mut outgoing = rig.attempt();
    let large = send(&mut outgoing, request("GET", &server.url, "")).await;
    assert!(matches!(large, Err(Error::HttpResponseHeaderSectionSize(None))), "{large:?}");
    let mut large = request("GET", &server.url, "");
    let value = HeaderValue::from_str(&"x".repeat(40_000)).expect("it should be a value");
    large.headers_mut().insert("x-large", value);
    let denied = send(&mut outgoing, large).await;
    assert!(matches!(denied, Err(Error::HttpRequestHeaderSectionSize(_))));
}

#[tokio::test]
async fn one_connection_waits_for_another_to_end() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let limits = HttpLimits { connections: 1, ..HttpLimits::default() };
    let mut rig = Rig { limits, ..Rig::new(&[&server.url]) };
    let mut outgoing = rig.attempt();
    let first = send(&mut outgoing, request("GET", &server.url, "")).await.expect("an answer");
    let second = timeout(SHORT, send(&mut outgoing, request("GET", &server.url, ""))).await;
    assert!(second.is_err(), "it should wait");
    drop(first);
    assert!(send(&mut outgoing, request("GET", &server.url, "")).await.is_ok());
}

#[tokio::test]
async fn what_waits_at_the_attempts_end_never_sets_out() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let limits = HttpLimits { connections: 1, ..HttpLimits::default() };
    let mut rig = Rig { limits, ..Rig::new(&[&server.url]) };
    let mut outgoing = rig.attempt();
    let first = send(&mut outgoing, request("GET", &server.url, "")).await.expect("an answer");
    let done = Box::new(std::future::ready(Ok(())));
    let second = outgoing.send_request(request("GET", &server.url, ""), None, done);
    let second = tokio::spawn(Box::into_pin(second));
    tokio::task::yield_now().await;
    // As at the end: whoever was first leaves room before the one behind it is gone.
    drop(outgoing);
    drop(first);
    let second = second.await.expect("it should end");
    assert!(matches!(second, Err(Error::ConnectionTerminated)));
    assert_eq!(rig.dialled().len(), 1);
}

#[tokio::test]
async fn nothing_sets_out_once_the_time_is_up() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let mut rig = Rig { time: Duration::ZERO, ..Rig::new(&[&server.url]) };
    let late = send(&mut rig.attempt(), request("GET", &server.url, "")).await;
    assert!(matches!(late, Err(Error::ConnectionTimeout)));
    assert_eq!(rig.dialled(), Vec::<String>::new());
}

fn secret(value: &str, to: &str) -> Secret {
    Secret {
        name: "TOKEN".into(),
        value: SecretText::new(value.into()),
        header: HeaderName::from_static("authorization"),
        line: HeaderValue::from_str(&format!("Bearer {value}")).expect("it should be a value"),
        targets: vec![target(to)],
    }
}

#[tokio::test]
async fn a_secret_goes_to_its_host_alone() {
    let (named, other) = (Server::echoing().await, Server::echoing().await);
    let mut rig = Rig::new(&[&named.url, &other.url]);
    rig.secrets = vec![secret("correct horse", &named.url)];
    let mut outgoing = rig.attempt();
    for (server, expected) in [(&named, true), (&other, false)] {
        let mut request = request("GET", &server.url, "");
        request.headers_mut().insert("authorization", HeaderValue::from_static("guest's"));
        assert!(send(&mut outgoing, request).await.is_ok());
        let heard = server.heard();
        assert_eq!(heard.contains("authorization: Bearer correct horse\r\n"), expected, "{heard}");
        assert_eq!(heard.contains("guest's"), !expected, "{heard}");
    }
    assert!(!rig.told().contains("correct horse"));
}

#[tokio::test]
async fn what_changes_something_carries_the_key() {
    let key = IdempotencyKey::from_bits(2).to_string();
    for (method, own, is_granted, expected) in [
        ("POST", None, true, Some(key.as_str())),
        ("PUT", None, true, Some(&key)),
        ("PATCH", None, true, Some(&key)),
        ("DELETE", None, true, Some(&key)),
        ("GET", None, true, None),
        ("POST", Some("own"), true, Some("own")),
        ("POST", None, false, None),
    ] {
        let server = Server::echoing().await;
        let mut rig = Rig::new(&[&server.url]);
        rig.grants[0].idempotency_key = is_granted;
        let mut request = request(method, &server.url, "");
        if let Some(own) = own {
            request.headers_mut().insert("idempotency-key", HeaderValue::from_static(own));
        }
        assert!(send(&mut rig.attempt(), request).await.is_ok());
        let heard = server.heard();
        let found = heard.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
        assert_eq!(found, expected, "{method}");
    }
}

#[tokio::test]
async fn two_requests_under_one_key_are_told() {
    let server = Server::echoing().await;
    let mut rig = Rig::new(&[&server.url]);
    let mut outgoing = rig.attempt();
    for path in ["/a", "/a", "/b"] {
        let uri = format!("{}{path}", server.url);
        assert!(send(&mut outgoing, request("POST", &uri, "x")).await.is_ok());
        assert_eq!(rig.told().contains("two different requests"), path == "/b");
    }
}

#[tokio::test]
async fn a_busy_service_is_told() {
    let server = Server::answering(
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let mut rig = Rig::new(&[&server.url]);
    assert!(send(&mut rig.attempt(), request("GET", &server.url, "")).await.is_ok());
    assert!(rig.told().ends_with("was answered 429 with `retry-after` of 7 s"), "{}", rig.told());
}

#[tokio::test]
async fn tls_is_held_to_the_name_that_was_asked_for() {
    let server = Server::secured().await;
    for (name, trusts, is_fine) in
        [("api.example", true, true), ("other.example", true, false), ("api.example", false, false)]
    {
        let url = format!("https://{name}");
        let mut rig = Rig::new(&[&url]).names(name, &[&[PUBLIC]]).behind(&server);
        rig.roots = trusts.then(server::authority);
        let answer = send(&mut rig.attempt(), request("GET", &url, "")).await;
        if is_fine {
            assert_eq!(read(answer.expect("an answer")).await.expect("a body"), "secured");
            assert!(server.heard().contains("host: api.example\r\n"));
        } else {
            assert!(matches!(answer, Err(Error::TlsCertificateError)), "{answer:?}");
            assert!(rig.told().contains("TLS failed"), "{}", rig.told());
        }
    }
}

#[tokio::test]
async fn a_grant_of_an_address_is_not_one_of_its_names() {
    let scheme = HttpScheme::Http;
    let host = HttpHost::Address(IpAddr::from([127, 0, 0, 1]));
    let mut rig = Rig::new(&[]).names("inside.example", &[&["127.0.0.1"]]);
    rig.grants.push(HttpGrant {
        target: HttpTarget { scheme, host, port: 80 },
        methods: Vec::new(),
        idempotency_key: true,
    });
    let denied = send(&mut rig.attempt(), request("GET", "http://inside.example/", "")).await;
    assert!(matches!(denied, Err(Error::HttpRequestDenied)));
}

/// Keeps what it is asked and told, and answers with that.
#[derive(Default)]
struct Parrot {
    asked: Mutex<Vec<Sent>>,
    denied: Mutex<Vec<String>>,
}

impl StandIn for Parrot {
    fn answer(&self, sent: Sent) -> BoxFuture<'_, Answered> {
        let body = sent.body.clone();
        self.asked.lock().expect("no test panics here").push(sent);
        let headers = vec![("x-parrot".into(), "yes".into())];
        Box::pin(std::future::ready(Answered { status: 201, headers, body }))
    }

    fn denied(&self, what: &str) {
        self.denied.lock().expect("no test panics here").push(what.into());
    }
}

#[tokio::test]
async fn a_stand_in_answers_what_is_granted_and_hears_of_the_rest() {
    let parrot = Arc::new(Parrot::default());
    let mut rig = Rig::new(&["https://api.example"]);
    rig.limits.request_bytes = 10;
    rig.stand_in = Some(parrot.clone());
    let mut outgoing = rig.attempt();
    let sent = send(&mut outgoing, request("POST", "https://api.example/a?b", "hello")).await;
    let answer = sent.expect("it should be answered");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-parrot"]),
        (201, &"yes".parse().expect("it should be a value"))
    );
    assert_eq!(read(answer).await.expect("it should be whole"), "hello");
    let expected = Sent {
        method: "POST".into(),
        url: "https://api.example/a?b".into(),
        key: Some(IdempotencyKey::from_bits(2).to_string()),
        body: b"hello".to_vec(),
    };
    // Nothing that the limits or grants refuse gets that far.
    let large = send(&mut outgoing, request("POST", "https://api.example/a", "too large")).await;
    assert!(matches!(large, Err(Error::HttpRequestBodySize(_))));
    let denied = send(&mut outgoing, request("GET", "https://other.example/a", "")).await;
    assert!(matches!(denied, Err(Error::HttpRequestDenied)));
    assert_eq!(*parrot.asked.lock().expect("no test panics here"), [expected]);
    let told = parrot.denied.lock().expect("no test panics here").clone();
    assert_eq!(told, ["GET https://other.example"]);
    assert_eq!(rig.dialled(), Vec::<String>::new());
}
