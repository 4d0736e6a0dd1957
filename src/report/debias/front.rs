//! `front.svg`: AUC against gap.

use super::chart::{Scale, head};
use crate::report::svg::escape;
use crate::run::debias::{DebiasResults, FrontPoint};
use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 590.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 382.0;

/// A point of the plot: gap, AUC.
type Point = (f64, f64);

/// Where figures lie on the sheet.
struct Axes {
    gap: Scale,
    auc: Scale,
}

impl Axes {
    fn place(&self, (gap, auc): Point) -> (f64, f64) {
        (self.gap.at(gap), self.auc.at(auc))
    }
}

/// AUC against mean FPR gap over λ and μ, one colour per world, the best points joined, and the unedited
/// network. `None` without a point.
pub fn front_svg(results: &DebiasResults) -> Option<String> {
    let mut worlds: Vec<&str> = Vec::new();
    for point in &results.front {
        if !worlds.contains(&point.world.as_str()) {
            worlds.push(&point.world);
        }
    }
    let first = results.runs.first().map(|run| &run.before);
    let unedited = first.and_then(|figures| both(figures.fped_mean, figures.auc));
    let points: Vec<Point> = results.front.iter().filter_map(place).collect();
    if points.is_empty() {
        return None;
    }
    let all = || points.iter().chain(&unedited);
    let gap = Scale::new(all().map(|point| point.0), LEFT, RIGHT)?;
    let auc = Scale::new(all().map(|point| point.1), BOTTOM, TOP)?;
    let axes = Axes { gap: if gap.low < 0.05 { gap.with_zero() } else { gap }, auc };
    let mut svg = String::new();
    // Writing to a String cannot fail.
    let _ = head(&mut svg, "AUC against mean FPR gap over λ and μ", (WIDTH, HEIGHT))
        .and_then(|()| frame(&mut svg, &axes))
        .and_then(|()| {
            worlds.iter().enumerate().try_for_each(|(index, world)| {
                draw(&mut svg, &axes, results, world, index % 2)?;
                key(&mut svg, world, index)
            })
        })
        .and_then(|()| unedited.iter().try_for_each(|&point| cross(&mut svg, &axes, point)));
    svg.push_str("</svg>\n");
    Some(svg)
}

fn both(gap: Option<f64>, auc: Option<f64>) -> Option<Point> {
    gap.zip(auc).filter(|(gap, auc)| gap.is_finite() && auc.is_finite())
}

fn place(point: &FrontPoint) -> Option<Point> {
    both(point.gap, point.auc)
}

fn frame(svg: &mut String, axes: &Axes) -> std::fmt::Result {
    writeln!(
        svg,
        "<text class=\"title\" x=\"{LEFT}\" y=\"26\">AUC against gap, over λ and μ (up and left is \
         better)</text>"
    )?;
    for (value, text) in axes.auc.ticks() {
        let y = axes.auc.at(value);
        writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
            LEFT - 8.0,
            y + 4.5
        )?;
    }
    for (value, text) in axes.gap.ticks() {
        let x = axes.gap.at(value);
        writeln!(
            svg,
            "<line class=\"axis\" x1=\"{x:.1}\" y1=\"{BOTTOM}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
            BOTTOM + 5.0,
            BOTTOM + 20.0
        )?;
    }
    writeln!(
        svg,
        "<path class=\"axis\" d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\"/>\n\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">mean FPR gap</text>\n\
         <text transform=\"translate(18 {:.1}) rotate(-90)\" text-anchor=\"middle\">AUC</text>",
        f64::midpoint(LEFT, RIGHT),
        BOTTOM + 44.0,
        f64::midpoint(TOP, BOTTOM)
    )
}

fn draw(
    svg: &mut String,
    axes: &Axes,
    results: &DebiasResults,
    world: &str,
    colour: usize,
) -> std::fmt::Result {
    let ours = || results.front.iter().filter(|point| point.world == world);
    let mut best: Vec<Point> = ours().filter(|point| point.best).filter_map(place).collect();
    best.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let line: Vec<String> = best
        .iter()
        .map(|&point| {
            let (x, y) = axes.place(point);
            format!("{x:.1} {y:.1}")
        })
        .collect();
    if line.len() > 1 {
        writeln!(svg, "<path class=\"line s{colour}\" d=\"M{}\"/>", line.join("L"))?;
    }
    for point in ours() {
        let Some(at) = place(point) else { continue };
        let (x, y) = axes.place(at);
        let class = if point.best { format!("f{colour}") } else { format!("ring r{colour} soft") };
        writeln!(
            svg,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\"><title>{}: λ {}, μ {}: AUC \
             {:.3}, gap {:.3}</title></circle>",
            escape(world),
            point.lambda,
            point.size_penalty,
            at.1,
            at.0
        )?;
    }
    Ok(())
}

/// Beside the plot: what the marks are.
fn key(svg: &mut String, world: &str, index: usize) -> std::fmt::Result {
    let y = TOP + 14.0 + 56.0 * index as f64;
    let (x, colour) = (RIGHT + 28.0, index % 2);
    writeln!(
        svg,
        "<circle class=\"f{colour}\" cx=\"{x}\" cy=\"{y}\" r=\"5\"/><text x=\"{0}\" y=\"{1}\">{2}, \
         best</text>\
         <circle class=\"ring r{colour} soft\" cx=\"{x}\" cy=\"{3}\" r=\"5\"/><text x=\"{0}\" \
         y=\"{4}\">{2}, others</text>",
        x + 13.0,
        y + 4.5,
        escape(world),
        y + 22.0,
        y + 26.5
    )
}

fn cross(svg: &mut String, axes: &Axes, point: Point) -> std::fmt::Result {
    let (x, y) = axes.place(point);
    // Over its mark, and within the plot at its right edge.
    let (at, anchor) = if x > RIGHT - 32.0 { (RIGHT, "end") } else { (x, "middle") };
    writeln!(
        svg,
        "<path class=\"line sg\" d=\"M{:.1} {:.1}L{:.1} {:.1}M{:.1} {:.1}L{:.1} {:.1}\"/>\
         <text class=\"halo\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">unedited</text>",
        x - 5.0,
        y - 5.0,
        x + 5.0,
        y + 5.0,
        x - 5.0,
        y + 5.0,
        x + 5.0,
        y - 5.0,
        y - 12.0
    )
}
