//! Steps that want more files than they are granted, or hold what they have.

use super::check_ends;
use piton_tests::{ATTACK_MIB, Arena, GRANT};
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::json;
use std::fs;

#[test]
fn what_may_be_read_only_stays_as_it_is() {
    let mut arena = Arena::new();
    fs::create_dir(arena.home.path("fixed")).expect("a folder should be made");
    arena.home.write("fixed/kept.txt", "kept");
    let grant = r#"grants.dirs = [{ host = "out", guest = "/data", write = true }, { host = "fixed", guest = "/fixed" }]"#;
    let seen = &arena.attack(grant, &["cross-folders"])["cross-folders"];
    let ways = seen["output"]["ways"].as_object().expect("it should say what came of each way");
    for (way, said) in ways {
        assert!(said.as_str().is_some_and(|said| said.starts_with("denied")), "{way}: {said}");
    }
    assert_eq!(fs::read(arena.home.path("fixed/kept.txt")).expect("a file"), b"kept");
    assert_eq!(fs::read_dir(arena.home.path("fixed")).expect("a folder").count(), 1);
    arena.end(ATTACK_MIB);
}

/// The thread that waits is the host's, and it waits on; the attempt does not, nor does the host.
#[test]
fn a_file_that_blocks_holds_nobody() {
    let mut arena = Arena::new();
    mkfifoat(CWD, arena.home.path("out/fifo"), Mode::RWXU).expect("a pipe should be made");
    let settings = format!("{GRANT}\ntimeout = \"400ms\"");
    let inputs: Vec<_> = (0..6).map(|_| json!({ "how": "read-fifo" })).collect();
    let summaries = arena.attack_with(&settings, &inputs);
    check_ends(&summaries, &[("read-fifo", "timed-out")]);
    // A process of its own leaves, too.
    let other = arena.home.run(&[
        "--data",
        "other",
        "run",
        "--json",
        "attack.toml",
        "--input",
        r#"{"how":"read-fifo"}"#,
    ]);
    assert_eq!(other.code, Some(3), "{other}");
    arena.end(ATTACK_MIB);
}

/// What the host keeps for itself is never granted, under whatever name.
#[test]
fn the_hosts_own_data_is_never_granted() {
    let arena = Arena::new();
    let home = &arena.home;
    std::os::unix::fs::symlink(".piton", home.path("innocent")).expect("a link should be made");
    for host in [".piton", ".piton/code", ".", "out/../.piton", "innocent"] {
        home.write(
            "grant.toml",
            format!("[pipeline]\nname = \"it\"\n[steps.it]\ncomponent = \"steps/echo\"\neffect = \"none\"\ngrants.dirs = [{{ host = \"{host}\", guest = \"/data\", write = true }}]\n"),
        );
        home.run(&["run", "grant.toml"]).expect_code(2).expect_said("cannot grant folder");
    }
    arena.end(ATTACK_MIB);
}
