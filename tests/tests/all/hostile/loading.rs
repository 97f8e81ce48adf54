//! Components that are not what they should be: refused before any code of theirs runs, whichever
//! command looks at them; and compiled code that is not the host's own.

use piton_tests::{Home, Text};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

const MANIFEST: &str =
    "[pipeline]\nname = \"it\"\n[steps.it]\ncomponent = \"it.wasm\"\neffect = \"none\"\n";

/// Has every command that takes a component look at this one.
#[track_caller]
fn check_is_refused(home: &Home, bytes: &[u8], expected: &str) {
    home.write("it.wasm", bytes);
    let looks: [&[&str]; 3] = [&["check", "it.toml"], &["run", "it.toml"], &["try", "it.wasm"]];
    for arguments in looks {
        let refused = home.run(arguments).expect_code(2);
        refused.expect_inert();
        assert!(refused.stderr.contains(expected), "it should say `{expected}`\n{refused}");
    }
    home.run(&["inspect", "it.wasm"]).expect_inert();
}

fn home() -> Home {
    let home = Home::new();
    home.write("it.toml", MANIFEST);
    home
}

/// A component that says it is a step, with this in it besides.
fn step_with(more: &str) -> Vec<u8> {
    Text::parse(&format!(
        "(component {more} (instance $step) (export \"piton:step/step@0.1.0\" (instance $step)))"
    ))
}

#[test]
fn what_this_host_leaves_out_is_refused() {
    let home = home();
    let refused = "not WebAssembly that this host takes";
    for more in ["(memory i64 1)", "(memory 1 2 shared)", "(type (struct))", "(tag)"] {
        check_is_refused(&home, &Text::with(more).bytes(), refused);
    }
    let future = "(type (future u32)) (core instance $outside)";
    check_is_refused(&home, &Text::with("").outside(future, "").bytes(), refused);
    let nested = "(type $t0 (tuple u8))".to_owned()
        + &(1..1_000).map(|n| format!("(type $t{n} (tuple $t{}))", n - 1)).collect::<String>();
    check_is_refused(&home, &step_with(&nested), refused);
}

#[test]
fn too_many_parts_are_refused() {
    let home = home();
    check_is_refused(&home, &with_imports(100_000), "100000 imports, and at most 1000");
    let memories = "(memory 1024)".repeat(100);
    check_is_refused(&home, &Text::with(&memories).bytes(), "memories");
    let instances = "(core module $many (memory 1))".to_owned()
        + &"(core instance (instantiate $many))".repeat(90)
        + "(core instance $outside)";
    check_is_refused(
        &home,
        &Text::with("").outside(&instances, "").bytes(),
        "core module instances",
    );
}

/// A component of nothing but imports, written as bytes: as text it would take a minute to read.
fn with_imports(count: u32) -> Vec<u8> {
    let one_type = b"\x01\x40\x00\x01\x00".to_vec();
    let mut imports = number(count);
    for n in 0..count {
        let name = format!("i{n}");
        imports.push(0);
        imports.extend(number(name.len() as u32));
        imports.extend(name.as_bytes());
        imports.extend(b"\x01\x00");
    }
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for (id, section) in [(7, one_type), (10, imports)] {
        bytes.push(id);
        bytes.extend(number(section.len() as u32));
        bytes.extend(section);
    }
    bytes
}

