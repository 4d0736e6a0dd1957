//! `groups.svg`: false positive rates of the groups, before and after the edit.

use super::chart::{Scale, head};
use super::group::{Look, Row, groups};
use crate::report::svg::escape;
use crate::report::words::thousands;
use crate::run::debias::DebiasResults;
use std::fmt::Write as _;

const LEFT: f64 = 230.0;
const RIGHT: f64 = 700.0;
const TOP: f64 = 98.0;
const ROW: f64 = 24.0;
const WIDTH: f64 = 760.0;

/// One row per group: its false positive rate before (ring) and after (disc) the chosen edit, joined;
/// those of all comments as vertical rules; around the latter what chance gives a group of that size.
/// `None` without a rate.
pub fn groups_svg(results: &DebiasResults) -> Option<String> {
    let all = groups(results);
    let look = Look::new(results, &all)?;
    let rows: Vec<Row<'_>> =
        look.rows().into_iter().filter(|row| row.fpr.0.is_some() || row.fpr.1.is_some()).collect();
    let overall = look.pair(|figures| figures.fpr);
    let overall = (finite(overall.0), finite(overall.1));
    let of_rows = rows.iter().flat_map(|row| [row.fpr.0, row.fpr.1, band(row, overall.1)]);
    let values = of_rows.chain([overall.0, overall.1]).flatten();
    let scale = Scale::new(values, LEFT, RIGHT).filter(|_| !rows.is_empty())?.with_zero();
    let bottom = TOP + ROW * rows.len() as f64;
    let mut svg = String::new();
    // Writing to a String cannot fail.
    let _ = head(
        &mut svg,
        "False positive rates of the groups before and after the edit",
        (WIDTH, bottom + 52.0),
    )
    .and_then(|()| key(&mut svg, &look, overall))
    .and_then(|()| axis(&mut svg, &scale, bottom))
    .and_then(|()| draw(&mut svg, &scale, &rows, overall, bottom));
    svg.push_str("</svg>\n");
    Some(svg)
}

fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
}

/// Where the band of chance of a row ends.
fn band(row: &Row<'_>, overall: Option<f64>) -> Option<f64> {
    Some(overall? + finite(row.gap_null)?)
}

fn key(svg: &mut String, look: &Look<'_>, overall: (Option<f64>, Option<f64>)) -> std::fmt::Result {
    writeln!(
        svg,
        "<text class=\"title\" x=\"16\" y=\"26\">Non-toxic comments that are flagged: {}</text>",
        escape(&look.group.subject())
    )?;
    let rate = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.3}"));
    writeln!(
        svg,
        "<circle class=\"ring rg\" cx=\"22\" cy=\"48\" r=\"5\"/><text class=\"small\" x=\"34\" \
         y=\"52\">before</text>\
         <circle class=\"f0\" cx=\"96\" cy=\"48\" r=\"5.5\"/><text class=\"small\" x=\"108\" \
         y=\"52\">after the edit</text>\
         <path class=\"rule dashed sg\" d=\"M206 41V56\"/><text class=\"small\" x=\"214\" y=\"52\">all \
         comments, before ({})</text>\
         <path class=\"rule s0\" d=\"M400 41V56\"/><text class=\"small\" x=\"408\" y=\"52\">all, after \
         ({})</text>\
         <rect class=\"faint\" x=\"524\" y=\"42\" width=\"22\" height=\"13\"/><text class=\"small\" \
         x=\"553\" y=\"52\">by chance, for its size</text>",
        rate(overall.0),
        rate(overall.1)
    )
}

fn axis(svg: &mut String, scale: &Scale, bottom: f64) -> std::fmt::Result {
    for (value, text) in scale.ticks() {
        let x = scale.at(value);
        writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
            bottom + 18.0
        )?;
    }
    writeln!(
        svg,
        "<path class=\"axis\" d=\"M{LEFT} {bottom}H{RIGHT}\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">false positive rate</text>\
         <text class=\"small\" x=\"16\" y=\"{y}\">group (non-toxic comments)</text>",
        f64::midpoint(LEFT, RIGHT),
        bottom + 40.0,
        y = TOP - 10.0
    )
}

fn draw(
    svg: &mut String,
    scale: &Scale,
    rows: &[Row<'_>],
    overall: (Option<f64>, Option<f64>),
    bottom: f64,
) -> std::fmt::Result {
    let middle = |index: usize| TOP + ROW * (index as f64 + 0.5);
    for (index, row) in rows.iter().enumerate() {
        if let Some((around, end)) = overall.1.zip(band(row, overall.1)) {
            let (low, high) = (scale.at(2.0 * around - end), scale.at(end));
            writeln!(
                svg,
                "<rect class=\"faint\" x=\"{low:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{ROW}\"/>",
                middle(index) - ROW / 2.0,
                high - low
            )?;
        }
    }
    for (value, class) in [(overall.0, "rule dashed sg"), (overall.1, "rule s0")] {
        if let Some(value) = value {
            let x = scale.at(value);
            writeln!(svg, "<path class=\"{class}\" d=\"M{x:.1} {TOP}V{bottom}\"/>")?;
        }
    }
    for (index, row) in rows.iter().enumerate() {
        let y = middle(index);
        let (before, after) = (finite(row.fpr.0), finite(row.fpr.1));
        writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} ({})</text>",
            LEFT - 12.0,
            y + 4.5,
            escape(&short(row.name)),
            thousands(row.negatives as u64)
        )?;
        if let Some((before, after)) = before.zip(after) {
            writeln!(
                svg,
                "<path class=\"line s0 soft\" d=\"M{:.1} {y:.1}H{:.1}\"/>",
                scale.at(before),
                scale.at(after)
            )?;
        }
        if let Some(before) = before {
            writeln!(
                svg,
                "<circle class=\"ring rg\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"5\"/>",
                scale.at(before)
            )?;
        }
        if let Some(after) = after {
            writeln!(
                svg,
                "<circle class=\"f0\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"5.5\"/>",
                scale.at(after)
            )?;
        }
    }
    Ok(())
}

/// A name that fits beside the plot.
fn short(name: &str) -> String {
    if name.chars().count() <= 24 {
        return name.into();
    }
    name.chars().take(23).chain(['…']).collect()
}
