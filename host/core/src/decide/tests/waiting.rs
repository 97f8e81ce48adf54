//! Nodes that wait: for a time, a signal, or a person's yes.

use super::*;
use crate::pipeline::Waiting;

fn wait(waiting: Waiting) -> Step {
    with(step("w", &[]), |step| step.kind = StepKind::Wait(waiting))
}

fn approval(due: Option<u64>) -> Step {
    let due = due.map(Duration::from_secs);
    wait(Waiting::Approval { from: "boss".into(), due })
}

fn signal() -> Input {
    Input::Signal { name: "go".into(), data: Json::from_checked("1"), by: "me".into() }
}

const ENDED: &[&str] = &["wait-ended w", "run-finished completed"];

#[test]
fn a_wait_ends_at_its_time() {
    let mut play = Play::of([wait(Waiting::For(Duration::from_secs(600)))]);
    play.is(RunStatus::Waiting).at(599_999).then(&[]);
    play.at(600_000).then(ENDED);
}

#[test]
fn a_wait_keeps_its_time_over_restarts() {
    let mut play = Play::of([wait(Waiting::For(Duration::from_secs(600)))]);
    for now in [100_000, 200_000, 300_000] {
        play.now = now;
        play.does(Input::HostRestarted).then(&[]);
    }
    assert_eq!(crate::due(&play.run).wake_at, Some(Timestamp::from_millis(600_000)));
}

#[test]
fn a_signal_ends_its_wait() {
    let mut play = Play::of([wait(Waiting::Signal("go".into()))]);
    play.is(RunStatus::Waiting).does(signal()).then(&[&["signal-received go"], ENDED].concat());
    assert_eq!(play.run.output_of(StepIndex(0)).map(Json::as_str), Some("1"));
}

#[test]
fn an_early_signal_is_kept() {
    let later = with(wait(Waiting::Signal("go".into())), |step| step.after = vec![StepIndex(0)]);
    let mut play = Play::of([step("a", &[]), later]);
    play.does(signal()).then(&["signal-received go"]);
    play.ends("a", ok());
    assert!(play.run.output_of(StepIndex(1)).is_some());
}

#[test]
fn a_signal_serves_one_node() {
    let node =
        |name: &str| with(wait(Waiting::Signal("go".into())), |step| step.name = name.into());
    let mut play = Play::of([node("v"), node("w")]);
    play.does(signal()).then(&["signal-received go", "wait-ended v"]).is(RunStatus::Waiting);
    play.does(signal()).then(&[&["signal-received go"], ENDED].concat());
}

#[test]
fn an_approval_is_the_nodes_output() {
    let mut play = Play::of([approval(None)]);
    play.is(RunStatus::Waiting);
    play.does(Input::Approve { step: StepIndex(0), output: Json::null() }).then(ENDED);
}

const REFUSED: &[&str] =
    &["step-failed w not-approved TurnBack", STEP_0_FAILED, "run-finished rolled-back"];

#[test]
fn a_refused_approval_turns_back() {
    let mut play = Play::of([approval(None)]);
    play.does(Input::Disapprove { step: StepIndex(0), message: "no".into() }).then(REFUSED);
}

#[test]
fn an_unanswered_approval_fails_when_due() {
    Play::of([approval(Some(60))]).at(60_000).then(REFUSED);
}

#[test]
fn only_what_waits_can_be_approved() {
    let mut play = Play::of([step("a", &[])]);
    for step in [StepIndex(0), StepIndex(7)] {
        let approve = Input::Approve { step, output: Json::null() };
        play.refuses(approve, Refusal::NotAwaitingApproval);
    }
}

#[test]
fn a_turn_ends_all_waiting() {
    let mut play = Play::of([approval(None), step("a", &[])]);
    play.ends("a", refused_clean()).is(RunStatus::RolledBack);
}

#[test]
fn a_run_with_stuck_steps_is_not_just_waiting() {
    let pausing = with(step("a", &[]), |step| {
        step.on_exhausted = crate::OnExhausted::Pause;
    });
    let mut play = Play::of([approval(None), pausing]);
    play.ends("a", refused()).is(RunStatus::Stuck);
}
