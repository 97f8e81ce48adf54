//! Crashes exactly after each durable write of the journal, and after each single write to it.
//! Every place is tried, from the first until nothing is left to be killed.

use piton_tests::{Chain, Home, Moment, Shim, Story};

/// Kills a run at the first, second, third … such moment, resumes it each time, and checks what
/// came of it. Returns how many moments there are.
fn at_every(moment: fn(u64) -> Moment, chain: &Chain, code: i32, check: impl Fn(&Story)) -> u64 {
    let home = Home::with(chain.manifest());
    let shim = Shim::build(&home);
    let undisturbed = home.run(&["run", "--json", "pipeline.toml"]).expect_code(code).json();
    for count in 1..2_000 {
        let key = format!("at-{count}");
        let start = ["run", "--json", "--key", &key, "pipeline.toml"];
        let killed = home.piton(&start).with_shim(&shim, moment(count)).run();
        let kills = usize::from(killed.was_killed());
        let end = match home.run_of_key(&key) {
            Some(run) if kills > 0 => home.run(&["resume", "--json", &run]),
            None => home.run(&start),
            _ => killed,
        };
        let resumed = end.json();
        let run = resumed["run"].as_str().expect("a run should have an id");
        let story = home.story(run);
        assert_eq!(end.code, Some(code), "killed at {count}\n{end}\n{story}");
        story.check(kills);
        check(&story);
        assert_eq!(resumed["output"], undisturbed["output"], "killed at {count}\n{story}");
        assert_eq!(resumed["failure"], undisturbed["failure"], "killed at {count}\n{story}");
        if kills == 0 {
            return count - 1;
        }
    }
    panic!("it never ran undisturbed");
}

#[test]
fn a_kill_after_each_commit_repeats_nothing() {
    let chain = Chain::new(20, 0);
    let kills = at_every(Moment::KilledAfterSync, &chain, 0, |story| {
        for number in 1..=20 {
            let ends = story.ends(&Chain::step(number), "execute");
            assert_eq!(ends.last(), Some(&"succeeded"), "{story}");
        }
    });
    // Each of the run's 21 commits is one of them.
    assert!(kills >= 21, "only {kills} places to be killed at");
}

#[test]
fn a_kill_after_each_commit_keeps_undoing_backward() {
    let chain = Chain { last_input: r#"fail = "permanent""#, ..Chain::new(7, 0) };
    let kills = at_every(Moment::KilledAfterSync, &chain, 3, |story| {
        let undone = story.calls.of_phase("compensate");
        let backward: Vec<String> = (1..=7).rev().map(Chain::step).collect();
        assert_eq!(undone.steps(), backward, "{story}");
    });
    assert!(kills >= 15, "only {kills} places to be killed at");
}

#[test]
fn a_kill_after_each_single_write_repeats_nothing() {
    let kills = at_every(Moment::KilledAfterWrite, &Chain::new(2, 0), 0, |_| {});
    assert!(kills >= 10, "only {kills} places to be killed at");
}

/// The first start of all makes the data directory; whatever is left half made is made anew.
#[test]
fn a_kill_while_making_the_data_directory_heals() {
    for count in 1..2_000 {
        let home = Home::with(Chain::new(1, 0).manifest());
        let shim = Shim::build(&home);
        let start = ["run", "--json", "--key", "once", "pipeline.toml"];
        let killed = home.piton(&start).with_shim(&shim, Moment::KilledAfterWrite(count)).run();
        if !killed.was_killed() {
            killed.expect_code(0);
            assert!(count > 4, "only {count} places to be killed at");
            return;
        }
        let end = home.run(&start).expect_code(0);
        assert_eq!(home.runs().len(), 1, "killed at {count}\n{end}");
        home.story(end.json()["run"].as_str().expect("a run should have an id")).check(1);
    }
    panic!("it never ran undisturbed");
}
