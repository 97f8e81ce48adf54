//! Calls of guests written in WebAssembly text, each for one thing that must hold.
//! Needs nothing built beforehand, and never measures time.

mod calls;
mod guests;
mod limits;
mod loading;

use super::*;
use guests::Guest as Wat;
use piton_core::{End, HostEnd, IdempotencyKey, Json, Limits, Phase, RunId, Usage};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);
/// Short enough for a test to wait for, long enough for a guest to start.
const SHORT: Duration = Duration::from_millis(200);

/// A sandbox with a folder of its own, that compiles in this process.
struct Rig {
    sandbox: Sandbox,
    services: Arc<Heard>,
    _folder: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder should be made");
        let mut settings = Settings::new(folder.path().join("code"), [7; 32], Compiler::InProcess);
        settings.slots = 4;
        let sandbox = Sandbox::new(settings).expect("a sandbox should start");
        Self { sandbox, services: Arc::default(), _folder: folder }
    }

    fn load(&self, guest: &Wat) -> Arc<Program> {
        let bytes = guest.bytes();
        let loaded = self.sandbox.load(digest_of(&bytes), || Ok(bytes));
        loaded.unwrap_or_else(|error| panic!("the guest should load: {error}"))
    }

    async fn run(&self, guest: &Wat, call: Call) -> Ended {
        let program = self.load(guest);
        self.sandbox.call(&program, call, self.services.clone()).await
    }
}

/// What the services of a test were told.
#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<(Level, Source, String)>>,
    progress: Mutex<Vec<(u64, Option<u64>, String)>>,
    memos: Mutex<BTreeMap<String, String>>,
    spent: Mutex<Vec<Usage>>,
    /// How `remember` goes wrong.
    trouble: Mutex<Option<Trouble>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Waits,
    Fails,
    Panics,
}

impl Services for Heard {
    fn log(&self, line: LogLine<'_>) {
        let line = (line.level, line.source, line.text.to_owned());
        self.lines.lock().expect("no test panics here").push(line);
    }

    fn progress(&self, progress: Progress<'_>) {
        let progress = (progress.done, progress.total, progress.message.to_owned());
        self.progress.lock().expect("no test panics here").push(progress);
    }

    fn recall(&self, key: &str) -> Option<String> {
        self.memos.lock().expect("no test panics here").get(key).cloned()
    }

    fn remember(
        &self,
        key: String,
        value: String,
        usage: Usage,
    ) -> BoxFuture<'_, Result<String, RememberError>> {
        let trouble = *self.trouble.lock().expect("no test panics here");
        Box::pin(async move {
            match trouble {
                Some(Trouble::Waits) => std::future::pending().await,
                Some(Trouble::Fails) => return Err(RememberError("the disk is full".into())),
                Some(Trouble::Panics) => panic!("told to panic"),
                None => {}
            }
            self.spent.lock().expect("no test panics here").push(usage);
            self.memos.lock().expect("no test panics here").insert(key, value.clone());
            Ok(value)
        })
    }
}

fn call() -> Call {
    Call {
        phase: Phase::Execute,
        run: RunId::from_bits(1),
        step: "step".into(),
        attempt: 1,
        key: IdempotencyKey::from_bits(2),
        execute_key: IdempotencyKey::from_bits(3),
        input: Json::from_checked("{\"n\":1}"),
        output: None,
        cause: None,
        time_limit: LONG,
        limits: Limits::default(),
        grants: ResolvedGrants::default(),
        memos_kept: MemosKept::default(),
    }
}

/// The host's end of an attempt and its message.
fn host_end(ended: &Ended) -> (HostEnd, &str) {
    match &ended.end {
        End::Host(end, message) => (*end, message),
        other => panic!("the host should have ended it, and it {other:?}"),
    }
}

fn succeeded(text: &str) -> End {
    End::Succeeded(Some(Json::from_checked(text)))
}
