//! Steps that want memory: their own, and what the host holds for them.

use super::{check_ends, names};
use piton_tests::{ATTACK_MIB, Arena, Text};

#[test]
fn memory_ends_at_its_limit_whoever_holds_it() {
    let mut arena = Arena::new();
    let attacks = [
        ("grow", "out-of-memory"),
        ("pollables", "denied"),
        ("fields", "denied"),
        ("open-files", "retryable"),
        ("deep", "stack-overflow"),
    ];
    let grant = r#"grants.dirs = [{ host = "out", guest = "/data", write = true }]"#;
    check_ends(&arena.attack(grant, &names(&attacks)), &attacks);
    arena.end(ATTACK_MIB);
}

/// What only a component made by hand does: several memories and tables, its own resources, and
/// code that runs before anything is called.
#[test]
fn all_memories_and_tables_count_together() {
    let mut arena = Arena::new();
    let grown =
        "(if (i32.eq (table.grow $table (ref.null func) (i32.const 10000000)) (i32.const -1))
        (then unreachable)) unreachable";
    let resources = "(type $own (resource (rep i32)))
        (core func $new (canon resource.new $own))
        (core instance $outside (export \"new\" (func $new)))";
    let endless = "(loop $again (drop (call $new (i32.const 1))) (br $again)) unreachable";
    for (text, end) in [
        (Text::with("(memory 1000) (memory 1000)"), "out-of-memory"),
        (Text::executing(grown, "(table $table 1 funcref)"), "out-of-memory"),
        (
            Text::executing(endless, "").outside(
                resources,
                "(import \"outside\" \"new\" (func $new (param i32) (result i32)))",
            ),
            "denied",
        ),
        (Text::with("(func $forever (loop $again (br $again))) (start $forever)"), "timed-out"),
        (Text::executing("(call $ok (i32.const -8) (i32.const 16))", ""), "invalid-output"),
        (
            Text::executing("(call $ok (i32.const 1024) (i32.const 0x7fffffff))", ""),
            "invalid-output",
        ),
    ] {
        let summary = arena.attack_by(&text, "timeout = \"500ms\"");
        assert_eq!(summary["failure"]["end"], end, "{summary}");
    }
    arena.end(ATTACK_MIB);
}

/// 4 GiB of random numbers in one call; the host makes none of them.
#[test]
fn one_call_gets_a_mebibyte_of_random_numbers_at_most() {
    let mut arena = Arena::new();
    let random = "(import \"wasi:random/random@0.2.0\" (instance $random
            (export \"get-random-bytes\" (func (param \"len\" u64) (result (list u8))))))
        (core func $draw
            (canon lower (func $random \"get-random-bytes\") (memory $mem) (realloc $realloc)))
        (core instance $outside (export \"draw\" (func $draw)))";
    let text =
        Text::executing("(call $draw (i64.const 0x100000000) (i32.const 64)) unreachable", "");
    let text = text.outside(random, "(import \"outside\" \"draw\" (func $draw (param i64 i32)))");
    let summary = arena.attack_by(&text, "");
    assert_eq!(summary["failure"]["end"], "trapped", "{summary}");
    let message = summary["failure"]["message"].as_str().expect("there should be a message");
    assert!(message.contains("exceeds limit 1048576"), "{message}");
    arena.end(ATTACK_MIB);
}
