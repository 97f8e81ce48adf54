//! The spending of one or more runs over time, as an SVG picture: the sum as a line, what of it was
//! wasted as an area below, and a mark for each attempt that was paid for nothing.
//! Only draws; what counts as wasted is said by the ledger.

use super::text;
use piton::manifest::escaped;
use piton::runner::Cost;
use piton::sandbox::inert;
use piton_core::Amount;
use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 72.0;
const BOTTOM: f64 = 48.0;
/// More points than the picture has columns show nothing more.
const POINTS_MAX: usize = 2_000;
/// Marks for wasted attempts; with more of them, the area tells it.
const MARKS_MAX: usize = 300;

const SPENT: &str = "#2b6cb0";
const WASTED: &str = "#c53030";

/// The sums after a payment.
#[derive(Clone, Copy)]
struct Point {
    at: i64,
    spent: u64,
    wasted: u64,
}

/// Draws what was spent of `unit`.
pub(super) fn draw(cost: &Cost, unit: &str) -> String {
    let points = points(cost, unit);
    let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) else {
        return format!("{}</svg>\n", head("nothing spent"));
    };
    let scale = Scale::of(first, last);
    let of =
        cost.run.as_ref().map_or_else(|| format!("{} runs", cost.runs), |run| format!("run {run}"));
    let mut svg = head(&of);
    let restart = cost.micros.restart.get(unit).copied().unwrap_or(0);
    let figures = format!(
        "spent {} {unit}, wasted {}, a start from the top would have paid {} again",
        Amount(last.spent),
        Amount(last.wasted),
        Amount(restart)
    );
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"28\" font-size=\"16\" font-weight=\"bold\">{}</text>\n\
         <text x=\"{LEFT}\" y=\"48\" fill=\"#444\">{}</text>",
        escaped(&of),
        escaped(&figures)
    );
    draw_axes(&scale, unit, &mut svg);
    let wasted = steps(&points, &scale, |point| point.wasted);
    let floor = scale.y(0);
    let _ = writeln!(
        svg,
        "<path d=\"{wasted}L{:.1} {floor:.1}L{:.1} {floor:.1}Z\" fill=\"{WASTED}\" \
         fill-opacity=\"0.25\" stroke=\"none\"/>\n\
         <path d=\"{wasted}\" fill=\"none\" stroke=\"{WASTED}\" stroke-width=\"1.5\"/>",
        scale.x(last.at),
        scale.x(first.at),
    );
    let spent = steps(&points, &scale, |point| point.spent);
    let _ =
        writeln!(svg, "<path d=\"{spent}\" fill=\"none\" stroke=\"{SPENT}\" stroke-width=\"2\"/>");
    draw_marks(cost, unit, &scale, &mut svg);
    draw_key(&mut svg);
    svg.push_str("</svg>\n");
    svg
}

fn head(title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        escaped(title)
    )
}

/// The sums over time, from nothing at the first payment's moment; thinned out where there are many.
fn points(cost: &Cost, unit: &str) -> Vec<Point> {
    let mut points = Vec::new();
    let (mut spent, mut wasted) = (0_u64, 0_u64);
    for payment in &cost.payments {
        let (Some(at), Some(micros)) = (text::millis(&payment.at), payment.micros.get(unit)) else {
            continue;
        };
        if points.is_empty() {
            points.push(Point { at, spent, wasted });
        }
        spent = spent.saturating_add(*micros);
        wasted = wasted.saturating_add(if payment.is_wasted { *micros } else { 0 });
        points.push(Point { at, spent, wasted });
    }
    let every = points.len().div_ceil(POINTS_MAX).max(1);
    let last = points.len().saturating_sub(1);
    let kept = points.iter().enumerate().filter(|(nth, _)| nth % every == 0 || *nth == last);
    kept.map(|(_, point)| *point).collect()
}

/// A line that rises at each payment and is level between them.
fn steps(points: &[Point], scale: &Scale, value: impl Fn(&Point) -> u64) -> String {
    let mut path = String::new();
    for (nth, point) in points.iter().enumerate() {
        let (x, y) = (scale.x(point.at), scale.y(value(point)));
        let _ =
            if nth == 0 { write!(path, "M{x:.1} {y:.1}") } else { write!(path, "H{x:.1}V{y:.1}") };
    }
    path
}

