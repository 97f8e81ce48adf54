//! `piton try`: calls a component once, without a run, and shows what it does.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::granted::{self, Granted};
use super::{exit, run, text};
use piton::manifest::Allowance;
use piton::runner::{Checking, TryCall, TryPart};
use piton::sandbox::inert;
use piton_core::{End, Grants, Json, Phase};
use std::path::PathBuf;
use std::process::ExitCode;

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

    #[command(flatten)]
    granted: Granted,
}

pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let input = run::read_input(arguments.input.as_deref())?;
    let mut allowance = arguments.granted.allowance(&arguments.component, context)?;
    check_folders(&allowance.grants)?;
    let mistake = |message: String| Complaint::mistake(message, "");
    let checking = Checking::new(&context.globals.data, &context.settings()?)?;
    let candidate = checking.load(&arguments.component).map_err(mistake)?;
    let grants = checking.allow(&mut allowance).map_err(mistake)?;
    let Allowance { timeout, limits, .. } = allowance;
    let part = TryPart::first();
    let memos = part.memos.clone();
    let call = TryCall {
        phase: if arguments.compensate { Phase::Compensate } else { Phase::Execute },
        input: granted::json(&input, "the input")?,
        output: arguments
            .output
            .as_deref()
            .map(|text| granted::json(text, "`--output`"))
            .transpose()?,
        limits,
        grants,
        timeout,
        part,
    };
    let is_quiet = context.globals.quiet;
    let has_color = context.has_color;
    let told = checking.try_call(&candidate, call, move |line| {
        if !is_quiet {
            let channel = super::context::paint(has_color, &format!("{:<6}", line.channel), "2");
            eprintln!("{channel} {}", inert(&line.text));
        }
    });
    let tried = told.await;
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
            "memos": memos.all(),
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

/// A folder without a name is a slip: it would be the current one.
fn check_folders(grants: &Grants) -> Result<(), Complaint> {
    if grants.dirs.iter().any(|dir| dir.host.is_empty()) {
        let hint = "write `--dir out:/data`";
        return Err(Complaint::mistake("`--dir` names no folder of this machine", hint));
    }
    Ok(())
}
