//! The ledger and the budget: what runs spent, what of it was wasted, and when they stop for it.
//! Never looks at a sum that a part of the host keeps: `piton cost` and `piton show` tell it.

use piton_tests::{Home, Random};
use serde_json::{Value, json};
use std::fmt::Write;

/// Steps of the pipelines whose costs are known.
const STEPS: usize = 20;
/// Runs a day.
const RUNS: usize = 1_000;
/// Millionths of a dollar that each call costs: five cents.
const CALL: u64 = 50_000;

/// Steps one after the other, each of which fails as often as the run's input says.
fn paid_pipeline(name: &str, retry: &str) -> String {
    let mut text = format!(
        "[pipeline]\nname = \"{name}\"\n[defaults]\neffect = \"none\"\nretry = {{ {retry} }}\n"
    );
    for step in 0..STEPS {
        let after =
            if step == 0 { String::new() } else { format!("after = [\"s{}\"]\n", step - 1) };
        write!(
            text,
            "[steps.s{step}]\ncomponent = \"steps/payer\"\n{after}\
             input = {{ micros = {CALL}, fails = \"${{input.fails[{step}]}}\" }}\n"
        )
        .expect("a string should take any text");
    }
    text
}

const RETRY: &str = r#"attempts = 1000, base = "1ms", cap = "1ms", floor = "1ms""#;

/// One run for each list of failures. Answers how many of them completed.
fn run_each(home: &Home, manifest: &str, lines: &[Vec<u32>]) -> usize {
    let text: String = lines.iter().fold(String::new(), |mut text, fails| {
        writeln!(text, "{}", json!({ "fails": fails })).expect("a string should take any text");
        text
    });
    home.write("lines.ndjson", text);
    let each = ["run", manifest, "--each", "lines.ndjson", "--parallel", "64", "--json", "-q"];
    let told = home.run(&each).json_lines();
    assert_eq!(told.len(), lines.len(), "each line should have its summary");
    told.iter().filter(|summary| summary["status"] == "completed").count()
}

fn cost(home: &Home, arguments: &[&str]) -> Value {
    home.run(&[&["cost", "--json"], arguments].concat()).expect_code(0).json()
}

fn micros(cost: &Value, sum: &str) -> u64 {
    cost["micros"][sum]["usd"].as_u64().unwrap_or(0)
}

#[track_caller]
fn is_near(dollars: f64, expected: f64, deviation: f64) {
    let distance = (dollars - expected).abs() / deviation;
    assert!(distance <= 3.0, "{dollars} is {distance:.1} standard deviations from {expected}");
}

/// One run in ten fails once at step 19: a start from the top would have paid 19 calls again, and
/// going on paid one.
#[test]
fn ledger_reproduces_the_article() {
    let home = Home::new();
    home.write("article.toml", paid_pipeline("article", RETRY));
    let lines: Vec<Vec<u32>> = (0..RUNS)
        .map(|run| {
            let mut fails = vec![0; STEPS];
            fails[18] = u32::from(run % 10 == 0);
            fails
        })
        .collect();
    assert_eq!(run_each(&home, "article.toml", &lines), RUNS);
    let cost = cost(&home, &["--pipeline", "article"]);
    assert_eq!(cost["runs"], 1_000);
    assert_eq!(cost["usage"]["restart"]["usd"], 95.0);
    assert_eq!(cost["usage"]["wasted"]["usd"], 5.0);
    assert_eq!(micros(&cost, "restart"), 95_000_000);
    assert_eq!(micros(&cost, "wasted"), 5_000_000);
    assert_eq!(micros(&cost, "spent"), 1_000_000_000 + 5_000_000);
    let step = cost["steps"].as_array().and_then(|steps| steps.first()).expect("steps");
    assert_eq!((&step["step"], &step["attempts"]), (&json!("s18"), &json!(1_100)));
    assert_eq!(cost["plugins"][0]["attempts"], 20_100);
}

/// One call in ten fails, at every step: what checkpoints waste, and what starting from the top
/// does. The second is no estimate: each run that failed is really begun anew until it completes.
/// 2,613 and 111 dollars are the means of 1,000 runs, with standard deviations of 92 and 2.5.
#[test]
fn ledger_tells_checkpoints_from_starting_over() {
    let mut random = Random::seeded(2_613);
    let home = Home::new();
    home.write("kept.toml", paid_pipeline("kept", RETRY));
    let lines: Vec<Vec<u32>> = (0..RUNS)
        .map(|_| {
            let failures =
                |random: &mut Random| (0..).take_while(|_| random.below(10) == 0).count();
            (0..STEPS).map(|_| failures(&mut random) as u32).collect()
        })
        .collect();
    assert_eq!(run_each(&home, "kept.toml", &lines), RUNS);
    let kept = cost(&home, &["--pipeline", "kept"]);
    is_near(micros(&kept, "wasted") as f64 / 1e6, 111.1, 2.5);

    home.write("over.toml", paid_pipeline("over", "attempts = 1"));
    let mut left = RUNS;
    while left > 0 {
        let lines: Vec<Vec<u32>> = (0..left)
            .map(|_| (0..STEPS).map(|_| u32::from(random.below(10) == 0)).collect())
            .collect();
        left -= run_each(&home, "over.toml", &lines);
    }
    let over = cost(&home, &["--pipeline", "over"]);
    is_near(micros(&over, "wasted") as f64 / 1e6, 2_612.7, 92.0);
    assert_eq!(micros(&over, "spent") - micros(&over, "wasted"), 1_000_000_000);
}

