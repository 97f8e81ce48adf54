//! Manifests from strangers: at the caps, beyond them, and at random. None panics, none takes long.

use super::super::{GraphFormat, MANIFEST_BYTES_MAX, check, render};
use super::evaluation::{INPUT, OUTPUT, World};
use proptest::prelude::*;
use std::time::{Duration, Instant};

const ORDER: &str = r#"
[pipeline]
name = "order"
deadline = "1h"
[defaults]
timeout = "30s"
retry = { attempts = 5, base = "500ms", cap = "60s" }
[steps.reserve]
component = "../plugins/reserve_stock"
input = { sku = "${input.sku}", note = "for ${input.who + 'é'}" }
memory = "64MiB"
grants.dirs = [{ host = "out", guest = "/data", write = true }]
[steps.charge]
component = "../plugins/charge_card"
input = { amount = "${steps.reserve.output.price * input.quantity}" }
[[steps.charge.retry.rules]]
code = "card-*"
as = "permanent"
[steps.each]
component = "x"
map = "${steps.charge.output.lines.filter(l, l.n > 1)}"
input = "${item}"
tolerate = "5%"
[steps.ship]
component = "../plugins/ship"
when = "steps.charge.output.captured && size(steps.each.output) > 0"
pivot = true
[output]
tracking = "${steps.ship.output.?tracking.orValue('')}"
"#;

/// Checks, draws what is said, and draws and evaluates what was read.
fn survive(text: &str) {
    match check(text) {
        Ok((manifest, complaints)) => {
            render("m.toml", text, &complaints, true, 80);
            for format in [GraphFormat::Mermaid, GraphFormat::Dot, GraphFormat::Svg] {
                manifest.graph(format);
            }
            let world = World::of(INPUT, OUTPUT);
            for step in manifest.pipeline.indexes().take(100) {
                let _ = manifest.programs.when_in(&world, step);
                let _ = manifest.programs.items_in(&world, step);
                if let Ok(input) = manifest.programs.input_in(&world, step) {
                    let read: Result<serde_json::Value, _> = serde_json::from_str(input.as_str());
                    assert!(read.is_ok(), "an input should be JSON: {input:?}");
                }
            }
        }
        Err(complaints) => {
            assert!(!complaints.is_empty(), "what is refused should be told why");
            let drawn = render("m.toml", text, &complaints, false, 80);
            let is_terminal_safe = |c: char| c == '\n' || !c.is_control();
            assert!(drawn.chars().all(is_terminal_safe), "{drawn:?}");
        }
    }
}

/// A debug build of this crate is several times slower than what users run.
fn within(most: Duration, what: &str, text: &str) {
    let start = Instant::now();
    survive(text);
    assert!(start.elapsed() < most, "{what} took {:?}", start.elapsed());
}

const SOON: Duration = Duration::from_secs(4);

