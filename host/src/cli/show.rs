//! `piton show`, and how the end of a run is told everywhere else.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::{exit, text};
use piton::runner::{Answer, Ask, FailureDocument, StepSummary, Summary};
use piton::sandbox::inert;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The run: its id, the beginning of its id, or `last`.
    #[arg(default_value = "last")]
    run: String,
}

pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    match context.glance(Ask::Show { run: arguments.run }).await? {
        Answer::Summary(summary) => {
            if context.globals.json {
                print_json(&summary);
            } else {
                print(&page(context, &summary));
            }
            Ok(ExitCode::from(exit::COMPLETED))
        }
        _ => Err(Complaint::of_host("the host answers something else")),
    }
}

/// Tells how a followed run came to rest: its output on stdout, how it went on stderr.
pub(crate) fn print_result(context: &Context, summary: &Summary) {
    if context.globals.json {
        print_json(summary);
        return;
    }
    context.say(&ending(context, summary));
    if let Some(output) = &summary.output {
        print(&pretty(output.get()));
    }
}

/// A run in one line.
pub(crate) fn one_line(summary: &Summary) -> String {
    let took = text::between(&summary.started_at, &summary.updated_at).unwrap_or_default();
    let mut line = format!("{}  {}  {}", summary.run, summary.status, text::span(took));
    if let Some(failure) = &summary.failure {
        line.push_str(&format!("  {}", failure_text(failure)));
    }
    line
}

/// What a failure says, in one line.
pub(crate) fn failure_text(failure: &FailureDocument) -> String {
    let what = if failure.end == failure.code {
        failure.end.clone()
    } else {
        format!("{} ({})", inert(&failure.code), failure.end)
    };
    let message = inert(&failure.message);
    let separator = if message.is_empty() { "" } else { ": " };
    let limit = match failure.limit.as_str() {
        "" | "permanent" | "denied" | "expression" => String::new(),
        limit => format!(" [{}]", limit_text(limit)),
    };
    let phase = if failure.phase == "execute" { "" } else { failure.phase.as_str() };
    let step = &failure.step;
    let at = [step.as_str(), phase].join(" ").trim().to_owned();
    format!("{at} — {what}{separator}{message}{limit}")
}

/// A limit's word, for people.
pub(super) fn limit_text(limit: &str) -> &str {
    match limit {
        "attempts" => "no attempt left",
        "throttled-attempts" => "told to wait too often",
        "max-elapsed" => "the next attempt would come after `max_elapsed`",
        "retry-after-max" => "asked for a longer wait than `retry_after_max`",
        "run-deadline" => "the next attempt would come after the run's deadline",
        "same-end" => "ended the same way twice",
        "unknown-outcome" => "its outcome is unknown",
        "idempotency-window" => "its idempotency key may be forgotten by now",
        "lost-attempts" => "lost with its host too often in a row",
        "input-changed" => "its input would change",
        "behind-pivot" => "the run is past its pivot",
        "not-approved" => "not approved",
        other => other,
    }
}

/// How a run ended, for people.
fn ending(context: &Context, summary: &Summary) -> String {
    let took = text::between(&summary.started_at, &summary.updated_at).unwrap_or_default();
    let status = painted_status(context, &summary.status);
    let mut lines = vec![format!(
        "{} {status} in {} · run {}",
        summary.pipeline,
        text::span(took),
        summary.run
    )];
    if let Some(failure) = &summary.failure {
        lines.push(format!("  why     {}", failure_text(failure)));
    } else if let Some(cause) = &summary.cause {
        lines.push(format!("  why     {cause}"));
    }
    let undone: Vec<&str> = summary
        .steps
        .iter()
        .filter(|step| step.compensated)
        .map(|step| step.step.as_str())
        .collect();
    if !undone.is_empty() {
        lines.push(format!("  undone  {}", undone.join(", ")));
    }
    if !summary.stays.is_empty() && summary.status != "rolling-back" {
        lines.push(format!("  stays   {}", summary.stays.join(", ")));
    }
    let spent = text::amounts(&summary.usage.spent);
    if !spent.is_empty() {
        let wasted = text::amounts(&summary.usage.wasted);
        let wasted = if wasted.is_empty() { String::new() } else { format!(", wasted {wasted}") };
        lines.push(format!("  spent   {spent}{wasted}"));
    }
    if summary.status == "stuck" {
        lines.push(format!("  next    {}", what_next(summary)));
    }
    lines.join("\n")
}

