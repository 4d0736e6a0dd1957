//! Learning curves as SVG.

use super::summary::{Group, groups};
use super::words::{forget_sets, target_value, thousands};
use crate::metric::statistics::mean;
use crate::run::TARGET_VALUE;
use crate::run::record::{Results, RunRecord};
use std::fmt::Write as _;

const WIDTH: f64 = 790.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 600.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 362.0;

/// Colours of lines on light and on dark ground, told apart without red and green too (after Okabe and
/// Ito).
pub(super) const COLOURS: [(&str, &str); 6] = [
    ("#0063a6", "#5ab4f0"),
    ("#c24e00", "#ff9b52"),
    ("#00795a", "#3fd6a8"),
    ("#9c3f84", "#e79fd0"),
    ("#7a6200", "#e5c94a"),
    ("#5b5b66", "#b5b5c2"),
];

/// Curves that end before this share of the longest are left out.
const SHORTEST: f64 = 0.05;

/// Whether an editor is a control, which is not meant to work.
fn is_control(name: &str) -> bool {
    crate::editor::find(name).is_some_and(|editor| editor.source == "control")
}

/// Mean, least and greatest best reward over seeds at one number of evaluations.
struct Sample {
    x: f64,
    mean: f64,
    low: f64,
    high: f64,
}

struct Line<'a> {
    editor: &'a str,
    samples: Vec<Sample>,
}

/// Where figures lie on the sheet.
struct Axes {
    x_max: f64,
    x_step: f64,
    y_min: f64,
    y_step: f64,
}

impl Axes {
    fn x(&self, value: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * value / self.x_max
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * (value - self.y_min) / (1.0 - self.y_min)
    }
}

/// The learning curves of one world as an SVG image: best reward so far against evaluations, per editor
/// the mean over seeds with a band from the least to the greatest seed, and the unedited networks'
/// reward. `None` when no run in that world has a curve.
pub fn curves_svg(results: &Results, world: &str) -> Option<String> {
    let groups: Vec<Group<'_>> =
        groups(&results.runs).into_iter().filter(|group| group.world == Some(world)).collect();
    let mut lines: Vec<Line<'_>> = groups
        .iter()
        .filter(|group| !is_control(group.editor))
        .map(|group| Line { editor: group.editor, samples: samples(&group.runs) })
        .filter(|line| !line.samples.is_empty())
        .collect();
    // A formula that is tried at ten scales beside searches of a thousand evaluations is no curve.
    let last = |line: &Line<'_>| line.samples.last().map_or(0.0, |sample| sample.x);
    let most = lines.iter().map(last).fold(0.0, f64::max);
    lines.retain(|line| last(line) >= SHORTEST * most);
    let unedited: Vec<f64> = groups
        .iter()
        .flat_map(|group| &group.runs)
        .map(|run| f64::from(run.before.reward))
        .filter(|reward| reward.is_finite())
        .collect();
    let unedited = mean(&unedited)?;
    let axes = axes(&lines, unedited)?;
    let runs = groups.iter().map(|group| group.runs.len()).max().unwrap_or(0);
    let over = match runs {
        1 => "one seed".to_string(),
        _ if forget_sets(results).len() > 1 => {
            format!("mean of {runs} runs, band from worst to best")
        }
        _ => format!("mean of {runs} seeds, band from worst to best"),
    };

    let mut svg = String::new();
    // Writing to a String cannot fail.
    let _ = head(&mut svg, world, lines.len())
        .and_then(|()| frame(&mut svg, &axes, world, &over))
        .and_then(|()| rules(&mut svg, &axes, unedited))
        .and_then(|()| draw(&mut svg, &axes, &lines))
        .and_then(|()| rule_labels(&mut svg, &axes, unedited))
        .and_then(|()| labels(&mut svg, &axes, &lines));
    svg.push_str("</svg>\n");
    Some(svg)
}

/// The step curves of the seeds at every number of evaluations that one of them has a point at, from
/// where all of them have begun.
fn samples(runs: &[&RunRecord]) -> Vec<Sample> {
    let curves: Vec<Vec<(u64, f64)>> = runs
        .iter()
        .map(|run| {
            let points = run.curve.iter().filter(|point| point.best.is_finite());
            points.map(|point| (point.evaluations, f64::from(point.best))).collect()
        })
        .filter(|curve: &Vec<_>| !curve.is_empty())
        .collect();
    let mut grid: Vec<u64> = curves.iter().flatten().map(|&(x, _)| x).collect();
    grid.sort_unstable();
    grid.dedup();
    grid.into_iter()
        .filter_map(|x| {
            let now: Vec<f64> = curves
                .iter()
                .map(|curve| curve.iter().take_while(|&&(at, _)| at <= x).last().map(|&(_, y)| y))
                .collect::<Option<_>>()?;
            Some(Sample {
                x: x as f64,
                mean: mean(&now)?,
                low: now.iter().copied().fold(f64::INFINITY, f64::min),
                high: now.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            })
        })
        .collect()
}

