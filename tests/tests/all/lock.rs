//! What somebody has looked at and pinned: `piton lock`, and what is refused because of it.

use piton_tests::{Finished, Home, check_snapshot};
use std::fs;

const MANIFEST: &str = r#"[pipeline]
name = "order"

[steps.check]
component = "check.wasm"
effect = "none"
input = 7
grants.http = ["a.example"]

[steps.book]
component = "steps/counter"
effect = "idempotent"
after = ["check"]
input = { n = 1 }
grants.dirs = [{ host = "out", guest = "/data", write = true }]
"#;

/// A home with a manifest whose first component can be swapped, pinned.
fn pinned() -> Home {
    let home = Home::with(MANIFEST);
    home.write("check.wasm", component(&home, "echo"));
    // In a data directory compiled code is kept.
    home.run(&["run", "pipeline.toml"]).expect_code(0);
    home.run(&["lock", "pipeline.toml"]).expect_code(0);
    home
}

/// What is said once everything is compiled, so that nothing is said about that.
fn said(home: &Home, arguments: &[&str]) -> Finished {
    home.run(arguments);
    home.run(arguments)
}

fn component(home: &Home, step: &str) -> Vec<u8> {
    let path = home.path("steps").join(step).join("target/step.wasm");
    fs::read(path).expect("a step should be built")
}

fn lock_of(home: &Home) -> String {
    fs::read_to_string(home.path("piton.lock")).expect("it should be there")
}

#[test]
fn without_a_lock_nothing_is_held() {
    let home = Home::with(MANIFEST);
    home.write("check.wasm", component(&home, "echo"));
    let told = home.run(&["check", "pipeline.toml"]).expect_code(0);
    assert!(!format!("{told}").contains("lock"), "{told}");
    home.run(&["run", "pipeline.toml"]).expect_code(0);
    assert!(!home.path("piton.lock").exists());
}

#[test]
fn the_first_lock_reads_as_before() {
    let home = Home::with(MANIFEST);
    home.write("check.wasm", component(&home, "echo"));
    check_snapshot(&home, "lock_first.txt", &home.run(&["lock", "--quiet", "pipeline.toml"]));
    let written = lock_of(&home);
    assert!(
        written.contains("\n[manifests.\"pipeline.toml\".book]\ncomponent = \"sha256:"),
        "{written}"
    );
    let told = home.run(&["lock", "--json", "pipeline.toml"]).expect_code(0).json();
    assert_eq!((&told["written"], &told["changes"]), (&false.into(), &serde_json::json!([])));
    assert_eq!(lock_of(&home), written);
    home.run(&["run", "pipeline.toml"]).expect_code(0);
}

#[test]
fn a_swapped_component_is_refused_until_it_is_accepted() {
    let home = pinned();
    home.write("check.wasm", component(&home, "reconcilable"));
    check_snapshot(&home, "lock_swapped.txt", &said(&home, &["check", "pipeline.toml"]));
    let before = lock_of(&home);
    for arguments in
        [&["run", "pipeline.toml"][..], &["check", "pipeline.toml"], &["chaos", "pipeline.toml"]]
    {
        home.run(arguments).expect_code(2).expect_said("is not the one in `piton.lock`");
    }
    let each = home.piton(&["run", "pipeline.toml", "--each", "-"]).input("{}\n{}\n").run();
    each.expect_code(2).expect_said("is not the one in `piton.lock`");
    assert_eq!(home.runs().len(), 1, "a refused manifest left a run");
    // Only looking does not accept.
    home.run(&["lock", "pipeline.toml"]).expect_code(2);
    assert_eq!(lock_of(&home), before);
    home.write("check.wasm", component(&home, "echo"));
    home.run(&["run", "pipeline.toml"]).expect_code(0);
}

#[test]
fn a_wider_grant_is_refused_until_it_is_accepted() {
    let home = pinned();
    let wider = MANIFEST
        .replace("[\"a.example\"]", "[\"*.example.com\", \"a.example\"]")
        .replace("host = \"out\"", "host = \".\"")
        + "\n[steps.more]\ncomponent = \"check.wasm\"\neffect = \"none\"\n";
    home.write("pipeline.toml", &wider);
    check_snapshot(&home, "lock_wider.txt", &said(&home, &["check", "pipeline.toml"]));
    home.run(&["run", "pipeline.toml"]).expect_code(2).expect_said("`piton lock ");
    home.write("pipeline.toml", wider.replace("host = \".\"", "host = \"more\""));
    let differs = home.run(&["lock", "--quiet", "pipeline.toml"]);
    check_snapshot(&home, "lock_differs.txt", &differs);
    let accepted = home.run(&["lock", "--quiet", "pipeline.toml", "--accept"]).expect_code(0);
    assert_eq!(accepted.stdout, differs.stdout, "what is accepted is what was shown");
    home.run(&["run", "pipeline.toml"]).expect_code(0);
}

