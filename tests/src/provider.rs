//! A fake provider of language models, for tests and for work offline: it speaks the wire formats of
//! Anthropic (`/v1/messages`) and of OpenAI (`/v1/chat/completions`), counts, and fails by a script.
//! Never reaches out: it listens on loopback and connects to nobody.
//!
//! Its answers depend on the request alone: sentences of the text in the prompt that share most words with
//! the question, or, where the prompt shows a JSON object with `"…"` in it, that object filled in.
//!
//! Like the real services it wants a key (any, unless one is set), an `anthropic-version`, `max_tokens` where
//! that is required, and it ignores idempotency keys; [`Settings::honours_keys`] makes it a service that
//! answers the same key with the same answer and counts it once.

mod answer;
mod api;
mod counts;
mod gate;
mod http;
mod script;

pub use counts::{Call, Counts};
pub use gate::Stage;
pub use script::Script;

use crate::eventually;
use api::{Api, Question, Reply};
use gate::Gate;
use script::Fault;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// How the provider behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When it fails, and how.
    pub script: Script,
    /// Whether a request with a known `idempotency-key` gets the answer of the first one, and is not
    /// counted again.
    pub honours_keys: bool,
    /// The only key it takes; none: any will do.
    pub key: Option<String>,
    /// The longest prompt it takes, in tokens.
    pub context_tokens: u64,
    /// Whether it tells each request on standard error.
    pub is_loud: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            script: Script::default(),
            honours_keys: false,
            key: None,
            context_tokens: 200_000,
            is_loud: false,
        }
    }
}

/// A provider that listens. It does so as long as the process lives.
#[derive(Clone)]
pub struct Provider {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    settings: Settings,
    counts: Mutex<Counts>,
    /// Answers by idempotency key, with the question that got them.
    kept: Mutex<BTreeMap<String, (Value, Reply)>>,
    gate: Gate,
    /// Connections that are being served.
    open: AtomicU64,
}

impl Provider {
    /// Starts one at a port of this machine; 0 is any that is free.
    ///
    /// # Errors
    ///
    /// Where the port is taken.
    pub fn start(port: u16, settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let address = listener.local_addr()?;
        let counts = Mutex::new(Counts::default());
        let gate = Gate::default();
        let (kept, open) = (Mutex::default(), AtomicU64::new(0));
        let state = Arc::new(State { settings, counts, kept, gate, open });
        let serving = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&serving);
                state.open.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    // A client that goes away is not the provider's trouble.
                    let _ = serve(&state, stream);
                    state.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Ok(Self { address, state })
    }

    /// Where it listens, such as `127.0.0.1:8089`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has counted so far.
    pub fn counts(&self) -> Counts {
        self.state.counts().clone()
    }

    /// Has it stop at the `count`-th request from now, once that has come so far, and let no later one in.
    pub fn stop_at(&self, count: u64, stage: Stage) {
        self.state.gate.stop_at(self.state.counts().requests + count, stage);
    }

    /// Whether it has stopped there.
    pub fn has_stopped(&self) -> bool {
        self.state.gate.has_stopped()
    }

    /// Lets it go on, and waits until it has dealt with all that it was asked so far.
    ///
    /// # Panics
    ///
    /// Where that does not come.
    pub fn go_on(&self) {
        self.state.gate.go_on();
        // Connections are taken in the order in which they came: once this one is, all others were.
        let counts = TcpStream::connect(self.address).and_then(|mut stream| {
            stream.write_all(b"GET /counts HTTP/1.1\r\n\r\n")?;
            stream.read_to_end(&mut Vec::new())
        });
        counts.expect("it should answer");
        let is_idle = eventually(|| self.state.open.load(Ordering::SeqCst) == 0);
        assert!(is_idle, "the provider does not come to an end with a request");
    }
}

impl State {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().expect("no counter should panic")
    }

    fn tell(&self, number: u64, what: &str) {
        if self.settings.is_loud {
            eprintln!("request {number}: {what}");
        }
    }
}

