//! What the plots share: style, colours, axes.

use crate::report::svg::{COLOURS, escape};
use std::fmt::Write as _;

/// A range of figures along an axis, cut into steps of 1, 2 or 5 times a power of ten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    step: f64,
    /// Places on the sheet of `low` and `high`.
    from: f64,
    to: f64,
}

impl Scale {
    /// Holds all finite `values` and a little room; `None` without one.
    pub(super) fn new(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Option<Self> {
        let range =
            values.filter(|value| value.is_finite()).fold(None, |range, value| match range {
                None => Some((value, value)),
                Some((low, high)) => Some((value.min(low), value.max(high))),
            });
        let (low, high): (f64, f64) = range?;
        // A single value, too, needs a range around it.
        let room = ((high - low) * 0.06).max(0.002);
        let step = crate::report::svg::step(high - low + 2.0 * room, 7.0);
        Some(Self { low: low - room, high: high + room, step, from, to })
    }

    /// The same, from 0 on: for rates.
    pub(super) fn with_zero(self) -> Self {
        let step = crate::report::svg::step(self.high, 7.0);
        Self { low: 0.0, step, ..self }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        self.from + (self.to - self.from) * share.clamp(0.0, 1.0)
    }

    /// Figures to label, with their text.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let first = (self.low / self.step).ceil();
        let decimals = if self.step < 0.01 {
            3
        } else if self.step < 0.1 {
            2
        } else {
            1
        };
        (0..20)
            .map(|index| (first + f64::from(index)) * self.step)
            .take_while(|&value| value <= self.high + 1e-9)
            .map(|value| (value, format!("{:.decimals$}", value + 0.0)))
            .collect()
    }
}

/// The start of a plot, for light and dark ground.
pub(super) fn head(svg: &mut String, title: &str, size: (f64, f64)) -> std::fmt::Result {
    let (width, height) = size;
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"title\">\n\
         <title id=\"title\">{}</title>\n<style>\n\
         text {{ font: 13px system-ui, sans-serif; fill: #24292f; }}\n\
         .title {{ font-size: 15px; font-weight: 600; }}\n.small {{ font-size: 12px; }}\n\
         .ground {{ fill: #ffffff; }}\n.grid {{ stroke: #e1e4e8; stroke-width: 1; }}\n\
         .axis {{ stroke: #57606a; stroke-width: 1; fill: none; }}\n\
         .faint {{ fill: #57606a; opacity: 0.16; }}\n\
         .halo {{ stroke: #ffffff; stroke-width: 4; stroke-linejoin: round; paint-order: stroke; }}\n\
         .line {{ fill: none; stroke-width: 2; stroke-linejoin: round; }}\n\
         .rule {{ fill: none; stroke-width: 1.4; }}\n.dashed {{ stroke-dasharray: 5 4; }}\n\
         .ring {{ stroke-width: 2; }}\n.soft {{ opacity: 0.45; }}",
        escape(title)
    )?;
    colours(svg, |colour| colour.0, "#57606a", "#ffffff")?;
    writeln!(
        svg,
        "@media (prefers-color-scheme: dark) {{\ntext {{ fill: #e6edf3; }}\n.ground {{ fill: #0d1117; }}\n\
         .grid {{ stroke: #2d333b; }}\n.axis {{ stroke: #9aa4af; }}\n.halo {{ stroke: #0d1117; }}\n\
         .faint {{ fill: #9aa4af; opacity: 0.24; }}"
    )?;
    colours(svg, |colour| colour.1, "#9aa4af", "#0d1117")?;
    writeln!(
        svg,
        "}}\n</style>\n<rect class=\"ground\" x=\"0\" y=\"0\" width=\"{width}\" height=\"{height}\"/>"
    )
}

fn colours(
    svg: &mut String,
    pick: impl Fn((&'static str, &'static str)) -> &'static str,
    grey: &str,
    ground: &str,
) -> std::fmt::Result {
    for (index, colour) in COLOURS.into_iter().enumerate().take(2) {
        let colour = pick(colour);
        writeln!(
            svg,
            ".s{index} {{ stroke: {colour}; }} .f{index} {{ fill: {colour}; }} \
             .r{index} {{ stroke: {colour}; fill: {ground}; }}"
        )?;
    }
    writeln!(
        svg,
        ".sg {{ stroke: {grey}; }} .fg {{ fill: {grey}; }} .rg {{ stroke: {grey}; fill: {ground}; }}"
    )
}
