//! The guests' own log: which calls they received, in their own words.
//! Never asks the host.

use serde_json::Value;
use std::path::Path;

/// One call that a guest noted when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The run.
    pub run: String,
    /// The step.
    pub step: String,
    /// `execute`, `compensate` or `reconcile`.
    pub phase: String,
    /// The attempt's number.
    pub attempt: u64,
    /// The idempotency key.
    pub key: String,
    /// The idempotency key of `execute`.
    pub execute_key: String,
    /// Whether an undo was told what `execute` returned; none elsewhere.
    pub with_output: Option<bool>,
    /// Whether the guest noted that it was about to return.
    pub has_ended: bool,
}

/// Calls, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub struct Calls(pub Vec<Call>);

impl Calls {
    /// Reads them. A file that is not there has none.
    ///
    /// # Panics
    /// Where the file is no log of calls. Its last line may be torn: the host was killed there.
    pub fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let mut calls = Self::default();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            match serde_json::from_str::<Value>(line) {
                Ok(line) => calls.add(&line),
                Err(_) if lines.peek().is_none() => {}
                Err(error) => panic!("a line of the guests' log is no JSON: {error}\n{line}"),
            }
        }
        calls
    }

    fn add(&mut self, line: &Value) {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let call = Call {
            run: text("run"),
            step: text("step"),
            phase: text("phase"),
            attempt: line["attempt"].as_u64().expect("a call should have a number"),
            key: text("key"),
            execute_key: text("execute_key"),
            with_output: line["with_output"].as_bool(),
            has_ended: false,
        };
        if line["ended"] != true {
            self.0.push(call);
            return;
        }
        let begun = self.0.iter_mut().rev().find(|begun| !begun.has_ended && **begun == call);
        begun.expect("what ended should have begun").has_ended = true;
    }

    /// Those of one run.
    pub fn of_run(&self, run: &str) -> Self {
        Self(self.0.iter().filter(|call| call.run == run).cloned().collect())
    }

    /// Those of one phase.
    pub fn of_phase(&self, phase: &str) -> Self {
        Self(self.0.iter().filter(|call| call.phase == phase).cloned().collect())
    }

    /// How many of one step in one phase.
    pub fn count(&self, step: &str, phase: &str) -> usize {
        self.0.iter().filter(|call| call.step == step && call.phase == phase).count()
    }

    /// The names of their steps, in order, those called several times in a row once.
    pub fn steps(&self) -> Vec<&str> {
        let mut steps: Vec<&str> = self.0.iter().map(|call| call.step.as_str()).collect();
        steps.dedup();
        steps
    }
}
