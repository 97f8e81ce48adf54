//! Owns what is asked: the step's input, and the request it becomes in each API.
//! Never sends, and never holds a key: the host puts that in.

use piton_step::Failure;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::price::Prices;

/// The version of Anthropic's API that requests name.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// What to ask, and whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    pub(crate) service: Service,
    system: Option<String>,
    prompt: Option<String>,
    messages: Option<Vec<Message>>,
    max_tokens: u32,
    temperature: Option<f64>,
    #[serde(default)]
    pub(crate) json: bool,
    #[serde(default)]
    pub(crate) allow_cut: bool,
}

/// Which model, where, and at which prices.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Service {
    pub(crate) api: Api,
    base_url: String,
    model: String,
    pub(crate) prices: Prices,
}

/// Which form requests and answers have.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(crate) enum Api {
    #[serde(rename = "anthropic")]
    Anthropic,
    #[serde(rename = "openai")]
    OpenAi,
    #[serde(rename = "openai-compatible")]
    OpenAiCompatible,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Message {
    role: Role,
    content: String,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}

impl Input {
    /// Where the request goes.
    pub(crate) fn url(&self) -> String {
        let base = self.service.base_url.trim_end_matches('/');
        match self.service.api {
            Api::Anthropic => format!("{base}/v1/messages"),
            Api::OpenAi | Api::OpenAiCompatible => format!("{base}/chat/completions"),
        }
    }

    /// What it carries besides its body and the key.
    pub(crate) fn headers(&self) -> &'static [(&'static str, &'static str)] {
        match self.service.api {
            Api::Anthropic => &[("anthropic-version", ANTHROPIC_VERSION)],
            Api::OpenAi | Api::OpenAiCompatible => &[],
        }
    }

    /// Its body.
    ///
    /// # Errors
    ///
    /// `bad-input`, where there is not one of `prompt` and `messages`.
    pub(crate) fn body(&self) -> Result<Value, Failure> {
        let mut messages = self.messages()?;
        let mut body = Map::new();
        body.insert("model".into(), json!(self.service.model));
        match (self.service.api, &self.system) {
            (_, None) => {}
            (Api::Anthropic, Some(system)) => {
                body.insert("system".into(), json!(system));
            }
            (Api::OpenAi | Api::OpenAiCompatible, Some(system)) => {
                messages.insert(0, json!({ "role": "system", "content": system }));
            }
        }
        body.insert("messages".into(), messages.into());
        let longest = match self.service.api {
            Api::Anthropic | Api::OpenAiCompatible => "max_tokens",
            Api::OpenAi => "max_completion_tokens",
        };
        body.insert(longest.into(), json!(self.max_tokens));
        if let Some(temperature) = self.temperature {
            body.insert("temperature".into(), json!(temperature));
        }
        if self.json && self.service.api != Api::Anthropic {
            body.insert("response_format".into(), json!({ "type": "json_object" }));
        }
        Ok(body.into())
    }

    fn messages(&self) -> Result<Vec<Value>, Failure> {
        match (&self.prompt, &self.messages) {
            (Some(prompt), None) => Ok(vec![json!({ "role": "user", "content": prompt })]),
            (None, Some(messages)) if !messages.is_empty() => {
                Ok(messages.iter().map(|message| json!(message)).collect())
            }
            _ => Err(Failure::permanent(
                "bad-input",
                "it needs either `prompt` or `messages`, and one message at least",
            )),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An input for `api`, with these fields besides.
    pub(crate) fn input(api: &str, besides: Value) -> Input {
        let mut input = json!({
            "service": {
                "api": api,
                "base_url": "https://a.example/",
                "model": "m-1",
                "prices": { "input": 3_000_000, "output": 15_000_000 },
            },
            "prompt": "Why?",
            "max_tokens": 50,
        });
        let besides = besides.as_object().cloned().expect("it should be an object");
        input.as_object_mut().expect("it should be an object").extend(besides);
        serde_json::from_value(input).expect("it should fit")
    }

    #[track_caller]
    fn check(api: &str, besides: Value, url: &str, expected: Value) {
        let input = input(api, besides);
        assert_eq!(input.url(), url);
        assert_eq!(input.body(), Ok(expected));
    }

    #[test]
    fn anthropic_has_the_system_beside_the_messages() {
        check(
            "anthropic",
            json!({ "system": "Be brief.", "temperature": 0.5, "json": true }),
            "https://a.example/v1/messages",
            json!({
                "model": "m-1",
                "system": "Be brief.",
                "messages": [{ "role": "user", "content": "Why?" }],
                "max_tokens": 50,
                "temperature": 0.5,
            }),
        );
    }

    #[test]
    fn openai_has_the_system_for_its_first_message() {
        check(
            "openai",
            json!({ "system": "Be brief.", "json": true }),
            "https://a.example/chat/completions",
            json!({
                "model": "m-1",
                "messages": [
                    { "role": "system", "content": "Be brief." },
                    { "role": "user", "content": "Why?" },
                ],
                "max_completion_tokens": 50,
                "response_format": { "type": "json_object" },
            }),
        );
    }

    #[test]
    fn its_kin_say_max_tokens_and_take_whole_conversations() {
        let messages = json!([
            { "role": "user", "content": "Why?" },
            { "role": "assistant", "content": "Because." },
            { "role": "user", "content": "Why that?" },
        ]);
        check(
            "openai-compatible",
            json!({ "prompt": null, "messages": messages }),
            "https://a.example/chat/completions",
            json!({ "model": "m-1", "messages": messages, "max_tokens": 50 }),
        );
    }

    #[test]
    fn one_of_prompt_and_messages_is_needed() {
        for besides in [
            json!({ "prompt": null }),
            json!({ "prompt": null, "messages": [] }),
            json!({ "messages": [{ "role": "user", "content": "Why?" }] }),
        ] {
            let failure = input("openai", besides).body().expect_err("it should be refused");
            assert_eq!(failure.code, "bad-input");
        }
    }
}
