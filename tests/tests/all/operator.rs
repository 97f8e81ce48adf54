//! What the operator of a host allows at most: `piton.toml`, which no manifest can exceed.

use piton_tests::{Home, check_snapshot, eventually};

/// A manifest of one step, which asks for no more than it says here.
fn manifest(step: &str) -> String {
    format!(
        "[pipeline]\nname = \"it\"\n\n[steps.it]\ncomponent = \"steps/echo\"\neffect = \"none\"\n\
         input = 7\n{step}\n"
    )
}

/// A home whose operator says this, in the data directory.
fn home(operator: &str, step: &str) -> Home {
    let home = Home::with(manifest(step));
    std::fs::create_dir(home.data()).expect("a folder should be made");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(home.data(), mode).expect("its mode should be set");
    home.write(".piton/piton.toml", operator);
    home
}

#[test]
fn a_manifest_above_a_ceiling_is_refused() {
    for (key, ceiling, above) in [
        ("timeout", "\"10s\"", "\"1m\""),
        ("fuel", "1_000_000", "2_000_000"),
        ("memory", "\"8MiB\"", "\"16MiB\""),
        ("table_max", "1000", "1001"),
        ("input_max", "\"1KiB\"", "\"2KiB\""),
        ("output_max", "\"1KiB\"", "\"2KiB\""),
        ("log_max", "\"1KiB\"", "\"2KiB\""),
        ("memo_max", "\"1KiB\"", "\"2KiB\""),
        ("memo_count_max", "10", "11"),
        ("http_requests_max", "10", "11"),
        ("http_connections_max", "2", "3"),
        ("http_sent_max", "\"1KiB\"", "\"2KiB\""),
        ("http_received_max", "\"1KiB\"", "\"2KiB\""),
        ("http_headers_max", "\"1KiB\"", "\"2KiB\""),
    ] {
        let home = home(&format!("[ceilings]\n{key} = {ceiling}\n"), &format!("{key} = {above}"));
        for command in ["check", "run"] {
            home.run(&[command, "pipeline.toml"])
                .expect_code(2)
                .expect_said(&format!("`{key}` is above the operator's ceiling"))
                .expect_said(&format!("pipeline.toml:8:{}\n", key.len() + 4))
                .expect_said("the ceiling is set at `.piton/piton.toml:2`");
        }
        // At the ceiling it is good.
        home.write("pipeline.toml", manifest(&format!("{key} = {ceiling}")));
        home.run(&["check", "pipeline.toml"]).expect_code(0);
    }
}

#[test]
fn a_step_that_says_nothing_gets_the_ceiling() {
    let home = home("[ceilings]\nfuel = 5\n", "retry = { attempts = 1 }");
    let run = home.run(&["run", "--json", "pipeline.toml"]).expect_code(3).json();
    assert_eq!(run["failure"]["code"], "out-of-fuel", "{run}");
    home.write(".piton/piton.toml", "");
    let run = home.run(&["run", "--json", "pipeline.toml"]).expect_code(0).json();
    assert_eq!(run["output"], 7, "{run}");
}

#[test]
fn what_is_on_no_list_reads_as_before() {
    let home = Home::with(manifest(
        "grants.http = [\"api.example.com\", \"evil.example\"]\ngrants.env = { TZ = \"UTC\", \
         HOME = \"/\" }\ngrants.dirs = [{ host = \"out\", guest = \"/data\" }]\ngrants.secrets.KEY = \
         { header = \"x-key\", hosts = [\"api.example.com\"] }\ntimeout = \"1m\"",
    ));
    home.write(
        "strict.toml",
        format!(
            "[ceilings]\ntimeout = \"10s\"\n\n[allow]\nhttp = [\"*.example.com\"]\nenv = [\"TZ\"]\ndirs = \
             [\"data\", \"shared\"]\nsecrets = []\ncomponents = [\"sha256:{}\"]\n",
            "a5".repeat(32)
        ),
    );
    let told = home.run(&["--config", "strict.toml", "check", "pipeline.toml"]);
    check_snapshot(&home, "operator_refuses.txt", &told);
    home.run(&["--config", "strict.toml", "run", "pipeline.toml"]).expect_code(2);
    assert!(home.runs().is_empty(), "a refused manifest left a run");
}

/// One go is all it takes.
#[test]
fn what_is_not_allowed_is_told_beside_mistakes() {
    let home = home("[ceilings]\nfuel = 5\n", "fuel = 6\ntimeot = \"1s\"");
    let told = home.run(&["run", "pipeline.toml"]).expect_code(2);
    told.expect_said("pipeline.toml:8:8\n").expect_said("pipeline.toml:9:1\n");
}