fn axes(lines: &[Line<'_>], unedited: f64) -> Option<Axes> {
    let last = lines.iter().filter_map(|line| line.samples.last()).map(|sample| sample.x);
    let x_max = last.fold(None, |most: Option<f64>, x| Some(most.map_or(x, |most| most.max(x))))?;
    let x_max = x_max.max(1.0);
    let least = lines
        .iter()
        .flat_map(|line| &line.samples)
        .map(|sample| sample.low)
        .fold(unedited, f64::min)
        .min(0.95);
    let y_step = step(1.0 - least, 6.0);
    Some(Axes {
        x_max,
        x_step: step(x_max, 6.0).max(1.0),
        // A little room, so that the dashed line does not lie on the axis.
        y_min: ((least - 0.02) / y_step).floor() * y_step,
        y_step,
    })
}

/// A distance of 1, 2 or 5 times a power of ten that cuts `range` into at most `most` pieces.
pub(super) fn step(range: f64, most: f64) -> f64 {
    let mut unit = 1e-9;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            let step = unit * factor;
            if range / step <= most || unit > 1e18 {
                return step;
            }
        }
        unit *= 10.0;
    }
}

fn head(svg: &mut String, world: &str, lines: usize) -> std::fmt::Result {
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" role=\"img\" aria-labelledby=\"title\">\n\
         <title id=\"title\">Best reward against evaluations, {} world</title>\n<style>\n\
         text {{ font: 13px system-ui, sans-serif; fill: #24292f; }}\n\
         .title {{ font-size: 15px; font-weight: 600; }}\n.small {{ font-size: 12px; }}\n\
         .ground {{ fill: #ffffff; }}\n.grid {{ stroke: #e1e4e8; stroke-width: 1; }}\n\
         .axis {{ stroke: #57606a; stroke-width: 1; fill: none; }}\n\
         .rule {{ stroke: #57606a; stroke-width: 1.3; stroke-dasharray: 6 4; }}\n\
         .goal {{ stroke: #57606a; stroke-width: 1; stroke-dasharray: 1 4; }}\n\
         .halo {{ stroke: #ffffff; stroke-width: 4; stroke-linejoin: round; paint-order: stroke; }}\n\
         .band {{ opacity: 0.16; stroke: none; }}\n\
         .line {{ fill: none; stroke-width: 2; stroke-linejoin: round; }}\n\
         .lead {{ fill: none; stroke-width: 1; opacity: 0.6; }}",
        escape(world)
    )?;
    colours(svg, lines, |colour| colour.0)?;
    writeln!(
        svg,
        "@media (prefers-color-scheme: dark) {{\ntext {{ fill: #e6edf3; }}\n.ground {{ fill: #0d1117; }}\n\
         .grid {{ stroke: #2d333b; }}\n.axis, .rule, .goal {{ stroke: #9aa4af; }}\n\
         .halo {{ stroke: #0d1117; }}\n.band {{ opacity: 0.24; }}"
    )?;
    colours(svg, lines, |colour| colour.1)?;
    writeln!(
        svg,
        "}}\n</style>\n<rect class=\"ground\" x=\"0\" y=\"0\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>"
    )
}

fn colours(
    svg: &mut String,
    lines: usize,
    pick: impl Fn((&'static str, &'static str)) -> &'static str,
) -> std::fmt::Result {
    for (index, colour) in COLOURS.into_iter().enumerate().take(lines) {
        let colour = pick(colour);
        writeln!(svg, ".s{index} {{ stroke: {colour}; }} .f{index} {{ fill: {colour}; }}")?;
    }
    Ok(())
}

fn frame(svg: &mut String, axes: &Axes, world: &str, over: &str) -> std::fmt::Result {
    writeln!(
        svg,
        "<text class=\"title\" x=\"{LEFT}\" y=\"24\">Best reward so far, {} world ({over})</text>",
        escape(world)
    )?;
    for index in 0..=ticks(1.0 - axes.y_min, axes.y_step) {
        let value = axes.y_min + index as f64 * axes.y_step;
        let y = axes.y(value);
        let decimals = if axes.y_step < 0.1 { 2 } else { 1 };
        writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value:.decimals$}</text>",
            LEFT - 8.0,
            y + 4.5
        )?;
    }
    for index in 0..=ticks(axes.x_max, axes.x_step) {
        let value = index as f64 * axes.x_step;
        let x = axes.x(value);
        writeln!(
            svg,
            "<line class=\"axis\" x1=\"{x:.1}\" y1=\"{BOTTOM}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            BOTTOM + 5.0,
            BOTTOM + 20.0,
            thousands(value as u64)
        )?;
    }
    writeln!(
        svg,
        "<path class=\"axis\" d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\"/>\n\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">reward evaluations</text>\n\
         <text transform=\"translate(18 {:.1}) rotate(-90)\" text-anchor=\"middle\">reward</text>",
        f64::midpoint(LEFT, RIGHT),
        BOTTOM + 42.0,
        f64::midpoint(TOP, BOTTOM)
    )
}

