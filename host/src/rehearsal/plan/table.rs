//! Draws a plan for people, within a width. Ends that lead to the same place share a line.
//! Works on the plan alone.

use super::{Foreseen, Plan, Stays, StepPlan};

const PERSON: &str = "person: ";
const OR: &str = "    or: ";

/// Whether the line is a command: it is to be copied, so it has a line of its own and is not broken.
fn is_command(line: &str) -> bool {
    line.starts_with(PERSON) || line.starts_with(OR)
}

/// The widest column of ends; longer lists go on in the next line.
const WAYS_WIDTH: usize = 28;
const STATUS_WIDTH: usize = 11;

/// The plan as lines of at most `width` characters, as far as words allow.
pub fn table(plan: &Plan, width: usize) -> String {
    let mut lines = vec![format!("{}: where each failure leads", plan.pipeline)];
    for step in &plan.steps {
        lines.push(String::new());
        lines.push(heading(step));
        for group in groups(&step.ends) {
            lines.extend(row(&group, width));
        }
    }
    lines.extend(legend(plan));
    lines.join("\n")
}

/// What the commands leave open.
fn legend(plan: &Plan) -> Option<String> {
    let mut commands = plan.steps.iter().flat_map(|step| &step.ends).flat_map(|end| &end.person);
    commands.next()?;
    Some("\nRUN is the run's id; `settle` wants `--because TEXT`, too".into())
}

fn heading(step: &StepPlan) -> String {
    let mut marks = Vec::new();
    if step.instance != step.step {
        marks.push("one element of its map");
    }
    if step.pivot {
        marks.push("pivot");
    }
    if step.behind_pivot {
        marks.push("behind the pivot");
    }
    let marks = if marks.is_empty() { String::new() } else { format!(" ({})", marks.join(", ")) };
    format!("{}{marks}", step.instance)
}

/// Ends that differ in nothing that matters, in the order of their first.
fn groups(ends: &[Foreseen]) -> Vec<Vec<&Foreseen>> {
    let mut groups: Vec<Vec<&Foreseen>> = Vec::new();
    for end in ends {
        match groups.iter_mut().find(|group| group[0].leads_where(end)) {
            Some(group) => group.push(end),
            None => groups.push(vec![end]),
        }
    }
    groups
}

fn row(group: &[&Foreseen], width: usize) -> Vec<String> {
    let words: Vec<&str> = group.iter().map(|end| end.way.word()).collect();
    let ways = wrap(&words.join(", "), WAYS_WIDTH);
    let room = width.saturating_sub(2 + WAYS_WIDTH + 2 + STATUS_WIDTH + 2).max(30);
    let parts = parts(group).into_iter().flat_map(|part| hang(&part, room));
    let parts: Vec<String> = join_short(parts.collect(), room);
    let height = ways.len().max(parts.len());
    let cell = |cells: &[String], nth: usize| cells.get(nth).cloned().unwrap_or_default();
    let lines = (0..height).map(|nth| {
        let status = if nth == 0 { group[0].status } else { "" };
        let (way, part) = (cell(&ways, nth), cell(&parts, nth));
        format!("  {way:WAYS_WIDTH$}  {status:STATUS_WIDTH$}  {part}").trim_end().to_owned()
    });
    lines.collect()
}

fn parts(group: &[&Foreseen]) -> Vec<String> {
    let first = group[0];
    let mut parts = Vec::new();
    if !first.undone.is_empty() {
        parts.push(format!("undo: {}", first.undone.join(", ")));
    } else if first.status == "stuck" && first.stays.is_empty() {
        parts.push("nothing undone until a person decides".into());
    }
    parts.extend(stays(&first.stays));
    for (nth, command) in first.person.iter().enumerate() {
        let lead = if nth == 0 { PERSON } else { OR };
        parts.push(format!("{lead}{}", command.trim_end_matches(" --because TEXT")));
    }
    parts.extend(first.note.clone());
    parts.push(figures(group));
    parts
}

/// What stays, the steps with the same reason together.
fn stays(stays: &[Stays]) -> Vec<String> {
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    for Stays { step, why } in stays {
        match by_reason.iter_mut().find(|(reason, _)| reason == why) {
            Some((_, steps)) => steps.push(step),
            None => by_reason.push((why, vec![step])),
        }
    }
    let lines = by_reason.into_iter();
    lines.map(|(why, steps)| format!("stays: {} ({why})", steps.join(", "))).collect()
}

fn figures(group: &[&Foreseen]) -> String {
    let most = group.iter().map(|end| end.calls).max().unwrap_or(0);
    let least = group.iter().map(|end| end.calls).min().unwrap_or(0);
    let calls = if least == most { most.to_string() } else { format!("{least} to {most}") };
    let noun = if most == 1 { "call" } else { "calls" };
    let waits = group.iter().map(|end| end.waits_ms).max().unwrap_or(0);
    let mut figures = format!("{calls} {noun}");
    if waits > 0 {
        figures.push_str(&format!(", waits up to {}", span(waits)));
    }
    let units = group.iter().flat_map(|end| end.spent.keys());
    for unit in units.collect::<std::collections::BTreeSet<_>>() {
        let amount = group.iter().filter_map(|end| end.spent.get(unit)).fold(0.0, |a, b| b.max(a));
        figures.push_str(&format!(", costs up to {amount} {unit}"));
    }
    figures
}

fn span(millis: u64) -> String {
    let seconds = millis / 1_000;
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{} s", millis as f64 / 1_000.0),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// Puts lines that fit beside each other on one.
fn join_short(lines: Vec<String>, room: usize) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for line in lines {
        let stands_alone = line.starts_with(' ') || is_command(&line);
        let fits = |last: &String| {
            let is_open = !stands_alone && !is_command(last);
            is_open && last.chars().count() + 3 + line.chars().count() <= room
        };
        match joined.last_mut() {
            Some(last) if fits(last) => last.push_str(&format!("   {line}")),
            _ => joined.push(line),
        }
    }
    joined
}

/// Wraps a part, its further lines set in.
fn hang(text: &str, room: usize) -> Vec<String> {
    if is_command(text) {
        return vec![text.into()];
    }
    let mut lines = wrap(text, room.saturating_sub(4));
    lines.iter_mut().skip(1).for_each(|line| line.insert_str(0, "    "));
    lines
}

fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= room => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}
