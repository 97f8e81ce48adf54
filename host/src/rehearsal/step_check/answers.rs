//! What the made-up server answers, as the author of a step wrote it down: a list in a JSON file.
//! Never knows which requests there were.

use crate::sandbox::{Answered, Sent};
use piton_core::glob_matches;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Answers to look in before the server answers by itself.
#[derive(Debug, Clone, Default)]
pub struct Answers(Vec<Answer>);

/// One of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    /// Any method, where none is given.
    method: Option<String>,
    /// `*` in it stands for any text.
    url: String,
    #[serde(default = "success")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// A text goes as it is, anything else as JSON.
    #[serde(default)]
    body: Value,
}

const fn success() -> u16 {
    200
}

impl Answers {
    /// Reads them.
    ///
    /// # Errors
    /// What is wrong with the text, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let answers: Vec<Answer> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for (place, answer) in answers.iter().enumerate() {
            answer.check().map_err(|why| format!("answer {}: {why}", place + 1))?;
        }
        Ok(Self(answers))
    }

    /// The first that fits a request.
    pub(super) fn to(&self, sent: &Sent) -> Option<Answered> {
        self.0.iter().find(|answer| answer.fits(sent)).map(Answer::answered)
    }
}

impl Answer {
    fn check(&self) -> Result<(), String> {
        if !(200..=599).contains(&self.status) {
            return Err(format!("{} is no status of an answer", self.status));
        }
        for (name, value) in &self.headers {
            let name_fits = hyper::header::HeaderName::try_from(name.as_str()).is_ok();
            if !name_fits || hyper::header::HeaderValue::try_from(value.as_str()).is_err() {
                return Err(format!("`{name}: {value}` is no header"));
            }
        }
        Ok(())
    }

    fn fits(&self, sent: &Sent) -> bool {
        let method_fits = self.method.as_ref().is_none_or(|method| *method == sent.method);
        method_fits && glob_matches(&self.url, &sent.url)
    }

    fn answered(&self) -> Answered {
        let (kind, body) = match &self.body {
            Value::String(text) => ("text/plain", text.clone()),
            json => ("application/json", json.to_string()),
        };
        let mut headers: Vec<(String, String)> =
            self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("content-type".into(), kind.into()));
        }
        Answered { status: self.status, headers, body: body.into_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(method: &str, url: &str) -> Sent {
        Sent { method: method.into(), url: url.into(), key: None, body: Vec::new() }
    }

    #[test]
    fn the_first_answer_that_fits_is_given() {
        let text = r#"[
            {"method": "POST", "url": "https://a.example/charges", "status": 201, "body": {"id": 1}},
            {"url": "https://a.example/*", "headers": {"content-type": "text/html"}, "body": "hello"}
        ]"#;
        let answers = Answers::parse(text).expect("they should be answers");
        let found = answers.to(&sent("POST", "https://a.example/charges"));
        let found = found.expect("there should be one");
        assert_eq!((found.status, found.body.as_slice()), (201, br#"{"id":1}"#.as_slice()));
        assert_eq!(found.headers, [("content-type".into(), "application/json".into())]);
        let found = answers.to(&sent("GET", "https://a.example/charges"));
        let found = found.expect("there should be one");
        assert_eq!((found.status, found.body.as_slice()), (200, b"hello".as_slice()));
        assert_eq!(found.headers, [("content-type".into(), "text/html".into())]);
        assert_eq!(answers.to(&sent("GET", "https://b.example/")), None);
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for (text, expected) in [
            ("[", "EOF"),
            (r#"[{"url": "u", "status": 99}]"#, "answer 1: 99 is no status"),
            (r#"[{"url": "u"}, {"url": "u", "headers": {"a b": ""}}]"#, "answer 2: `a b: `"),
            (r#"[{"url": "u", "stauts": 200}]"#, "unknown field `stauts`"),
        ] {
            let said = Answers::parse(text).expect_err("it should be refused");
            assert!(said.contains(expected), "{said}");
        }
    }
}
