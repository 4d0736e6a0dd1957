//! A repair: table, results.json, report.md and a picture of the curve.

use super::svg::{COLOURS, escape, step};
use super::words::thousands;
use super::{ReportError, write_files};
use crate::metric::statistics::{mean, sample_std};
use crate::run::repair::{Errors, RepairRun, Repaired};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

type Written = std::fmt::Result;

/// `results.json`, indented, with a newline at the end.
pub fn repair_json(repaired: &Repaired) -> String {
    // Fails for maps whose keys are no strings only; there are none.
    format!("{}\n", serde_json::to_string_pretty(repaired).unwrap_or_default())
}

/// Names of editors, in the order of the runs.
fn editors(repaired: &Repaired) -> Vec<&str> {
    let mut names: Vec<&str> = repaired.runs.iter().map(|run| run.editor.as_str()).collect();
    names.dedup();
    names
}

/// A figure of all runs of an editor: mean ± std, or the one value there is.
fn figure(runs: &[&RepairRun], of: impl Fn(&RepairRun) -> f64) -> String {
    let values: Vec<f64> = runs.iter().map(|run| of(run)).collect();
    match (mean(&values), sample_std(&values)) {
        (Some(mean), Some(std)) if values.len() > 1 => format!("{mean:.3}±{std:.3}"),
        (Some(mean), _) => format!("{mean:.3}"),
        _ => "–".into(),
    }
}

/// Rows of cells: the file as it is, every editor, what no edit can avoid.
fn rows(repaired: &Repaired) -> Vec<[String; 7]> {
    let plain = |name: &str, errors: Errors, reward: Option<f64>| {
        let cell = |value: f64| format!("{value:.3}");
        let reward = reward.map_or("–".into(), cell);
        let nothing = || "–".to_string();
        [name.into(), cell(errors.max), nothing(), cell(errors.mean), reward, nothing(), nothing()]
    };
    let mut rows = vec![plain("as it is", repaired.on_test, Some(repaired.reward))];
    for editor in editors(repaired) {
        let runs: Vec<&RepairRun> =
            repaired.runs.iter().filter(|run| run.editor == editor).collect();
        let worst = runs.iter().map(|run| run.on_test.max).fold(0.0, f64::max);
        rows.push([
            editor.into(),
            figure(&runs, |run| run.on_test.max),
            format!("{worst:.3}"),
            figure(&runs, |run| run.on_test.mean),
            figure(&runs, |run| run.reward),
            thousands(runs.iter().map(|run| run.evaluations).max().unwrap_or(0)),
            runs.len().to_string(),
        ]);
    }
    rows.push(plain("least possible", repaired.floor, None));
    rows
}

const HEADS: [&str; 7] = ["", "max error", "worst", "mean error", "reward", "evals", "seeds"];

