//! Owns what comes back: an answer in the words of each API, and whether it is of use.
//! Never books what it cost.

use piton_step::Failure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::price::Tokens;
use crate::request::{Api, Input};

/// An answer that came whole, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    text: String,
    pub(crate) model: String,
    stop_reason: String,
    end: End,
    /// None where the service does not say.
    pub(crate) tokens: Option<Tokens>,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum End {
    Whole,
    Cut,
    Refused,
}

/// What the steps after this one see.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Output {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    model: String,
    stop_reason: String,
    input_tokens: u64,
    output_tokens: u64,
}

impl Answer {
    /// Reads the body of a successful response.
    ///
    /// # Errors
    ///
    /// `http-bad-answer`, retryable, where it is none that this API sends.
    pub(crate) fn read(api: Api, body: &[u8]) -> Result<Answer, Failure> {
        let answer = match api {
            Api::Anthropic => serde_json::from_slice(body).map(of_anthropic),
            Api::OpenAi | Api::OpenAiCompatible => serde_json::from_slice(body).map(of_openai),
        };
        let problem = match answer {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => "it has no text".to_owned(),
            Err(problem) => problem.to_string(),
        };
        Err(Failure::retryable("http-bad-answer", format!("the answer cannot be read: {problem}")))
    }

    /// What it is to the steps after this one.
    ///
    /// # Errors
    ///
    /// Why it is of no use: `refused`, `cut-short`, `not-json`.
    pub(crate) fn output(&self, input: &Input) -> Result<Output, Failure> {
        match self.end {
            End::Refused => {
                let start: String = self.text.chars().take(300).collect();
                let message = format!("the model refused ({}): {start}", self.stop_reason);
                return Err(Failure::permanent("refused", message));
            }
            End::Cut if !input.allow_cut => {
                let message = "`max_tokens` cut the answer short; raise it, or set `allow_cut`";
                return Err(Failure::permanent("cut-short", message));
            }
            End::Cut | End::Whole => {}
        }
        let value = if input.json { Some(self.value()?) } else { None };
        let tokens = self.tokens.unwrap_or_default();
        Ok(Output {
            text: self.text.clone(),
            value,
            model: self.model.clone(),
            stop_reason: self.stop_reason.clone(),
            input_tokens: tokens.all_input(),
            output_tokens: tokens.output,
        })
    }

    fn value(&self) -> Result<Value, Failure> {
        serde_json::from_str(without_fence(&self.text)).map_err(|problem| {
            let start: String = self.text.chars().take(300).collect();
            Failure::retryable("not-json", format!("the answer is no JSON: {problem}: {start}"))
        })
    }
}

/// Models like to put JSON between three backticks, whatever they are told.
fn without_fence(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inner.map_or(text, |inner| inner.strip_prefix("json").unwrap_or(inner))
}

#[derive(Deserialize)]
struct Anthropic {
    content: Vec<Block>,
    model: String,
    stop_reason: Option<String>,
    usage: Option<AnthropicUsage>,
}

/// A block of text, or of something else, which has none.
#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct AnthropicUsage {
    input_tokens: u64,
    output_tokens: u64,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
}

fn of_anthropic(wire: Anthropic) -> Option<Answer> {
    let stop_reason = wire.stop_reason?;
    let end = match stop_reason.as_str() {
        "refusal" => End::Refused,
        "max_tokens" | "model_context_window_exceeded" => End::Cut,
        _ => End::Whole,
    };
    let texts = wire.content.into_iter().filter(|block| block.kind == "text");
    let tokens = wire.usage.map(|usage| Tokens {
        input: usage.input_tokens,
        cache_read: usage.cache_read_input_tokens.unwrap_or(0),
        cache_write: usage.cache_creation_input_tokens.unwrap_or(0),
        output: usage.output_tokens,
    });
    let text = texts.map(|block| block.text).collect();
    Some(Answer { text, model: wire.model, stop_reason, end, tokens })
}

#[derive(Deserialize)]
struct OpenAi {
    choices: Vec<Choice>,
    model: String,
    usage: Option<OpenAiUsage>,
}

#[derive(Deserialize)]
struct Choice {
    message: OpenAiMessage,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct OpenAiMessage {
    content: Option<String>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct OpenAiUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

fn of_openai(wire: OpenAi) -> Option<Answer> {
    let choice = wire.choices.into_iter().next()?;
    let stop_reason = choice.finish_reason?;
    let end = match (stop_reason.as_str(), &choice.message.refusal) {
        ("content_filter", _) | (_, Some(_)) => End::Refused,
        ("length", None) => End::Cut,
        (_, None) => End::Whole,
    };
    let text = match end {
        End::Refused => choice.message.refusal.or(choice.message.content).unwrap_or_default(),
        End::Cut => choice.message.content.unwrap_or_default(),
        End::Whole => choice.message.content?,
    };
    let tokens = wire.usage.map(|usage| {
        let cached = usage.prompt_tokens_details.and_then(|details| details.cached_tokens);
        let cache_read = cached.unwrap_or(0).min(usage.prompt_tokens);
        let input = usage.prompt_tokens - cache_read;
        Tokens { input, cache_read, cache_write: 0, output: usage.completion_tokens }
    });
    Some(Answer { text, model: wire.model, stop_reason, end, tokens })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::input;
    use piton_step::FailureKind;
    use serde_json::json;

    fn anthropic(stop_reason: &str, text: &str) -> Value {
        json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m-1",
            "content": [{ "type": "thinking", "thinking": "…" }, { "type": "text", "text": text }],
            "stop_reason": stop_reason, "stop_sequence": null,
            "usage": { "input_tokens": 10, "cache_creation_input_tokens": 3,
                       "cache_read_input_tokens": 4, "output_tokens": 5 },
        })
    }

