//! Steps and services that want to get where nothing is granted, or that never come to an end.
//! Nothing here leaves this machine.

use piton_tests::{
    ATTACK_MIB, Arena, Home, Manner, Moment, Server, Shim, Text, attack_manifest, eventually,
};
use serde_json::{Value, json};

/// Runs one attack against a server, with a grant for it, and returns its summary.
fn attack(arena: &mut Arena, how: &str, server: &Server, settings: &str) -> Value {
    let url = server.url();
    let settings = format!("grants.http = [\"{url}\"]\n{settings}");
    let mut summaries = arena.attack_with(&settings, &[json!({ "how": how, "url": url })]);
    summaries.remove(how).expect("it should have a summary")
}

#[track_caller]
fn check_denied(ways: &Value, but: &[&str]) {
    let ways = ways.as_object().expect("it should say what came of each way");
    assert!(!ways.is_empty());
    for (way, said) in ways {
        let is_denied = said.as_str().is_some_and(|said| !said.starts_with("done"));
        assert!(is_denied || but.contains(&way.as_str()), "{way}: {said}");
    }
}

/// Without a grant, and with one of a name that leads inside. Where this machine has no such name,
/// it is not found, which is as good.
#[test]
fn addresses_inside_are_out_of_reach() {
    let mut arena = Arena::new();
    let seen = &arena.attack("", &["inside-addresses"])["inside-addresses"];
    check_denied(&seen["output"]["ways"], &[]);
    let inside = Server::start(Manner::Echoes);
    let by_name = format!("http://ip6-localhost:{}", inside.port());
    let settings = format!("grants.http = [\"{by_name}\"]");
    let input = json!({ "how": "read-slowly", "url": by_name });
    let seen = &arena.attack_with(&settings, &[input])["read-slowly"];
    let run = seen["run"].as_str().expect("a run should have an id");
    let logs = arena.home.run(&["logs", run]).expect_code(0).stdout;
    match seen["failure"]["code"].as_str() {
        Some("http-denied") => assert!(logs.contains("which is not public (loopback)"), "{logs}"),
        other => assert_eq!(other, Some("http-unreachable"), "{seen}"),
    }
    assert_eq!(inside.heads().len(), 0, "nothing should have been sent");
    for host in ["http://localhost", "http://2130706433", "http://127.1", "http://0x7f000001"] {
        let manifest = format!(
            "[pipeline]\nname = \"it\"\n[steps.it]\ncomponent = \"steps/echo\"\ngrants.http = [\"{host}\"]\n"
        );
        arena.home.write("grant.toml", manifest);
        arena
            .home
            .run(&["check", "grant.toml"])
            .expect_code(2)
            .expect_said("is no host that can be granted");
    }
    arena.end(ATTACK_MIB);
}

#[test]
fn odd_requests_go_nowhere_else() {
    let mut arena = Arena::new();
    let server = Server::start(Manner::Echoes);
    let seen = attack(&mut arena, "odd-requests", &server, "");
    check_denied(&seen["output"]["ways"], &["a space in the path", "no port"]);
    for head in server.heads() {
        let host = head.lines().find_map(|line| line.strip_prefix("host: "));
        assert_eq!(host, Some(format!("127.0.0.1:{}", server.port()).as_str()), "{head}");
        assert!(!head.contains("evil.example"), "{head}");
    }
    arena.end(ATTACK_MIB);
}

#[test]
fn a_redirect_leads_no_further_than_the_grant() {
    let mut arena = Arena::new();
    let inside = Server::start(Manner::Echoes);
    let answer =
        format!("HTTP/1.1 302 Found\r\nlocation: {}/\r\ncontent-length: 0\r\n\r\n", inside.url());
    let server = Server::start(Manner::Says(answer));
    let seen = attack(&mut arena, "follow-redirect", &server, "");
    assert_eq!(seen["output"]["first"], 302, "{seen}");
    let second = seen["output"]["second"].as_str().expect("it should say what came of it");
    assert!(second.starts_with("denied"), "{second}");
    assert_eq!(inside.heads().len(), 0, "nothing should have been sent");
    arena.end(ATTACK_MIB);
}