#[test]
fn mistakes_of_the_operator_read_as_before() {
    let home =
        home("[ceilings]\nmemry = \"1MiB\"\nfuel = 0\n\n[allow]\nhttp = [\"localhost\"]\n", "");
    check_snapshot(&home, "operator_mistakes.txt", &home.run(&["check", "pipeline.toml"]));
    // No command goes on without knowing what it may do.
    home.run(&["run", "pipeline.toml"]).expect_code(2).expect_said("memry");
    home.run(&["runs"]).expect_code(2).expect_said("memry");
    home.run(&["--config", "nowhere.toml", "runs"]).expect_code(2).expect_said("nowhere.toml");
}

#[test]
fn a_folder_is_held_by_where_it_leads() {
    let step = |host: &str| {
        manifest(&format!(
            "grants.dirs = [{{ host = \"{host}\", guest = \"/data\", write = true }}]"
        ))
    };
    let home = Home::new();
    std::fs::create_dir(home.path("data")).expect("a folder should be made");
    std::os::unix::fs::symlink("../out", home.path("data/link")).expect("a link should be made");
    home.write("strict.toml", "[allow]\ndirs = [\"data\"]\n");
    for (host, code) in [
        ("data/inner", 0),
        ("out/../data/inner", 0),
        ("out", 2),
        ("data/link", 2),
        ("data/../data/link/inner", 2),
        ("data/../new", 2),
        (".", 2),
    ] {
        home.write("pipeline.toml", step(host));
        home.run(&["--config", "strict.toml", "run", "pipeline.toml"]).expect_code(code);
    }
    assert!(!home.path("new").exists(), "a folder was made that the operator does not allow");
    assert!(!home.path("out/inner").exists(), "a folder was made that the operator does not allow");
}

#[test]
fn a_rehearsal_in_folders_of_its_own_is_not_held_to_folders() {
    let dir = "grants.dirs = [{ host = \"out\", guest = \"/data\", write = true }]";
    let home = home("[allow]\ndirs = [\"../out\"]\n", dir);
    home.run(&["chaos", "pipeline.toml", "--runs", "2", "--seed", "1"]).expect_code(0);
    home.write(".piton/piton.toml", "[allow]\ndirs = []\n");
    home.run(&["chaos", "pipeline.toml", "--runs", "2", "--seed", "1"]).expect_code(2);
}

/// What a step could write, it could allow itself.
#[test]
fn no_step_writes_the_operators_file() {
    let dir = "grants.dirs = [{ host = \"conf\", guest = \"/data\", write = true }]";
    let home = Home::with(manifest(dir));
    std::fs::create_dir(home.path("conf")).expect("a folder should be made");
    home.write("conf/piton.toml", "");
    home.run(&["run", "--config", "conf/piton.toml", "pipeline.toml"])
        .expect_code(2)
        .expect_said("which says what steps may do");
    home.run(&["run", "pipeline.toml"]).expect_code(0);
}

#[test]
fn a_component_on_no_list_is_not_even_compiled() {
    let home = home("[allow]\ncomponents = []\n", "");
    let told = home.run(&["run", "pipeline.toml"]).expect_code(2);
    assert!(!told.stderr.contains("compiling"), "{told}");
    home.run(&["try", "steps/echo", "--input", "1"]).expect_code(2).expect_said("`components` at");
    let inspected = home.run(&["inspect", "--json", "steps/echo"]).expect_code(0).json();
    assert_eq!(inspected["allowed"], false);
    let digest = inspected["digest"].as_str().expect("it should have a digest").to_owned();
    home.write(".piton/piton.toml", format!("[allow]\ncomponents = [\"sha256:{digest}\"]\n"));
    home.run(&["run", "pipeline.toml"]).expect_code(0);
    home.run(&["try", "steps/echo", "--input", "1"]).expect_code(0);
}

