//! `results.json`, written and read.

use crate::run::record::{Results, SCHEMA};
use serde::Deserialize;
use serde_json::Value;

/// `results.json`: indented, lists of numbers on one line, with a newline at the end. Every number is the shortest decimal that
/// reads back as the same bits in its own width.
pub fn json(results: &Results) -> String {
    let mut results = results.clone();
    results.config.values_mut().for_each(shorten);
    // Fails for maps whose keys are no strings only; there are none.
    numbers_in_lines(&serde_json::to_string_pretty(&results).unwrap_or_default())
}

/// Puts lists of numbers on one line each: a matrix would take thousands of lines.
fn numbers_in_lines(pretty: &str) -> String {
    // No string ends a line with a bracket, for its quotation mark follows.
    let number = |line: &str| {
        let value = line.trim().trim_end_matches(',');
        value == "null" || value.starts_with(|c: char| c.is_ascii_digit() || c == '-')
    };
    let mut text = String::with_capacity(pretty.len());
    let mut lines = pretty.lines().peekable();
    while let Some(line) = lines.next() {
        text.push_str(line);
        if line.ends_with('[') && lines.peek().is_some_and(|line| number(line)) {
            while let Some(value) = lines.next_if(|line| number(line)) {
                text.push_str(value.trim());
                text.push_str(if value.ends_with(',') { " " } else { "" });
            }
            text.push_str(lines.next().unwrap_or_default().trim());
        }
        text.push('\n');
    }
    text
}

/// Settings of 32 bits were widened when they were recorded: 0.7 as 0.699999988079071.
pub(super) fn shorten(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let wide = number.as_f64().unwrap_or(f64::NAN);
            let narrow = wide as f32;
            if f64::from(narrow) == wide
                && let Ok(short) = narrow.to_string().parse::<f64>()
                && let Some(short) = serde_json::Number::from_f64(short)
            {
                *number = short;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(map) => map.values_mut().for_each(shorten),
        _ => {}
    }
}

/// The part that every schema has.
#[derive(Deserialize)]
struct Head {
    schema: u32,
}

/// Reads what [`json`] wrote.
///
/// # Errors
/// A message for the reader: no results, results of a newer schema, or where the text breaks it.
pub fn read_json(text: &str) -> Result<Results, String> {
    let head: Head =
        serde_json::from_str(text).map_err(|error| format!("not a results.json: {error}"))?;
    if head.schema > SCHEMA {
        return Err(format!(
            "schema {} is newer than this program, which reads schema {SCHEMA}: use the version of \
             reweight that wrote it, or a later one",
            head.schema
        ));
    }
    if head.schema < SCHEMA {
        return Err(format!("schema {} never existed; the first is {SCHEMA}", head.schema));
    }
    serde_json::from_str(text).map_err(|error| format!("breaks schema {SCHEMA}: {error}"))
}
