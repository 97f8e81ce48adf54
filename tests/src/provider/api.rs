//! The two wire formats: what a question, an answer and an error look like in each.
//! Never decides what is answered: that is `answer.rs`.

use super::answer;
use super::http::Request;
use super::script::Fault;
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::SystemTime;

/// Whose format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    Anthropic,
    OpenAi,
}

/// A request for an answer, once it was looked at.
pub(super) struct Question {
    model: String,
    /// What the user said, the last message's text.
    prompt: String,
    max_tokens: Option<u64>,
    input_tokens: u64,
    hash: u64,
}

/// An answer, ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) id: String,
    pub(super) body: Value,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
}

/// An error, ready to be sent.
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) body: Value,
}

/// Four characters of English are about one token.
fn tokens_of(text: &str) -> u64 {
    text.chars().count().div_ceil(4) as u64
}

impl Api {
    /// Looks for the key where this API wants it.
    pub(super) fn check_key(self, request: &Request, wanted: Option<&str>) -> Result<(), Refusal> {
        let given = match self {
            Self::Anthropic => request.header("x-api-key"),
            Self::OpenAi => {
                request.header("authorization").and_then(|value| value.strip_prefix("Bearer "))
            }
        };
        let fits =
            given.is_some_and(|given| !given.is_empty() && wanted.is_none_or(|key| key == given));
        if fits {
            return Ok(());
        }
        let (word, code, message) = match self {
            Self::Anthropic => ("authentication_error", None, "invalid x-api-key"),
            Self::OpenAi => {
                ("invalid_request_error", Some("invalid_api_key"), "Incorrect API key provided.")
            }
        };
        Err(Refusal { status: 401, body: self.error(word, code, message) })
    }

    /// The refusal of a request that is not as it should be.
    pub(super) fn invalid(self, code: Option<&str>, message: &str) -> Refusal {
        Refusal { status: 400, body: self.error("invalid_request_error", code, message) }
    }

    /// The body of an error.
    pub(super) fn error(self, word: &str, code: Option<&str>, message: &str) -> Value {
        match self {
            Self::Anthropic => json!({
                "type": "error",
                "error": { "type": word, "message": message },
                "request_id": "req_fake",
            }),
            Self::OpenAi => json!({
                "error": { "message": message, "type": word, "param": null, "code": code },
            }),
        }
    }

    /// What this API says with a status.
    pub(super) fn word_of_status(self, status: u16) -> (&'static str, &'static str) {
        match (self, status) {
            (Self::Anthropic, 429) => {
                ("rate_limit_error", "This request would exceed your rate limit.")
            }
            (Self::Anthropic, 529) => ("overloaded_error", "Overloaded"),
            (Self::Anthropic, 402) => ("billing_error", "Your account has no credit."),
            (Self::Anthropic, 403) => ("permission_error", "Your key may not use this model."),
            (Self::Anthropic, 404) => ("not_found_error", "There is no such model."),
            (Self::Anthropic, 413) => ("request_too_large", "The request is too large."),
            (Self::Anthropic, _) => ("api_error", "Internal server error"),
            (Self::OpenAi, 429) => ("requests", "Rate limit reached for requests"),
            (Self::OpenAi, 400..=499) => ("invalid_request_error", "The request cannot be served."),
            (Self::OpenAi, _) => {
                ("server_error", "The server had an error while processing your request.")
            }
        }
    }

    /// Answers.
    pub(super) fn reply(self, question: &Question, fault: Option<&Fault>) -> Reply {
        let refuses = fault == Some(&Fault::Refuse);
        let text = match fault {
            Some(Fault::Refuse) => "I can't help with that.".to_owned(),
            Some(Fault::NoJson) => "Certainly! Here is what you asked for.".to_owned(),
            _ => answer::to(&question.prompt, question.max_tokens),
        };
        let longest = question.max_tokens.unwrap_or(u64::MAX);
        let is_cut = fault == Some(&Fault::Length) || tokens_of(&text) > longest;
        let length = if is_cut { text.chars().count() / 2 } else { usize::MAX };
        let text: String = text.chars().take(length).collect();
        let output_tokens = tokens_of(&text).min(longest);
        match self {
            Self::Anthropic => question.anthropic(&text, refuses, is_cut, output_tokens),
            Self::OpenAi => question.openai(&text, refuses, is_cut, output_tokens),
        }
    }
}

