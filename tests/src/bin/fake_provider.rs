//! A language model that costs nothing: the tests' fake provider as a program, for work offline.
//! Never listens anywhere but on loopback.

use piton_tests::provider::{Provider, Script, Settings};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: fake_provider [--port N] [--script FILE] [--key TEXT] [--honour-keys] [COMMAND…]

  --port N        where it listens on 127.0.0.1; 8089
  --script FILE   when it fails, and how: [{\"nth\": 3, \"do\": 503, \"retry_after_s\": 2},
                  {\"share_percent\": 10, \"do\": \"cut\"}]; see tests/src/provider/script.rs
  --key TEXT      the only key it takes; else any will do
  --honour-keys   answers a known idempotency key with the answer it gave, and counts it once
  COMMAND…        runs it, with LLM_API_KEY set if it is not, and ends with it

POST /v1/messages (Anthropic), POST /v1/chat/completions (OpenAI), GET /counts
";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("error: {problem}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<ExitCode, String> {
    let mut port = 8089;
    let mut settings = Settings::default();
    let mut command = Vec::new();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("`{argument}` wants a value"));
        match argument.as_str() {
            "--port" => port = value()?.parse().map_err(|error| format!("`--port`: {error}"))?,
            "--script" => settings.script = script(&value()?)?,
            "--key" => settings.key = Some(value()?),
            "--honour-keys" => settings.honours_keys = true,
            "--help" | "-h" => {
                print!("{USAGE}");
                return Ok(ExitCode::SUCCESS);
            }
            option if option.starts_with('-') => return Err(format!("there is no `{option}`")),
            _ => {
                command.push(argument);
                command.extend(arguments.by_ref());
            }
        }
    }
    settings.is_loud = command.is_empty();
    let provider = Provider::start(port, settings);
    let provider = provider.map_err(|error| format!("cannot listen at port {port}: {error}"))?;
    if let [program, words @ ..] = command.as_slice() {
        return serve_one(&provider, program, words);
    }
    eprintln!("listening at http://{}; Ctrl-C ends it", provider.address());
    loop {
        std::thread::park();
    }
}

fn serve_one(provider: &Provider, program: &str, words: &[String]) -> Result<ExitCode, String> {
    let mut command = Command::new(program);
    if std::env::var_os("LLM_API_KEY").is_none() {
        command.env("LLM_API_KEY", "none-is-needed");
    }
    let status = command.args(words).status();
    let status = status.map_err(|error| format!("cannot run `{program}`: {error}"))?;
    let counts = provider.counts();
    let (requests, answers) = (counts.requests, counts.calls.len());
    let (input, output) = counts.tokens();
    eprintln!(
        "the provider was asked {requests} times and charged {answers} answers: {input} tokens in, {output} out"
    );
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

fn script(file: &str) -> Result<Script, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("`{file}`: {error}"))?;
    Script::read(&text).map_err(|problem| format!("`{file}`: {problem}"))
}
