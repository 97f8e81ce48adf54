//! `piton cost`: tells what runs have spent, what of it was wasted, and what a start from the top
//! would have paid again. With `--plot` it draws that.

use super::complain::Complaint;
use super::context::{Context, print, print_json};
use super::{cost_chart, exit, text};
use piton::manifest::parse_duration;
use piton::runner::{Amounts, Answer, Ask, Cost};
use piton::sandbox::inert;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The run: its id, the beginning of its id, or `last`. Without it, all runs.
    run: Option<String>,

    /// Only runs of this pipeline.
    #[arg(long, value_name = "NAME", conflicts_with = "run")]
    pipeline: Option<String>,

    /// Only runs that started since: a moment (RFC 3339), or a span before now such as `24h`.
    #[arg(long, value_name = "TIME", conflicts_with = "run")]
    since: Option<String>,

    /// Draw the spending over time into this SVG file.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,

    /// The unit to draw. Default: `usd` where that was spent, or the first unit.
    #[arg(long, value_name = "UNIT", requires = "plot")]
    unit: Option<String>,
}

pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<ExitCode, Complaint> {
    let Arguments { run, pipeline, since, plot, unit } = arguments;
    let since_ms = since.as_deref().map(moment).transpose()?.unwrap_or(0);
    let ask = Ask::Cost { run, pipeline, since_ms, payments: plot.is_some() };
    let cost = match context.glance(ask).await? {
        Answer::Cost(cost) => cost,
        _ => return Err(Complaint::of_host("the host answers something else")),
    };
    if let Some(file) = &plot {
        draw(&cost, unit.as_deref(), file)?;
        context.say(&format!("drawn into {}", file.display()));
    }
    if context.globals.json {
        print_json(&cost);
    } else {
        print(&page(&cost));
    }
    Ok(ExitCode::from(exit::COMPLETED))
}

/// Milliseconds since the epoch of `24h` before now, or of a moment.
fn moment(since: &str) -> Result<u64, Complaint> {
    if let Some(at) = text::millis(since) {
        return Ok(u64::try_from(at).unwrap_or(0));
    }
    let span = parse_duration(since).map_err(|reason| {
        Complaint::mistake(
            format!("`--since {since}` is no time: {reason}"),
            "write a moment such as `2026-01-31T09:00:00Z`, or a span such as `24h`",
        )
    })?;
    let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
    Ok(now.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
}

fn draw(cost: &Cost, unit: Option<&str>, file: &Path) -> Result<(), Complaint> {
    let spent = &cost.micros.spent;
    let unit = match unit {
        Some(unit) if spent.contains_key(unit) => unit,
        Some(unit) => {
            let units: Vec<&str> = spent.keys().map(String::as_str).collect();
            let hint = format!("the units are {}", units.join(", "));
            return Err(Complaint::mistake(format!("nothing was spent in `{unit}`"), hint));
        }
        None if spent.contains_key("usd") => "usd",
        None => spent.keys().next().map(String::as_str).ok_or_else(|| {
            Complaint::mistake(
                "nothing was spent, so there is nothing to draw",
                "steps report what they spend with `report.usage`",
            )
        })?,
    };
    let picture = cost_chart::draw(cost, unit);
    std::fs::write(file, picture).map_err(|error| {
        let message = format!("cannot write `{}`: {error}", file.display());
        Complaint::mistake(message, "name a file that can be written")
    })
}

fn page(cost: &Cost) -> String {
    let runs = match (&cost.run, cost.runs) {
        (Some(run), _) => format!("run {run}"),
        (None, count) => format!("{count} runs"),
    };
    let mut lines = vec![runs];
    let sums: Vec<Vec<String>> = [
        ("spent", &cost.usage.spent, ""),
        ("wasted", &cost.usage.wasted, "in attempts whose result was not kept"),
        ("restart", &cost.usage.restart, "is what starting from the top would have paid again"),
    ]
    .into_iter()
    .map(|(word, amounts, meaning)| {
        let amounts = if amounts.values().all(|amount| *amount == 0.0) {
            "nothing".into()
        } else {
            text::amounts(amounts)
        };
        vec![format!("  {word}"), amounts, meaning.into()]
    })
    .collect();
    lines.push(text::table(&sums));
    let mut rows = vec![header("step")];
    rows.extend(cost.steps.iter().map(|step| {
        let name = if cost.run.is_some() {
            step.step.clone()
        } else {
            format!("{}.{}", step.pipeline, step.step)
        };
        row(name, step.attempts, &step.spent, &step.wasted)
    }));
    push_table(&mut lines, &rows);
    let mut rows = vec![header("component")];
    rows.extend(cost.plugins.iter().map(|plugin| {
        let digest = plugin.digest.get(..12).unwrap_or(&plugin.digest);
        let name = format!("{} {digest}", inert(&plugin.component));
        row(name, plugin.attempts, &plugin.spent, &plugin.wasted)
    }));
    push_table(&mut lines, &rows);
    lines.join("\n")
}

fn push_table(lines: &mut Vec<String>, rows: &[Vec<String>]) {
    if rows.len() > 1 {
        lines.push(String::new());
        lines.push(text::table(rows));
    }
}

fn header(what: &str) -> Vec<String> {
    [what, "attempts", "spent", "wasted"].map(Into::into).into()
}

fn row(name: String, attempts: u64, spent: &Amounts, wasted: &Amounts) -> Vec<String> {
    let told = |amounts: &Amounts| {
        let told = text::amounts(amounts);
        if told.is_empty() { "-".into() } else { told }
    };
    vec![name, attempts.to_string(), told(spent), told(wasted)]
}
