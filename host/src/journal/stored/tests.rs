//! Every event goes through the stored form and comes back the same; what older versions wrote is
//! read for ever.

use super::*;
use piton_core::{
    Cause, Digest, End, Event, Failure, FailureKind, HostEnd, IdempotencyKey, InstanceId, Json,
    Limit, Phase, Pipeline, Reconciled, RunStatus, Settlement, Step, StepFailure, StepIndex,
    Timestamp, Usage, Verdict,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;

const STEPS: [&str; 4] = ["reserve", "charge", "summarise", "ask"];

fn pipeline() -> Pipeline {
    Pipeline::new("order", STEPS.map(|name| Step::call(name, Vec::new())).into())
}

fn text() -> impl Strategy<Value = String> {
    any::<String>()
}

fn json() -> impl Strategy<Value = Json> {
    let fixed =
        ["null", "0", "-1.50e3", r#"{"b":1, "a":[ 1,2 ]}"#, "\"\\u00e9\\n\"", "[\n]", "1e999"];
    let fixed = fixed.map(Json::from_checked).to_vec();
    prop_oneof![
        select(fixed),
        any::<String>().prop_map(|text| {
            Json::from_checked(serde_json::to_string(&text).expect("a text should be JSON"))
        }),
        (1_usize..300).prop_map(|depth| {
            Json::from_checked(format!("{}{}", "[".repeat(depth), "]".repeat(depth)))
        }),
    ]
}

fn step() -> impl Strategy<Value = StepIndex> {
    (0..STEPS.len() as u32).prop_map(StepIndex)
}

fn instance() -> impl Strategy<Value = InstanceId> {
    (step(), option::of(any::<u32>())).prop_map(|(step, element)| InstanceId { step, element })
}

fn phase() -> impl Strategy<Value = Phase> {
    select(Phase::ALL.to_vec())
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::from_bytes)
}

fn moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<u64>(), Just(u64::MAX)].prop_map(Timestamp::from_millis)
}

