//! The end of a process, and what it printed.
//! Never lets a panic of the binary pass: any end but one that is meant fails the test here.

use serde_json::Value;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How the binary ended.
pub struct Finished {
    shown: String,
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it told people.
    pub stderr: String,
}

impl Finished {
    pub(crate) fn new(shown: String, status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let this = Self {
            shown,
            code: status.code(),
            signal: status.signal(),
            stdout: text(stdout),
            stderr: text(stderr),
        };
        let is_bug = this.code == Some(101) || this.stderr.contains("panicked at");
        assert!(!is_bug, "{this}");
        this
    }

    /// Checks the exit code.
    ///
    /// # Panics
    /// Where it is another.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit code\n{self}");
        self
    }

    /// Checks that stderr says this.
    ///
    /// # Panics
    /// Where it does not.
    #[track_caller]
    pub fn expect_said(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "stderr should say `{text}`\n{self}");
        self
    }

    /// Checks that nothing it printed can move a cursor, change colours or the order of letters, or
    /// forge a line of the host's.
    ///
    /// # Panics
    /// Where something can.
    #[track_caller]
    pub fn expect_inert(&self) {
        for text in [&self.stdout, &self.stderr] {
            let found: Vec<char> = text.chars().filter(|found| is_dangerous(*found)).collect();
            assert!(found.is_empty(), "{found:?} in\n{self}");
            let is_forged = text.lines().any(|line| line.starts_with("error: forged"));
            assert!(!is_forged, "a forged line in\n{self}");
        }
    }

    /// Whether it was killed by SIGKILL.
    pub fn was_killed(&self) -> bool {
        self.signal == Some(9)
    }

    /// The one JSON document on stdout.
    ///
    /// # Panics
    /// Where stdout is anything else.
    #[track_caller]
    pub fn json(&self) -> Value {
        let mut lines = self.json_lines();
        assert_eq!(lines.len(), 1, "there should be one document\n{self}");
        lines.remove(0)
    }

    /// The JSON documents on stdout, one per line.
    ///
    /// # Panics
    /// Where a line is anything else.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("stdout should be JSON: {error}\n{self}"))
        };
        self.stdout.lines().map(parse).collect()
    }
}

/// A newline is the host's own: it ends each line.
fn is_dangerous(character: char) -> bool {
    let turns_letters_round = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (character.is_control() && character != '\n') || turns_letters_round
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { shown, code, signal, stdout, stderr } = self;
        write!(
            f,
            "`{shown}` ended with exit code {code:?}, signal {signal:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}
