//! Owns the table: a row for each thing that was measured, beside another, with its goal.
//! Never measures.

use crate::samples::{Samples, Spread};
use serde_json::{Value, json};
use std::fmt;

/// What a goal is about, and its bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// The figure itself.
    AtMost(f64),
    /// How many times the figure beside it.
    TimesAtMost(f64),
    /// The same, where more is better.
    TimesAtLeast(f64),
}

/// One thing that was measured.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) figure: Samples,
    /// What was measured beside it, and its name.
    pub(crate) beside: Option<(&'static str, Samples)>,
    pub(crate) goal: Option<Goal>,
}

/// One thing of a workload, or why it could not be measured.
pub(crate) enum Line {
    Measured(Row),
    NotMeasured { what: &'static str, why: String },
}

impl fmt::Display for Line {
    /// As it is told while other things are still measured.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMeasured { what, why } => write!(f, "{what}: not measured: {why}"),
            Self::Measured(row) => {
                write!(f, "{}: {}", row.what, shown(row.figure.spread(), row.unit))?;
                let Some((name, beside)) = &row.beside else { return Ok(()) };
                let (beside, ratio) = (beside.spread(), row.ratio());
                write!(f, "; {name} {}; {}", shown(beside, row.unit), shown(ratio, "x"))
            }
        }
    }
}

/// All that was measured.
pub(crate) struct Report {
    repeat: u32,
    lines: Vec<(&'static str, Line)>,
}

impl Goal {
    fn is_met(self, row: &Row) -> Option<bool> {
        let figure = row.figure.spread()?.median;
        let ratio = row.ratio().map(|ratio| ratio.median);
        Some(match self {
            Self::AtMost(bound) => figure <= bound,
            Self::TimesAtMost(bound) => ratio? <= bound,
            Self::TimesAtLeast(bound) => ratio? >= bound,
        })
    }

    fn words(self, unit: &str) -> String {
        match self {
            Self::AtMost(bound) => format!("at most {bound} {unit}"),
            Self::TimesAtMost(bound) => format!("at most {bound} x"),
            Self::TimesAtLeast(bound) => format!("at least {bound} x"),
        }
    }
}

impl Row {
    fn ratio(&self) -> Option<Spread> {
        self.beside.as_ref().and_then(|(_, beside)| self.figure.ratio_to(beside))
    }

    fn is_met(&self) -> Option<bool> {
        self.goal.and_then(|goal| goal.is_met(self))
    }

    fn cells(&self, workload: &str) -> [String; 8] {
        let goal = self.goal.map(|goal| goal.words(self.unit)).unwrap_or_default();
        let met = self.is_met().map_or("", |is_met| if is_met { "yes" } else { "no" });
        let (name, beside) = match &self.beside {
            Some((name, samples)) => (*name, shown(samples.spread(), "")),
            None => ("", String::new()),
        };
        let figure = shown(self.figure.spread(), self.unit);
        let ratio = shown(self.ratio(), "x");
        [workload, self.what, &figure, name, &beside, &ratio, &goal, met].map(str::to_owned)
    }

    fn json(&self, workload: &str) -> Value {
        let beside = self.beside.as_ref().map(
            |(name, samples)| json!({ "name": name, "figure": spread_json(samples.spread()) }),
        );
        json!({
            "workload": workload,
            "what": self.what,
            "unit": self.unit,
            "samples": self.figure.count(),
            "figure": spread_json(self.figure.spread()),
            "beside": beside,
            "ratio": spread_json(self.ratio()),
            "goal": self.goal.map(|goal| goal.words(self.unit)),
            "is_met": self.is_met(),
        })
    }
}

impl Report {
    pub(crate) fn new(repeat: u32) -> Self {
        Self { repeat, lines: Vec::new() }
    }

    pub(crate) fn add(&mut self, workload: &'static str, lines: Vec<Line>) {
        self.lines.extend(lines.into_iter().map(|line| (workload, line)));
    }

