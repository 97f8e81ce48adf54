//! When the provider fails, and how: a list of rules, of which the first that fits a request holds.
//! Never draws by chance alone: a share is drawn from a seed and the request's number.
//!
//! As JSON, `[{"nth": 3, "do": 503}, …]`:
//!
//! | field | which requests |
//! | --- | --- |
//! | `nth` | the one with this number, from 1 |
//! | `contains` | those whose body holds this text |
//! | `share_percent`, `seed` | so many in a hundred |
//! | `times` | only the first so many that fit |
//!
//! | `do` | |
//! | --- | --- |
//! | a status, such as 503 | answers with it, with `retry-after: N` where the rule has `retry_after_s` |
//! | `"cut"` | makes the answer, sends half of it, and cuts the line |
//! | `"half-json"` | makes the answer, and sends half of it as if that were all |
//! | `"drip"` | sends the answer byte by byte, `pause_ms` (100) apart |
//! | `"hang"` | never answers |
//! | `"refuse"` | the model refuses |
//! | `"length"` | `max_tokens` cuts the answer short |
//! | `"no-json"` | answers in prose, whatever is wanted |

use crate::Random;
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const FIELDS: [&str; 8] =
    ["nth", "contains", "share_percent", "seed", "times", "do", "retry_after_s", "pause_ms"];

/// The rules. Copies share what `times` counts.
#[derive(Clone, Debug, Default)]
pub struct Script {
    rules: Arc<Mutex<Vec<Rule>>>,
}

#[derive(Debug)]
struct Rule {
    nth: Option<u64>,
    contains: Option<String>,
    share: Option<(u64, u64)>,
    times: u64,
    fault: Fault,
}

/// A way to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Status { status: u16, retry_after: Option<u64> },
    Cut,
    HalfJson,
    Drip { pause: Duration },
    Hang,
    Refuse,
    Length,
    NoJson,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn read(text: &str) -> Result<Self, String> {
        let rules: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        Self::of(&rules)
    }

    /// Takes a script that is JSON already.
    ///
    /// # Errors
    ///
    /// As [`Script::read`].
    pub fn of(rules: &Value) -> Result<Self, String> {
        let rules = rules.as_array().ok_or("a script should be a list of rules")?;
        let rules: Result<Vec<Rule>, String> = rules
            .iter()
            .map(|rule| {
                rule.as_object().ok_or("a rule should be an object".into()).and_then(Rule::of)
            })
            .collect();
        Ok(Self { rules: Arc::new(Mutex::new(rules?)) })
    }

    /// What is to go wrong with this request.
    pub(super) fn fault(&self, number: u64, body: &str) -> Option<Fault> {
        let mut rules = self.rules.lock().expect("no rule should panic");
        let rule = rules.iter_mut().find(|rule| rule.fits(number, body))?;
        rule.times -= 1;
        Some(rule.fault.clone())
    }
}

impl Rule {
    fn of(rule: &Map<String, Value>) -> Result<Self, String> {
        if let Some(unknown) = rule.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            return Err(format!("a rule has no `{unknown}`"));
        }
        let number = |name: &str| match rule.get(name) {
            None => Ok(None),
            Some(value) => {
                value.as_u64().map(Some).ok_or(format!("`{name}` should be a whole number"))
            }
        };
        let share = number("share_percent")?;
        let seed = number("seed")?.unwrap_or(0);
        let contains = rule.get("contains").and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            nth: number("nth")?,
            contains,
            share: share.map(|percent| (percent, seed)),
            times: number("times")?.unwrap_or(u64::MAX),
            fault: Fault::of(rule.get("do"), number("retry_after_s")?, number("pause_ms")?)?,
        })
    }

    fn fits(&self, number: u64, body: &str) -> bool {
        let is_drawn = |(percent, seed): (u64, u64)| {
            Random::seeded(seed.wrapping_mul(1 << 20).wrapping_add(number)).below(100) < percent
        };
        self.times > 0
            && self.nth.is_none_or(|nth| nth == number)
            && self.contains.as_ref().is_none_or(|text| body.contains(text))
            && self.share.is_none_or(is_drawn)
    }
}

impl Fault {
    fn of(
        what: Option<&Value>,
        retry_after: Option<u64>,
        pause: Option<u64>,
    ) -> Result<Self, String> {
        let status = what.and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        if let Some(status) = status {
            return Ok(Self::Status { status, retry_after });
        }
        Ok(match what.and_then(Value::as_str) {
            Some("cut") => Self::Cut,
            Some("half-json") => Self::HalfJson,
            Some("drip") => Self::Drip { pause: Duration::from_millis(pause.unwrap_or(100)) },
            Some("hang") => Self::Hang,
            Some("refuse") => Self::Refuse,
            Some("length") => Self::Length,
            Some("no-json") => Self::NoJson,
            _ => return Err(format!("`do` should be a status or a word, not {what:?}")),
        })
    }

    pub(super) fn word(&self) -> String {
        match self {
            Self::Status { status, .. } => return status.to_string(),
            Self::Cut => "cut",
            Self::HalfJson => "half-json",
            Self::Drip { .. } => "drip",
            Self::Hang => "hang",
            Self::Refuse => "refuse",
            Self::Length => "length",
            Self::NoJson => "no-json",
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn script(rules: Value) -> Script {
        Script::of(&rules).expect("it should be a script")
    }

    #[test]
    fn the_first_rule_that_fits_holds_as_often_as_it_says() {
        let script = script(json!([
            { "nth": 2, "do": 503, "retry_after_s": 7 },
            { "contains": "rope", "times": 1, "do": "cut" },
        ]));
        assert_eq!(script.fault(1, "axe"), None);
        let busy = Fault::Status { status: 503, retry_after: Some(7) };
        assert_eq!(script.fault(2, "rope"), Some(busy));
        assert_eq!(script.fault(3, "a rope"), Some(Fault::Cut));
        assert_eq!(script.fault(4, "a rope"), None);
    }

    #[test]
    fn a_share_is_near_what_it_says_and_comes_again() {
        let rules = json!([{ "share_percent": 10, "seed": 7, "do": 503 }]);
        let drawn = |script: Script| -> Vec<u64> {
            (1..=1_000).filter(|number| script.fault(*number, "").is_some()).collect()
        };
        let first = drawn(script(rules.clone()));
        assert!((60..=140).contains(&first.len()), "{}", first.len());
        assert_eq!(first, drawn(script(rules)));
    }

    #[test]
    fn a_mistake_in_a_script_is_told() {
        for (text, part) in [
            ("{", "EOF"),
            ("{}", "list of rules"),
            (r#"[{"every":2,"do":503}]"#, "no `every`"),
            (r#"[{"nth":"two","do":503}]"#, "`nth` should be"),
            (r#"[{"do":"explode"}]"#, "`do` should be"),
        ] {
            let problem = Script::read(text).expect_err("it should be refused");
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }
}
