//! What must hold of any bytes where a stranger's bytes first come in: one function for each such
//! place. `host/fuzz` calls them with bytes that a fuzzer makes up, the tests here with what is kept
//! of those.
//! Not part of the library: only there for tests, and where the fuzzer compiles it.

use crate::journal::stored::{Decoder, RunStartedStored, encode};
use crate::manifest::{self, GraphFormat};
use crate::runner::{Answer, Ask};
use piton_core::{
    Digest, Effect, End, Event, IdempotencyKey, InstanceId, Json, Phase, Pipeline, Run, RunId,
    Step, StepIndex, Timestamp, Usage,
};
use std::sync::Arc;

#[cfg(test)]
mod changed;

/// A target's name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 7] = [
    ("manifest", manifest),
    ("expression", expression),
    ("stored_event", stored_event),
    ("log_entry", log_entry),
    ("journal_page", journal_page),
    ("guest_output", guest_output),
    ("socket", socket),
];

/// The text of a manifest: it is read, or each of its mistakes has a place in it and can be drawn.
pub fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let remarks = match manifest::check(text) {
        Ok((manifest, remarks)) => {
            assert!(!manifest.pipeline.steps.is_empty(), "a pipeline should have a step");
            assert_eq!(manifest.pipeline.steps.len(), manifest.steps.len());
            // A picture of thousands of steps takes longer than a fuzzer's patience.
            if manifest.steps.len() <= 50 {
                for format in [GraphFormat::Mermaid, GraphFormat::Dot, GraphFormat::Svg] {
                    assert!(!manifest.graph(format).is_empty());
                }
            }
            remarks
        }
        Err(complaints) => {
            assert!(!complaints.is_empty(), "a manifest should be refused for a reason");
            let _ = manifest::read_despite_mistakes(text);
            complaints
        }
    };
    for place in remarks.iter().filter_map(|remark| remark.place.as_ref()) {
        assert!(text.get(place.clone()).is_some(), "{place:?} should be in the text");
    }
    if text.len() < 20_000 {
        manifest::render("fuzzed.toml", text, &remarks, true, 80);
    }
}

/// An expression of a manifest: it is refused, or gives JSON or an error, the same each time.
pub fn expression(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let quoted = toml::Value::String(format!("${{{text}}}")).to_string();
    let manifest = format!(
        "[pipeline]\nname = \"p\"\n[steps.a]\ncomponent = \"a\"\neffect = \"none\"\n\
         [steps.b]\ncomponent = \"b\"\neffect = \"none\"\nafter = [\"a\"]\ninput = {quoted}\n"
    );
    let Ok((manifest, _)) = manifest::check(&manifest) else { return };
    let run = after_its_first_step(&manifest.pipeline);
    let step = InstanceId::of(StepIndex(1));
    let value = manifest.programs.input(&run, step);
    assert_eq!(value, manifest.programs.input(&run, step), "it should not depend on anything else");
    if let Ok(json) = value {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(json.as_str());
        assert!(parsed.is_ok() || json.as_str().len() > 1 << 20, "no JSON: {}", json.as_str());
    }
}

/// A run whose first step has ended.
fn after_its_first_step(pipeline: &Arc<Pipeline>) -> Run {
    let at = Timestamp::from_millis(1_767_225_600_000);
    let (digest, first) = (Digest::from_bytes([1; 32]), InstanceId::of(StepIndex(0)));
    let output =
        r#"{"n": 1.5, "list": [1, 2, "three", null], "text": "caf\u00e9", "deep": {"a": [{}]}}"#;
    let events = [
        Event::RunStarted {
            pipeline: pipeline.name.clone(),
            manifest: digest,
            folder: "/".into(),
            components: vec![Some(digest); pipeline.steps.len()],
            input: Json::from_checked(output),
            key: None,
        },
        Event::AttemptStarted {
            instance: first,
            phase: Phase::Execute,
            attempt: 1,
            digest,
            input_hash: digest,
            key: IdempotencyKey::from_bits(1),
            deadline: at,
            fence: 1,
        },
        Event::AttemptEnded {
            instance: first,
            phase: Phase::Execute,
            attempt: 1,
            end: End::Succeeded(Some(Json::from_checked(output))),
            usage: Usage::new(),
            log_cursor: 0,
        },
    ];
    let mut run = Run::new(RunId::from_bits(1), Arc::clone(pipeline));
    for event in &events {
        run.apply(at, event).expect("a run should take its events");
    }
    run
}