/// A service that sends a byte every 50 ms for ever: the attempt ends at its deadline, its
/// connection with it, and no second attempt starts beside it.
#[test]
fn a_dripping_service_holds_nobody_for_long() {
    let mut arena = Arena::new();
    for manner in [Manner::Drips, Manner::IsSilent] {
        let server = Server::start(manner);
        let seen = attack(&mut arena, "read-slowly", &server, "timeout = \"2s\"");
        assert_eq!(seen["failure"]["end"], "timed-out", "{seen}");
        assert!(eventually(|| server.open() == 0), "the connection should be closed");
        assert_eq!(server.heads().len(), 1, "there should be one request: {:?}", server.heads());
        let run = seen["run"].as_str().expect("a run should have an id");
        assert_eq!(arena.home.story(run).ends("it", "execute"), ["timed-out"]);
    }
    arena.end(ATTACK_MIB);
}

/// The same where attempts follow each other: the next one begins after the one before is gone.
#[test]
fn attempts_at_a_dripping_service_never_overlap() {
    let arena = Arena::new();
    let server = Server::start(Manner::Drips);
    let url = server.url();
    let manifest = format!(
        "[pipeline]\nname = \"drip\"\n[steps.it]\ncomponent = \"steps/hostile\"\neffect = \"idempotent\"\ncompensate = \"none\"\ncompensate_reason = \"none\"\ntimeout = \"1s\"\nretry = {{ attempts = 3, base = \"1ms\", cap = \"1ms\", floor = \"1ms\" }}\ngrants.http = [\"{url}\"]\ninput = {{ how = \"read-slowly\", url = \"{url}\" }}\n"
    );
    arena.home.write("drip.toml", manifest);
    let ended = arena.home.run(&["run", "--json", "drip.toml"]);
    ended.expect_inert();
    let run = ended.json()["run"].as_str().expect("a run should have an id").to_owned();
    assert_eq!(arena.home.story(&run).ends("it", "execute"), ["timed-out"; 3], "{ended}");
    // On a busy machine an attempt's time may be over before it has sent anything.
    assert!((1..=3).contains(&server.heads().len()), "{:?}\n{ended}", server.heads());
    // Between an attempt's end and its connection's, the next one may have begun to connect.
    let most = server.most_alive();
    assert!(most <= 2, "{most} connections at once");
    let keys: Vec<String> = server.heads().iter().map(|head| key_of(head)).collect();
    assert!(keys.iter().all(|key| *key == keys[0]), "all should carry one key: {keys:?}");
    arena.end(ATTACK_MIB);
}

fn key_of(head: &str) -> String {
    let key = head.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
    key.expect("a request should carry a key").to_owned()
}

#[test]
fn bodies_and_headers_end_at_their_limits() {
    let mut arena = Arena::new();
    let pours = Server::start(Manner::Pours);
    let seen = attack(&mut arena, "read-slowly", &pours, "memory = \"256MiB\"");
    assert_ne!(seen["status"], "completed", "{seen}");
    assert!(eventually(|| pours.open() == 0), "the connection should be closed");
    let silent = Server::start(Manner::IsSilent);
    let seen = attack(&mut arena, "big-upload", &silent, "");
    let sent = seen["output"]["sent"].as_u64().expect("it should say how much it sent");
    assert!(sent <= 65 << 20, "{sent} bytes were sent");
    let echoes = Server::start(Manner::Echoes);
    let seen = attack(&mut arena, "many-headers", &echoes, "");
    assert_eq!(seen["failure"]["end"], "trapped", "{seen}");
    assert_eq!(echoes.heads().len(), 0, "nothing should have been sent");
    let many: String = (0..1_000).map(|n| format!("x-{n}: {}\r\n", "y".repeat(1_000))).collect();
    let headers = format!("HTTP/1.1 200 OK\r\n{many}\r\n");
    let seen = attack(&mut arena, "read-slowly", &Server::start(Manner::Says(headers)), "");
    assert_ne!(seen["status"], "completed", "{seen}");
    let bomb = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\x08x";
    let seen = attack(&mut arena, "read-slowly", &Server::start(Manner::Says(bomb.into())), "");
    assert_eq!(seen["output"]["bytes"], 3, "nothing should be decompressed: {seen}");
    arena.end(256);
}

#[test]
fn requests_and_connections_are_counted() {
    let mut arena = Arena::new();
    let echoes = Server::start(Manner::Echoes);
    let seen = attack(&mut arena, "many-requests", &echoes, "timeout = \"60s\"");
    assert_eq!(seen["output"]["sent"], 1_000, "{seen}");
    assert_eq!(echoes.heads().len(), 1_000);
    let silent = Server::start(Manner::IsSilent);
    let seen = attack(&mut arena, "many-connections", &silent, "timeout = \"500ms\"");
    assert_eq!(seen["failure"]["end"], "timed-out", "{seen}");
    assert!(silent.heads().len() <= 8, "{} connections at once", silent.heads().len());
    assert!(eventually(|| silent.open() == 0), "the connections should be closed");
    arena.end(ATTACK_MIB);
}

