//! Blots the values of an attempt's secrets out of all that its guest says and returns.
//! Finds them as they are, and written as JSON; never what a guest has encoded to hide it.

use super::json;
use super::secrets::{Secret, SecretText};
use piton_core::{End, Failure, HostEnd, Json, Reconciled};
use std::borrow::Cow;

/// How much of a secret at the end of a text that was cut is taken for one.
const PREFIX_BYTES_MIN: usize = 4;
/// What stands for a code that held a secret.
const CODE: &str = "bad-code";

/// Knows the secrets of one attempt.
#[derive(Default)]
pub(super) struct Redactor {
    /// The longest first, so that one that holds another goes as a whole.
    secrets: Vec<(SecretText, String)>,
}

impl Redactor {
    pub(super) fn new(secrets: &[Secret]) -> Self {
        let known = secrets.iter();
        let mut secrets: Vec<(SecretText, String)> = known
            .map(|secret| (secret.value.clone(), format!("[secret {}]", secret.name)))
            .collect();
        secrets.sort_by_key(|(value, _)| std::cmp::Reverse(value.expose().len()));
        Self { secrets }
    }

    /// Whether a text holds a secret.
    pub(super) fn finds(&self, text: &str) -> bool {
        self.secrets.iter().any(|(value, _)| text.contains(value.expose()))
    }

    /// A text without secrets.
    pub(super) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut clean = Cow::Borrowed(text);
        for (value, mark) in &self.secrets {
            if clean.contains(value.expose()) {
                clean = Cow::Owned(clean.replace(value.expose(), mark));
            }
        }
        clean
    }

    /// A text without secrets that was cut at its end, where the start of one may stand.
    pub(super) fn cut_text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let clean = self.text(text);
        for (value, mark) in &self.secrets {
            let value = value.expose();
            let starts = (PREFIX_BYTES_MIN..value.len()).rev();
            // Secrets are ASCII, so that every cut is between characters.
            if let Some(len) = starts.into_iter().find(|len| clean.ends_with(&value[..*len])) {
                return Cow::Owned(format!("{}{mark}", &clean[..clean.len() - len]));
            }
        }
        clean
    }

    /// A JSON text without secrets: in strings and names, however they are escaped, and in numbers.
    pub(super) fn json<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.finds(text) && !text.contains('\\') {
            return Cow::Borrowed(text);
        }
        let mut clean = String::with_capacity(text.len());
        let mut rest = text;
        let mut is_changed = false;
        while let Some(first) = rest.as_bytes().first() {
            let len = match first {
                b'"' => string_len(rest),
                b'-' | b'0'..=b'9' => number_len(rest),
                // All else is ASCII: brackets, commas, colons, `true` and its kin.
                _ => 1,
            };
            let (token, after) = rest.split_at(len);
            rest = after;
            match self.replaced(token) {
                Some(token) => {
                    clean.push_str(&token);
                    is_changed = true;
                }
                None => clean.push_str(token),
            }
        }
        if is_changed { Cow::Owned(clean) } else { Cow::Borrowed(text) }
    }

    /// What stands for a string or number of JSON that holds a secret.
    fn replaced(&self, token: &str) -> Option<String> {
        let plain = if token.starts_with('"') && token.contains('\\') {
            Cow::Owned(serde_json::from_str::<String>(token).ok()?)
        } else {
            Cow::Borrowed(token.trim_matches('"'))
        };
        let clean = self.finds(&plain).then(|| self.text(&plain))?;
        serde_json::to_string(&clean).ok()
    }

    /// The end of an attempt without secrets.
    pub(super) fn end(&self, end: End) -> End {
        if self.secrets.is_empty() {
            return end;
        }
        match end {
            End::Succeeded(Some(output)) => self.output(&output, |json| End::Succeeded(Some(json))),
            End::Reconciled(Reconciled::Done(output)) => {
                self.output(&output, |json| End::Reconciled(Reconciled::Done(json)))
            }
            End::Failed(failure) => End::Failed(self.failure(failure)),
            End::Host(end, message) => End::Host(end, self.cut_text(&message).into_owned()),
            other => other,
        }
    }

    fn output(&self, output: &Json, end: impl FnOnce(Json) -> End) -> End {
        match self.json(output.as_str()) {
            Cow::Borrowed(_) => end(output.clone()),
            // Two names may have become one.
            Cow::Owned(clean) => match json::admit(&clean) {
                Ok(clean) => end(clean),
                Err(why) => End::Host(
                    HostEnd::InvalidOutput,
                    format!("what it returned held a secret, and without it is {why}"),
                ),
            },
        }
    }

    fn failure(&self, failure: Failure) -> Failure {
        let code = if self.finds(&failure.code) { CODE.into() } else { failure.code };
        let details = failure.details.map(|details| match self.json(details.as_str()) {
            Cow::Borrowed(_) => details,
            Cow::Owned(clean) => json::admit(&clean).unwrap_or_else(|_| Json::null()),
        });
        let message = self.cut_text(&failure.message).into_owned();
        Failure { code, message, details, ..failure }
    }
}

/// The length of the string that a JSON text starts with.
fn string_len(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the number that a JSON text starts with.
fn number_len(text: &str) -> usize {
    let is_of_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    text.bytes().position(|byte| !is_of_number(byte)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        let secret =
            |value: &str, name: &str| (SecretText::new(value.into()), format!("[secret {name}]"));
        Redactor { secrets: vec![secret("tell \"no\\one\"", "B"), secret("12345678", "A")] }
    }

    #[track_caller]
    fn check_json(text: &str, expected: &str) {
        assert_eq!(redactor().json(text), expected);
        let _: serde_json::Value = serde_json::from_str(expected).expect("it should be JSON");
    }

    #[test]
    fn a_secret_is_blotted_out_of_a_text() {
        assert_eq!(redactor().text("a 12345678, 12345678"), "a [secret A], [secret A]");
        assert!(matches!(redactor().text("nothing"), Cow::Borrowed("nothing")));
    }

    #[test]
    fn the_start_of_a_secret_goes_where_a_text_was_cut() {
        assert_eq!(redactor().cut_text("key 12345"), "key [secret A]");
        assert_eq!(redactor().cut_text("key 123"), "key 123");
        assert_eq!(redactor().text("key 12345"), "key 12345");
    }

    #[test]
    fn json_stays_json() {
        check_json(
            r#"{"a":"x12345678y","b":[12345678,-0.123456789e3]}"#,
            r#"{"a":"x[secret A]y","b":["[secret A]","-0.[secret A]9e3"]}"#,
        );
        check_json(r#"{"12345678":true}"#, r#"{"[secret A]":true}"#);
    }

    #[test]
    fn escapes_hide_nothing() {
        check_json(r#"["\u0031234567\u0038"]"#, r#"["[secret A]"]"#);
        check_json(r#"["tell \"no\\one\"!","\\\"","ä\n"]"#, r#"["[secret B]!","\\\"","ä\n"]"#);
    }

    #[test]
    fn a_failure_is_cleaned_everywhere() {
        let failure = Failure {
            kind: piton_core::FailureKind::Permanent,
            clean: false,
            code: "a-12345678".into(),
            message: "12345678".into(),
            details: Some(Json::from_checked("[12345678]")),
        };
        let End::Failed(clean) = redactor().end(End::Failed(failure)) else {
            panic!("it should stay a failure");
        };
        assert_eq!((clean.code.as_str(), clean.message.as_str()), (CODE, "[secret A]"));
        assert_eq!(clean.details.expect("they should stay").as_str(), "[\"[secret A]\"]");
    }
}