fn draw_axes(scale: &Scale, unit: &str, svg: &mut String) {
    let (left, right) = (LEFT, WIDTH - RIGHT);
    for tick in scale.ticks() {
        let y = scale.y(tick);
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#444\">{}</text>",
            left - 8.0,
            y + 4.0,
            Amount(tick)
        );
    }
    let span = text::span(std::time::Duration::from_millis(scale.span_ms));
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#444\">{}</text>\n\
         <text x=\"{left}\" y=\"{y:.1}\" fill=\"#444\">first payment</text>\n\
         <text x=\"{right}\" y=\"{y:.1}\" text-anchor=\"end\" fill=\"#444\">{span} later</text>",
        left - 8.0,
        TOP - 10.0,
        escaped(unit),
        y = HEIGHT - BOTTOM + 20.0,
    );
}

/// A dot on the line of what was spent for each attempt that was paid for nothing.
fn draw_marks(cost: &Cost, unit: &str, scale: &Scale, svg: &mut String) {
    let paid = cost.payments.iter().filter(|payment| payment.micros.contains_key(unit));
    let wasted = paid.clone().filter(|payment| payment.is_wasted).count();
    if wasted > MARKS_MAX {
        return;
    }
    let mut spent = 0_u64;
    for payment in paid {
        let micros = payment.micros.get(unit).copied().unwrap_or(0);
        spent = spent.saturating_add(micros);
        let Some(at) = text::millis(&payment.at).filter(|_| payment.is_wasted) else { continue };
        let title = format!(
            "{} {} attempt {}: {} {unit}",
            payment.step,
            payment.phase,
            payment.attempt,
            Amount(micros)
        );
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{WASTED}\"><title>{}</title></circle>",
            scale.x(at),
            scale.y(spent),
            escaped(&inert(&title))
        );
    }
}

fn draw_key(svg: &mut String) {
    let y = HEIGHT - 12.0;
    let _ = writeln!(
        svg,
        "<path d=\"M{LEFT} {line:.1}h24\" stroke=\"{SPENT}\" stroke-width=\"2\"/>\
         <text x=\"{:.1}\" y=\"{y:.1}\">spent</text>\n\
         <circle cx=\"{:.1}\" cy=\"{line:.1}\" r=\"4\" fill=\"{WASTED}\"/>\
         <text x=\"{:.1}\" y=\"{y:.1}\">wasted: the attempt's result was not kept</text>",
        LEFT + 32.0,
        LEFT + 92.0,
        LEFT + 104.0,
        line = y - 4.0,
    );
}

/// Where moments and sums stand in the picture.
struct Scale {
    begin: i64,
    span_ms: u64,
    top: u64,
    step: u64,
}

impl Scale {
    fn of(first: Point, last: Point) -> Self {
        let span_ms = u64::try_from(last.at.saturating_sub(first.at)).unwrap_or(0);
        let step = round_step(last.spent.max(1));
        let top = last.spent.max(1).div_ceil(step).saturating_mul(step);
        Self { begin: first.at, span_ms, top, step }
    }

    fn x(&self, at: i64) -> f64 {
        let share = (at - self.begin) as f64 / (self.span_ms.max(1)) as f64;
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, micros: u64) -> f64 {
        let share = micros as f64 / self.top as f64;
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    fn ticks(&self) -> impl Iterator<Item = u64> + '_ {
        (0..=self.top / self.step).map(|nth| nth * self.step)
    }
}

/// The smallest of 1, 2, 5, 10, 20, 50, … of which at most five make up `most`.
fn round_step(most: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            let step = power.saturating_mul(factor);
            if most.div_ceil(step) <= 5 {
                return step;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for (most, expected) in
            [(1, 1), (5, 1), (6, 2), (1_050_000, 500_000), (u64::MAX, 5 * 10_u64.pow(18))]
        {
            assert_eq!(round_step(most), expected, "{most}");
        }
    }
}
