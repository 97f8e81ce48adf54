//! The made-up server that stands in for every host while a step is checked: it knows idempotency keys
//! and what was sent under them, and nothing of what a request means.
//! Never reaches anybody, and never judges.

use super::answers::Answers;
use crate::sandbox::{Answered, BoxFuture, Sent, StandIn, digest_of};
use piton_core::{Digest, Phase};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard};
use tokio::sync::Notify;

/// Answers all requests of one step check.
pub struct Server {
    answers: Answers,
    world: Mutex<World>,
    is_cut: Notify,
}

/// Where a call is cut off: at one of its requests, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The request is lost.
    Before(u64),
    /// The request has its effect, and the answer is lost.
    After(u64),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before(nth) => write!(f, "before request {nth} arrived"),
            Self::After(nth) => write!(f, "before the answer to request {nth} arrived"),
        }
    }
}

struct World {
    /// The execute key of the step that is called.
    execute_key: String,
    phase: Phase,
    /// What it took, with its answers, in order.
    taken: Vec<(Effect, Answered)>,
    /// Whether it has something under the execute key.
    has_key: bool,
    /// What was deleted.
    gone: BTreeSet<String>,
    /// Requests of the call that is under way.
    requests: u64,
    /// Where the call is cut off.
    cut: Option<Cut>,
    /// All that was heard in all scenes.
    heard: Heard,
}

/// What a server heard, whatever it made of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) requests: u64,
    /// Schemes, hosts and ports.
    pub(super) hosts: BTreeSet<String>,
    /// Requests that no grant covers.
    pub(super) denied: BTreeSet<String>,
}

/// A request that changed something. The same again is no second effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Effect {
    pub(super) method: String,
    pub(super) url: String,
    /// None where repeating changes nothing by the method itself: PUT and DELETE.
    key: Option<String>,
    body: Digest,
}

impl Effect {
    fn of(sent: &Sent) -> Self {
        let is_idempotent = matches!(sent.method.as_str(), "PUT" | "DELETE");
        Self {
            method: sent.method.clone(),
            url: sent.url.clone(),
            key: sent.key.clone().filter(|_| !is_idempotent),
            body: digest_of(&sent.body),
        }
    }
}

impl Server {
    /// A server that has these answers.
    pub fn new(answers: Answers) -> Self {
        let world = World {
            execute_key: String::new(),
            phase: Phase::Execute,
            taken: Vec::new(),
            has_key: false,
            gone: BTreeSet::new(),
            requests: 0,
            cut: None,
            heard: Heard::default(),
        };
        Self { answers, world: Mutex::new(world), is_cut: Notify::new() }
    }

    /// Forgets what it took: the next calls are of another step.
    pub(super) fn begin(&self, execute_key: String) {
        let mut world = self.lock();
        world.execute_key = execute_key;
        world.taken.clear();
        world.gone.clear();
        world.has_key = false;
    }

    /// The next requests are of a call of this phase, which may be cut off at one of them.
    pub(super) fn enter(&self, phase: Phase, cut: Option<Cut>) {
        let mut world = self.lock();
        world.phase = phase;
        world.requests = 0;
        world.cut = cut;
    }

    /// Waits until the call is to be cut off.
    pub(super) async fn is_cut(&self) {
        self.is_cut.notified().await;
    }

    /// How many requests the last call has sent.
    pub(super) fn requests(&self) -> u64 {
        self.lock().requests
    }

    /// What it has taken.
    pub(super) fn effects(&self) -> BTreeSet<Effect> {
        self.lock().taken.iter().map(|(effect, _)| effect.clone()).collect()
    }

    /// All that was ever heard.
    pub(super) fn heard(&self) -> Heard {
        self.lock().heard.clone()
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no holder panics")
    }
}

impl World {
    /// The answer; none where the call is cut off here.
    fn hear(&mut self, sent: &Sent, answers: &Answers) -> Option<Answered> {
        self.requests += 1;
        self.heard.requests += 1;
        self.heard.hosts.insert(host_of(&sent.url).to_owned());
        if self.cut == Some(Cut::Before(self.requests)) {
            return None;
        }
        let answer = self.answer(sent, answers);
        (self.cut != Some(Cut::After(self.requests))).then_some(answer)
    }

