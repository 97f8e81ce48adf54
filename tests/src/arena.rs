//! A host under attack: hostile steps and an honest run in one process, watched from outside.
//! Never looks at how the host defends itself, only at what is left.

use crate::{Chain, Home, Running, Text};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Keeps the host there while others come and go.
const STAY: &str = r#"
[pipeline]
name = "stay"
[steps.it]
component = "steps/counter"
effect = "none"
input = { takes_ms = 3_600_000 }
timeout = "2h"
"#;

/// What the host may hold for itself, in MiB: an unoptimised build with its journal open.
const HOST_MIB: u64 = 64;

/// What it may hold for one attack, in MiB: 64 of the step's own memory, and 17 that it hands over
/// in one call.
pub const ATTACK_MIB: u64 = 81;

/// A host that stays until it is attacked no more.
pub struct Arena {
    /// Its home, with the steps in it.
    pub home: Home,
    host: Running,
}

impl Arena {
    /// Starts a host.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn new() -> Self {
        let home = Home::new();
        home.write("stay.toml", STAY);
        home.write("honest.toml", Chain::new(4, 10).manifest());
        let mut host = home.start(&["run", "--json", "stay.toml"]);
        host.run_id();
        host.wait_until("others can ask it", |_| home.data().join("socket").exists());
        Self { home, host }
    }

    /// Has it carry these attacks of the step `hostile`, two at a time, and an honest run beside
    /// them. Returns the summary of each, by the attack's name.
    ///
    /// # Panics
    /// Where the honest run does not complete, or a control character is printed.
    pub fn attack(&mut self, settings: &str, attacks: &[&str]) -> BTreeMap<String, Value> {
        let inputs: Vec<Value> = attacks.iter().map(|how| json!({ "how": how })).collect();
        self.attack_with(settings, &inputs)
    }

    /// The same with whole inputs.
    ///
    /// # Panics
    /// As [`Arena::attack`].
    pub fn attack_with(&mut self, settings: &str, inputs: &[Value]) -> BTreeMap<String, Value> {
        self.home.write("attack.toml", attack_manifest("steps/hostile", settings));
        let lines: String = inputs.iter().map(|input| format!("{input}\n")).collect();
        self.home.write("attacks.ndjson", lines);
        let attacks =
            ["run", "--json", "--each", "attacks.ndjson", "--parallel", "2", "attack.toml"];
        let mut attackers = self.home.start(&attacks);
        attackers.wait_until("the attacks have begun", |attackers| {
            !attackers.stderr().is_empty()
                || !attackers.stdout().is_empty()
                || self.home.runs().len() > 1
        });
        self.honest_run();
        let attackers = attackers.finish();
        attackers.expect_inert();
        let summaries = attackers.json_lines();
        assert_eq!(summaries.len(), inputs.len(), "each attack should end\n{attackers}");
        let name = |summary: &Value| {
            summary["input"]["how"].as_str().expect("an attack should have a name").to_owned()
        };
        summaries.into_iter().map(|summary| (name(&summary), summary)).collect()
    }

    /// Has it carry one call of a step that is written as text, and returns its summary.
    ///
    /// # Panics
    /// Where it does not end, or a control character is printed.
    pub fn attack_by(&mut self, text: &Text, settings: &str) -> Value {
        self.home.write("attack.wasm", text.bytes());
        self.home.write("attack.toml", attack_manifest("attack.wasm", settings));
        let attacker = self.home.run(&["run", "--json", "attack.toml"]);
        attacker.expect_inert();
        attacker.json()
    }

    /// A run that wants nothing but to work.
    ///
    /// # Panics
    /// Where it does not complete.
    pub fn honest_run(&mut self) {
        let done = self.home.run(&["run", "--json", "honest.toml"]).expect_code(0);
        assert_eq!(done.json()["output"], json!({ "n": 4 }));
        assert!(!self.host.has_ended(), "the host should be there\n{}", self.host.stderr());
    }

    /// Checks what is left of the host after attacks of which two at a time held so many MiB each:
    /// its memory, its journal, and that it shows nothing of theirs.
    ///
    /// # Panics
    /// Where one of these is not as it should be.
    pub fn end(mut self, attack_mib: u64) {
        self.honest_run();
        let (peak, most) = (self.host.peak_memory_bytes() >> 20, HOST_MIB + 2 * attack_mib);
        println!("the host held {peak} MiB at most, of {most}");
        assert!(peak <= most, "the host held {peak} MiB, and may hold {most}");
        let host = self.host.kill();
        host.expect_inert();
        self.home.run(&["verify"]).expect_code(0).expect_inert();
        self.home.run(&["runs", "--limit", "1000"]).expect_code(0).expect_inert();
    }
}

/// A pipeline of one attempt, with these settings of its step.
pub fn attack_manifest(component: &str, settings: &str) -> String {
    format!(
        "[pipeline]\nname = \"attack\"\n[steps.it]\ncomponent = \"{component}\"\neffect = \"none\"\nretry = {{ attempts = 1 }}\n{settings}\n"
    )
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}