    fn openai(finish_reason: &str, content: Value, refusal: Value) -> Value {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m-1",
            "choices": [{ "index": 0, "finish_reason": finish_reason,
                          "message": { "role": "assistant", "content": content, "refusal": refusal } }],
            "usage": { "prompt_tokens": 17, "completion_tokens": 5, "total_tokens": 22,
                       "prompt_tokens_details": { "cached_tokens": 4 } },
        })
    }

    fn output(api: &str, wire: &Value, besides: Value) -> Result<Output, Failure> {
        let input = input(api, besides);
        Answer::read(input.service.api, wire.to_string().as_bytes())?.output(&input)
    }

    #[test]
    fn both_apis_give_the_same_output() {
        for (api, wire, stop_reason) in [
            ("anthropic", anthropic("end_turn", "So."), "end_turn"),
            ("openai", openai("stop", json!("So."), json!(null)), "stop"),
        ] {
            let output = output(api, &wire, json!({})).expect("it should be of use");
            assert_eq!((output.text.as_str(), output.stop_reason.as_str()), ("So.", stop_reason));
            assert_eq!((output.input_tokens, output.output_tokens), (17, 5));
            assert_eq!(output.value, None);
        }
    }

    #[test]
    fn what_came_from_a_cache_is_told_apart() {
        let read = |api, wire: Value| Answer::read(api, wire.to_string().as_bytes());
        let answer = read(Api::Anthropic, anthropic("end_turn", "")).expect("it should be read");
        let expected = Tokens { input: 10, cache_read: 4, cache_write: 3, output: 5 };
        assert_eq!(answer.tokens, Some(expected));
        let answer = read(Api::OpenAi, openai("stop", json!(""), json!(null))).expect("as above");
        let expected = Tokens { input: 13, cache_read: 4, cache_write: 0, output: 5 };
        assert_eq!(answer.tokens, Some(expected));
    }

    #[test]
    fn what_is_of_no_use_says_why() {
        let whole = |text: &str| openai("stop", json!(text), json!(null));
        for (api, wire, kind, code) in [
            ("anthropic", anthropic("refusal", ""), FailureKind::Permanent, "refused"),
            ("anthropic", anthropic("max_tokens", "S"), FailureKind::Permanent, "cut-short"),
            (
                "openai",
                openai("stop", json!(null), json!("No.")),
                FailureKind::Permanent,
                "refused",
            ),
            (
                "openai",
                openai("content_filter", json!(""), json!(null)),
                FailureKind::Permanent,
                "refused",
            ),
            (
                "openai",
                openai("length", json!("S"), json!(null)),
                FailureKind::Permanent,
                "cut-short",
            ),
            ("openai", whole("So."), FailureKind::Retryable, "not-json"),
        ] {
            let failure = output(api, &wire, json!({ "json": true })).expect_err("of no use");
            assert_eq!((failure.kind, failure.code.as_str()), (kind, code), "{wire}");
        }
    }

    #[test]
    fn a_cut_answer_will_do_where_it_is_allowed() {
        let wire = openai("length", json!("S"), json!(null));
        let output = output("openai", &wire, json!({ "allow_cut": true })).expect("it should do");
        assert_eq!((output.text.as_str(), output.stop_reason.as_str()), ("S", "length"));
    }

    #[test]
    fn json_is_found_in_a_fence_too() {
        for text in ["{\"a\":1}", " {\"a\":1}\n", "```json\n{\"a\":1}\n```", "```\n{\"a\":1}\n```"]
        {
            let output = output("anthropic", &anthropic("end_turn", text), json!({ "json": true }));
            assert_eq!(output.expect("it should be JSON").value, Some(json!({ "a": 1 })), "{text}");
        }
    }

    #[test]
    fn half_an_answer_is_worth_another_attempt() {
        let whole = openai("stop", json!("So."), json!(null)).to_string();
        for body in [&whole[..whole.len() / 2], "", "{\"error\":{\"message\":\"busy\"}}", "[]"] {
            let failure = Answer::read(Api::OpenAi, body.as_bytes()).expect_err("it is half");
            assert_eq!(
                (failure.kind, failure.code.as_str()),
                (FailureKind::Retryable, "http-bad-answer")
            );
        }
    }
}