fn span() -> impl Strategy<Value = Duration> {
    (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
}

fn usage() -> impl Strategy<Value = Usage> {
    btree_map(text(), any::<u64>(), 0..3).prop_map(|amounts| {
        let mut usage = Usage::new();
        for (unit, micros) in amounts {
            usage.add(&unit, micros).expect("one amount should fit");
        }
        usage
    })
}

fn failure_kind() -> impl Strategy<Value = FailureKind> {
    prop_oneof![
        Just(FailureKind::Retryable),
        span().prop_map(FailureKind::RetryAfter),
        Just(FailureKind::Permanent),
        Just(FailureKind::Unknown),
    ]
}

fn end() -> impl Strategy<Value = End> {
    let failed = (failure_kind(), any::<bool>(), text(), text(), option::of(json()));
    prop_oneof![
        option::of(json()).prop_map(End::Succeeded),
        json().prop_map(|output| End::Reconciled(Reconciled::Done(output))),
        Just(End::Reconciled(Reconciled::NotDone)),
        Just(End::Reconciled(Reconciled::Unknown)),
        failed.prop_map(|(kind, clean, code, message, details)| {
            End::Failed(Failure { kind, clean, code, message, details })
        }),
        (select(HostEnd::ALL.to_vec()), text()).prop_map(|(end, message)| End::Host(end, message)),
    ]
}

fn step_failure() -> impl Strategy<Value = StepFailure> {
    (text(), text(), text(), select(Limit::ALL.to_vec()))
        .prop_map(|(end, code, message, limit)| StepFailure { end, code, message, limit })
}

fn cause() -> impl Strategy<Value = Cause> {
    prop_oneof![
        instance().prop_map(Cause::StepFailed),
        text().prop_map(|by| Cause::Cancelled { by }),
        text().prop_map(|by| Cause::Requested { by }),
        Just(Cause::Deadline),
        Just(Cause::Budget),
        Just(Cause::OutputFailed),
    ]
}

fn settlement() -> impl Strategy<Value = Settlement> {
    prop_oneof![
        json().prop_map(Settlement::Done),
        Just(Settlement::NotDone),
        Just(Settlement::Undone),
    ]
}

fn attempt_event() -> impl Strategy<Value = Event> {
    let call = || (instance(), phase(), any::<u32>());
    let numbers = || (any::<u128>(), moment(), any::<u64>());
    prop_oneof![
        (call(), digest(), digest(), numbers()).prop_map(
            |((instance, phase, attempt), digest, input_hash, (key, deadline, fence))| {
                let key = IdempotencyKey::from_bits(key);
                Event::AttemptStarted {
                    instance,
                    phase,
                    attempt,
                    digest,
                    input_hash,
                    key,
                    deadline,
                    fence,
                }
            }
        ),
        (call(), text(), text(), usage()).prop_map(
            |((instance, phase, attempt), key, value, usage)| {
                Event::MemoRemembered { instance, phase, attempt, key, value, usage }
            }
        ),
        (call(), end(), usage(), any::<u64>()).prop_map(
            |((instance, phase, attempt), end, usage, log_cursor)| {
                Event::AttemptEnded { instance, phase, attempt, end, usage, log_cursor }
            }
        ),
        (call(), moment(), span(), option::of(any::<u32>())).prop_map(
            |((instance, phase, attempt), due, delay, rule)| {
                Event::RetryScheduled { instance, phase, attempt, due, delay, rule }
            }
        ),
    ]
}

fn step_event() -> impl Strategy<Value = Event> {
    let verdicts = select(vec![Verdict::TurnBack, Verdict::GoOn, Verdict::Tolerated]);
    prop_oneof![
        step().prop_map(|step| Event::StepSkipped { step }),
        (step(), vec(json(), 0..4)).prop_map(|(step, items)| Event::MapStarted { step, items }),
        (step(), json()).prop_map(|(step, output)| Event::MapEnded { step, output }),
        (step(), option::of(moment())).prop_map(|(step, until)| Event::WaitStarted { step, until }),
        (step(), json()).prop_map(|(step, output)| Event::WaitEnded { step, output }),
        (instance(), step_failure(), verdicts).prop_map(|(instance, failure, verdict)| {
            Event::StepFailed { instance, failure, verdict }
        }),
        (instance(), phase(), step_failure()).prop_map(|(instance, phase, failure)| {
            Event::StepStuck { instance, phase, failure }
        }),
        instance().prop_map(|instance| Event::UndoNotNeeded { instance }),
        (instance(), settlement(), text(), text()).prop_map(
            |(instance, settlement, because, by)| Event::Settled {
                instance,
                settlement,
                because,
                by
            }
        ),
        (instance(), text()).prop_map(|(instance, by)| Event::RetryRequested { instance, by }),
    ]
}

fn run_event() -> impl Strategy<Value = Event> {
    let names = || (text(), text(), option::of(text()));
    prop_oneof![
        (names(), digest(), vec(option::of(digest()), STEPS.len()), json()).prop_map(
            |((pipeline, folder, key), manifest, components, input)| {
                Event::RunStarted { pipeline, manifest, folder, components, input, key }
            }
        ),
        (text(), json(), text())
            .prop_map(|(name, data, by)| { Event::SignalReceived { name, data, by } }),
        cause().prop_map(|cause| Event::TurnRequested { cause }),
        Just(Event::TurnRefused),
        cause().prop_map(|cause| Event::RollbackStarted { cause }),
        text().prop_map(|by| Event::CancelRequested { by }),
        text().prop_map(|message| Event::OutputFailed { message }),
        (text(), any::<u64>(), any::<u64>()).prop_map(|(unit, spent, limit)| Event::BudgetWarned {
            unit,
            spent,
            limit
        }),
        (text(), any::<u64>(), any::<u64>()).prop_map(|(unit, spent, limit)| Event::BudgetUsedUp {
            unit,
            spent,
            limit
        }),
        text().prop_map(|by| Event::BudgetRenewed { by }),
        (select(RunStatus::ALL.to_vec()), option::of(json()))
            .prop_map(|(status, output)| Event::RunFinished { status, output }),
    ]
}

proptest! {
    #[test]
    fn every_event_comes_back_as_it_was(
        event in prop_oneof![attempt_event(), step_event(), run_event()]
    ) {
        let pipeline = pipeline();
        let json = encode(&event, &pipeline).expect("an event should be encoded");
        prop_assert_eq!(Decoder::new(&pipeline).decode(&json), Ok(event));
    }

    #[test]
    fn damaged_records_are_errors_or_events(
        event in prop_oneof![attempt_event(), step_event(), run_event()],
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let pipeline = pipeline();
        let mut json = encode(&event, &pipeline).expect("an event should be encoded");
        for (place, byte) in flips {
            let place = place.index(json.len());
            json[place] = byte;
        }
        json.truncate(cut.index(json.len() + 1));
        let _ = Decoder::new(&pipeline).decode(&json);
        let _ = RunStartedStored::peek(&json);
    }
}

#[test]
fn records_of_version_1_are_read_for_ever() {
    let pipeline = pipeline();
    let decoder = Decoder::new(&pipeline);
    let mut words = std::collections::BTreeSet::new();
    for line in include_str!("fixtures/version-1.ndjson").lines() {
        let event = decoder.decode(line.as_bytes()).unwrap_or_else(|e| panic!("{line}: {e}"));
        // Nothing of a line is lost: it is what today's host would write, too. Where a later
        // version writes otherwise, its own fixture takes over this half of the check.
        let encoded = encode(&event, &pipeline).expect("an event should be encoded");
        assert_eq!(String::from_utf8_lossy(&encoded), line);
        words.insert(event.word());
    }
    assert_eq!(words.len(), 22, "each event should be in the fixture: {words:?}");
}

#[test]
fn unknown_fields_are_passed_over() {
    let json = br#"{"event":"step-skipped","step":"charge","since_version":9,"more":{"a":[1]}}"#;
    let event = Decoder::new(&pipeline()).decode(json);
    assert_eq!(event, Ok(Event::StepSkipped { step: StepIndex(1) }));
}

#[test]
fn errors_name_the_event_and_what_is_wrong() {
    for (json, expected) in [
        (r#"{"event":"teleported"}"#, "event `teleported` is not one that format version 1 has"),
        (r#"{"event":"step-skipped","step":"chrage"}"#, "step `chrage`, which the run's pipeline"),
        (r#"{"event":"step-skipped"}"#, "event `step-skipped` cannot be read: it has no `step`"),
        (
            r#"{"event":"undo-not-needed","step":"ask[x]"}"#,
            "`ask[x]` is nothing that `step` can say",
        ),
        (
            r#"{"event":"step-skipped","step":7}"#,
            "event `step-skipped` cannot be read: invalid type",
        ),
        ("{", "event `?` cannot be read"),
    ] {
        let pipeline = pipeline();
        let error = Decoder::new(&pipeline).decode(json.as_bytes()).expect_err(json).to_string();
        assert!(error.contains(expected), "{json}: {error}");
    }
}

#[test]
fn what_would_not_be_read_back_is_not_written() {
    let signal = |data: &str| Event::SignalReceived {
        name: "go".into(),
        data: Json::from_checked(data),
        by: "a test".into(),
    };
    for data in ["", "{", "1 2", " 1", "1\n", "nul", "1}"] {
        let expected = EncodeError::NoJson { event: "signal-received", field: "data" };
        assert_eq!(encode(&signal(data), &pipeline()), Err(expected), "{data:?}");
    }
    let event = Event::StepSkipped { step: StepIndex(4) };
    let expected = EncodeError::UnknownStep { event: "step-skipped", step: 4 };
    assert_eq!(encode(&event, &pipeline()), Err(expected));
}

#[test]
fn the_first_event_is_read_before_its_pipeline_is_known() {
    let event = Event::RunStarted {
        pipeline: "order".into(),
        manifest: Digest::from_bytes([1; 32]),
        folder: "/work/order".into(),
        components: vec![Some(Digest::from_bytes([2; 32])), None, None, None],
        input: Json::from_checked(r#"{"sku": "a"}"#),
        key: Some("monday".into()),
    };
    let json = encode(&event, &pipeline()).expect("an event should be encoded");
    let peeked = RunStartedStored::peek(&json).expect("a first event should be read");
    assert_eq!(peeked.manifest, Digest::from_bytes([1; 32]));
    assert_eq!(peeked.folder, "/work/order");
    assert_eq!(peeked.components["reserve"], Digest::from_bytes([2; 32]));
    assert_eq!(peeked.components.len(), 1);
    assert_eq!(peeked.input.as_str(), r#"{"sku": "a"}"#);
    assert_eq!(peeked.key.as_deref(), Some("monday"));

    let other = encode(&Event::TurnRefused, &pipeline()).expect("an event should be encoded");
    assert!(RunStartedStored::peek(&other).is_err());
}