/// The table for the terminal.
pub fn repair_text(repaired: &Repaired) -> String {
    let mut text = format!(
        "Repairing {} towards {}: {} weights and biases of {} dense layer(s)\n\
         absolute errors on {} test samples, mean ± std over seeds; reward on {} others\n\n",
        repaired.network,
        repaired.function,
        thousands(repaired.parameters as u64),
        repaired.layers.len(),
        thousands(repaired.test_samples as u64),
        thousands(repaired.reward_samples as u64),
    );
    let rows = rows(repaired);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(HEADS.get(column).map(|head| head.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (column, (cell, &width)) in cells.zip(&widths).enumerate() {
            // Writing to a String cannot fail.
            let _ = match column {
                0 => write!(line, "{cell:<width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    line(&mut HEADS.into_iter());
    rows.iter().for_each(|row| line(&mut row.iter().map(String::as_str)));
    let seconds: f64 = repaired.runs.iter().map(|run| run.seconds).sum();
    let runs = repaired.runs.len();
    let _ = writeln!(text, "\n{:.1} s a run", seconds / runs.max(1) as f64);
    if let Some(best) = repaired.best() {
        let _ = writeln!(
            text,
            "best by reward: {}, seed {}: max error {:.3}, mean error {:.3}",
            best.editor, best.seed, best.on_test.max, best.on_test.mean
        );
    }
    text
}

/// `report.md`: what was done and what came of it. It holds no seconds.
pub fn repair_markdown(repaired: &Repaired) -> String {
    let mut text = format!("# Repairing {}\n\n", cell(&repaired.network));
    // Writing to a String cannot fail.
    let _ = body(&mut text, repaired);
    text
}

fn body(text: &mut String, repaired: &Repaired) -> Written {
    let layers: Vec<String> = repaired.layers.iter().map(|name| format!("`{name}`")).collect();
    writeln!(
        text,
        "What was done: {} weights and biases of {} were changed so that the network computes {}, by reward alone, with at \
         most {} evaluations a run. The reward, `1 / (1 + (max + 2 rms) / h)` with the largest absolute error, the root of \
         the mean squared one and half the range of the function's values, was taken on {} samples; all errors below are \
         of {} others.\n",
        thousands(repaired.parameters as u64),
        cell(&layers.join(", ")),
        cell(&repaired.function),
        thousands(repaired.budget),
        thousands(repaired.reward_samples as u64),
        thousands(repaired.test_samples as u64),
    )?;
    writeln!(text, "| editor | {} |", HEADS.get(1..).unwrap_or_default().join(" | "))?;
    writeln!(text, "|{}", " --- |".repeat(HEADS.len()))?;
    for row in rows(repaired) {
        writeln!(text, "| {} |", row.join(" | "))?;
    }
    writeln!(
        text,
        "\nMean ± standard deviation over seeds; *worst*: of all seeds. *Least possible*: the best 8-bit output for every \
         8-bit input. No edit does better, whatever the weights are.\n"
    )?;
    if !repaired.curve.is_empty() && repaired.best().is_some() {
        writeln!(text, "![What the network gives before and after](curve.svg)\n")?;
    }
    writeln!(
        text,
        "## Every run\n\n| editor | seed | max error | mean error | reward | evals | weights changed | biases changed | digest | file \
         |\n|{}",
        " --- |".repeat(10)
    )?;
    for run in &repaired.runs {
        writeln!(
            text,
            "| {} | {} | {:.4} | {:.4} | {:.4} | {} | {} | {} | {} | {} |",
            run.editor,
            run.seed,
            run.on_test.max,
            run.on_test.mean,
            run.reward,
            thousands(run.evaluations),
            run.weights_changed,
            run.biases_changed,
            run.digest,
            cell(&run.file)
        )?;
    }
    if let Some(best) = repaired.best() {
        writeln!(
            text,
            "\nThe best by reward is `{}`. Every file is {} with the bytes of weights and biases replaced, all others \
             unchanged. Initial standard deviation: {} steps of a weight; digest of the file as it was: {}.",
            cell(&best.file),
            cell(&repaired.network),
            repaired.sigma,
            repaired.digest
        )?;
    }
    Ok(())
}

/// Text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

const WIDTH: f64 = 790.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 640.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 372.0;

/// The function, the network as it is, and its best edit, as an SVG image. `None` for functions of several numbers.
pub fn repair_svg(repaired: &Repaired) -> Option<String> {
    let best = repaired.best()?;
    let mut points: Vec<[f32; 4]> = (repaired.curve.iter().zip(&best.curve))
        .map(|(&[x, y, before], &after)| [x, y, before, after])
        .collect();
    points.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let (first, last) = (points.first()?, points.last()?);
    let (x_low, x_high) = (f64::from(first[0]), f64::from(last[0]));
    let values = || points.iter().flat_map(|point| point.iter().skip(1)).map(|&y| f64::from(y));
    let (low, high) =
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    if !(x_high > x_low && high > low) {
        return None;
    }
    let y_step = step(high - low, 6.0);
    let (low, high) = ((low / y_step).floor() * y_step, (high / y_step).ceil() * y_step);
    let at = |x: f64, y: f64| {
        (
            LEFT + (RIGHT - LEFT) * (x - x_low) / (x_high - x_low),
            BOTTOM - (BOTTOM - TOP) * (y - low) / (high - low),
        )
    };
    let mut svg = String::new();
    // Writing to a String cannot fail.
    let _ = head(&mut svg, repaired);
    let x_step = step(x_high - x_low, 7.0);
    for index in 0..=((high - low) / y_step + 1e-6) as usize {
        let value = low + index as f64 * y_step;
        let (_, y) = at(x_low, value);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + 4.5,
            short(value)
        );
    }
    let start = (x_low / x_step).ceil() * x_step;
    for index in 0..=((x_high - start) / x_step + 1e-6).max(0.0) as usize {
        let value = start + index as f64 * x_step;
        let (x, _) = at(value, low);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            BOTTOM + 20.0,
            short(value)
        );
    }
    let names = ["true", "as it is", "repaired"];
    // Drawn in this order, so that the repaired curve lies on top.
    for (line, name) in names.into_iter().enumerate() {
        let path: Vec<String> = points
            .iter()
            .map(|point| {
                let y = point.get(line + 1).copied().unwrap_or(0.0);
                let (x, y) = at(f64::from(point[0]), f64::from(y));
                format!("{x:.1} {y:.1}")
            })
            .collect();
        let label = TOP + 20.0 * line as f64 + 10.0;
        let _ = writeln!(
            svg,
            "<path class=\"line s{line}\" d=\"M{}\"/>\n<path class=\"line s{line}\" d=\"M{} {:.1}h22\"/>\
             <text x=\"{}\" y=\"{label:.1}\">{name}</text>",
            path.join("L"),
            RIGHT + 14.0,
            label - 4.5,
            RIGHT + 44.0
        );
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// A number on an axis, without digits that say nothing.
fn short(value: f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

fn head(svg: &mut String, repaired: &Repaired) -> Written {
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" role=\"img\" aria-labelledby=\"title\">\n\
         <title id=\"title\">{0}: before and after</title>\n<style>\n\
         text {{ font: 13px system-ui, sans-serif; fill: #24292f; }}\n.title {{ font-size: 15px; font-weight: 600; }}\n\
         .ground {{ fill: #ffffff; }}\n.grid {{ stroke: #e1e4e8; stroke-width: 1; }}\n\
         .line {{ fill: none; stroke-width: 2; stroke-linejoin: round; }}",
        escape(&repaired.function)
    )?;
    let order = [COLOURS[5], COLOURS[1], COLOURS[0]];
    for (line, (light, _)) in order.into_iter().enumerate() {
        writeln!(svg, ".s{line} {{ stroke: {light}; }}")?;
    }
    writeln!(
        svg,
        "@media (prefers-color-scheme: dark) {{\ntext {{ fill: #e6edf3; }}\n.ground {{ fill: #0d1117; }}\n\
         .grid {{ stroke: #2d333b; }}"
    )?;
    for (line, (_, dark)) in order.into_iter().enumerate() {
        writeln!(svg, ".s{line} {{ stroke: {dark}; }}")?;
    }
    writeln!(
        svg,
        "}}\n</style>\n<rect class=\"ground\" x=\"0\" y=\"0\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n\
         <text class=\"title\" x=\"{LEFT}\" y=\"24\">What the network gives: {}</text>",
        escape(&repaired.function)
    )
}

/// Writes every repaired network, `results.json`, `report.md` and, for a function of one number, `curve.svg` to the folder
/// `dir`, and returns their paths. All are written under temporary names before the first replaces its predecessor.
///
/// # Errors
/// [`ReportError`] for the first file that cannot be written.
pub fn write_repair(dir: &Path, repaired: &Repaired) -> Result<Vec<PathBuf>, ReportError> {
    let mut files: Vec<(String, Vec<u8>)> = vec![
        ("results.json".into(), repair_json(repaired).into_bytes()),
        ("report.md".into(), repair_markdown(repaired).into_bytes()),
    ];
    if let Some(svg) = repair_svg(repaired) {
        files.push(("curve.svg".into(), svg.into_bytes()));
    }
    files.extend(repaired.runs.iter().map(|run| (run.file.clone(), run.bytes.clone())));
    write_files(dir, files)
}