/// What was sent may have arrived: the next call carries the same key, and a made-up one is only
/// the step's own word.
#[test]
fn a_call_that_blew_up_after_its_request_comes_again_under_its_key() {
    let arena = Arena::new();
    let server = Server::start(Manner::Echoes);
    let url = server.url();
    let manifest = |how: &str| {
        format!(
            "[pipeline]\nname = \"again\"\n[steps.it]\ncomponent = \"steps/hostile\"\neffect = \"idempotent\"\ncompensate = \"none\"\ncompensate_reason = \"none\"\nretry = {{ attempts = 2, base = \"1ms\", cap = \"1ms\", floor = \"1ms\" }}\ngrants.http = [\"{url}\"]\ninput = {{ how = \"{how}\", url = \"{url}\" }}\n"
        )
    };
    arena.home.write("again.toml", manifest("post-and-trap"));
    let keys_of = |from: usize| -> Vec<String> {
        server.heads()[from..].iter().map(|head| key_of(head)).collect()
    };
    arena.home.run(&["run", "--json", "again.toml"]).expect_inert();
    let one = keys_of(0);
    assert!(one.len() == 2 && one[0] == one[1], "{one:?}");
    arena.home.run(&["run", "--json", "again.toml"]).expect_inert();
    let other = keys_of(2);
    assert!(other.len() == 2 && other[0] == other[1] && other[0] != one[0], "{other:?}");
    arena.home.write("again.toml", manifest("forge-key"));
    let forged = arena.home.run(&["run", "--json", "again.toml"]).expect_code(0).json();
    assert_ne!(forged["output"]["own"], one[0].as_str(), "{forged}");
    arena.end(ATTACK_MIB);
}

