//! How a pipeline is drawn.

use super::super::GraphFormat;
use super::steps;

const STEPS: &str = "[steps.list]\ncomponent = \"l\"\n[steps.each]\ncomponent = \"e\"\n\
    map = \"${steps.list.output}\"\n[steps.ask]\napproval = { from = \"<finance> & \\\"co\\\"\" }\n\
    after = [\"each\"]\n[steps.pay]\ncomponent = \"p\"\nwhen = \"steps.list.output.due\"\n\
    after = [\"ask\"]\npivot = true\n";

#[test]
fn mermaid_shows_kinds_and_order() {
    let expected = "flowchart TD\n    s0[\"list\"]\n    \
        s1[[\"each<br/>for each item, 16 at once\"]]\n    \
        s2([\"ask<br/>asks &lt;finance&gt; &amp; &quot;co&quot;\"])\n    \
        s3[\"pay<br/>pivot, when\"]\n    s0 --> s1\n    s1 --> s2\n    s0 -.-> s3\n    \
        s2 -.-> s3\n    style s3 stroke-width:4px\n";
    assert_eq!(steps(STEPS).graph(GraphFormat::Mermaid), expected);
}

#[test]
fn dot_shows_kinds_and_order() {
    let expected = "digraph \"order\" {\n    node [shape=box, fontname=\"sans-serif\"];\n    \
        s0 [label=\"list\"];\n    \
        s1 [label=\"each\\nfor each item, 16 at once\", peripheries=2];\n    \
        s2 [label=\"ask\\nasks <finance> & \\\"co\\\"\", style=rounded];\n    \
        s3 [label=\"pay\\npivot, when\", penwidth=3];\n    s0 -> s1;\n    s1 -> s2;\n    \
        s0 -> s3 [style=dashed];\n    s2 -> s3 [style=dashed];\n}\n";
    assert_eq!(steps(STEPS).graph(GraphFormat::Dot), expected);
}

#[test]
fn svg_puts_each_step_below_what_it_waits_for() {
    let svg = steps(STEPS).graph(GraphFormat::Svg);
    let heights: Vec<usize> = svg
        .lines()
        .filter(|line| line.contains("#f6f8fa"))
        .filter_map(|line| line.split("y=\"").nth(1)?.split('"').next()?.parse().ok())
        .collect();
    assert_eq!(heights.len(), 4);
    assert!(heights.is_sorted_by(|a, b| a < b), "{heights:?}");
    assert!(svg.contains("asks &lt;finance&gt; &amp; &quot;co&quot;"));
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
}
