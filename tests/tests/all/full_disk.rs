//! A disk that fills up in mid-run: the host stops, says so, and goes on once there is space.

use piton_tests::{Chain, GRANT, Home, Moment, Shim};
use std::process::Command;

/// The run with this key, or where it never began a new one, comes to its end in so many steps.
fn goes_on(home: &Home, key: &str, start: &[&str], steps: u64) {
    let end = match home.run_of_key(key) {
        Some(run) => home.run(&["resume", "--json", &run]),
        None => home.run(start),
    };
    let summary = end.expect_code(0).json();
    assert_eq!(summary["output"]["n"], steps);
    home.story(summary["run"].as_str().expect("a run should have an id")).check(1);
}

/// Every write to the journal finds no space, from the first, the second, the third … on. Works
/// for any user on any machine.
#[test]
fn a_full_disk_stops_and_resume_goes_on() {
    let home = Home::with(Chain::new(4, 0).manifest());
    let shim = Shim::build(&home);
    home.run(&["run", "pipeline.toml"]).expect_code(0);
    for count in 1..2_000 {
        let key = format!("at-{count}");
        let start = ["run", "--json", "--key", &key, "pipeline.toml"];
        let stopped = home.piton(&start).with_shim(&shim, Moment::FullAfterWrite(count)).run();
        if stopped.code == Some(0) {
            assert!(count > 5, "it stopped at fewer than {count} places");
            return;
        }
        assert_eq!(stopped.code, Some(1), "full after {count} writes\n{stopped}");
        let says_why = stopped.stderr.contains("full") || stopped.stderr.contains("space");
        assert!(says_why, "full after {count} writes\n{stopped}");
        goes_on(&home, &key, &start, 4);
    }
    panic!("it never ran undisturbed");
}

/// A disk that says it could not make something durable is not asked again: what it has is not known.
#[test]
fn a_disk_that_does_not_keep_its_word_stops_and_resume_goes_on() {
    let home = Home::with(Chain::new(3, 0).manifest());
    let shim = Shim::build(&home);
    home.run(&["run", "pipeline.toml"]).expect_code(0);
    for count in 0..2_000 {
        let key = format!("at-{count}");
        let start = ["run", "--json", "--key", &key, "pipeline.toml"];
        let moment = Moment::BrokenAfterSync(count + 1);
        let stopped = home.piton(&start).with_shim(&shim, moment).run();
        if stopped.code == Some(0) {
            assert!(count > 3, "it stopped at fewer than {count} places");
            home.run(&["verify"]).expect_code(0);
            return;
        }
        assert_eq!(stopped.code, Some(1), "broken after {count} syncs\n{stopped}");
        stopped.expect_said("error: ");
        goes_on(&home, &key, &start, 3);
    }
    panic!("it never ran undisturbed");
}

/// The same on a real disk that is full, where the system lets this user have one of their own.
#[test]
fn a_really_full_disk_stops_and_resume_goes_on() {
    let chain = Chain { each: "", last_input: "pad = 1_000_000", ..Chain::new(4, 0) };
    let home = Home::with(
        chain
            .manifest()
            .replace("takes_ms = 0", "takes_ms = 0, pad = 400_000")
            .replace("pad = 400_000, pad = 1_000_000", "pad = 1_000_000"),
    );
    std::fs::create_dir(home.data()).expect("a folder should be made");
    let script = r#"
mount -t tmpfs -o size=1500k,mode=700 none .piton || exit 77
"$1" run --json pipeline.toml; echo "run: $?"
mount -o remount,size=64m .piton || exit 78
"$1" resume --json last; echo "resume: $?"
"#;
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    unshare.arg(piton_tests::binary()).current_dir(home.folder());
    let Ok(output) = unshare.output() else { return };
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !stdout.contains("run: ") {
        println!("no disk of one's own here: {stderr}");
        return;
    }
    assert!(stdout.contains("run: 1\n"), "{stdout}\n{stderr}");
    assert!(stderr.contains("full"), "{stdout}\n{stderr}");
    assert!(stdout.contains("resume: 0\n"), "{stdout}\n{stderr}");
    assert!(stdout.contains(r#""status":"completed""#), "{stdout}\n{stderr}");
    for number in 1..=4 {
        let calls = home.calls().count(&Chain::step(number), "execute");
        assert!(calls <= 2, "{calls} calls of step {number}\n{stdout}\n{stderr}");
    }
}

/// A step may not take the last room of a disk, be it the one that the journal lives on.
#[test]
fn a_step_leaves_room_on_the_disk_of_its_folder() {
    let home = Home::with(format!(
        "[pipeline]\nname = \"it\"\n[steps.it]\ncomponent = \"steps/hostile\"\ninput = {{ how = \
         \"fill-disk\" }}\n{GRANT}\n"
    ));
    let script = r#"
mount -t tmpfs -o size=16m,mode=700 none out || exit 77
head -c 16m /dev/zero > out/full 2> /dev/null
"$1" run --json pipeline.toml; echo "run: $?"
rm out/full
ls out | wc -l
"#;
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    unshare.arg(piton_tests::binary()).current_dir(home.folder());
    let Ok(output) = unshare.output() else { return };
    let stdout = String::from_utf8_lossy(&output.stdout);
    if !stdout.contains("run: ") {
        println!("no disk of one's own here: {}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let run: serde_json::Value = stdout.lines().next().map_or_else(Default::default, |line| {
        serde_json::from_str(line).expect("a summary should be JSON")
    });
    // It was stopped before it began, and so is its undo until there is room.
    assert_eq!(run["status"], "stuck", "{run}");
    let message = run["failure"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("a step must leave"), "{run}");
    assert!(stdout.ends_with("run: 5\n0\n"), "{stdout}");
}
