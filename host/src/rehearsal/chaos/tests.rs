//! Chaos against small pipelines: what it draws, what it finds, and how it tells it. Runs no guest.

use super::copy::copy_of;
use super::faults::{Fault, FaultPlan, Kind};
use super::guests::judge;
use super::stage::Stage;
use super::*;
use crate::manifest;
use crate::runner::{CheckedManifest, Meddler};
use crate::sandbox::{Call, Ended, MemosKept, ResolvedGrants};
use piton_core::simulation::{Mutant, draw_story};
use piton_core::{
    Budget, Effect, End, HostEnd, IdempotencyKey, Json, Limits, OnBudget, OnExhausted, Phase,
    Pipeline, RunId, Step, StepIndex, Usage,
};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// reserve, charge (can be asked), ship (pivot), notify; a budget that some stories use up.
fn order() -> Arc<Pipeline> {
    let step = |(name, index): (&str, u32)| {
        Step::call(name, index.checked_sub(1).map(StepIndex).into_iter().collect())
    };
    let mut steps: Vec<Step> =
        ["reserve", "charge", "ship", "notify"].into_iter().zip(0..).map(step).collect();
    (steps[1].effect, steps[1].reconciles) = (Effect::Reconcilable, true);
    steps[2].pivot = true;
    steps[3].on_exhausted = OnExhausted::Pause;
    let mut limits = Usage::new();
    limits.add("usd", 2_000).expect("a small amount should fit");
    let mut pipeline = Pipeline::new("order", steps);
    pipeline.budget = Some(Budget { limits, on: OnBudget::Pause });
    Arc::new(pipeline)
}

fn rehearse(runs: u64, mutant: Option<Mutant>) -> Report {
    Stub { pipeline: order(), seed: 42, runs, mutant }.rehearse(|_| true)
}

#[test]
fn a_sound_host_keeps_every_rule() {
    let report = rehearse(2_000, None);
    assert_eq!(report.violations, []);
    assert_eq!(report.ended.values().sum::<u64>(), 2_000);
    assert!(report.faults["crash"] > 100, "{report:?}");
    assert!(report.summary().ends_with("0 violations (seed 42)"), "{}", report.summary());
}

#[test]
fn the_same_seed_gives_the_same_faults() {
    assert_eq!(rehearse(200, None), rehearse(200, None));
}

#[test]
fn a_host_that_breaks_a_rule_is_found_out() {
    for mutant in Mutant::ALL {
        let report = rehearse(10_000, Some(mutant));
        let violation = report.violations.first();
        let violation = violation.unwrap_or_else(|| panic!("{mutant:?} should be found"));
        // Its own seed tells it again.
        let again = Stub { pipeline: order(), seed: violation.seed, runs: 1, mutant: Some(mutant) };
        assert_eq!(again.rehearse(|_| true).violations.first(), Some(violation), "{mutant:?}");
    }
}

#[test]
fn a_story_is_told_short() {
    let report = rehearse(10_000, Some(Mutant::KeyPerAttempt));
    let violation = &report.violations[0];
    assert!(violation.problems[0].contains("idempotency key differs"), "{violation:?}");
    // The start, two attempts of one step with what lies between them, and little else.
    assert!(violation.story.len() <= 20, "{:#?}", violation.story);
}

#[test]
fn a_broken_journal_is_judged_so() {
    let found = (0..).map(|seed| draw_story(seed, Some(order()), Some(Mutant::KeyPerAttempt)));
    let mut story = found.into_iter().find(|story| !story.problems.is_empty()).expect("soon");
    let told = story.run.status();
    story.run = piton_core::Run::new(story.run.id(), order());
    story.problems.clear();
    judge(&mut story, told);
    assert!(story.problems.iter().any(|problem| problem.rule().is_some()), "{story}");
}

#[test]
fn a_call_meets_the_same_fault_whatever_came_before() {
    let plans = || (0..100).map(|seed| FaultPlan::draw(seed, 4));
    let faults = |plan: FaultPlan| plan.at_call("charge", Phase::Execute, 1);
    let first: Vec<Option<Fault>> = plans().map(faults).collect();
    assert_eq!(first, plans().map(faults).collect::<Vec<_>>());
    assert!(first.iter().any(Option::is_some) && first.iter().any(Option::is_none));
    let none = plans().map(|plan| faults(plan.only(BTreeSet::new())));
    assert!(none.into_iter().all(|fault| fault.is_none()));
}