/// Whole steps in a range, with room for rounding; never many.
fn ticks(range: f64, step: f64) -> usize {
    ((range / step + 1e-6) as usize).min(20)
}

fn rules(svg: &mut String, axes: &Axes, unedited: f64) -> std::fmt::Result {
    let goal = f64::from(TARGET_VALUE);
    writeln!(
        svg,
        "<line class=\"goal\" x1=\"{LEFT}\" y1=\"{0:.1}\" x2=\"{RIGHT}\" y2=\"{0:.1}\"/>\n\
         <line class=\"rule\" x1=\"{LEFT}\" y1=\"{1:.1}\" x2=\"{RIGHT}\" y2=\"{1:.1}\"/>",
        axes.y(goal),
        axes.y(unedited)
    )
}

/// Over the curves, each with a halo of the ground's colour.
fn rule_labels(svg: &mut String, axes: &Axes, unedited: f64) -> std::fmt::Result {
    writeln!(
        svg,
        "<text class=\"small halo\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"end\">target {}</text>\n\
         <text class=\"small halo\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"end\">unedited \
         {unedited:.3}</text>",
        axes.y(f64::from(TARGET_VALUE)) + 15.0,
        target_value(),
        axes.y(unedited) - 6.0,
        x = RIGHT - 6.0,
    )
}

fn draw(svg: &mut String, axes: &Axes, lines: &[Line<'_>]) -> std::fmt::Result {
    let colour = |index: usize| index % COLOURS.len();
    for (index, line) in lines.iter().enumerate() {
        let upper = path(axes, line.samples.iter().map(|sample| (sample.x, sample.high)));
        let lower = path(axes, line.samples.iter().rev().map(|sample| (sample.x, sample.low)));
        if line.samples.iter().any(|sample| sample.low < sample.high) {
            let c = colour(index);
            writeln!(svg, "<path class=\"band f{c}\" d=\"M{upper}L{lower}Z\"/>")?;
        }
    }
    for (index, line) in lines.iter().enumerate() {
        let points = path(axes, line.samples.iter().map(|sample| (sample.x, sample.mean)));
        // The seventh line has the first one's colour.
        let dashes = match index / COLOURS.len() {
            0 => "",
            1 => " stroke-dasharray=\"7 4\"",
            _ => " stroke-dasharray=\"2 3\"",
        };
        writeln!(svg, "<path class=\"line s{}\"{dashes} d=\"M{points}\"/>", colour(index))?;
    }
    Ok(())
}

fn path(axes: &Axes, points: impl Iterator<Item = (f64, f64)>) -> String {
    let points: Vec<String> =
        points.map(|(x, y)| format!("{:.1} {:.1}", axes.x(x), axes.y(y))).collect();
    points.join("L")
}

/// Between the lines of text at the ends of curves.
const LABEL: f64 = 17.0;

fn labels(svg: &mut String, axes: &Axes, lines: &[Line<'_>]) -> std::fmt::Result {
    let mut ends: Vec<(usize, &str, f64, f64, f64)> = lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| {
            let last = line.samples.last()?;
            Some((index, line.editor, axes.x(last.x), axes.y(last.mean), last.mean))
        })
        .collect();
    ends.sort_by(|a, b| a.3.total_cmp(&b.3));
    let mut free = TOP;
    for (index, editor, x, y, reward) in ends {
        let at = y.max(free);
        free = at + LABEL;
        let c = index % COLOURS.len();
        writeln!(
            svg,
            "<path class=\"lead s{c}\" d=\"M{x:.1} {y:.1}L{:.1} {at:.1}H{:.1}\"/>\
             <text class=\"f{c}\" x=\"{:.1}\" y=\"{:.1}\">{} {reward:.3}</text>",
            RIGHT + 10.0,
            RIGHT + 16.0,
            RIGHT + 20.0,
            at + 4.5,
            escape(editor)
        )?;
    }
    Ok(())
}

pub(super) fn escape(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .map(|c| match c {
            '&' => "&amp;".into(),
            '<' => "&lt;".into(),
            '>' => "&gt;".into(),
            '"' => "&quot;".into(),
            c => c.to_string(),
        })
        .collect()
}