fn serve(state: &State, mut stream: TcpStream) -> io::Result<()> {
    let request = http::read(&mut stream)?;
    let api = match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/counts") => {
            let counts = state.counts().json().to_string();
            return http::answer(&mut stream, 200, &[], counts.as_bytes());
        }
        ("POST", "/v1/messages") => Api::Anthropic,
        ("POST", "/v1/chat/completions" | "/chat/completions") => Api::OpenAi,
        _ => {
            return http::answer(
                &mut stream,
                404,
                &[],
                b"{\"error\":{\"message\":\"no such path\"}}",
            );
        }
    };
    let number = state.counts().request();
    state.gate.pass(number, Stage::Asked);
    let text = String::from_utf8_lossy(&request.body);
    let fault = state.settings.script.fault(number, &text);
    if let Some(fault) = &fault {
        state.counts().fault(fault.word());
    }
    if let Some(Fault::Status { status, retry_after }) = fault {
        state.tell(number, &format!("answered {status}, as the script says"));
        let (word, message) = api.word_of_status(status);
        let body = api.error(word, None, message).to_string();
        let wait = retry_after.map(|seconds| format!("retry-after: {seconds}"));
        return http::answer(&mut stream, status, wait.as_slice(), body.as_bytes());
    }
    if let Some(Fault::Hang) = fault {
        state.tell(number, "not answered at all, as the script says");
        return http::wait_for_end(&mut stream);
    }
    match replied(state, api, &request, fault.as_ref()) {
        Ok(reply) => {
            state.gate.pass(number, Stage::Charged);
            let body = reply.body.to_string();
            let sent = send(&mut stream, body.as_bytes(), fault.as_ref());
            if let Ok(true) = sent {
                state.counts().answered(&reply.id);
            }
            state.tell(
                number,
                &format!("{} tokens in, {} out", reply.input_tokens, reply.output_tokens),
            );
            state.gate.pass(number, Stage::Answered);
            sent.map(drop)
        }
        Err(refusal) => {
            state.tell(number, &format!("refused with {}: {}", refusal.status, refusal.body));
            http::answer(&mut stream, refusal.status, &[], refusal.body.to_string().as_bytes())
        }
    }
}

/// Looks at the request as the real service would, and makes the answer or finds the one it has.
fn replied(
    state: &State,
    api: Api,
    request: &http::Request,
    fault: Option<&Fault>,
) -> Result<Reply, api::Refusal> {
    api.check_key(request, state.settings.key.as_deref())?;
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|error| api.invalid(None, &format!("the body is no JSON: {error}")))?;
    let question = Question::read(api, request, &body, state.settings.context_tokens)?;
    let key = request.header("idempotency-key").map(str::to_owned);
    let mut kept = state.kept.lock().expect("no keeper should panic");
    let known = key.as_ref().filter(|_| state.settings.honours_keys).and_then(|key| kept.get(key));
    if let Some((asked, reply)) = known {
        if *asked != body {
            return Err(api.invalid(None, "the idempotency key belongs to another request"));
        }
        state.counts().replayed();
        return Ok(reply.clone());
    }
    let reply = api.reply(&question, fault);
    state.counts().charged(key.as_deref(), &body, &reply);
    if let Some(key) = key {
        kept.insert(key, (body, reply.clone()));
    }
    Ok(reply)
}

/// Sends the answer as the script wants it. True where it went out whole.
fn send(stream: &mut TcpStream, body: &[u8], fault: Option<&Fault>) -> io::Result<bool> {
    match fault {
        Some(Fault::Cut) => http::cut(stream, body).map(|()| false),
        Some(Fault::HalfJson) => {
            http::answer(stream, 200, &[], &body[..body.len() / 2]).map(|()| false)
        }
        Some(Fault::Drip { pause }) => http::drip(stream, body, *pause).map(|()| true),
        _ => http::answer(stream, 200, &[], body).map(|()| true),
    }
}
