//! What the provider counts: requests, what was charged and answered for each, what the script did.
//! Never forgets a call, whatever became of its answer.

use super::api::Reply;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// All counts since the provider started.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Requests for an answer.
    pub requests: u64,
    /// Answers that were found by their key, and not counted again.
    pub replayed: u64,
    /// What the script did, by its words.
    pub faults: BTreeMap<String, u64>,
    /// All calls that were charged, in order.
    pub calls: Vec<Call>,
}

/// An answer that was made, and so is paid for.
#[derive(Clone, Debug)]
pub struct Call {
    /// The answer's id.
    pub id: String,
    /// The idempotency key that came with it.
    pub key: Option<String>,
    /// What was asked.
    pub question: Value,
    /// How often it was sent whole.
    pub answered: u64,
    /// As charged.
    pub input_tokens: u64,
    /// As charged.
    pub output_tokens: u64,
}

impl Counts {
    /// The tokens of all calls that were charged: in, out.
    pub fn tokens(&self) -> (u64, u64) {
        let input = self.calls.iter().map(|call| call.input_tokens).sum();
        (input, self.calls.iter().map(|call| call.output_tokens).sum())
    }

    /// As `GET /counts` tells them.
    pub fn json(&self) -> Value {
        let (input_tokens, output_tokens) = self.tokens();
        let calls: Vec<Value> = self.calls.iter().map(Call::json).collect();
        json!({
            "requests": self.requests,
            "charged": self.calls.len(),
            "answered": self.calls.iter().map(|call| call.answered).sum::<u64>(),
            "replayed": self.replayed,
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "faults": self.faults,
            "calls": calls,
        })
    }

    pub(super) fn request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    pub(super) fn replayed(&mut self) {
        self.replayed += 1;
    }

    pub(super) fn fault(&mut self, word: String) {
        *self.faults.entry(word).or_default() += 1;
    }

    pub(super) fn charged(&mut self, key: Option<&str>, question: &Value, reply: &Reply) {
        self.calls.push(Call {
            id: reply.id.clone(),
            key: key.map(str::to_owned),
            question: question.clone(),
            answered: 0,
            input_tokens: reply.input_tokens,
            output_tokens: reply.output_tokens,
        });
    }

    pub(super) fn answered(&mut self, id: &str) {
        if let Some(call) = self.calls.iter_mut().rev().find(|call| call.id == id) {
            call.answered += 1;
        }
    }
}

impl Call {
    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "key": self.key,
            "answered": self.answered,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
        })
    }
}
