//! What is needed to repeat the run.

use super::super::json::shorten;
use super::super::svg::escape;
use super::super::words;
use super::table::{Cell, Column, table};
use crate::run::record::{DataRecord, Results};
use serde_json::Value;
use std::collections::BTreeMap;

/// Command, version, data and settings.
pub(in crate::report) fn settings_block(
    command: &str,
    version: &str,
    data: &DataRecord,
    config: &BTreeMap<String, Value>,
) -> String {
    let mut config = config.clone();
    config.values_mut().for_each(shorten);
    let config = serde_json::to_string_pretty(&config).unwrap_or_default();
    format!(
        "<p>Command <code>reweight {}</code>, version {}. Data: {}, {} train, {} reward and {} test samples, sha256 \
         <code>{}</code>. The settings below and the seed of a run decide its digest on every machine; neither \
         threads nor processor change it.</p>\n<details><summary>Settings</summary>\n<pre>{}</pre></details>\n",
        escape(command),
        escape(version),
        escape(&data.name),
        words::thousands(data.train as u64),
        words::thousands(data.reward as u64),
        words::thousands(data.test as u64),
        escape(&data.digest),
        escape_lines(&config)
    )
}

pub(super) fn section(results: &Results) -> String {
    let mut html =
        settings_block(&results.command, &results.version, &results.data, &results.config);
    let columns = [
        Column::text("editor"),
        Column::text("world"),
        Column::text("forget"),
        Column::number("seed", "of target and editor"),
        Column::text("target"),
        Column::text("digest"),
    ];
    let rows: Vec<Vec<Cell>> = results
        .runs
        .iter()
        .map(|run| {
            let forget: Vec<String> = run.forget.iter().map(ToString::to_string).collect();
            vec![
                Cell::text(&run.editor),
                Cell::text(run.world.as_deref().unwrap_or(words::NOTHING)),
                Cell::text(&forget.join("+")),
                Cell::number(Some(run.seed as f64), |seed| format!("{seed:.0}")),
                Cell::text(&run.target.digest),
                Cell::text(&run.digest),
            ]
        })
        .collect();
    html.push_str("<details><summary>Digests of all runs</summary>\n");
    html.push_str(&table(
        "FNV-1a 64 of the rewards in their order, then the edited layer",
        &columns,
        &rows,
        true,
    ));
    html.push_str("</details>\n");
    html
}

/// As [`escape`], line by line.
fn escape_lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}