#[test]
fn manifests_at_the_caps_are_checked_soon() {
    let head = "[pipeline]\nname = \"p\"\n[defaults]\neffect = \"none\"\n";
    let many = |step: &dyn Fn(usize) -> String, count: usize| {
        let steps: String = (0..count).map(step).collect();
        format!("{head}{steps}")
    };
    let chain = many(
        &|n| {
            let before = n.saturating_sub(1);
            let when = if n == 0 {
                String::new()
            } else {
                format!("when = \"steps.s{before}.output.x > {n}\"\n")
            };
            format!("[steps.s{n}]\ncomponent = \"c\"\n{when}")
        },
        10_000,
    );
    within(SOON, "a chain of 10,000 steps", &chain);
    check(&chain).expect("a chain of 10,000 steps should be a pipeline");
    within(SOON, "10,001 steps", &many(&|n| format!("[steps.s{n}]\ncomponent = \"c\"\n"), 10_001));
    let wrong = many(
        &|n| format!("[steps.s{n}]\ncomponent = \"c\"\nafter = [\"t{n}\", \"u{n}\"]\nwhn = 1\n"),
        10_000,
    );
    within(SOON, "30,000 mistakes", &wrong);
    let ring = many(
        &|n| format!("[steps.s{n}]\ncomponent = \"c\"\nafter = [\"s{}\"]\n", (n + 1) % 10_000),
        10_000,
    );
    within(SOON, "a cycle of 10,000 steps", &ring);
    let pivots = many(
        &|n| {
            format!(
                "[steps.s{n}]\ncomponent = \"c\"\npivot = true\neffect = \"unsafe\"\non_exhausted = \"compensate\"\n"
            )
        },
        9_000,
    );
    within(SOON, "9,000 pivots", &pivots);
    let behind = many(
        &|n| {
            let pivot = if n < 20 { "pivot = true\n" } else { "" };
            format!(
                "[steps.s{n}]\ncomponent = \"c\"\nafter = [\"s{}\"]\neffect = \"unsafe\"\n{pivot}",
                if n % 2 == 0 { 10_000 } else { 10_001 }
            )
        },
        9_000,
    );
    let behind = format!("{behind}[steps.s10000]\nwait = \"1s\"\n[steps.s10001]\nwait = \"1s\"\n");
    within(SOON, "20 pivots against 9,000 steps", &behind);
    let expressions: String = (0..60_000).map(|n| format!("\"${{1+{n}}}\",")).collect();
    within(
        SOON,
        "60,000 expressions",
        &format!("{head}[steps.a]\ncomponent = \"c\"\ninput = [{expressions}]\n"),
    );
    let keys: String = (0..100_000).map(|n| format!("k{n}=1\n")).collect();
    within(SOON, "100,000 unknown keys", &format!("{head}{keys}"));
    let long = "a".repeat(400_000);
    within(
        SOON,
        "long names",
        &format!("{head}[steps.{long}]\ncomponent = \"c\"\nafter = [\"{long}b\"]\n"),
    );
    within(SOON, "one long line", &format!("{head}[steps.a]\ncomponent = [\"{long}\", 1]\n"));
}

#[test]
fn a_manifest_beyond_the_cap_is_not_read() {
    let text = "#".repeat(MANIFEST_BYTES_MAX + 1);
    let complaints = check(&text).expect_err("it should be refused");
    assert_eq!(complaints[0].message, "the manifest is larger than 1 MiB");
    within(SOON, "a comment of 1 MiB", &"#".repeat(MANIFEST_BYTES_MAX));
}

#[test]
fn chains_of_operators_do_not_overflow_the_stack() {
    for (repeated, end) in [
        ("1+", "1"),
        ("-", "1"),
        ("!", "true"),
        ("a.", "b"),
        ("1 in ", "[1]"),
        ("true?1:", "1"),
        ("[", "1"),
        ("true&&", "true"),
    ] {
        for count in [390, 500, 100_000] {
            let chain = repeated.repeat(count);
            survive(&format!(
                "[pipeline]\nname = \"p\"\n[steps.a]\ncomponent = \"c\"\ninput = '${{{chain}{end}}}'\n"
            ));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        survive(&text);
    }

    #[test]
    fn no_expression_makes_it_panic(expression in "[-+*/%!?:.,&|<>=(){}\\[\\]'\"a-z0-9_$ é\\\\]{0,60}") {
        let quoted = expression.replace("'''", "");
        survive(&format!("[pipeline]\nname = \"p\"\n[steps.a]\ncomponent = \"c\"\nwhen = '''{quoted} '''\ninput = '''${{{quoted}}} '''\n"));
    }

    #[test]
    fn no_mutation_makes_it_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<prop::sample::Index>()), 1..6)
    ) {
        let mut text: Vec<char> = ORDER.chars().collect();
        let pool: Vec<char> = "\"'[]{}=.,$#\n\t\u{0}\u{1b}é5aZ_- ".chars().collect();
        for (at, what, which) in edits {
            if text.is_empty() {
                break;
            }
            let at = at.index(text.len());
            match what {
                0 => text[at] = pool[which.index(pool.len())],
                1 => text.insert(at, pool[which.index(pool.len())]),
                2 => { text.remove(at); }
                _ => {
                    let end = (at + which.index(40)).min(text.len());
                    let cut: Vec<char> = text.drain(at..end).collect();
                    let to = which.index(text.len() + 1);
                    text.splice(to..to, cut);
                }
            }
        }
        survive(&text.into_iter().collect::<String>());
    }
}

#[test]
fn the_mutated_manifest_is_without_mistakes() {
    super::good(ORDER);
}
