//! Pictures of a pipeline, as text: Mermaid and DOT. SVG is in `svg`.
//! Draws what the pipeline says; never checks it.

use super::{duration, svg};
use piton_core::{Pipeline, Step, StepIndex, StepKind, Waiting};
use std::fmt::Write as _;

/// How a pipeline can be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphFormat {
    /// A flowchart in Mermaid's notation, as Markdown viewers draw it.
    Mermaid,
    /// A digraph in Graphviz' notation.
    Dot,
    /// A picture of its own.
    Svg,
}

/// Draws a pipeline.
pub(super) fn draw(pipeline: &Pipeline, format: GraphFormat) -> String {
    match format {
        GraphFormat::Mermaid => mermaid(pipeline),
        GraphFormat::Dot => dot(pipeline),
        GraphFormat::Svg => svg::draw(pipeline),
    }
}

/// The second line of a step's box; empty for a plain call.
pub(super) fn detail(step: &Step) -> String {
    let what = match &step.kind {
        StepKind::Call => String::new(),
        StepKind::Map(map) => format!("for each item, {} at once", map.max_parallel),
        StepKind::Wait(Waiting::For(span)) => format!("waits {}", duration::format(*span)),
        StepKind::Wait(Waiting::Until) => "waits until a moment".to_owned(),
        StepKind::Wait(Waiting::Signal(name)) => format!("waits for signal {name}"),
        StepKind::Wait(Waiting::Approval { from, .. }) => format!("asks {from}"),
    };
    let marks = [(step.pivot, "pivot"), (step.has_when, "when")];
    let marks = marks.into_iter().filter(|(is_set, _)| *is_set).map(|(_, mark)| mark.to_owned());
    let parts: Vec<String> = std::iter::once(what).filter(|w| !w.is_empty()).chain(marks).collect();
    parts.join(", ")
}

fn edges(pipeline: &Pipeline) -> impl Iterator<Item = (StepIndex, StepIndex)> + '_ {
    pipeline
        .indexes()
        .flat_map(|index| pipeline.step(index).after.iter().map(move |before| (*before, index)))
}

fn mermaid(pipeline: &Pipeline) -> String {
    let mut text = String::from("flowchart TD\n");
    for index in pipeline.indexes() {
        let step = pipeline.step(index);
        let (open, close) = match step.kind {
            StepKind::Call => ("[", "]"),
            StepKind::Map(_) => ("[[", "]]"),
            StepKind::Wait(_) => ("([", "])"),
        };
        let detail = detail(step);
        let line = if detail.is_empty() { "" } else { "<br/>" };
        let label = format!("{}{line}{}", step.name, escaped(&detail));
        let _ = writeln!(text, "    s{}{open}\"{label}\"{close}", index.0);
    }
    for (before, after) in edges(pipeline) {
        let arrow = if pipeline.step(after).has_when { "-.->" } else { "-->" };
        let _ = writeln!(text, "    s{} {arrow} s{}", before.0, after.0);
    }
    for index in pipeline.indexes().filter(|index| pipeline.step(*index).pivot) {
        let _ = writeln!(text, "    style s{} stroke-width:4px", index.0);
    }
    text
}

fn dot(pipeline: &Pipeline) -> String {
    let mut text = format!("digraph {} {{\n", dot_text(&pipeline.name));
    text.push_str("    node [shape=box, fontname=\"sans-serif\"];\n");
    for index in pipeline.indexes() {
        let step = pipeline.step(index);
        let detail = detail(step);
        let label =
            if detail.is_empty() { step.name.clone() } else { format!("{}\n{detail}", step.name) };
        let shape = match step.kind {
            StepKind::Call => "",
            StepKind::Map(_) => ", peripheries=2",
            StepKind::Wait(_) => ", style=rounded",
        };
        let pivot = if step.pivot { ", penwidth=3" } else { "" };
        let _ = writeln!(text, "    s{} [label={}{shape}{pivot}];", index.0, dot_text(&label));
    }
    for (before, after) in edges(pipeline) {
        let style = if pipeline.step(after).has_when { " [style=dashed]" } else { "" };
        let _ = writeln!(text, "    s{} -> s{}{style};", before.0, after.0);
    }
    text.push_str("}\n");
    text
}

/// A quoted string of DOT.
fn dot_text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            other if other.is_control() => quoted.push(' '),
            other => quoted.push(other),
        }
    }
    quoted + "\""
}

/// Text that neither HTML, XML nor Mermaid takes for anything else.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other if other.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
