//! Owns the step `llm_call`: it asks a language model, and says what the answer cost.
//! Never sees the key, never retries, and never pays twice for an answer that was remembered.
//!
//! | input | | |
//! | --- | --- | --- |
//! | `service.api` | `anthropic`, `openai`, `openai-compatible` | which form requests have; see below |
//! | `service.base_url` | such as `https://api.anthropic.com` | what `/v1/messages` is appended to, or `/chat/completions` |
//! | `service.model` | the model's name there | |
//! | `service.prices` | `{ input, output, cache_read, cache_write }` | see below |
//! | `prompt` or `messages` | a text, or `[{ role, content }, …]` | what is asked |
//! | `system` | none | what goes before it |
//! | `max_tokens` | | the longest answer that is wanted |
//! | `temperature` | the service's | |
//! | `json` | false | whether the answer must be JSON |
//! | `allow_cut` | false | whether an answer that `max_tokens` cut short will do |
//!
//! | output | |
//! | --- | --- |
//! | `text` | the answer |
//! | `value` | with `json`: the answer as JSON |
//! | `model`, `stop_reason` | in the service's own words |
//! | `input_tokens`, `output_tokens` | as counted by the service; input includes what came from a cache |
//!
//! `openai-compatible` differs from `openai` in one field: it says `max_tokens`, which the others know,
//! where OpenAI wants `max_completion_tokens`.
//!
//! # What it costs
//!
//! Each answer is booked as `tokens`, `input_tokens`, `output_tokens`, and `usd`. Prices are whole
//! millionths of a dollar for a million tokens: 3 dollars are 3_000_000. What an answer costs is computed
//! in integers and rounded up, once for each answer, to a whole millionth of a dollar. Without `cache_read`
//! or `cache_write` such tokens cost what `input` does. An answer that is of no use was paid, and is booked.
//!
//! # What is remembered
//!
//! Every answer that came whole is remembered, its cost with it, before anything is made of it. An attempt
//! after one that was lost finds it, pays nothing, and books nothing. An answer that was of no use is passed
//! over: the next attempt asks anew, under an idempotency key of its own. What is lost between the service
//! and the host's disk is asked for again, under the same key: a service that honours keys then counts it
//! once, one that does not counts it twice, and only the second is booked.
//!
//! # How it fails
//!
//! | what happens | the failure | its code |
//! | --- | --- | --- |
//! | 429, 503, 529 with `retry-after` | retry after that time | `http-429` and so on |
//! | 408, 409, 425, 429, 5xx | retryable | `http-500` and so on |
//! | no connection; a cut line | retryable | `http-unreachable`, `http-lost` |
//! | an answer that cannot be read | retryable | `http-bad-answer` |
//! | no JSON, where `json` wants it | retryable: a model answers differently each time | `not-json` |
//! | 401, 403 | permanent | `key-refused` |
//! | 402, or 429 because the account is empty | permanent | `no-credit` |
//! | the prompt is longer than the model takes | permanent | `context-too-long` |
//! | the model, or a filter, refuses | permanent | `refused` |
//! | `max_tokens` cut the answer short | permanent | `cut-short` |
//! | no grant for the host | permanent | `http-denied` |
//! | any other status | permanent | `http-404` and so on |
//!
//! A lost answer is `retryable` and not `unknown`, since all that it can have cost is money: asking again
//! does no harm besides. For the same reason every failure is clean, and `effect = "none"` fits:
//!
//! ```toml
//! [steps.summarise]
//! component = "../plugins/llm_call"
//! effect = "none"
//! timeout = "2m"
//! input = { service = "${input.service}", prompt = "Sum this up: ${input.text}", max_tokens = 500 }
//! grants.http = ["api.anthropic.com"]
//! grants.secrets.LLM_API_KEY = { header = "x-api-key", hosts = ["api.anthropic.com"] }
//! ```
//!
//! OpenAI and its kin want `{ header = "authorization", format = "Bearer ${secret}", … }`.

mod answer;
mod failure;
mod price;
mod request;

use piton_step::http::Request;
use piton_step::{Context, Failure, Step, info, memo};

use answer::{Answer, Output};
use request::Input;

struct LlmCall;

impl Step for LlmCall {
    type Input = Input;
    type Output = Output;

    fn execute(ctx: &Context, input: Input) -> Result<Output, Failure> {
        let answer = answered(ctx, &input).map_err(Failure::clean)?;
        answer.output(&input).map_err(Failure::clean)
    }

    fn compensate(
        _: &Context,
        _: Input,
        _: Option<Output>,
        _: Option<Failure>,
    ) -> Result<(), Failure> {
        Ok(()) // an answer leaves nothing behind
    }
}

/// The remembered answer that is of use, or a new one. All attempts of a step have the same input, so a
/// note needs no name but its number.
fn answered(ctx: &Context, input: &Input) -> Result<Answer, Failure> {
    let mut number = 1;
    loop {
        let note = format!("answer/{number}");
        match memo::recall::<Answer>(&note)? {
            Some(answer) if answer.output(input).is_ok() => {
                info!("an earlier attempt has paid for the answer");
                return Ok(answer);
            }
            Some(_) => number += 1,
            None => {
                let answer = ask(&key(ctx, number), input)?;
                book(input, &answer);
                // The usage just reported becomes durable with the note, or not at all.
                return memo::remember(&note, &answer);
            }
        }
    }
}

/// A service that honours keys would answer a second question with the first one's answer.
fn key(ctx: &Context, number: u32) -> String {
    match number {
        1 => ctx.idempotency_key.clone(),
        number => format!("{}-{number}", ctx.idempotency_key),
    }
}

fn ask(key: &str, input: &Input) -> Result<Answer, Failure> {
    let mut request = Request::new("POST", input.url()).header("idempotency-key", key);
    for (name, value) in input.headers() {
        request = request.header(*name, *value);
    }
    let response = request.json(&input.body()?)?.send_for_any_status();
    let response = response.map_err(failure::of_lost)?;
    if !(200..300).contains(&response.status) {
        let wait = response.retry_after();
        return Err(failure::of_status(response.status, wait, &response.body));
    }
    Answer::read(input.service.api, &response.body)
}

fn book(input: &Input, answer: &Answer) {
    let Some(tokens) = &answer.tokens else {
        piton_step::warn!("the service does not say how many tokens it counted: nothing is booked");
        return;
    };
    let micros = input.service.prices.micros(tokens);
    let (all_input, output) = (tokens.all_input(), tokens.output);
    for (unit, count) in
        [("tokens", tokens.all()), ("input_tokens", all_input), ("output_tokens", output)]
    {
        piton_step::usage(unit, count.saturating_mul(1_000_000));
    }
    piton_step::usage("usd", micros);
    let model = &answer.model;
    info!("{model}: {all_input} tokens in, {output} out, {micros} millionths of a dollar");
}

piton_step::export!(LlmCall);
