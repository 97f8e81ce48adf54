//! Maps: elements, their number at once, and how many may fail.

use super::*;
use crate::pipeline::OnExhausted;

/// A map over as many items as the seed gives: at least two are asked for.
fn play(step: Step) -> Play {
    let pipeline = Pipeline::new("play", vec![step]);
    let seed = (0..).find(|seed| {
        let mut play = Play::before(pipeline.clone(), StubEvaluate::sound(*seed));
        let start = play.start();
        play.does(start);
        play.run.elements_of(StepIndex(0)) == Some(3)
    });
    let seed = seed.expect("some seed should give three items");
    let mut play = Play::before(pipeline, StubEvaluate::sound(seed));
    let start = play.start();
    play.does(start);
    play
}

#[test]
fn results_keep_the_order_of_items() {
    let mut play = play(map("m", 0));
    let number = |n: &str| End::Succeeded(Some(Json::from_checked(n)));
    play.ends("m[2]", number("2")).ends("m[0]", number("0")).ends("m[1]", number("1"));
    play.then(&["map-ended m", "run-finished completed"]);
    assert_eq!(play.run.output_of(StepIndex(0)).map(Json::as_str), Some("[0,1,2]"));
}

#[test]
fn no_more_elements_begin_than_may_at_once() {
    let mut play = play(with(map("m", 0), |step| {
        let StepKind::Map(policy) = &mut step.kind else { panic!("a map should be a map") };
        policy.max_parallel = 2;
    }));
    play.then(&[
        "map-started m of 3",
        "attempt-started m[0] execute 1",
        "attempt-started m[1] execute 1",
    ]);
    play.ends("m[1]", ok()).then(&["attempt-started m[2] execute 1"]);
}

#[test]
fn a_tolerated_element_is_undone_alone() {
    let mut play = play(map("m", 1));
    play.ends("m[1]", refused());
    play.then(&["step-failed m[1] permanent Tolerated", "attempt-started m[1] compensate 1"]);
    play.ends("m[0]", ok()).ends("m[2]", ok()).then(&[]);
    play.ends("m[1]", undone()).then(&["map-ended m", "run-finished completed"]);
    assert_eq!(play.run.output_of(StepIndex(0)).map(Json::as_str), Some("[{},null,{}]"));
}

#[test]
fn beyond_its_tolerance_a_map_is_undone() {
    let mut play = play(map("m", 1));
    play.ends("m[0]", ok()).ends("m[1]", refused_clean()).ends("m[2]", refused_clean());
    let turn = "rollback-started StepFailed(InstanceId { step: StepIndex(0), element: Some(2) })";
    play.then(&["step-failed m[2] permanent TurnBack", turn, "attempt-started m[0] compensate 1"]);
}

#[test]
fn elements_are_undone_in_reverse_start_order() {
    let mut play = play(map("m", 0));
    play.ends("m[0]", ok()).ends("m[1]", ok()).ends("m[2]", refused_clean());
    play.ends("m[1]", undone()).then(&["attempt-started m[0] compensate 1"]);
}

#[test]
fn a_stuck_undo_of_an_element_holds_its_map() {
    let mut play = play(map("m", 1));
    play.ends("m[0]", ok()).ends("m[2]", ok()).ends("m[1]", refused()).ends("m[1]", refused());
    play.then(&["step-stuck m[1] compensate permanent"]).is(RunStatus::Stuck);
    let settle = play.settle("m[1]", Settlement::Undone);
    play.does(settle);
    play.then(&["settled m[1] undone", "map-ended m", "run-finished completed"]);
}

#[test]
fn a_paused_element_is_settled_alone() {
    let mut play = play(with(map("m", 0), |step| step.on_exhausted = OnExhausted::Pause));
    play.ends("m[0]", ok()).ends("m[2]", ok()).ends("m[1]", refused()).is(RunStatus::Stuck);
    let settle = play.settle("m[1]", Settlement::Done(Json::null()));
    play.does(settle).then(&["settled m[1] done", "map-ended m", "run-finished completed"]);
}

#[test]
fn a_tolerance_in_percent_rounds_down() {
    for (percent, total, expected) in [(5.0, 100, 5), (50.0, 3, 1), (0.0, 9, 0), (100.0, 9, 9)] {
        assert_eq!(Tolerance::Percent(percent).of(total), expected);
    }
}