impl Question {
    /// Looks at a request as the real service would.
    pub(super) fn read(
        api: Api,
        request: &Request,
        body: &Value,
        context_tokens: u64,
    ) -> Result<Self, Refusal> {
        if api == Api::Anthropic && request.header("anthropic-version").is_none() {
            return Err(api.invalid(None, "anthropic-version: header is required"));
        }
        let model =
            body["model"].as_str().ok_or_else(|| api.invalid(None, "model: Field required"))?;
        let longest = [&body["max_completion_tokens"], &body["max_tokens"]];
        let max_tokens = longest.into_iter().find_map(Value::as_u64);
        if api == Api::Anthropic && max_tokens.is_none() {
            return Err(api.invalid(None, "max_tokens: Field required"));
        }
        let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
        let messages = messages.ok_or_else(|| api.invalid(None, "messages: Field required"))?;
        let texts: Vec<&str> =
            messages.iter().filter_map(|message| message["content"].as_str()).collect();
        if texts.len() != messages.len() {
            return Err(api.invalid(None, "messages: this provider takes texts only"));
        }
        let system = body["system"].as_str().unwrap_or_default();
        let input_tokens =
            tokens_of(system) + texts.iter().map(|text| tokens_of(text)).sum::<u64>();
        if input_tokens > context_tokens {
            return Err(api.too_long(input_tokens, context_tokens));
        }
        let wants_json = body["response_format"]["type"] == "json_object";
        if wants_json && !texts.iter().any(|text| text.to_lowercase().contains("json")) {
            return Err(api.invalid(None, "'messages' must contain the word 'json' in some form"));
        }
        let mut hasher = DefaultHasher::new();
        body.to_string().hash(&mut hasher);
        let prompt = texts.last().copied().unwrap_or_default().to_owned();
        Ok(Self { model: model.into(), prompt, max_tokens, input_tokens, hash: hasher.finish() })
    }

    fn anthropic(&self, text: &str, refuses: bool, is_cut: bool, output_tokens: u64) -> Reply {
        let id = format!("msg_{:016x}", self.hash);
        let stop_reason = match (refuses, is_cut) {
            (true, _) => "refusal",
            (false, true) => "max_tokens",
            (false, false) => "end_turn",
        };
        let body = json!({
            "id": id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [{ "type": "text", "text": text }],
            "stop_reason": stop_reason,
            "stop_sequence": null,
            "usage": {
                "input_tokens": self.input_tokens,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": output_tokens,
                "service_tier": "standard",
            },
        });
        Reply { id, body, input_tokens: self.input_tokens, output_tokens }
    }

    fn openai(&self, text: &str, refuses: bool, is_cut: bool, output_tokens: u64) -> Reply {
        let id = format!("chatcmpl-{:016x}", self.hash);
        let created = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        let (content, refusal) =
            if refuses { (Value::Null, json!(text)) } else { (json!(text), Value::Null) };
        let body = json!({
            "id": id,
            "object": "chat.completion",
            "created": created,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": content, "refusal": refusal, "annotations": [] },
                "logprobs": null,
                "finish_reason": if is_cut { "length" } else { "stop" },
            }],
            "usage": {
                "prompt_tokens": self.input_tokens,
                "completion_tokens": output_tokens,
                "total_tokens": self.input_tokens + output_tokens,
                "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
                "completion_tokens_details": { "reasoning_tokens": 0, "audio_tokens": 0 },
            },
            "service_tier": "default",
            "system_fingerprint": null,
        });
        Reply { id, body, input_tokens: self.input_tokens, output_tokens }
    }
}

impl Api {
    fn too_long(self, tokens: u64, longest: u64) -> Refusal {
        match self {
            Self::Anthropic => {
                self.invalid(None, &format!("prompt is too long: {tokens} tokens > {longest} maximum"))
            }
            Self::OpenAi => self.invalid(
                Some("context_length_exceeded"),
                &format!(
                    "This model's maximum context length is {longest} tokens. However, your messages \
                     resulted in {tokens} tokens. Please reduce the length of the messages."
                ),
            ),
        }
    }
}