#[test]
fn what_is_tried_is_held_too() {
    let home = home("[ceilings]\ntimeout = \"1s\"\n[allow]\nhttp = []\ndirs = []\nenv = []\n", "");
    let refused = |more: &[&str], said: &str| {
        let arguments = [&["try", "steps/echo", "--input", "1"], more].concat();
        home.run(&arguments).expect_code(2).expect_said(said);
    };
    refused(&["--timeout", "2s"], "`timeout` is above the operator's ceiling");
    refused(&["--http", "a.example"], "requests to https://a.example");
    refused(&["--env", "TZ=UTC"], "the variable `TZ`");
    refused(&["--dir", "new:/data"], "the folder `new`");
    assert!(!home.path("new").exists(), "a folder was made that the operator does not allow");
    home.run(&["try", "steps/echo", "--input", "1"]).expect_code(0);
    // A check copies folders and makes hosts up; all else holds.
    let granted = ["--dir", "out:/data", "--http", "a.example"];
    home.run(&[&["step-check", "steps/echo"], &granted[..]].concat()).expect_code(0);
    let check = ["step-check", "steps/echo", "--timeout", "2s"];
    home.run(&check).expect_code(2).expect_said("`timeout` is above the operator's ceiling");
    home.write(".piton/piton.toml", "[allow]\ncomponents = []\n");
    home.run(&check).expect_code(2).expect_said("`components` at");
}

/// The operator's word holds for each attempt from now on, and nothing recorded is lost by it.
#[test]
fn a_run_that_exceeds_it_by_now_is_not_taken_up() {
    let home = Home::with(
        "[pipeline]\nname = \"it\"\n[steps.wait]\nsignal = \"go\"\n[steps.it]\ncomponent = \
         \"steps/echo\"\neffect = \"none\"\ninput = 7\nafter = [\"wait\"]\nfuel = 2_000_000_000\n",
    );
    let run =
        |arguments: &[&str]| home.run(&[&["run", "pipeline.toml", "--key"], arguments].concat());
    let mut one = home.start(&["run", "pipeline.toml", "--key", "one"]);
    let id = one.run_id();
    one.wait_for_stderr("wait");
    one.interrupt();
    one.finish().expect_code(6);
    home.write(".piton/piton.toml", "[ceilings]\nfuel = 1_000_000_000\n");
    check_snapshot(&home, "operator_hinders.txt", &home.run(&["resume", &id]));
    home.run(&["signal", &id, "go"]).expect_code(2).expect_said("is not taken up");
    assert_eq!(home.summary(&id)["status"], "waiting");
    let explained = home.run(&["explain", &id]).expect_code(0);
    assert!(explained.stdout.contains("this host does not take it up: `fuel`"), "{explained}");
    home.run(&["verify"]).expect_code(0);
    run(&["two"]).expect_code(2);
    // It can be given up, which calls nothing, or go on once the ceiling is raised.
    home.write(".piton/piton.toml", "[ceilings]\nfuel = 2_000_000_000\n");
    home.run(&["signal", &id, "go"]).expect_code(0);
    assert_eq!(home.summary(&id)["output"], 7);
}

#[test]
fn a_run_that_is_not_taken_up_can_be_given_up() {
    let home = Home::with(
        "[pipeline]\nname = \"it\"\n[steps.wait]\nsignal = \"go\"\n[steps.it]\ncomponent = \
         \"steps/echo\"\neffect = \"none\"\nafter = [\"wait\"]\ngrants.env = { TZ = \"UTC\" }\n",
    );
    let mut one = home.start(&["run", "pipeline.toml"]);
    let id = one.run_id();
    one.wait_for_stderr("wait");
    one.interrupt();
    one.finish().expect_code(6);
    home.write(".piton/piton.toml", "[allow]\nenv = []\n");
    home.run(&["cancel", &id]).expect_code(2).expect_said("does not allow the variable `TZ`");
    home.run(&["cancel", &id, "--keep"]).expect_code(4);
}

/// Who holds the directory has read its own file: another one is not left out in silence.
#[test]
fn a_holder_is_not_asked_to_go_by_another_file() {
    let home = Home::with("[pipeline]\nname = \"it\"\n[steps.wait]\nsignal = \"go\"\n");
    home.write("strict.toml", "");
    let mut holder = home.start(&["run", "pipeline.toml"]);
    holder.run_id();
    assert!(eventually(|| home.data().join("socket").exists()));
    for arguments in [
        &["run", "pipeline.toml"][..],
        &["run", "pipeline.toml", "--each", "-"],
        &["signal", "last", "go"],
    ] {
        let with_config = [&["--config", "strict.toml"], arguments].concat();
        let told = home.piton(&with_config).input("{}\n").run().expect_code(2);
        told.expect_said("does not go by `strict.toml`");
    }
    home.run(&["--config", "strict.toml", "runs"]).expect_code(0);
    home.run(&["signal", "last", "go"]);
    holder.finish().expect_code(0);
}
