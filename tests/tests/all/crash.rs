//! Crashes at moments that nobody chose: SIGKILL while steps, undos, resumes and many runs are
//! under way. The moments come from a seed; PITON_SEED=… tries the same ones again, as far as the
//! machine plays along.

use piton_tests::{Chain, Finished, Home, Random, phase_keys_are_distinct};
use std::time::Duration;

/// Kills what is under way after a while, and now and then once more while it is resumed, then
/// lets it come to its end. Returns that, and how many kills hit.
fn killed_on_the_way(
    home: &Home,
    key: &str,
    random: &mut Random,
    span: Duration,
) -> (Finished, usize) {
    let mut kills = 0;
    let start = ["run", "--json", "--key", key, "pipeline.toml"];
    loop {
        let run = home.run_of_key(key);
        let arguments = match &run {
            // Killed before its start was recorded: the user starts it again.
            None => start.to_vec(),
            Some(run) => vec!["resume", "--json", run],
        };
        if kills > 0 && !random.once_in(4) {
            return (home.run(&arguments), kills);
        }
        let running = home.start(&arguments);
        std::thread::sleep(random.below_time(span));
        let finished = running.kill();
        if !finished.was_killed() {
            return (finished, kills);
        }
        kills += 1;
    }
}

#[test]
fn fifty_kills_repeat_no_finished_step() {
    let mut random = Random::new("fifty kills");
    let home = Home::with(Chain::new(20, 4).manifest());
    let undisturbed = home.run(&["run", "--json", "pipeline.toml"]).expect_code(0).json();
    let mut total = 0;
    let mut round = 0;
    while total < 50 {
        round += 1;
        assert!(round < 500, "only {total} kills hit");
        let key = format!("round-{round}");
        let (end, kills) = killed_on_the_way(&home, &key, &mut random, Duration::from_millis(300));
        total += kills;
        let summary = end.expect_code(0).json();
        assert_eq!(summary["status"], "completed");
        assert_eq!(summary["output"], undisturbed["output"]);
        let run = summary["run"].as_str().expect("a run should have an id");
        let story = home.story(run);
        story.check(kills);
        let begun = story.calls.0.len();
        assert!((20..=20 + kills).contains(&begun), "{begun} calls, {kills} kills\n{story}");
    }
    phase_keys_are_distinct(&home.calls());
}

#[test]
fn kills_while_undoing_keep_the_order() {
    let mut random = Random::new("kills while undoing");
    let chain = Chain { last_input: r#"fail = "permanent""#, ..Chain::new(8, 4) };
    let home = Home::with(chain.manifest());
    let mut total = 0;
    for round in 0..15 {
        let key = format!("round-{round}");
        let (end, kills) = killed_on_the_way(&home, &key, &mut random, Duration::from_millis(250));
        total += kills;
        let summary = end.expect_code(3).json();
        assert_eq!(summary["status"], "rolled-back");
        let run = summary["run"].as_str().expect("a run should have an id");
        let story = home.story(run);
        story.check(kills);
        let undone = story.calls.of_phase("compensate");
        let backward: Vec<String> = (1..=8).rev().map(Chain::step).collect();
        assert_eq!(undone.steps(), backward, "{story}");
        assert_eq!(summary["failure"]["step"], "s08");
    }
    assert!(total > 0, "no kill hit");
}

#[test]
fn killing_sixty_four_runs_loses_none() {
    let mut random = Random::new("kill of many");
    let home = Home::with(Chain::new(5, 20).manifest());
    let lines: String = (0..64).map(|line| format!("{{\"line\":{line}}}\n")).collect();
    home.write("inputs.ndjson", lines);
    let start = ["run", "--json", "--each", "inputs.ndjson", "--parallel", "64", "pipeline.toml"];
    let mut running = home.start(&start);
    running.wait_until("a run has come half-way", |_| home.calls().0.len() > 100);
    std::thread::sleep(random.below_time(Duration::from_millis(200)));
    let told = running.kill();
    let ended_before = told.json_lines().len();
    let runs = home.runs();
    assert_eq!(runs.len(), 64, "{told}");
    let unfinished: Vec<_> =
        runs.iter().filter(|run| run["status"] != "completed").map(|run| &run["run"]).collect();
    assert!(unfinished.len() <= 64 - ended_before, "what was told as ended had not been recorded");
    let resumed = home.run(&["resume", "--all", "--json"]).expect_code(0);
    let mut resumed_runs: Vec<_> = resumed.json_lines();
    assert_eq!(resumed_runs.len(), unfinished.len(), "{resumed}");
    for summary in resumed_runs.drain(..) {
        assert_eq!(summary["status"], "completed");
        assert!(unfinished.contains(&&summary["run"]));
    }
    for run in &home.runs() {
        assert_eq!(run["status"], "completed");
        let story = home.story(run["run"].as_str().expect("a run should have an id"));
        story.check(1);
        for number in 1..=5 {
            assert_eq!(story.ends(&Chain::step(number), "execute").last(), Some(&"succeeded"));
        }
    }
    phase_keys_are_distinct(&home.calls());
}