/// What to type where a run needs a person.
fn what_next(summary: &Summary) -> String {
    let run = &summary.run;
    let Some(failure) = &summary.failure else {
        return format!("piton show {run}");
    };
    let stuck = summary.steps.iter().find(|step| step.status == "stuck");
    let failure = stuck.and_then(|step| step.failure.as_ref()).unwrap_or(failure);
    let step = &failure.step;
    match failure.limit.as_str() {
        "unknown-outcome" | "idempotency-window" => format!(
            "find out what became of `{step}`, then: piton settle {run} {step} --as done|not-done --because TEXT"
        ),
        _ if failure.phase == "compensate" => format!(
            "piton retry {run} {step}, or undo it by hand and: piton settle {run} {step} --as undone --because TEXT"
        ),
        "budget" => format!(
            "piton retry {run} gives it the whole budget once more, or: piton rollback {run}"
        ),
        _ if step.is_empty() => format!("piton cancel {run} --keep"),
        _ => format!("piton retry {run} {step}, or: piton rollback {run}"),
    }
}

/// All that is to be told of a run, for people.
fn page(context: &Context, summary: &Summary) -> String {
    let mut lines = vec![
        format!("run       {}", summary.run),
        format!("pipeline  {}", summary.pipeline),
        format!("status    {}", painted_status(context, &summary.status)),
        format!("started   {}", summary.started_at),
    ];
    let ended = summary.finished_at.as_ref();
    let (word, at) = ended.map_or(("updated", &summary.updated_at), |at| ("ended", at));
    let took = text::between(&summary.started_at, at).unwrap_or_default();
    lines.push(format!("{word:<9} {at} ({})", text::span(took)));
    if let Some(key) = &summary.key {
        lines.push(format!("key       {}", inert(key)));
    }
    if let Some(failure) = &summary.failure {
        lines.push(format!("why       {}", failure_text(failure)));
    } else if let Some(cause) = &summary.cause {
        lines.push(format!("why       {cause}"));
    }
    if !summary.stays.is_empty() {
        lines.push(format!("stays     {}", summary.stays.join(", ")));
    }
    for (word, amounts) in [
        ("spent", &summary.usage.spent),
        ("wasted", &summary.usage.wasted),
        ("restart", &summary.usage.restart),
    ] {
        let amounts = text::amounts(amounts);
        if !amounts.is_empty() {
            lines.push(format!("{word:<9} {amounts}"));
        }
    }
    lines.extend(summary.damaged.iter().map(|what| format!("damaged   {}", inert(what))));
    if summary.status == "stuck" {
        lines.push(format!("next      {}", what_next(summary)));
    }
    lines.push(String::new());
    let mut rows = Vec::new();
    for step in &summary.steps {
        rows.push(step_row(step));
        rows.extend(step.troubled.iter().map(|element| {
            let mut row = step_row(element);
            row[0] = format!("  {}", row[0]);
            row
        }));
    }
    lines.push(text::table(&rows));
    if let Some(output) = &summary.output {
        lines.push(String::new());
        lines.push(format!("output    {}", inert(output.get())));
    }
    lines.join("\n")
}

fn step_row(step: &StepSummary) -> Vec<String> {
    let mut note = Vec::new();
    if !step.elements.is_empty() {
        let parts: Vec<String> =
            step.elements.iter().map(|(status, count)| format!("{count} {status}")).collect();
        note.push(parts.join(", "));
    }
    if let Some(waits_for) = &step.waits_for {
        note.push(format!("waits for {waits_for}"));
    }
    if let Some(due) = &step.due {
        note.push(format!("due {due} ({})", text::until(due)));
    }
    match (&step.failure, &step.output) {
        (Some(failure), _) => note.push(failure_text(failure)),
        (None, Some(output)) => note.push(shortened(&inert(output.get()))),
        (None, None) => {}
    }
    let attempts = match (step.attempts, step.undo_attempts) {
        (0, 0) => String::new(),
        (1, 0) => "1 attempt".into(),
        (attempts, 0) => format!("{attempts} attempts"),
        (attempts, undo) => format!("{attempts} + {undo} undo"),
    };
    vec![step.step.clone(), step.status.clone(), attempts, note.join("; ")]
}

fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.into();
    }
    let head: String = text.chars().take(MOST).collect();
    format!("{head}…")
}

/// A status in its colour. Its word says the same.
pub(crate) fn painted_status(context: &Context, status: &str) -> String {
    let sgr = match status {
        "completed" | "succeeded" => "32",
        "rolled-back" | "cancelled" | "compensated" => "33",
        "stuck" | "failed" => "1;31",
        _ => "36",
    };
    context.paint(status, sgr)
}

/// JSON as people read it, without a control character in it: JSON escapes the C0 set only.
fn pretty(json: &str) -> String {
    let value: Result<serde_json::Value, _> = serde_json::from_str(json);
    let text = value.ok().and_then(|value| serde_json::to_string_pretty(&value).ok());
    let text = text.unwrap_or_else(|| json.into());
    text.lines().map(|line| inert(line).into_owned()).collect::<Vec<_>>().join("\n")
}