    fn answer(&mut self, sent: &Sent, answers: &Answers) -> Answered {
        let changes = matches!(sent.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE");
        let deletes = sent.method == "DELETE";
        let effect = Effect::of(sent);
        if changes
            && !deletes
            && let Some(answer) = self.answer_before(&effect)
        {
            return answer.clone();
        }
        let names_key = self.names_key(sent);
        // By that key there is nothing to find, and nothing to take back.
        let is_unknown = names_key && !self.has_key;
        let makes = changes && !deletes && self.phase == Phase::Execute;
        if (is_unknown && !makes) || (self.gone.contains(&sent.url) && (deletes || !changes)) {
            return not_found();
        }
        let answer = answers.to(sent).unwrap_or_else(|| self.by_itself(names_key && !changes));
        if changes && answer.status < 400 {
            self.take(sent, effect, &answer);
        }
        answer
    }

    fn answer_before(&self, effect: &Effect) -> Option<&Answered> {
        self.taken.iter().find(|(taken, _)| taken == effect).map(|(_, answer)| answer)
    }

    fn names_key(&self, sent: &Sent) -> bool {
        let key = self.execute_key.as_bytes();
        sent.url.contains(&self.execute_key) || sent.body.windows(key.len()).any(|part| part == key)
    }

    /// What was answered to the request that a look-up asks about, or an empty object.
    fn by_itself(&self, is_look_up: bool) -> Answered {
        let first = self.taken.first().filter(|_| is_look_up);
        first.map_or_else(|| json(200), |(_, answer)| answer.clone())
    }

    fn take(&mut self, sent: &Sent, effect: Effect, answer: &Answered) {
        let carries_key = sent.key.as_ref().is_some_and(|key| key.contains(&self.execute_key));
        if effect.method == "DELETE" {
            self.gone.insert(sent.url.clone());
            self.has_key &= !self.names_key(sent);
        } else {
            self.gone.remove(&sent.url);
            self.has_key |= carries_key || self.names_key(sent);
        }
        self.taken.push((effect, answer.clone()));
    }
}

fn json(status: u16) -> Answered {
    let headers = vec![("content-type".into(), "application/json".into())];
    Answered { status, headers, body: b"{}".to_vec() }
}

fn not_found() -> Answered {
    json(404)
}

impl StandIn for Server {
    fn answer(&self, sent: Sent) -> BoxFuture<'_, Answered> {
        Box::pin(async move {
            let answer = self.lock().hear(&sent, &self.answers);
            match answer {
                Some(answer) => answer,
                None => {
                    self.is_cut.notify_one();
                    std::future::pending().await
                }
            }
        })
    }

    fn denied(&self, what: &str) {
        self.lock().heard.denied.insert(what.to_owned());
    }
}

/// Scheme, host and port of an address.
fn host_of(url: &str) -> &str {
    let from = url.find("://").map_or(0, |at| at + 3);
    let length = url[from..].find(['/', '?']).map_or(url.len(), |at| from + at);
    &url[..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "6f0c0000-0000-8000-8000-000000000000";

    fn server() -> Server {
        let server = Server::new(Answers::default());
        server.begin(KEY.into());
        server
    }

    /// Sends `METHOD /path [key] [body]`, and gives the status.
    fn send(server: &Server, text: &str) -> u16 {
        let mut words = text.split(' ');
        let mut next = || words.next().unwrap_or_default();
        let (method, path, key, body) = (next(), next(), next(), next());
        let sent = Sent {
            method: method.into(),
            url: format!("https://a.example{path}"),
            key: Some(key.to_owned()).filter(|key| !key.is_empty()),
            body: body.into(),
        };
        server.lock().answer(&sent, &server.answers).status
    }

    #[test]
    fn the_same_request_under_the_same_key_is_one_effect() {
        let server = server();
        for (text, expected) in [
            (format!("POST /charges {KEY} a"), 1),
            (format!("POST /charges {KEY} a"), 1),
            ("GET /charges".into(), 1),
            (format!("POST /charges {KEY} b"), 2),
            ("POST /charges other a".into(), 3),
            ("PUT /notes/1 one a".into(), 4),
            ("PUT /notes/1 two a".into(), 4),
        ] {
            assert_eq!(send(&server, &text), 200, "{text}");
            assert_eq!(server.effects().len(), expected, "{text}");
        }
    }

    #[test]
    fn what_was_never_made_is_not_found() {
        let server = server();
        assert_eq!(send(&server, &format!("GET /charges/{KEY}")), 404);
        server.enter(Phase::Compensate, None);
        assert_eq!(send(&server, &format!("DELETE /charges/{KEY} undo")), 404);
        assert_eq!(send(&server, &format!("POST /refunds undo {KEY}")), 404);
        assert_eq!(server.effects().len(), 0);
        // What names nothing is taken at its word.
        assert_eq!(send(&server, "POST /refunds undo"), 200);
        assert_eq!(server.effects().len(), 1);
    }

    #[test]
    fn what_was_made_is_found_until_it_is_deleted() {
        let server = server();
        assert_eq!(send(&server, &format!("POST /charges {KEY}-charge a")), 200);
        server.enter(Phase::Compensate, None);
        assert_eq!(send(&server, &format!("GET /charges?key={KEY}")), 200);
        assert_eq!(send(&server, &format!("DELETE /charges/{KEY} undo")), 200);
        assert_eq!(send(&server, &format!("GET /charges?key={KEY}")), 404);
        assert_eq!(send(&server, &format!("DELETE /charges/{KEY} undo")), 404);
        assert_eq!(server.effects().len(), 2);
    }

    #[test]
    fn another_scene_has_no_past() {
        let server = server();
        send(&server, &format!("PUT /charges/{KEY}"));
        server.begin(KEY.into());
        assert_eq!(send(&server, &format!("GET /charges/{KEY}")), 404);
        assert_eq!(server.effects().len(), 0);
    }

    #[test]
    fn a_host_is_told_without_its_path() {
        assert_eq!(host_of("https://a.example:8443/b?c"), "https://a.example:8443");
        assert_eq!(host_of("https://a.example?c"), "https://a.example");
    }
}
