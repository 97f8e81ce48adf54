//! Manifests from strangers: what would cost the host its time or memory is refused, or fails its
//! own run. Each is checked and run by a host that others use.

use piton_tests::{ATTACK_MIB, Arena};
use serde_json::Value;
use std::fs;

const HEAD: &str =
    "[pipeline]\nname = \"it\"\n[defaults]\neffect = \"none\"\nretry = { attempts = 1 }\n";

#[track_caller]
fn check_is_refused(arena: &mut Arena, manifest: &str, expected: &str) {
    arena.home.write("manifest.toml", manifest);
    for command in ["check", "run"] {
        let refused = arena.home.run(&[command, "manifest.toml"]).expect_code(2);
        refused.expect_inert();
        let said = &refused.stderr[..refused.stderr.len().min(4_000)];
        assert!(refused.stderr.contains(expected), "it should say `{expected}`\n{said}");
    }
    arena.honest_run();
}

/// Runs it with an input, and returns why its run failed.
#[track_caller]
fn check_fails(arena: &mut Arena, manifest: &str, input: &str, expected: &str) {
    arena.home.write("manifest.toml", manifest);
    arena.home.write("input.json", input);
    let failed = arena.home.run(&["run", "--json", "manifest.toml", "--input", "@input.json"]);
    failed.expect_inert();
    let summary: Value = failed.expect_code(3).json();
    let message = summary["failure"]["message"].as_str().expect("there should be a message");
    assert!(message.contains(expected), "{message}");
    arena.honest_run();
}

#[test]
fn what_is_too_much_to_read_is_refused() {
    let mut arena = Arena::new();
    let many: String =
        (0..1_000_000).map(|n| format!("[steps.s{n}]\ncomponent = \"steps/echo\"\n")).collect();
    check_is_refused(&mut arena, &format!("{HEAD}{many}"), "larger than 1 MiB");
    let deep = format!("{HEAD}x = {}1{}\n", "[".repeat(100_000), "]".repeat(100_000));
    check_is_refused(&mut arena, &deep, "error: ");
    let steps: String = (0..10_001).map(|n| format!("[steps.s{n}]\nwait = \"1s\"\n")).collect();
    check_is_refused(&mut arena, &format!("{HEAD}{steps}"), "10001 steps, more than 10000");
    let large = fs::File::create(arena.home.path("manifest.toml")).expect("a file should be made");
    large.set_len(100 << 20).expect("it should have holes");
    arena.home.run(&["check", "manifest.toml"]).expect_code(2).expect_said("larger than 1 MiB");
    arena.home.run(&["check", "/dev/zero"]).expect_code(2).expect_said("larger than 1 MiB");
    arena.end(ATTACK_MIB);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut arena = Arena::new();
    let step =
        |name: &str, more: &str| format!("[steps.{name}]\ncomponent = \"steps/echo\"\n{more}\n");
    let cycle = step("a", "after = [\"b\"]") + &step("b", "after = [\"a\"]");
    check_is_refused(&mut arena, &format!("{HEAD}{cycle}"), "manifest.toml:");
    check_is_refused(
        &mut arena,
        &format!("{HEAD}{}", step("a", "after = [\"a\"]")),
        "manifest.toml:",
    );
    check_is_refused(
        &mut arena,
        &format!("{HEAD}{}", step("a", "after = [\"no\"]")),
        "manifest.toml:",
    );
    let codes =
        step("a", "x = \"\u{202e}\"").replace("steps.a", "steps.\"a\\u001b[2J\\nerror: forged\"");
    check_is_refused(&mut arena, &format!("{HEAD}{codes}"), "error: ");
    arena.end(ATTACK_MIB);
}

/// Each is short to write, and more than any machine has.
#[test]
fn expressions_make_no_more_than_the_host_allows() {
    let mut arena = Arena::new();
    let step =
        |input: &str| format!("{HEAD}[steps.it]\ncomponent = \"steps/echo\"\ninput = {input}\n");
    let chain = |each: &str| step(&format!("\"${{[input.text]{}}}\"", each.repeat(28)));
    let text = format!(
        "{{\"text\":\"\\u0061{}\",\"list\":[{}0]}}",
        "x".repeat(1 << 20),
        "0,".repeat(9_999)
    );
    for each in [".map(x, x + x)", ".map(x, [x, x])", ".map(x, {'a': x, 'b': x})"] {
        check_fails(&mut arena, &chain(each), &text, "makes too much");
    }
    let looks = step("\"${input.list.filter(x, input.text == input.text)}\"");
    check_fails(&mut arena, &looks, &text, "looks at too much");
    let walks = step("\"${input.list.map(x, input.list.map(y, y))}\"");
    check_fails(&mut arena, &walks, &text, "walks through more than");
    let copies = vec!["\"${input.text}\""; 1_000].join(",");
    check_fails(&mut arena, &step(&format!("[{copies}]")), &text, "more than 64 MiB");
    let nested = step("\"${[1].map(a, [1].map(b, [1].map(c, 1)))}\"");
    check_is_refused(&mut arena, &nested, "nested more than 2 deep");
    arena.end(200);
}

#[test]
fn a_map_is_no_wider_than_it_may_be() {
    let mut arena = Arena::new();
    let manifest = format!(
        "{HEAD}[steps.it]\ncomponent = \"steps/echo\"\nmap = \"${{input}}\"\ninput = \"${{item}}\"\n"
    );
    let wide = format!("[{}0]", "0,".repeat(999_999));
    check_fails(&mut arena, &manifest, &wide, "1000000 items; at most 10000");
    arena.end(200);
}

/// What each call may return is little, and what ten thousand calls may is not.
#[test]
fn what_a_run_holds_is_bounded() {
    let mut arena = Arena::new();
    let steps = "[steps.it]\ncomponent = \"steps/counter\"\nmap = \"${input}\"\ninput = { pad = 4_000_000 }\ngrants.dirs = [{ host = \"out\", guest = \"/data\", write = true }]\n";
    let items = format!("[{}0]", "0,".repeat(99));
    check_fails(&mut arena, &format!("{HEAD}{steps}"), &items, "may leave 128 MiB with it");
    arena.end(300);
}

#[test]
fn schemas_are_bounded_like_all_else() {
    let arena = Arena::new();
    let manifest = "[pipeline]\nname = \"it\"\ninput_schema = \"schema.json\"\n[steps.it]\ncomponent = \"steps/echo\"\neffect = \"none\"\n";
    arena.home.write("manifest.toml", manifest);
    let slow = format!("\"{}!\"", "a".repeat(100_000));
    for (schema, input, code) in [
        (r##"{"$ref":"#"}"##, "1", 0),
        (r#"{"$ref":"https://127.0.0.1/schema.json"}"#, "1", 2),
        (r#"{"$ref":"file:///etc/passwd"}"#, "1", 2),
        (r#"{"pattern":"^(a+)+$"}"#, slow.as_str(), 2),
        (r#"{"pattern":"(a{1000}){1000}"}"#, "\"a\"", 2),
        (&format!("{{\"description\":\"{}\"}}", "x".repeat(2 << 20)), "1", 2),
    ] {
        arena.home.write("schema.json", schema);
        arena.home.write("input.json", input);
        let checked = arena.home.run(&["run", "manifest.toml", "--input", "@input.json"]);
        checked.expect_inert();
        assert_eq!(checked.code, Some(code), "{}\n{checked}", &schema[..schema.len().min(80)]);
    }
    arena.end(ATTACK_MIB);
}