/// A number as WebAssembly writes it.
fn number(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

#[test]
fn what_is_no_step_or_wants_more_than_there_is_is_refused() {
    let home = home();
    check_is_refused(&home, &Text::parse("(component)"), "it exports nothing");
    check_is_refused(&home, &Text::parse("(module)"), "a core module");
    check_is_refused(&home, &step_with(""), "do not have the contract's types");
    let other = "(component (instance $s) (export \"piton:step/step@0.2.0\" (instance $s)))";
    check_is_refused(&home, &Text::parse(other), "another version of the contract");
    for (name, expected) in [
        ("wasi:nn/inference@0.2.0", "`wasi:nn/inference@0.2.0`"),
        ("acme:billing/api@1.0.0", "`acme:billing/api@1.0.0`"),
    ] {
        let import = format!("(import \"{name}\" (instance (export \"f\" (func))))");
        check_is_refused(&home, &step_with(&import), expected);
    }
    let forged = "(import \"\\1b[2J\\0aerror: forged\" (func))";
    check_is_refused(&home, &step_with(forged), "it.wasm");
    check_is_refused(&home, b"#!/bin/sh\nrm -rf ~\n", "it.wasm");
    check_is_refused(&home, b"", "it.wasm");
}

/// A file of 3 GiB that takes no space, and files that are none.
#[test]
fn what_is_too_large_is_not_even_read() {
    let home = home();
    let large = fs::File::create(home.path("it.wasm")).expect("a file should be made");
    large.set_len(3 << 30).expect("it should have holes");
    let refused = home.run(&["check", "it.toml"]).expect_code(2);
    assert!(refused.stderr.contains("3221225472 bytes, and at most 134217728"), "{refused}");
    for named in ["/dev/zero", "/dev/stdin", "pipe"] {
        rustix::fs::mkfifoat(rustix::fs::CWD, home.path("pipe"), rustix::fs::Mode::RWXU).ok();
        home.write("it.toml", MANIFEST.replace("it.wasm", named));
        home.run(&["check", "it.toml"]).expect_code(2).expect_said("there is no component");
        let schema =
            MANIFEST.replace("[steps.it]", &format!("input_schema = \"{named}\"\n[steps.it]"));
        home.write("it.toml", schema.replace("it.wasm", "steps/echo"));
        home.run(&["check", "it.toml"]).expect_code(2).expect_said("no plain file");
    }
}

/// The compiler works in a process of its own, which ends at its limit: one function of 600 KiB
/// would take it minutes.
#[test]
fn a_compile_bomb_ends_the_compiler_alone() {
    let home = home();
    let step = |n: u32| {
        let (to, one, other) = (n % 2_000, n * 7 % 2_000, n * 13 % 2_000);
        format!("local.get {one} local.get {other} i32.load i32.add local.set {to}\n")
    };
    let body: String = (0..150_000).map(step).collect();
    let more = format!("(func $bomb (local {}) {body})", "i32 ".repeat(2_000));
    let bomb = home.write("bomb.wasm", Text::with(&more).bytes());
    let mut compiler = Command::new(piton_tests::binary());
    compiler.arg("__compile").arg(bomb).arg(home.path("compiled")).args(["1", "4294967296"]);
    let ended = compiler.output().expect("the compiler should start");
    assert_eq!(ended.status.code(), None, "it should have been stopped: {ended:?}");
    assert!(!home.path("compiled").exists(), "nothing of it should be left");
    let mut compiler = Command::new(piton_tests::binary());
    let small = home.write("small.wasm", Text::with("").bytes());
    compiler.arg("__compile").arg(small).arg(home.path("compiled")).args(["1", "1048576"]);
    let ended = compiler.output().expect("the compiler should start");
    assert!(!ended.status.success(), "a mebibyte should not be enough: {ended:?}");
}

/// The files of compiled code.
fn compiled(home: &Home) -> Vec<PathBuf> {
    let files = fs::read_dir(home.data().join("code")).expect("there should be compiled code");
    let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    paths
}

#[test]
fn compiled_code_of_others_never_runs() {
    let home = home();
    home.write("it.toml", MANIFEST.replace("it.wasm", "steps/echo"));
    let run = || home.run(&["run", "it.toml", "--input", "7"]).expect_code(0);
    run();
    // Offered as a component.
    let code =
        compiled(&home).into_iter().find(|path| path.extension().is_some_and(|e| e == "cwasm"));
    let code = fs::read(code.expect("there should be compiled code")).expect("a file");
    home.write("it.wasm", &code);
    let refused = home.run(&["try", "it.wasm"]).expect_code(2);
    refused.expect_said("compiled code, which may only come from this host itself");
    // Put in the place of the host's own.
    for path in compiled(&home) {
        let mut bytes = fs::read(&path).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).expect("it should be ours");
        run().expect_said("is made anew");
        assert!(!run().stderr.contains("made anew"), "it should have been made anew once");
    }
    // In a folder that others may write to.
    let folder = home.data().join("code");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("it should be ours");
    home.run(&["run", "it.toml", "--input", "7"]).expect_code(1).expect_said("others may write to");
}

/// A run goes on with the component that it began with, or not at all: not with other bytes in
/// its place, be it where the manifest names it or where the host keeps it.
#[test]
fn a_component_that_was_swapped_is_never_called() {
    let home = home();
    let step = fs::read(home.path("steps/echo/target/step.wasm")).expect("a step");
    let waiting = "[pipeline]\nname = \"it\"\n[steps.wait]\nsignal = \"go\"\n[steps.it]\ncomponent = \"it.wasm\"\neffect = \"none\"\nafter = [\"wait\"]\n";
    home.write("it.toml", waiting);
    let begin = |input: &str| {
        home.write("it.wasm", &step);
        let mut begun = home.start(&["run", "it.toml", "--input", input]);
        let run = begun.run_id();
        begun.wait_for_stderr("wait: waits");
        begun.kill();
        home.write("it.wasm", Text::with("").bytes());
        run
    };
    let swapped = begin("1");
    let done = home.run(&["signal", "--json", &swapped, "go"]).expect_code(0);
    assert_eq!(done.json()["output"], 1);
    let damaged = begin("2");
    let kept = fs::read_dir(home.data().join("components")).expect("a folder").flatten();
    let kept = kept.map(|entry| entry.path()).find(|path| fs::read(path).is_ok_and(|b| b == step));
    let kept = kept.expect("the component should be kept");
    fs::write(&kept, Text::with("").bytes()).expect("it should be ours");
    fs::remove_dir_all(home.data().join("code")).expect("it should be ours");
    let refused = home.run(&["signal", "--json", &damaged, "go"]).expect_code(1);
    refused.expect_said("is not the content sha256:");
    let is_call = |event: &serde_json::Value| event["event"] == "attempt-started";
    assert!(!home.events(&damaged).iter().any(is_call), "it should not have been called");
    fs::write(&kept, &step).expect("it should be ours");
    let done = home.run(&["signal", "--json", &damaged, "go"]).expect_code(0);
    assert_eq!(done.json()["output"], 2);
}
