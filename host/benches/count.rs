//! Owns what `cargo gate count` counts of the host: the stored form of events, and calls of a guest that
//! returns its input. The gate runs this under valgrind, twice, and takes the difference.
//! Never looks at a clock: instructions do not depend on the machine's mood.
//!
//! `count SCENARIO COUNT FOLDER COMPONENT` prints how much it dealt with. Scenarios: `nothing` makes a chain
//! of so many steps and its events, `encode` writes them, `decode` reads them, too; `attempt` calls the
//! component so many times, its compiled code kept in the folder.

#[path = "../core/benches/chain/mod.rs"]
mod chain;

use chain::Chain;
use piton::journal::stored::{Decoder, encode};
use piton::sandbox::{
    BoxFuture, Call, Compiler, LogLine, MemosKept, Notice, Progress, RememberError, ResolvedGrants,
    Sandbox, Services, Settings, digest_of,
};
use piton_core::{End, Event, IdempotencyKey, Json, Limits, Phase, RunId, Usage};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` adds `--bench`, and names no scenario.
    let [scenario, count, folder, component] = arguments.as_slice() else {
        println!("`cargo gate count` runs this");
        return;
    };
    let count = count.parse().expect("the count should be a number");
    let chain = |then: fn(&Chain, &[Event]) -> usize| {
        let chain = Chain::new(count);
        then(&chain, &chain.decided())
    };
    let dealt_with = match scenario.as_str() {
        "nothing" => chain(|_, _| 0),
        "encode" => chain(|chain, events| encoded(chain, events).len()),
        "decode" => chain(|chain, events| decoded(chain, &encoded(chain, events))),
        "attempt" => attempts(count, Path::new(folder), Path::new(component)),
        other => panic!("there is no scenario `{other}`"),
    };
    println!("{dealt_with}");
}

fn encoded(chain: &Chain, events: &[Event]) -> Vec<Vec<u8>> {
    let encode = |event| encode(event, &chain.pipeline).expect("the event should be written");
    events.iter().map(encode).collect()
}

fn decoded(chain: &Chain, stored: &[Vec<u8>]) -> usize {
    let decoder = Decoder::new(&chain.pipeline);
    for json in stored {
        decoder.decode(json).expect("the event should be read");
    }
    stored.len()
}

fn attempts(count: u32, folder: &Path, component: &Path) -> usize {
    let mut settings = Settings::new(folder.join("code"), [7; 32], Compiler::InProcess);
    // valgrind has no room for the memory of many.
    settings.slots = 1;
    settings.notify = Arc::new(|notice| {
        assert!(!matches!(notice, Notice::PoolUnavailable(_)), "{notice}");
    });
    let sandbox = Sandbox::new(settings).expect("a sandbox should start");
    let bytes = std::fs::read(component).expect("the component should be built");
    let program = sandbox.load(digest_of(&bytes), || Ok(bytes)).expect("the component should load");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime should start").block_on(async {
        for attempt in 1..=count {
            let call = call(attempt);
            let input = call.input.clone();
            let ended = sandbox.call(&program, call, Arc::new(Silence)).await;
            assert_eq!(ended.end, End::Succeeded(Some(input)));
        }
    });
    count as usize
}

fn call(attempt: u32) -> Call {
    Call {
        phase: Phase::Execute,
        run: RunId::from_bits(1),
        step: "step".into(),
        attempt,
        key: IdempotencyKey::from_bits(2),
        execute_key: IdempotencyKey::from_bits(3),
        input: Json::from_checked(format!(r#"{{"n":0,"pad":"{}"}}"#, "x".repeat(184))),
        output: None,
        cause: None,
        time_limit: Duration::from_secs(600),
        limits: Limits::default(),
        grants: ResolvedGrants::default(),
        memos_kept: MemosKept::default(),
    }
}

/// Nobody listens to a guest that says nothing.
struct Silence;

impl Services for Silence {
    fn log(&self, _: LogLine<'_>) {}

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
        Box::pin(async { Ok(value) })
    }
}
