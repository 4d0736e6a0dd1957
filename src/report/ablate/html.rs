//! `report.html`: the findings, and heat maps of the whole grid.

use super::super::html::{
    Cell as TableCell, Column, Section, page, paragraph, settings_block, table,
};
use super::super::svg::escape;
use super::super::words::{NOTHING, count, percent};
use super::cells::{Cell, FACTORS, cells, levels, over, window, worlds};
use super::words::{findings, what};
use crate::run::record::{AblateResults, AblateSetting};
use std::fmt::Write as _;

/// `report.html` of `ablate`.
pub fn ablate_html(results: &AblateResults) -> String {
    let cells = cells(results);
    let mut first = paragraph(&what(results, &cells));
    first.push_str("<ul class=\"answers\">\n");
    for finding in findings(&cells).iter().chain(&results.notes) {
        let _ = writeln!(first, "<li>{}</li>", escape(finding));
    }
    first.push_str("</ul>\n");
    let mut maps = paragraph(
        "Rows: rank, initial mean of the policy (0 is the saddle) and log of its deviation. Columns: the step; those \
         inside the world's window are bold. A cell shows the deviation of the retain accuracy over seeds in points, \
         shaded, and below it the share of the forgotten class that is left in %.",
    );
    for world in worlds(&cells) {
        maps.push_str(&of_world(&cells, world));
    }
    let sections = [
        Section { id: "maps", title: "Heat maps".into(), body: maps },
        Section {
            id: "settings-alone",
            title: "Each setting by itself".into(),
            body: marginals(&cells),
        },
        Section {
            id: "settings",
            title: "Settings".into(),
            body: settings_block(
                &results.command,
                &results.version,
                &results.data,
                &results.config,
            ),
        },
    ];
    page("Which settings matter", &first, &sections)
}

/// Two settings lie on one map when these are equal.
fn sheet(setting: &AblateSetting) -> (usize, String, String) {
    (setting.episode_length, setting.lambda.to_string(), setting.reward.clone())
}

fn row_name(setting: &AblateSetting) -> String {
    format!("r {}, mean ±{}, log-std {}", setting.rank, setting.initial_mean, setting.log_std)
}

fn of_world(cells: &[Cell<'_>], world: &str) -> String {
    let ours: Vec<&Cell<'_>> = cells.iter().filter(|cell| cell.setting.world == world).collect();
    let mut sheets: Vec<(usize, String, String)> = Vec::new();
    for cell in &ours {
        let sheet = sheet(cell.setting);
        if !sheets.contains(&sheet) {
            sheets.push(sheet);
        }
    }
    let mut html = String::new();
    for own in &sheets {
        let (length, lambda, reward) = own;
        let on: Vec<&Cell<'_>> =
            ours.iter().filter(|cell| sheet(cell.setting) == *own).copied().collect();
        // The paper's own setting is open.
        let open = if *length == 1 && lambda == "0.5" { " open" } else { "" };
        let _ = write!(
            html,
            "<details{open}><summary>{} world, T = {length}, λ = {}, reward {}</summary>\n{}</details>\n",
            escape(world),
            escape(lambda),
            escape(reward),
            map(&on, world)
        );
    }
    html
}

/// Deviation that is shaded most: the paper's.
const DARKEST: f64 = 0.09;

fn map(cells: &[&Cell<'_>], world: &str) -> String {
    let steps = levels(cells, |setting| setting.step.to_string());
    let rows = levels(cells, row_name);
    let (low, high) = window(world);
    let mut html = String::from(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Heat map\"><table class=\"matrix\">\
         <thead><tr><th scope=\"col\">step</th>",
    );
    for step in &steps {
        let inside = step.parse::<f32>().is_ok_and(|step| (low..=high).contains(&step));
        let (open, close) = if inside { ("<b>", "</b>") } else { ("", "") };
        let _ = write!(html, "<th scope=\"col\">{open}{}{close}</th>", escape(step));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in &rows {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", escape(row));
        for step in &steps {
            let cell = cells.iter().find(|cell| {
                row_name(cell.setting) == *row && cell.setting.step.to_string() == *step
            });
            let _ = match cell {
                None => write!(html, "<td>{NOTHING}</td>"),
                Some(cell) => write!(
                    html,
                    "<td style=\"background:rgba(var(--heat),{:.2})\">{}<br><small>{} left</small></td>",
                    0.75 * (cell.retain_std / DARKEST).clamp(0.0, 1.0),
                    percent(cell.retain_std),
                    percent(cell.forget)
                ),
            };
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

fn marginals(cells: &[Cell<'_>]) -> String {
    let columns = [
        Column::text("setting"),
        Column::text("level"),
        Column::text("world"),
        Column::number("done %", "at most 5 % left and 3 points lost"),
        Column::number("forget %", "accuracy on the forgotten class"),
        Column::number("its std", "over seeds, points"),
        Column::number("retain %", "accuracy on the others"),
        Column::number("its std", "over seeds, points"),
        Column::number("policy's retain std", "of the noise-free policy, points"),
        Column::number(
            "to .95",
            "mean evaluations until the reward first reached .95; the budget where it did not",
        ),
    ];
    let mut rows = Vec::new();
    for world in worlds(cells) {
        let ours: Vec<&Cell<'_>> =
            cells.iter().filter(|cell| cell.setting.world == world).collect();
        for (name, of) in FACTORS {
            for level in levels(&ours, of) {
                let with: Vec<&Cell<'_>> =
                    ours.iter().filter(|cell| of(cell.setting) == level).copied().collect();
                let number =
                    |of: fn(&Cell<'_>) -> f64| TableCell::number(Some(over(&with, of)), percent);
                rows.push(vec![
                    TableCell::text(name),
                    TableCell::text(&level),
                    TableCell::text(world),
                    number(|cell| cell.done),
                    number(|cell| cell.forget),
                    number(|cell| cell.forget_std),
                    number(|cell| cell.retain),
                    number(|cell| cell.retain_std),
                    number(|cell| cell.policy_retain_std),
                    TableCell::number(Some(over(&with, |cell| cell.to_target)), count),
                ]);
            }
        }
    }
    table(
        "Means over all cells of the grid with that level. A heading sorts.",
        &columns,
        &rows,
        true,
    )
}
