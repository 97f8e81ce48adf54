//! Manifests that many tests use: chains of steps that count their calls.
//! Never checks what they lead to.

use std::fmt::Write;

/// Grants the home's folder `out` as `/data`, where the guests note their calls.
pub const GRANT: &str = r#"grants.dirs = [{ host = "out", guest = "/data", write = true }]"#;

/// A chain of steps `s01`, `s02`, …, each of which adds one to a number.
pub struct Chain {
    /// How many steps.
    pub steps: u32,
    /// How long each takes.
    pub takes_ms: u64,
    /// Which component each is, in `steps/`.
    pub component: &'static str,
    /// What stands in the input of the last step besides, such as `fail = "permanent"`.
    pub last_input: &'static str,
    /// What stands in every step besides.
    pub each: &'static str,
}

impl Default for Chain {
    fn default() -> Self {
        Self { steps: 3, takes_ms: 0, component: "counter", last_input: "", each: "" }
    }
}

impl Chain {
    /// A chain of steps that take this long.
    pub fn new(steps: u32, takes_ms: u64) -> Self {
        Self { steps, takes_ms, ..Self::default() }
    }

    /// The name of the step with this number, from 1.
    pub fn step(number: u32) -> String {
        format!("s{number:02}")
    }

    /// The manifest. A step may be lost any number of times: what is tried here is not the guard
    /// against steps that kill their host.
    pub fn manifest(&self) -> String {
        let mut text = String::from(
            r#"[pipeline]
name = "chain"

[defaults]
effect = "idempotent"
lost_attempts_max = 1000
retry = { attempts = 1000, base = "1ms", cap = "1ms", floor = "1ms" }
undo = { attempts = 1000, base = "1ms", cap = "1ms", floor = "1ms" }
"#,
        );
        for number in 1..=self.steps {
            let (step, before) = (Self::step(number), Self::step(number - 1));
            let n =
                if number == 1 { "0".into() } else { format!("\"${{steps.{before}.output.n}}\"") };
            let last = if number == self.steps { self.last_input } else { "" };
            let comma = if last.is_empty() { "" } else { ", " };
            let Self { component, takes_ms, each, .. } = self;
            write!(
                text,
                r#"
[steps.{step}]
component = "steps/{component}"
input = {{ n = {n}, takes_ms = {takes_ms}{comma}{last} }}
{GRANT}
{each}
"#
            )
            .expect("a text should take more");
        }
        text
    }
}