/// Three steps that cost 40 cents each.
fn budgeted(budget: &str) -> String {
    let mut text = format!("[pipeline]\nname = \"budgeted\"\n[budget]\n{budget}\n");
    for (step, after) in [("a", ""), ("b", "after = [\"a\"]"), ("c", "after = [\"b\"]")] {
        write!(
            text,
            "[steps.{step}]\ncomponent = \"steps/payer\"\neffect = \"idempotent\"\n{after}\n\
             input = {{ micros = 400_000, undo_micros = 1_000 }}\n"
        )
        .expect("a string should take any text");
    }
    text
}

#[test]
fn a_run_is_warned_and_then_stops_for_its_budget() {
    let home = Home::with(budgeted("usd = 0.80"));
    let stopped = home.run(&["run", "pipeline.toml"]).expect_code(5);
    assert!(stopped.stderr.contains("0.8 of 0.8 usd"), "{}", stopped.stderr);
    let words: Vec<String> = home
        .events("last")
        .iter()
        .filter_map(|event| event["event"].as_str())
        .filter(|word| word.starts_with("budget"))
        .map(Into::into)
        .collect();
    assert_eq!(words, ["budget-warned", "budget-used-up"]);
    let why = home.run(&["explain", "last"]).expect_code(0);
    assert!(why.stdout.contains("0.8 of 0.8 usd are spent"), "{}", why.stdout);
    assert!(why.stdout.contains("piton retry"), "{}", why.stdout);
    // It stays so over a restart, and the budget once more is enough for the rest.
    home.run(&["resume", "last"]).expect_code(5);
    home.run(&["retry", "last"]).expect_code(0);
    let summary = home.summary("last");
    assert_eq!(summary["usage"]["spent"]["usd"], 1.2);
    assert_eq!(summary["usage"]["wasted"], json!({}));
}

#[test]
fn a_used_up_budget_may_undo_the_run() {
    let home = Home::with(budgeted("usd = 0.5\ncalls = 100\non = \"rollback\""));
    let turned = home.run(&["run", "pipeline.toml", "--json"]).expect_code(3).json();
    assert_eq!(turned["cause"], "budget");
    // Two calls and two undos, and none of it was kept.
    assert_eq!(turned["usage"]["spent"]["usd"], 0.802);
    assert_eq!(turned["usage"]["wasted"]["usd"], 0.802);
    home.run(&["verify"]).expect_code(0);
}

#[test]
fn cost_is_told_for_one_run_and_drawn() {
    let home = Home::new();
    home.write("article.toml", paid_pipeline("article", RETRY));
    let mut fails = vec![0; STEPS];
    (fails[3], fails[18]) = (2, 1);
    run_each(&home, "article.toml", &[fails]);
    let told = home.run(&["cost", "last", "--plot", "cost.svg"]).expect_code(0);
    let lines: Vec<Vec<&str>> =
        told.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    for expected in ["spent 23 calls, 1.15 usd", "s3 3 3 calls, 0.15 usd 2 calls, 0.1 usd"] {
        let words: Vec<&str> = expected.split_whitespace().collect();
        assert!(lines.contains(&words), "{expected}\n{}", told.stdout);
    }
    let picture = std::fs::read_to_string(home.path("cost.svg")).expect("it should be drawn");
    assert_eq!(picture.matches("<circle").count(), 3 + 1, "three wasted attempts and the key");
    assert!(picture.contains("spent 1.15 usd, wasted 0.15"), "{picture}");
    // Steps 4 (twice) and 19 failed: 3 recorded and that attempt, twice over the attempt, and 18.
    let restart = micros(&cost(&home, &["last"]), "restart");
    assert_eq!(restart, (4 + 4 + 19) * CALL);
}

#[test]
fn cost_of_nothing_is_told_as_such() {
    let home = Home::with(budgeted("usd = 5"));
    home.run(&["run", "pipeline.toml"]).expect_code(0);
    let none = cost(&home, &["--pipeline", "other"]);
    assert_eq!(none["runs"], 0);
    let none = cost(&home, &["--since", "2999-01-01T00:00:00Z"]);
    assert_eq!(none["runs"], 0);
    assert_eq!(cost(&home, &["--since", "1h"])["runs"], 1);
    home.run(&["cost", "--since", "yesterday"]).expect_code(2);
    home.run(&["cost", "nobody"]).expect_code(2);
    home.run(&["cost", "--plot", "x.svg", "--unit", "eur"]).expect_code(2);
}
