//! Owns a step that sends the request that its input describes, and returns the answer.
//! Never looks at the answer, but for whether it wants `send` or any status.

use piton_step::http::Request;
use piton_step::{Context, Failure, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Input {
    url: String,
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    /// Whether any status is an answer, or only success.
    #[serde(default)]
    any_status: bool,
}

fn get() -> String {
    "GET".to_owned()
}

#[derive(Serialize, Deserialize)]
struct Output {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

struct HttpCall;

impl Step for HttpCall {
    type Input = Input;
    type Output = Output;

    fn execute(_: &Context, input: Input) -> Result<Output, Failure> {
        let mut request = Request::new(input.method, input.url).body(input.body);
        for (name, value) in input.headers {
            request = request.header(name, value);
        }
        let answer = request.send_for_any_status()?;
        let answer = if input.any_status { answer } else { answer.success()? };
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        piton_step::info!("the answer is {body}");
        Ok(Output { status: answer.status, headers: answer.headers.into_iter().collect(), body })
    }

    fn compensate(
        _: &Context,
        _: Input,
        _: Option<Output>,
        _: Option<Failure>,
    ) -> Result<(), Failure> {
        Ok(())
    }
}

piton_step::export!(HttpCall);
