//! Retain accuracy against forget accuracy, with the retrained networks as the reference.

use super::super::summary::{FORGET, Group, RETAIN, sections};
use super::super::svg::{escape, step};
use super::super::words::{self, percent};
use super::kind;
use crate::run::record::Results;
use std::fmt::Write as _;

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 860.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 400.0;
/// Accuracies below this lie on the lower edge.
const FLOOR: f64 = 0.8;

struct Dot<'a> {
    group: &'a Group<'a>,
    forget: f64,
    retain: f64,
}

pub(super) fn section(results: &Results) -> String {
    let sections = sections(&results.runs);
    let dots: Vec<Dot<'_>> = sections
        .iter()
        .flat_map(|(_, groups)| groups)
        .filter_map(|group| {
            let (forget, retain) = (group.stat(FORGET)?.mean, group.stat(RETAIN)?.mean);
            (forget.is_finite() && retain.is_finite()).then_some(Dot { group, forget, retain })
        })
        .collect();
    let most = dots.iter().map(|dot| dot.retain).fold(FLOOR, f64::max);
    let least = dots.iter().map(|dot| dot.retain).fold(most, f64::min).max(FLOOR);
    let by = step((most - least).max(0.02), 6.0);
    let (low, high) = ((least / by - 0.2).floor() * by, ((most / by) + 0.2).ceil() * by);
    let x = |forget: f64| LEFT + 12.0 + (RIGHT - LEFT - 24.0) * forget.clamp(0.0, 1.0).sqrt();
    let y =
        |retain: f64| BOTTOM - 8.0 - (BOTTOM - TOP - 16.0) * (retain.max(low) - low) / (high - low);

    let mut svg = format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" \
         aria-labelledby=\"scatter-title\">\n<title id=\"scatter-title\">Accuracy on retained classes against \
         accuracy on forgotten classes</title>\n"
    );
    let lines = ((high - low) / by + 0.5) as usize;
    for value in (0..=lines.min(30)).map(|index| low + index as f64 * by) {
        let at = y(value);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text \
             x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            at + 4.0,
            percent(value)
        );
    }
    for value in [0.0, 0.01, 0.05, 0.2, 0.5, 1.0] {
        let at = x(value);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/><text x=\"{at:.1}\" \
             y=\"{:.1}\" text-anchor=\"middle\">{:.0}</text>",
            BOTTOM + 18.0,
            100.0 * value
        );
    }
    let _ = writeln!(
        svg,
        "<path class=\"axis\" d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\"/>\n<text x=\"{:.1}\" y=\"{:.1}\" \
         text-anchor=\"middle\">accuracy on the forgotten class, % (root scale)</text>\n<text \
         transform=\"translate(15 {:.1}) rotate(-90)\" text-anchor=\"middle\">accuracy on retained classes, %</text>",
        f64::midpoint(LEFT, RIGHT),
        BOTTOM + 42.0,
        f64::midpoint(TOP, BOTTOM)
    );
    if let Some(dot) = dots.iter().find(|dot| dot.group.editor == "retrain") {
        let (at_x, at_y) = (x(dot.forget), y(dot.retain));
        let _ = writeln!(
            svg,
            "<path class=\"axis cross\" d=\"M{LEFT} {at_y:.1}H{RIGHT}M{at_x:.1} {TOP}V{BOTTOM}\"/>"
        );
    }
    for dot in &dots {
        draw(&mut svg, dot, x(dot.forget), y(dot.retain));
    }
    label(&mut svg, &dots, x, y);
    svg.push_str("</svg>\n");
    format!(
        "<figure>\n{svg}<figcaption>Means over runs. Round marks: ShiftWorld and methods of no world; square: \
         MaskWorld. Blue: reward alone; green: closed form; orange: gradients and training data; grey: \
         references. The dashed lines cross at the retrained networks. Networks that retain less than {} % lie \
         on the lower edge. Pointing at a mark names it.</figcaption>\n</figure>\n",
        percent(low)
    )
}

fn draw(svg: &mut String, dot: &Dot<'_>, x: f64, y: f64) {
    let Dot { group, forget, retain } = dot;
    let kind = kind(group.editor);
    let title = format!(
        "{}: forgotten {} %, retained {} %",
        words::subject(group.editor, group.world),
        percent(*forget),
        percent(*retain)
    );
    let title = escape(&title);
    let _ = match group.world {
        Some("mask") => writeln!(
            svg,
            "<rect class=\"mark {kind}\" x=\"{:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\"><title>{title}</title></rect>",
            x - 5.0,
            y - 5.0
        ),
        _ => writeln!(
            svg,
            "<circle class=\"mark {kind}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5.6\"><title>{title}</title></circle>"
        ),
    };
}

/// Names beside the marks, where there is room for them.
fn label(svg: &mut String, dots: &[Dot<'_>], x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) {
    let mut taken: Vec<[f64; 4]> = dots
        .iter()
        .map(|dot| {
            let (x, y) = (x(dot.forget), y(dot.retain));
            [x - 6.0, y - 6.0, x + 6.0, y + 6.0]
        })
        .collect();
    for (index, dot) in dots.iter().enumerate() {
        let text = match dot.group.world {
            Some(world) => format!("{} ({world})", dot.group.editor),
            None => dot.group.editor.to_string(),
        };
        let width = 6.6 * text.chars().count() as f64;
        let (at_x, at_y) = (x(dot.forget), y(dot.retain));
        let places = [
            (9.0, 0.0),
            (-9.0 - width, 0.0),
            (9.0, -11.0),
            (9.0, 11.0),
            (-width / 2.0, -14.0),
            (-width / 2.0, 15.0),
        ];
        let free = places.into_iter().find_map(|(dx, dy)| {
            let (left, middle) = (at_x + dx, at_y + dy);
            let own = [left, middle - 7.0, left + width, middle + 7.0];
            let inside = own[0] > LEFT && own[2] < WIDTH && own[1] > 4.0 && own[3] < BOTTOM;
            let clear = taken.iter().enumerate().all(|(other, them)| {
                other == index
                    || own[0] > them[2]
                    || own[2] < them[0]
                    || own[1] > them[3]
                    || own[3] < them[1]
            });
            (inside && clear).then_some(own)
        });
        if let Some(own) = free {
            let _ = writeln!(
                svg,
                "<text class=\"soft halo\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                own[0],
                own[1] + 11.0,
                escape(&text)
            );
            taken.push(own);
        }
    }
}
