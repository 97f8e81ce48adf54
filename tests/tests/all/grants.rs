//! What a step may touch: the folders and variables that its manifest grants, and nothing else.

use piton_tests::Home;
use serde_json::{Value, json};
use std::fs;

/// Runs the step that misbehaves, and returns what it says it saw.
fn seen(home: &Home, how: &str, grants: &str) -> Value {
    home.write(
        "pipeline.toml",
        format!(
            "[pipeline]\nname = \"it\"\n[steps.it]\ncomponent = \"steps/hostile\"\neffect = \"none\"\ninput = {{ how = \"{how}\" }}\n{grants}\n"
        ),
    );
    home.run(&["run", "--json", "pipeline.toml"]).expect_code(0).json()["output"].clone()
}

#[test]
fn without_grants_a_step_sees_nothing() {
    let home = Home::new();
    let seen = seen(&home, "env", "");
    assert_eq!(seen["environment"], json!({}));
    assert_eq!(seen["arguments"], json!([]));
    for (folder, found) in seen["folders"].as_object().into_iter().flatten() {
        assert!(found["denied"].is_string(), "{folder}: {found}");
    }
    assert_eq!(seen["standard_input"], json!({ "Ok": 0 }));
}

#[test]
fn a_step_sees_the_granted_variables_only() {
    let home = Home::new();
    let seen = seen(&home, "env", r#"grants.env = { TZ = "Europe/Paris", LEVEL = "3" }"#);
    assert_eq!(seen["environment"], json!({ "LEVEL": "3", "TZ": "Europe/Paris" }));
}

#[test]
fn a_step_sees_the_granted_folder_only() {
    let home = Home::new();
    home.write("out/inside.txt", "inside");
    home.write("secret.txt", "secret");
    let grant = r#"grants.dirs = [{ host = "out", guest = "/data" }]"#;
    let list = seen(&home, "env", grant);
    assert_eq!(list["folders"]["/data"], json!(["inside.txt"]));
    assert!(list["folders"]["/etc"]["denied"].is_string(), "{list}");
    assert_eq!(seen(&home, "read-file:/data/inside.txt", grant), json!({ "read": "inside" }));
    for path in ["/data/../secret.txt", "/secret.txt", "/etc/passwd", "secret.txt"] {
        let found = seen(&home, &format!("read-file:{path}"), grant);
        assert!(found["denied"].is_string(), "{path}: {found}");
    }
    // Links that were there before lead nowhere, either.
    std::os::unix::fs::symlink("../secret.txt", home.path("out/link")).expect("a link");
    std::os::unix::fs::symlink("/etc/passwd", home.path("out/absolute")).expect("a link");
    for path in ["/data/link", "/data/absolute"] {
        let found = seen(&home, &format!("read-file:{path}"), grant);
        assert!(found["denied"].is_string(), "{path}: {found}");
    }
}

#[test]
fn nothing_is_written_outside_the_grant() {
    let home = Home::new();
    let before = names(&home);
    let grant = r#"grants.dirs = [{ host = "out", guest = "/data", write = true }]"#;
    let ways = seen(&home, "write-outside", grant);
    for (way, said) in ways["ways"].as_object().into_iter().flatten() {
        // A link itself harms nobody, and a file of the link's name is a file in the folder.
        let is_inside = way.starts_with("link ") || way == "write by link /etc/passwd";
        let is_denied = said.as_str().is_some_and(|said| said.starts_with("denied"));
        assert!(is_denied || is_inside, "{way}: {said}");
    }
    let mut after = names(&home);
    after.retain(|name| name != "pipeline.toml" && name != ".piton");
    assert_eq!(after, before, "something was made outside");
    assert!(!fs::read("/etc/passwd").expect("a file").starts_with(b"outside"));
    assert!(fs::symlink_metadata("/tmp/outside").is_err());
}

#[test]
fn a_folder_granted_for_reading_stays_as_it_is() {
    let home = Home::new();
    home.write("out/inside.txt", "inside");
    let grant = r#"grants.dirs = [{ host = "out", guest = "/data" }]"#;
    let ways = seen(&home, "write-outside", grant);
    for (way, said) in ways["ways"].as_object().into_iter().flatten() {
        let is_denied = said.as_str().is_some_and(|said| said.starts_with("denied"));
        assert!(is_denied, "{way}: {said}");
    }
    let inside: Vec<_> = fs::read_dir(home.path("out")).expect("a folder").flatten().collect();
    assert_eq!(inside.len(), 1, "{inside:?}");
    assert_eq!(fs::read(home.path("out/inside.txt")).expect("a file"), b"inside");
}

fn names(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.folder()).expect("a folder").flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