    pub(crate) fn to_json(&self) -> Value {
        let row = |(workload, line): &(&str, Line)| match line {
            Line::Measured(row) => row.json(workload),
            Line::NotMeasured { what, why } => {
                json!({ "workload": workload, "what": what, "not_measured": why })
            }
        };
        let rows: Vec<Value> = self.lines.iter().map(row).collect();
        json!({ "repeat": self.repeat, "load": load(), "cores": cores(), "rows": rows })
    }
}

const HEAD: [&str; 8] = ["", "what", "piton", "beside", "", "ratio", "goal", "met"];

const LEGEND: &str = "\
Medians (least–greatest) of repetitions in which all that is compared took turns. A ratio is that of the medians,
its spread that of single repetitions. Costs of a step leave out the start of the process: they are the time of a
process with many runs less that of one with a single run, by the steps between. `loop` is tests/bench/loop.py
(Python, SQLite), timed in the same way; `floor` is what a sandbox, the disk and the store ask for one record of
400 bytes, with nothing around them: host/docs/performance.md tells each.
";

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![HEAD.map(str::to_owned)];
        rows.extend(self.lines.iter().filter_map(|(workload, line)| match line {
            Line::Measured(row) => Some(row.cells(workload)),
            Line::NotMeasured { .. } => None,
        }));
        let widths: [usize; 8] = std::array::from_fn(|column| {
            rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
        });
        for (index, row) in rows.iter().enumerate() {
            write_row(f, row, &widths)?;
            if index == 0 {
                write_row(f, &widths.map(|width| "-".repeat(width)), &widths)?;
            }
        }
        for (workload, line) in &self.lines {
            if let Line::NotMeasured { what, why } = line {
                writeln!(f, "\n{workload}: {what}: not measured: {why}")?;
            }
        }
        let (cores, load, repeat) = (cores(), load(), self.repeat);
        write!(
            f,
            "\n{repeat} repetitions on {cores} cores; load of the last minute {load}\n\n{LEGEND}"
        )
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, cells: &[String; 8], widths: &[usize; 8]) -> fmt::Result {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!(" {cell:<width$} "));
    writeln!(f, "|{}|", padded.collect::<Vec<_>>().join("|"))
}

/// A figure with its spread; nothing where there is none.
fn shown(spread: Option<Spread>, unit: &str) -> String {
    let Some(Spread { median, min, max }) = spread else { return String::new() };
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    format!("{}{unit} ({}–{})", digits(median), digits(min), digits(max))
}

/// Three digits that count, and whole numbers from a hundred on.
fn digits(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 1.0 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

fn spread_json(spread: Option<Spread>) -> Value {
    spread.map_or(
        Value::Null,
        |Spread { median, min, max }| json!({ "median": median, "min": min, "max": max }),
    )
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How many processes wanted to run: on a busy machine, figures say little.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(goal: Goal) -> Row {
        let of = |samples: [f64; 3]| samples.into_iter().collect::<Samples>();
        let beside = Some(("loop", of([0.2, 0.2, 0.4])));
        Row { what: "a step", unit: "ms", figure: of([0.3, 0.4, 0.4]), beside, goal: Some(goal) }
    }

    #[test]
    fn a_goal_is_about_the_figure_or_about_its_ratio() {
        assert_eq!(row(Goal::AtMost(0.4)).is_met(), Some(true));
        assert_eq!(row(Goal::TimesAtMost(1.9)).is_met(), Some(false));
        assert_eq!(row(Goal::TimesAtLeast(1.9)).is_met(), Some(true));
        let without = Row { beside: None, ..row(Goal::TimesAtMost(1.0)) };
        assert_eq!(without.is_met(), None);
    }

    #[test]
    fn what_was_not_measured_is_told() {
        let mut report = Report::new(3);
        report.add("w1", vec![Line::Measured(row(Goal::TimesAtMost(1.0)))]);
        let why = "no Python".to_owned();
        report.add("compile", vec![Line::NotMeasured { what: "the first run", why }]);
        let text = report.to_string();
        let line = "| w1 | a step | 0.400 ms (0.300–0.400) | loop   | 0.200 (0.200–0.400) | \
                    2.00 x (1.00–2.00) | at most 1 x | no  |";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("compile: the first run: not measured: no Python"), "{text}");
        assert_eq!(report.to_json()["rows"][1]["not_measured"], "no Python");
    }
}
