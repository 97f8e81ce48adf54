//! A language model that costs nothing: the tests' fake provider as a program, for work offline.
//! Never listens anywhere but on loopback.

use piton_tests::provider::{Provider, Script, Settings};
use std::process::ExitCode;

const USAGE: &str = "\
usage: fake_provider [--port N] [--script FILE] [--key TEXT] [--honour-keys]

  --port N        where it listens on 127.0.0.1; 8089
  --script FILE   when it fails, and how: [{\"nth\": 3, \"do\": 503, \"retry_after_s\": 2},
                  {\"share_percent\": 10, \"do\": \"cut\"}]; see tests/src/provider/script.rs
  --key TEXT      the only key it takes; else any will do
  --honour-keys   answers a known idempotency key with the answer it gave, and counts it once

POST /v1/messages (Anthropic), POST /v1/chat/completions (OpenAI), GET /counts
";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let mut port = 8089;
    let mut settings = Settings { is_loud: true, ..Settings::default() };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("`{argument}` wants a value"));
        match argument.as_str() {
            "--port" => port = value()?.parse().map_err(|error| format!("`--port`: {error}"))?,
            "--script" => settings.script = script(&value()?)?,
            "--key" => settings.key = Some(value()?),
            "--honour-keys" => settings.honours_keys = true,
            "--help" | "-h" => {
                print!("{USAGE}");
                return Ok(());
            }
            _ => return Err(format!("there is no `{argument}`")),
        }
    }
    let provider = Provider::start(port, settings);
    let provider = provider.map_err(|error| format!("cannot listen at port {port}: {error}"))?;
    eprintln!("listening at http://{}; Ctrl-C ends it", provider.address());
    loop {
        std::thread::park();
    }
}

fn script(file: &str) -> Result<Script, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("`{file}`: {error}"))?;
    Script::read(&text).map_err(|problem| format!("`{file}`: {problem}"))
}