#[tokio::test]
async fn a_call_is_seen_and_its_end_replaced() {
    let stage = Stage::default();
    let plan = (0..).map(|seed| FaultPlan::draw(seed, 1));
    let mut plan = plan.filter(|plan| strikes(plan) == Some(Kind::Slow));
    stage.set(plan.next().expect("some seed should draw it"));
    let ended = stage.meddle(call(), Box::new(|_| Box::pin(async { good() }))).await;
    assert!(matches!(ended.end, End::Host(HostEnd::TimedOut, _)), "{ended:?}");
    let seen = stage.seen();
    let calls: Vec<_> = seen.calls.iter().map(|call| (call.step.as_str(), call.ended)).collect();
    assert_eq!(calls, [("charge", Some(2))]);
    assert_eq!(seen.struck.len(), 1);
}

fn strikes(plan: &FaultPlan) -> Option<Kind> {
    match plan.at_call("charge", Phase::Execute, 1) {
        Some(Fault::Call { kind, .. }) => Some(kind),
        _ => None,
    }
}

fn good() -> Ended {
    Ended {
        end: End::Succeeded(Some(Json::null())),
        usage: Usage::new(),
        fuel_used: 0,
        memory_peak_bytes: 0,
        elapsed: Duration::ZERO,
        logs_cut_bytes: 0,
    }
}

fn call() -> Call {
    let key = IdempotencyKey::from_bits(1);
    Call {
        phase: Phase::Execute,
        run: RunId::from_bits(1),
        step: "charge".into(),
        attempt: 1,
        key,
        execute_key: key,
        input: Json::null(),
        output: None,
        cause: None,
        time_limit: Duration::from_secs(1),
        limits: Limits::default(),
        grants: ResolvedGrants::default(),
        memos_kept: MemosKept { count: 0, bytes: 0 },
    }
}

#[test]
fn the_copy_waits_for_milliseconds_and_writes_elsewhere() {
    let text = r#"
        [pipeline]
        name = "copied"
        [defaults.undo]
        cap = "1h"
        [steps.zeta]
        component = "../zeta"
        effect = "none"
        retry = { attempts = 3, base = "5s", rules = [{ code = "x", floor = "9s", cap = "10s" }] }
        grants.dirs = [{ host = "books", guest = "/data", write = true }]
        grants.http = ["api.payments.example"]
        grants.secrets.PAYMENTS_KEY = { header = "authorization", format = "Bearer ${secret}", hosts = ["api.payments.example"] }
        [steps.alpha]
        component = "/elsewhere/alpha"
        effect = "none"
        input = "${steps.zeta.output}"
        grants.dirs = [{ host = "books/in", guest = "/in" }, { host = "lists", guest = "/lists" }]
        [steps.later]
        wait_until = "${steps.alpha.output.at}"
    "#;
    let (manifest, remarks) = manifest::check(text).expect("the manifest should be good");
    let (path, text) = ("/pipelines/copied.toml".into(), text.into());
    let checked = CheckedManifest { path, text, remarks, manifest };
    let copy = copy_of(&checked, Path::new("/own")).expect("it should be copied");
    let (copied, _) = manifest::check(&copy.text).expect("the copy should be good");
    let steps = &copied.pipeline.steps;
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["zeta", "alpha", "later"]);
    let short = Duration::from_millis(1);
    assert_eq!(steps[0].retry.attempts, 3);
    for policy in steps.iter().flat_map(|step| [&step.retry, &step.undo]) {
        let rules = policy.rules.iter().filter_map(|rule| rule.policy.as_deref());
        for policy in rules.chain([policy]) {
            let waits = &policy.backoff;
            assert_eq!((waits.base, waits.cap, waits.floor), (short, short, short));
        }
    }
    assert_eq!(steps[2].after, [StepIndex(1)]);
    let hosts: Vec<&str> = copied
        .steps
        .iter()
        .flat_map(|step| &step.grants.dirs)
        .map(|dir| dir.host.as_str())
        .collect();
    assert_eq!(hosts, ["/own/0", "/own/0/in", "/pipelines/lists"]);
    let reaches_nobody =
        |grants: &piton_core::Grants| grants.http.is_empty() && grants.secrets.is_empty();
    assert!(copied.steps.iter().all(|step| reaches_nobody(&step.grants)));
    let component = copied.steps[0].component.as_ref().expect("it calls a component");
    assert_eq!(component.path, "/pipelines/../zeta");
}

#[test]
fn numbers_have_their_thousands_apart() {
    for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
        assert_eq!(grouped(number), text);
    }
}