#[test]
fn a_narrower_grant_is_good_as_it_is() {
    let home = pinned();
    home.write("pipeline.toml", MANIFEST.replace("grants.http = [\"a.example\"]\n", ""));
    home.run(&["run", "pipeline.toml"]).expect_code(0);
    let told = home.run(&["lock", "--json", "pipeline.toml"]).expect_code(2).json();
    assert_eq!(told["changes"][0]["removed"][0], "may send HTTP to https://a.example", "{told}");
    assert_eq!(told["changes"][0]["refused"], false, "{told}");
}

/// A step that could write the lock could accept what it likes.
#[test]
fn no_step_writes_the_lock() {
    let home = Home::with(MANIFEST.replace("host = \"out\"", "host = \".\""));
    home.write("check.wasm", component(&home, "echo"));
    home.run(&["lock", "pipeline.toml"]).expect_code(0);
    home.run(&["check", "pipeline.toml"]).expect_code(2).expect_said("piton.lock");
}

#[test]
fn a_damaged_lock_reads_as_before() {
    let home = pinned();
    let lock = lock_of(&home);
    home.write("piton.lock", lock.replace("grants.http", "grants.htp") + "component = 1\n");
    let told = said(&home, &["check", "pipeline.toml"]);
    check_snapshot(&home, "lock_damaged.txt", &told);
    home.write("piton.lock", lock.replace("grants.http", "grants.htp"));
    check_snapshot(&home, "lock_unknown_key.txt", &said(&home, &["check", "pipeline.toml"]));
    home.run(&["run", "pipeline.toml"]).expect_code(2).expect_said("htp");
    let told = home.run(&["check", "--json", "pipeline.toml"]).expect_code(2).json();
    assert_eq!(told["file"], "piton.lock", "{told}");
    home.run(&["lock", "pipeline.toml", "--accept"]).expect_code(2).expect_said("htp");
    home.write("piton.lock", b"\xff\xfe");
    home.run(&["run", "pipeline.toml"]).expect_code(2).expect_said("piton.lock");
}

#[test]
fn each_manifest_of_a_folder_is_pinned_by_itself() {
    let home = pinned();
    home.write("other.toml", "[pipeline]\nname = \"o\"\n[steps.it]\ncomponent = \"check.wasm\"\n");
    home.run(&["run", "other.toml"]).expect_code(0);
    let (one, two) =
        (home.start(&["lock", "other.toml"]), home.start(&["lock", "pipeline.toml", "--accept"]));
    one.finish().expect_code(0);
    two.finish().expect_code(0);
    let lock = lock_of(&home);
    assert!(lock.contains(".\"pipeline.toml\".") && lock.contains(".\"other.toml\"."), "{lock}");
    home.write("check.wasm", component(&home, "reconcilable"));
    home.run(&["run", "other.toml"]).expect_code(2);
}

#[test]
fn a_run_goes_on_with_what_it_began_with() {
    let home = pinned();
    home.write(
        "pipeline.toml",
        MANIFEST.replace("after = [\"check\"]", "after = [\"go\"]")
            + "\n[steps.go]\nsignal = \"go\"\nafter = [\"check\"]\n",
    );
    let mut run = home.start(&["run", "pipeline.toml"]);
    let id = run.run_id();
    run.wait_for_stderr("go");
    run.interrupt();
    run.finish().expect_code(6);
    home.write("check.wasm", component(&home, "reconcilable"));
    home.run(&["signal", &id, "go"]).expect_code(0);
}

#[test]
fn inspect_compares_with_a_manifest() {
    let home = Home::with(MANIFEST);
    home.write("check.wasm", component(&home, "echo"));
    let told = home.run(&["inspect", "steps/counter", "--manifest", "pipeline.toml"]);
    let told = told.expect_code(0).stdout;
    for line in [
        "it         reads and writes files in folders that the manifest grants\n",
        "\nstep book\n  may read and write files in the folder `out`, as `/data`\n",
        "  imports, and is not granted: `grants.env`\n",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let told = home.run(&["inspect", "--json", "check.wasm", "--manifest", "pipeline.toml"]);
    let told = told.expect_code(0).json();
    assert_eq!(told["steps"][0]["step"], "check");
    assert_eq!(told["steps"][0]["unused"][0], "grants.http");
    assert_eq!(told["steps"][0]["granted"][0], "may send HTTP to https://a.example");
    let of_step = ["inspect", "check.wasm", "--manifest", "pipeline.toml", "--step"];
    home.run(&[&of_step[..], &["check"]].concat()).expect_code(0);
    home.run(&[&of_step[..], &["book"]].concat()).expect_code(2).expect_said("does not call this");
    home.run(&[&of_step[..], &["none"]].concat()).expect_code(2).expect_said("no step `none`");
    home.run(&["inspect", "steps/hostile", "--manifest", "pipeline.toml"])
        .expect_code(2)
        .expect_said("no step of `pipeline.toml` calls this component");
}