/// Sockets are no way round `wasi:http`: there are none.
#[test]
fn no_socket_is_ever_made() {
    let mut arena = Arena::new();
    for (kind, place) in [("tcp", "tcp-create-socket"), ("udp", "udp-create-socket")] {
        let outside = format!(
            r#"
(import "wasi:sockets/network@0.2.0" (instance $network
    (type $code' (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory"
        "timeout" "concurrency-conflict" "not-in-progress" "would-block" "invalid-state"
        "new-socket-limit" "address-not-bindable" "address-in-use" "remote-unreachable"
        "connection-refused" "connection-reset" "connection-aborted" "datagram-too-large"
        "name-unresolvable" "temporary-resolver-failure" "permanent-resolver-failure"))
    (export "error-code" (type (eq $code')))
    (type $family' (enum "ipv4" "ipv6"))
    (export "ip-address-family" (type (eq $family')))))
(alias export $network "error-code" (type $code))
(alias export $network "ip-address-family" (type $family))
(import "wasi:sockets/{kind}@0.2.0" (instance $sockets (export "{kind}-socket" (type (sub resource)))))
(alias export $sockets "{kind}-socket" (type $socket))
(import "wasi:sockets/{place}@0.2.0" (instance $create
    (alias outer 1 $code (type $code')) (export "error-code" (type $code (eq $code')))
    (alias outer 1 $family (type $family')) (export "ip-address-family" (type $family (eq $family')))
    (alias outer 1 $socket (type $socket')) (export "{kind}-socket" (type $socket (eq $socket')))
    (export "create-{kind}-socket" (func (param "address-family" $family)
        (result (result (own $socket) (error $code)))))))
(core func $create (canon lower (func $create "create-{kind}-socket") (memory $mem)))
(core instance $outside (export "create" (func $create)))"#
        );
        let code = "(call $create (i32.const 0) (i32.const 64))
            (call $number (i32.load8_u (i32.const 64)))";
        let text = Text::executing(code, "");
        let text = text
            .outside(&outside, "(import \"outside\" \"create\" (func $create (param i32 i32)))");
        let seen = arena.attack_by(&text, "");
        // One is an error, zero would be a socket.
        assert_eq!(seen["output"], 1, "{kind}: {seen}");
    }
    arena.end(ATTACK_MIB);
}

/// Nor is there a way to have a name looked up: it would tell whoever serves that name.
#[test]
fn no_name_is_looked_up_for_a_step() {
    let outside = r#"
(import "wasi:sockets/network@0.2.0" (instance $network
    (export "network" (type (sub resource)))
    (type $code' (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory"
        "timeout" "concurrency-conflict" "not-in-progress" "would-block" "invalid-state"
        "new-socket-limit" "address-not-bindable" "address-in-use" "remote-unreachable"
        "connection-refused" "connection-reset" "connection-aborted" "datagram-too-large"
        "name-unresolvable" "temporary-resolver-failure" "permanent-resolver-failure"))
    (export "error-code" (type (eq $code')))))
(alias export $network "network" (type $net))
(alias export $network "error-code" (type $code))
(import "wasi:sockets/instance-network@0.2.0" (instance $instance
    (alias outer 1 $net (type $net')) (export "network" (type $given (eq $net')))
    (export "instance-network" (func (result (own $given))))))
(import "wasi:sockets/ip-name-lookup@0.2.0" (instance $look
    (alias outer 1 $net (type $net')) (export "network" (type $given (eq $net')))
    (alias outer 1 $code (type $code')) (export "error-code" (type $why (eq $code')))
    (export "resolve-address-stream" (type $stream (sub resource)))
    (export "resolve-addresses" (func (param "network" (borrow $given)) (param "name" string)
        (result (result (own $stream) (error $why)))))))
(core func $all (canon lower (func $instance "instance-network")))
(core func $look-up (canon lower (func $look "resolve-addresses") (memory $mem)))
(core instance $outside (export "all" (func $all)) (export "look-up" (func $look-up)))"#;
    let imports = "(import \"outside\" \"all\" (func $all (result i32)))
        (import \"outside\" \"look-up\" (func $look-up (param i32 i32 i32 i32)))";
    // One for an error that is `permanent-resolver-failure`.
    let code = "(call $look-up (call $all) (i32.const 1024) (i32.const 12) (i32.const 64))
        (call $number (i32.and (i32.load8_u (i32.const 64))
            (i32.eq (i32.load8_u (i32.const 68)) (i32.const 20))))";
    let home = Home::with(attack_manifest("look-up.wasm", ""));
    let text = Text::executing(code, "(data (i32.const 1024) \"told.example\")");
    home.write("look-up.wasm", text.outside(outside, imports).bytes());
    let shim = Shim::build(&home);
    let run = home.piton(&["run", "--json", "pipeline.toml"]);
    let seen = run.with_shim(&shim, Moment::Names("127.0.0.1")).run().json();
    assert_eq!(seen["output"], 1, "{seen}");
    assert_eq!(asked_of_the_network(&home), "");
}

/// The attack's look-up has these addresses; returns the codes of so many calls' failures, and what was
/// asked of the network.
fn names_lead_to(addresses: &'static str, calls: usize) -> (Vec<String>, String) {
    let url = "http://rebinds.example";
    let home = Home::with(attack_manifest(
        "steps/hostile",
        &format!("grants.http = [\"{url}\"]\ninput = {{ how = \"read-slowly\", url = \"{url}\" }}"),
    ));
    home.write("inputs.ndjson", "{}\n".repeat(calls));
    let shim = Shim::build(&home);
    let each = ["run", "--json", "--each", "inputs.ndjson", "--parallel", "1", "pipeline.toml"];
    let ended = home.piton(&each).with_shim(&shim, Moment::Names(addresses)).run();
    let summaries = ended.json_lines();
    assert_eq!(summaries.len(), calls, "{ended}");
    let code = |summary: &Value| summary["failure"]["code"].as_str().unwrap_or_default().to_owned();
    (summaries.iter().map(code).collect(), asked_of_the_network(&home))
}

fn asked_of_the_network(home: &Home) -> String {
    std::fs::read_to_string(home.path("network")).unwrap_or_default()
}

/// A name that is good when it is checked and leads inside the next time it is asked for: a connection
/// goes to the very address that was checked, and each connection has a check of its own.
#[test]
fn a_name_that_changes_leads_nowhere_inside() {
    let (codes, asked) = names_lead_to("203.0.114.7,127.0.0.1,203.0.114.8", 3);
    assert_eq!(codes, ["http-unreachable", "http-denied", "http-unreachable"], "{asked}");
    assert_eq!(
        asked,
        "look-up rebinds.example\nconnect 203.0.114.7\nlook-up rebinds.example\n\
         look-up rebinds.example\nconnect 203.0.114.8\n"
    );
}

/// One address inside among good ones, first or last, and the name leads nowhere at all.
#[test]
fn a_name_that_also_leads_inside_leads_nowhere() {
    for addresses in ["203.0.114.7+10.0.0.1", "169.254.169.254+203.0.114.7"] {
        let (codes, asked) = names_lead_to(addresses, 1);
        assert_eq!(codes, ["http-denied"], "{asked}");
        assert_eq!(asked, "look-up rebinds.example\n");
    }
}
