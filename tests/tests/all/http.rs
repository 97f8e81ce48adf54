//! What a step may send, and what becomes of its secrets: a built step against a server on loopback.
//! Nothing here leaves this machine.

use piton_tests::{Home, Manner, Server, guest};
use std::path::Path;

const SECRET: &str = "correct-horse-battery";

/// Answers every request with its head, as text. Gives its address.
fn echo() -> String {
    Server::start(Manner::Echoes).url()
}

fn manifest(url: &str, method: &str, grants: &str) -> String {
    let component = guest("http_call");
    format!(
        "[pipeline]\nname = \"it\"\n[steps.it]\ncomponent = \"{}\"\nretry = {{ attempts = 1 }}\n\
         input = {{ url = \"{url}/path\", method = \"{method}\" }}\n{grants}\n",
        component.display()
    )
}

#[test]
fn a_granted_request_carries_the_key() {
    let url = echo();
    let home = Home::with(manifest(&url, "POST", &format!("grants.http = [\"{url}\"]")));
    let run = home.run(&["run", "--json", "pipeline.toml"]).expect_code(0).json();
    let head = run["output"]["body"].as_str().expect("it should be a text").to_owned();
    assert!(head.starts_with("POST /path HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("idempotency-key: "), "{head}");
}

#[test]
fn a_request_without_a_grant_is_denied_and_the_log_says_what_is_missing() {
    let url = echo();
    let home = Home::with(manifest(&url, "GET", ""));
    let run = home.run(&["run", "--json", "pipeline.toml"]).json();
    assert_eq!(run["failure"]["code"], "http-denied", "{run}");
    let id = run["run"].as_str().expect("it should have an id").to_owned();
    let logs = home.run(&["logs", &id]).expect_code(0).stdout;
    assert!(logs.contains(&format!("`grants.http = [\"{url}\"]` in `[steps.it]` would")), "{logs}");
}

#[test]
fn a_secret_is_sent_and_kept_nowhere() {
    let url = echo();
    let grants = format!(
        "grants.http = [\"{url}\"]\ngrants.secrets.TOKEN = {{ header = \"authorization\", format = \
         \"Bearer ${{secret}}\", hosts = [\"{url}\"] }}"
    );
    let home = Home::with(manifest(&url, "GET", &grants));
    let refused = home.run(&["run", "pipeline.toml"]).expect_code(2);
    assert!(refused.stderr.contains("secret `TOKEN` cannot be had"), "{}", refused.stderr);
    let done = home.piton(&["run", "--json", "pipeline.toml"]).env("TOKEN", SECRET).run();
    let head = done.expect_code(0).json()["output"]["body"].to_string();
    assert!(head.contains("authorization: Bearer [secret TOKEN]"), "{head}");
    assert_holds_no_secret(&home.data());
}

/// Without its secret no attempt could do its work: the run is not taken up, and can be looked at.
#[test]
fn a_run_whose_secret_is_gone_can_be_looked_at() {
    let home = Home::with(
        "[pipeline]\nname = \"it\"\n[steps.wait]\nsignal = \"go\"\n[steps.it]\ncomponent = \
         \"steps/echo\"\neffect = \"none\"\nafter = [\"wait\"]\ngrants.http = [\"a.example\"]\n\
         grants.secrets.TOKEN = { header = \"x-key\", hosts = [\"a.example\"] }\n",
    );
    let mut run = home.piton(&["run", "pipeline.toml"]).env("TOKEN", SECRET).start();
    let id = run.run_id();
    run.wait_for_stderr("wait");
    run.interrupt();
    run.finish().expect_code(6);
    assert_eq!(home.summary(&id)["status"], "waiting");
    let refused = home.run(&["signal", &id, "go"]).expect_code(2);
    refused.expect_said("secret `TOKEN` cannot be had").expect_said("set `TOKEN`");
    let done = home.piton(&["signal", &id, "go"]).env("TOKEN", SECRET).run();
    done.expect_code(0);
}

/// Each limit on requests, set so that one plain request meets it.
#[test]
fn each_limit_on_requests_is_kept_and_named() {
    for (limit, method) in [
        ("http_requests_max = 0", "GET"),
        ("http_received_max = \"10B\"", "GET"),
        ("http_headers_max = \"1KiB\"", "GET"),
    ] {
        let url = echo();
        let long = "x".repeat(1024);
        let manifest = manifest(&url, method, &format!("grants.http = [\"{url}\"]\n{limit}"));
        let home = Home::with(manifest.replace("/path", &format!("/{long}")));
        let run = home.run(&["run", "--json", "pipeline.toml"]).expect_code(3).json();
        let id = run["run"].as_str().expect("it should have an id").to_owned();
        let logs = home.run(&["logs", &id]).expect_code(0).stdout;
        let key = limit.split(' ').next().expect("a limit should have a name");
        assert!(logs.contains(&format!("`{key}`")), "{limit}\n{logs}");
    }
}

fn assert_holds_no_secret(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("it should be a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            assert_holds_no_secret(&path);
        } else if let Ok(bytes) = std::fs::read(&path) {
            let held = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
            assert!(!held, "{} holds the secret", path.display());
        }
    }
}
