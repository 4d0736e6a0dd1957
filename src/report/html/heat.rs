//! The edits as pictures.

use super::super::summary::sections;
use super::super::svg::escape;
use super::super::words;
use super::mark;
use super::page::paragraph;
use super::png::data_uri;
use crate::run::record::{Heat, Results};
use std::fmt::Write as _;

pub(super) fn section(results: &Results) -> String {
    let mut html = paragraph(
        "The change of the edited layer's weights (rows: outputs, columns: inputs) in one run of every editor: \
         blue is less, orange is more, white is no change. The scale is the largest change, in units of the \
         layer's root mean square.",
    );
    html.push_str("<div class=\"pair\">\n");
    for group in sections(&results.runs).iter().flat_map(|(_, groups)| groups) {
        let Some((run, heat)) = group.runs.iter().find_map(|run| Some((run, run.heat.as_ref()?)))
        else {
            continue;
        };
        if heat.scale <= 0.0 || heat.values.len() != heat.rows * heat.cols {
            continue;
        }
        let name = words::subject(group.editor, group.world);
        let forget: Vec<String> = run.forget.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            html,
            "<figure><img class=\"heat\" alt=\"Change of the weights by {0}\" src=\"{1}\" width=\"{2}\" \
             height=\"{3}\"><figcaption>{4}{0}: class {5}, seed {6}; largest change {7:.2} rms</figcaption></figure>",
            escape(&name),
            data_uri(heat.cols, &pixels(heat)),
            heat.cols,
            heat.rows,
            mark(group),
            forget.join("+"),
            run.seed,
            heat.scale
        );
    }
    html.push_str("</div>\n");
    html
}

/// Blue over white to orange.
fn pixels(heat: &Heat) -> Vec<[u8; 3]> {
    const LESS: [f32; 3] = [0.0, 99.0, 166.0];
    const MORE: [f32; 3] = [194.0, 78.0, 0.0];
    heat.values
        .iter()
        .map(|&value| {
            let share = f32::from(value).abs() / 127.0;
            let end = if value < 0 { LESS } else { MORE };
            // The root shows small changes as well.
            end.map(|channel| (255.0 + (channel - 255.0) * share.min(1.0).sqrt()) as u8)
        })
        .collect()
}
