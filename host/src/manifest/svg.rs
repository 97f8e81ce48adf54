//! A pipeline as an SVG picture: boxes in layers, each step below all it waits for.
//! Owns the layout; what stands in a box is `graph`'s.

use super::graph::{detail, escaped};
use piton_core::{Pipeline, StepIndex, StepKind};
use std::fmt::Write as _;

const BOX_HEIGHT: usize = 46;
const GAP_X: usize = 24;
const GAP_Y: usize = 44;
const MARGIN: usize = 16;
/// How wide a character is taken to be: fonts differ, so generously.
const CHARACTER_WIDTH: usize = 8;
const BOX_WIDTH_MIN: usize = 90;
const BOX_WIDTH_MAX: usize = 320;
/// How often the boxes of each layer are sorted by where those above stand.
const SWEEPS: usize = 4;

/// Draws a pipeline without cycles.
pub(super) fn draw(pipeline: &Pipeline) -> String {
    let layout = Layout::of(pipeline);
    let (width, height) = (layout.width + 2 * MARGIN, layout.height + 2 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<title>{}</title>\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" \
         markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#555\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        escaped(&pipeline.name)
    );
    for index in pipeline.indexes() {
        for before in &pipeline.step(index).after {
            draw_edge(pipeline, &layout, *before, index, &mut svg);
        }
    }
    for index in pipeline.indexes() {
        draw_box(pipeline, &layout, index, &mut svg);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_edge(
    pipeline: &Pipeline,
    layout: &Layout,
    before: StepIndex,
    after: StepIndex,
    svg: &mut String,
) {
    let (from, to) = (&layout.boxes[before.0 as usize], &layout.boxes[after.0 as usize]);
    let (x1, y1) = (from.x + from.width / 2, from.y + BOX_HEIGHT);
    let (x2, y2) = (to.x + to.width / 2, to.y);
    let dashes = if pipeline.step(after).has_when { " stroke-dasharray=\"5 4\"" } else { "" };
    let _ = writeln!(
        svg,
        "<path d=\"M{x1} {y1}C{x1} {} {x2} {} {x2} {y2}\" fill=\"none\" stroke=\"#555\"{dashes} \
         marker-end=\"url(#arrow)\"/>",
        y1 + GAP_Y / 2,
        y2 - GAP_Y / 2,
    );
}

fn draw_box(pipeline: &Pipeline, layout: &Layout, index: StepIndex, svg: &mut String) {
    let step = pipeline.step(index);
    let Placement { x, y, width } = layout.boxes[index.0 as usize];
    let radius = if step.calls() { 4 } else { BOX_HEIGHT / 2 };
    let stroke = if step.pivot { 3 } else { 1 };
    if matches!(step.kind, StepKind::Map(_)) {
        let _ = writeln!(
            svg,
            "<rect x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{BOX_HEIGHT}\" rx=\"{radius}\" \
             fill=\"#fff\" stroke=\"#333\"/>",
            x + 4,
            y + 4,
        );
    }
    let _ = writeln!(
        svg,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BOX_HEIGHT}\" rx=\"{radius}\" \
         fill=\"#f6f8fa\" stroke=\"#333\" stroke-width=\"{stroke}\"/>",
    );
    let middle = x + width / 2;
    let detail = detail(step);
    let first = y + if detail.is_empty() { 28 } else { 19 };
    let _ = writeln!(
        svg,
        "<text x=\"{middle}\" y=\"{first}\" text-anchor=\"middle\">{}</text>",
        escaped(&fitted(&step.name)),
    );
    if !detail.is_empty() {
        let _ = writeln!(
            svg,
            "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\" \
             fill=\"#555\">{}</text>",
            y + 36,
            escaped(&fitted(&detail)),
        );
    }
}

/// The text, cut to what the widest box holds.
fn fitted(text: &str) -> String {
    let most = (BOX_WIDTH_MAX - 16) / CHARACTER_WIDTH;
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most - 1).collect();
    cut + "…"
}

#[derive(Debug, Clone, Copy, Default)]
struct Placement {
    x: usize,
    y: usize,
    width: usize,
}

struct Layout {
    boxes: Vec<Placement>,
    width: usize,
    height: usize,
}

impl Layout {
    fn of(pipeline: &Pipeline) -> Self {
        let layers = layers(pipeline);
        let width_of = |index: &StepIndex| {
            let step = pipeline.step(*index);
            let longest = step.name.chars().count().max(detail(step).chars().count());
            (longest * CHARACTER_WIDTH + 16).clamp(BOX_WIDTH_MIN, BOX_WIDTH_MAX)
        };
        let layer_width = |layer: &Vec<StepIndex>| {
            layer.iter().map(width_of).sum::<usize>() + GAP_X * layer.len().saturating_sub(1)
        };
        let width = layers.iter().map(layer_width).max().unwrap_or(0);
        let mut boxes = vec![Placement::default(); pipeline.steps.len()];
        for (nth, layer) in layers.iter().enumerate() {
            let mut x = MARGIN + (width - layer_width(layer)) / 2;
            let y = MARGIN + nth * (BOX_HEIGHT + GAP_Y);
            for index in layer {
                let own_width = width_of(index);
                boxes[index.0 as usize] = Placement { x, y, width: own_width };
                x += own_width + GAP_X;
            }
        }
        let height = (layers.len() * (BOX_HEIGHT + GAP_Y)).saturating_sub(GAP_Y);
        Self { boxes, width, height }
    }
}

/// The steps layer by layer, each layer in an order that crosses few edges.
fn layers(pipeline: &Pipeline) -> Vec<Vec<StepIndex>> {
    let mut depth = vec![0_usize; pipeline.steps.len()];
    let mut layers: Vec<Vec<StepIndex>> = Vec::new();
    for index in pipeline.topological_order().unwrap_or_default() {
        let above = pipeline.step(index).after.iter().map(|before| depth[before.0 as usize] + 1);
        let own = above.max().unwrap_or(0);
        depth[index.0 as usize] = own;
        if layers.len() <= own {
            layers.resize(own + 1, Vec::new());
        }
        layers[own].push(index);
    }
    let dependents = pipeline.dependents();
    let mut position = vec![0.0_f64; pipeline.steps.len()];
    let settle = |layer: &[StepIndex], position: &mut [f64]| {
        for (nth, index) in layer.iter().enumerate() {
            position[index.0 as usize] = nth as f64 / layer.len() as f64;
        }
    };
    layers.iter().for_each(|layer| settle(layer, &mut position));
    for sweep in 0..SWEEPS {
        let downwards = sweep % 2 == 0;
        let count = layers.len();
        for nth in 0..count {
            let layer = &mut layers[if downwards { nth } else { count - 1 - nth }];
            let mut weighed: Vec<(f64, StepIndex)> = layer
                .iter()
                .map(|index| {
                    let at = index.0 as usize;
                    let near =
                        if downwards { &pipeline.step(*index).after } else { &dependents[at] };
                    let sum: f64 = near.iter().map(|other| position[other.0 as usize]).sum();
                    let mean = if near.is_empty() { position[at] } else { sum / near.len() as f64 };
                    (mean, *index)
                })
                .collect();
            weighed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            *layer = weighed.into_iter().map(|(_, index)| index).collect();
            settle(layer, &mut position);
        }
    }
    layers
}