/// A record of the journal: it is no event, or one that is written as it was read.
pub fn stored_event(bytes: &[u8]) {
    let pipeline = order();
    let decoder = Decoder::new(&pipeline);
    let started = RunStartedStored::peek(bytes);
    let Ok(event) = decoder.decode(bytes) else { return };
    assert_eq!(started.is_ok(), matches!(event, Event::RunStarted { .. }));
    let written = encode(&event, &pipeline).expect("what was read should be written");
    let again = decoder.decode(&written).expect("what was written should be read");
    assert_eq!(event, again);
    assert_eq!(encode(&again, &pipeline).expect("an event should be written"), written);
    // Whether it makes sense where it stands is found when it is applied.
    let mut run = Run::new(RunId::from_bits(1), Arc::new(pipeline));
    let _ = run.apply(Timestamp::from_millis(1), &event);
}

/// The pipeline of the events that are kept as examples.
fn order() -> Pipeline {
    let steps = ["reserve", "charge", "summarise", "ask"].map(|name| {
        let mut step = Step::call(name, Vec::new());
        step.effect = Effect::Reconcilable;
        step
    });
    Pipeline::new("order", steps.into())
}

/// The content of an entry of the write-ahead log, behind its checksum: it is none, or says the same when
/// it is written again.
pub fn log_entry(bytes: &[u8]) {
    crate::journal::fuzzed_entry(bytes);
}

/// Changes to the journal's file: what is read is an error or what was written.
pub fn journal_page(bytes: &[u8]) {
    crate::journal::fuzzed_page(bytes);
}

/// What a guest returns: it is refused, or harmless and the same for every reader.
pub fn guest_output(bytes: &[u8]) {
    crate::sandbox::fuzzed_output(bytes);
}

/// A line that comes in over the socket, from either side: no question or answer, or one that says
/// the same when it is sent on.
pub fn socket(bytes: &[u8]) {
    if let Ok(ask) = serde_json::from_slice::<Ask>(bytes) {
        let line = serde_json::to_string(&ask).expect("a question should be JSON");
        assert!(!line.contains('\n'), "a question should be one line");
        let again: Ask = serde_json::from_str(&line).expect("a question should be read again");
        assert_eq!(serde_json::to_string(&again).expect("a question should be JSON"), line);
        assert_eq!(ask.may_be_repeated(), again.may_be_repeated());
    }
    if let Ok(answer) = serde_json::from_slice::<Answer>(bytes) {
        let line = serde_json::to_string(&answer).expect("an answer should be JSON");
        assert!(!line.contains('\n'), "an answer should be one line");
        let again: Answer = serde_json::from_str(&line).expect("an answer should be read again");
        assert_eq!(serde_json::to_string(&again).expect("an answer should be JSON"), line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// What fuzzers found, and what they began with: each passes, or a bug is back.
    #[test]
    fn everything_that_is_kept_passes() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for (name, target) in TARGETS {
            let folder = corpus.join(name);
            let files = std::fs::read_dir(&folder);
            let files = files.unwrap_or_else(|error| panic!("`{}`: {error}", folder.display()));
            let mut count = 0;
            for file in files {
                let path = file.expect("a folder should be read").path();
                println!("{}", path.display());
                target(&std::fs::read(&path).expect("a file should be read"));
                count += 1;
            }
            assert!(count >= 5, "`{}` should keep what is worth trying", folder.display());
        }
    }
}
