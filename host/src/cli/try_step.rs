//! `piton try`: calls a component once, without a run, and shows what it does.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::{exit, run, text};
use piton::manifest;
use piton::runner::{Checking, TryCall};
use piton::sandbox::{ResolvedGrants, inert};
use piton_core::{DirGrant, End, Grants, HttpGrant, Json, Limits, Phase};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The component: a `.wasm` file, or the folder of a step that was built.
    component: PathBuf,

    /// The call's input: JSON, `@FILE` or `-`.
    #[arg(long, value_name = "JSON|@FILE|-")]
    input: Option<String>,

    /// Call `compensate` instead of `execute`.
    #[arg(long)]
    compensate: bool,

    /// With --compensate: what `execute` returned, as JSON.
    #[arg(long, value_name = "JSON", requires = "compensate")]
    output: Option<String>,

    /// Grant a folder for reading and writing: `HOST:/GUEST`.
    #[arg(long, value_name = "HOST:/GUEST")]
    dir: Vec<String>,

    /// Grant requests to a host: `api.example.com` or `http://127.0.0.1:8080`.
    #[arg(long, value_name = "HOST")]
    http: Vec<String>,

    /// How long it may take.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    timeout: String,
}

pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let input = run::read_input(arguments.input.as_deref())?;
    let call = TryCall {
        phase: if arguments.compensate { Phase::Compensate } else { Phase::Execute },
        input: json(&input, "the input")?,
        output: arguments.output.as_deref().map(|text| json(text, "`--output`")).transpose()?,
        limits: Limits::default(),
        grants: grants(&arguments.dir, &arguments.http)?,
        timeout: timeout(&arguments.timeout)?,
    };
    let checking = Checking::new(&context.globals.data, &context.settings())?;
    let is_quiet = context.globals.quiet;
    let has_color = context.has_color;
    let told = checking.try_call(&arguments.component, call, move |line| {
        if !is_quiet {
            let channel = super::context::paint(has_color, &format!("{:<6}", line.channel), "2");
            eprintln!("{channel} {}", inert(&line.text));
        }
    });
    let tried = told.await.map_err(|message| Complaint::mistake(message, ""))?;
    let ended = &tried.ended;
    let output = match &ended.end {
        End::Succeeded(output) => output.as_ref().map(Json::as_str),
        _ => None,
    };
    let succeeded = matches!(ended.end, End::Succeeded(_));
    let usage: std::collections::BTreeMap<&str, f64> =
        tried.usage.iter().map(|(unit, micros)| (unit, micros as f64 / 1e6)).collect();
    if context.globals.json {
        let output: Option<serde_json::Value> =
            output.and_then(|output| serde_json::from_str(output).ok());
        print_json(&serde_json::json!({
            "end": ended.end.word(),
            "code": ended.end.code(),
            "message": ended.end.message(),
            "output": output,
            "fuel": ended.fuel_used,
            "memory_bytes": ended.memory_peak_bytes,
            "elapsed_ms": ended.elapsed.as_millis() as u64,
            "usage": usage,
            "memos": tried.memos,
        }));
    } else {
        let mut line = format!(
            "{} in {} · fuel {} · memory {} KiB",
            ended.end.word(),
            text::span(ended.elapsed),
            ended.fuel_used,
            ended.memory_peak_bytes.div_ceil(1024)
        );
        for (unit, amount) in &usage {
            line.push_str(&format!(" · {amount} {unit}"));
        }
        context.say(&line);
        if !succeeded {
            let code = inert(ended.end.code());
            context.say(&format!("{code}: {}", inert(ended.end.message())));
        }
        if let Some(output) = output {
            print(&inert(output));
        }
    }
    // A step that fails as it should is no mistake of whoever tries it, but scripts want to know.
    Ok(ExitCode::from(if succeeded { exit::COMPLETED } else { exit::ROLLED_BACK }))
}

fn json(text: &str, what: &str) -> Result<Json, Complaint> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        Complaint::mistake(format!("{what} is no JSON: {error}"), "text is written as '\"text\"'")
    })?;
    Ok(Json::from_checked(value.to_string()))
}

fn grants(dirs: &[String], hosts: &[String]) -> Result<ResolvedGrants, Complaint> {
    let mut grants = Grants::default();
    for dir in dirs {
        let (host, guest) = dir.split_once(':').ok_or_else(|| {
            Complaint::mistake(format!("`{dir}` names no two folders"), "write `--dir out:/data`")
        })?;
        std::fs::create_dir_all(host).map_err(|error| {
            Complaint::mistake(format!("cannot make the folder `{host}`: {error}"), "")
        })?;
        grants.dirs.push(DirGrant { host: host.into(), guest: guest.into(), write: true });
    }
    for host in hosts {
        let target = manifest::parse_http_target(host).map_err(|reason| {
            Complaint::mistake(
                format!("`--http {host}`: {reason}"),
                "write `--http api.example.com`",
            )
        })?;
        grants.http.push(HttpGrant { target, methods: Vec::new(), idempotency_key: true });
    }
    ResolvedGrants::resolve(&grants, Path::new("."), &[])
        .map_err(|error| Complaint::mistake(error.to_string(), ""))
}

fn timeout(given: &str) -> Result<Duration, Complaint> {
    manifest::parse_duration(given)
        .map_err(|error| Complaint::mistake(format!("`--timeout {given}`: {error}"), "write `30s`"))
}
