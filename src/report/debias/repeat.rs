//! What has to be said of all runs, and what is needed to repeat them.

use super::group::{Group, targets};
use super::markdown::{Written, layer, prose};
use super::table::share;
use crate::report::json::shorten;
use crate::report::words::{NOTHING, thousands};
use crate::run::debias::{DebiasConfig, DebiasResults, DebiasTarget};
use crate::world::{Config, WorldKind};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;

pub(super) fn notes(text: &mut String, results: &DebiasResults, all: &[Group<'_>]) -> Written {
    let mut notes: Vec<String> = Vec::new();
    for (edit, what) in [
        ("mean", "what the search came to rest at (noise-free policy, mean of the distribution)"),
        ("best", "the edit of the highest reward"),
    ] {
        let of = all
            .iter()
            .filter(|group| group.runs.iter().any(|run| run.edit.as_deref() == Some(edit)));
        let names: Vec<String> = of.map(Group::subject).collect();
        if !names.is_empty() {
            notes.push(format!(
                "Figures are of {what} for {}; those of the other edit stand in results.json.",
                names.join("; ")
            ));
        }
    }
    let undefined = results.runs.iter().map(|run| run.after.undefined).max().unwrap_or(0);
    if undefined > 0 {
        notes.push(format!(
            "Up to {undefined} rates or AUCs of groups are undefined, for want of comments, and were left \
             out of means."
        ));
    }
    notes.extend(results.notes.iter().cloned());
    if notes.is_empty() {
        return Ok(());
    }
    writeln!(text, "## Notes\n")?;
    for note in notes {
        writeln!(text, "- {}", prose(&note))?;
    }
    writeln!(text)
}

pub(super) fn settings(text: &mut String, results: &DebiasResults, all: &[Group<'_>]) -> Written {
    writeln!(
        text,
        "## To repeat it\n\nWith reweight {}{}:\n\n```sh\n{}\n```\n\nThe same settings, data and seeds give \
         the same digests on every machine, with any number of threads and any kernel.\n",
        prose(&results.version),
        if files(results) { "; words in capitals stand for files" } else { "" },
        command(results)
    )?;
    writeln!(text, "| setting | value |\n| --- | --- |")?;
    for (key, value) in &results.config {
        writeln!(text, "| {} | {} |", prose(key), prose(&shown(value)))?;
    }
    let of = if results.pooled.is_empty() { "seed" } else { "fold" };
    writeln!(text, "\n| target network of {of} | accuracy | digest |\n| ---: | ---: | --- |")?;
    for run in targets(results) {
        let accuracy = share(Some(run.target.test_accuracy.into()));
        writeln!(text, "| {} | {accuracy} | {} |", run.seed, prose(&run.target.digest))?;
    }
    let data = &results.data;
    writeln!(
        text,
        "\nData: {}, {} training, {} reward and {} test comments, sha256 {}.\n\n\
         | editor | world | layer | digests, {of} by {of} |\n| --- | --- | --- | --- |",
        prose(&data.name),
        thousands(data.train as u64),
        thousands(data.reward as u64),
        thousands(data.test as u64),
        prose(&data.digest)
    )?;
    for group in all {
        let digests: Vec<String> = group.runs.iter().map(|run| prose(&run.digest)).collect();
        writeln!(
            text,
            "| {} | {} | {} | {} |",
            prose(group.editor),
            prose(group.world.unwrap_or(NOTHING)),
            layer(group.layer),
            digests.join(" ")
        )?;
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    let mut value = value.clone();
    shorten(&mut value);
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Names that a run has of data that no file holds.
const BUILT_IN: [&str; 2] = ["built-in comments", "identity templates"];

fn files(results: &DebiasResults) -> bool {
    let command = command(results);
    ["FILE", "DATA", "ARCH"].iter().any(|name| command.contains(name))
}

/// The command line that gives these results, as far as the records tell: names of files are not among
/// them. Settings of the default are left out.
fn command(results: &DebiasResults) -> String {
    let config = &results.config;
    let text = |key: &str| config.get(key).and_then(Value::as_str);
    let target = match text("target") {
        Some("profanity") => DebiasTarget::Profanity,
        _ => DebiasTarget::Toxicity,
    };
    let from_file = !BUILT_IN.contains(&results.data.name.as_str());
    let usual = DebiasConfig {
        target,
        data: from_file.then(|| PathBuf::from("DATA")),
        ..DebiasConfig::default()
    };
    let mut line = String::from("reweight debias");
    let mut add = |option: &str, value: &str| {
        line.push_str(" --");
        line.push_str(option);
        if !value.is_empty() {
            line.push(' ');
            line.push_str(&shell(value));
        }
    };
    let loaded = !matches!(text("target"), None | Some("toxicity-mlp" | "profanity"));
    match text("target") {
        Some("toxicity-mlp") | None => {}
        Some("profanity") => add("target", "profanity"),
        Some(_) => {
            add("model", "FILE");
            add("arch", "ARCH");
        }
    }
    if from_file {
        add("data", "DATA");
    }
    for _ in super::table::elsewhere(results) {
        add("test-data", "FILE");
    }
    if let Some(layer) = text("layer").filter(|layer| loaded || *layer != usual.layer_name()) {
        add("layer", layer);
    }
    let kinds: Vec<(WorldKind, &Value)> = [WorldKind::Shift, WorldKind::Mask]
        .into_iter()
        .filter_map(|kind| Some((kind, config.get(&format!("world_{}", kind.name()))?)))
        .collect();
    if let [(kind, _)] = kinds.as_slice() {
        add("world", kind.name());
    }
    worlds(&kinds, &usual, loaded, &mut add);
    let fresh = usual.record();
    for (key, value) in config {
        let skipped = ["target", "layer", "editors", "front"].contains(&key.as_str());
        if skipped || key.starts_with("world_") || fresh.get(key) == Some(value) {
            continue;
        }
        let option = key.replace('_', "-");
        match value {
            Value::Bool(true) => add(&option, ""),
            Value::Null | Value::Bool(false) => {}
            Value::Array(list) if key == "set" => {
                for pair in list {
                    let of = |at: usize| pair.get(at).and_then(Value::as_str).unwrap_or_default();
                    add("set", &format!("{}={}", of(0), of(1)));
                }
            }
            Value::Array(list) => {
                add(&option, &list.iter().map(shown).collect::<Vec<_>>().join(","));
            }
            other => add(&option, &shown(other)),
        }
    }
    if config.get("front") == Some(&Value::Bool(false)) {
        add("no-front", "");
    }
    if let Some(Value::Array(list)) = config.get("editors")
        && !list.is_empty()
    {
        add("editor", &list.iter().map(shown).collect::<Vec<_>>().join(","));
    }
    add("out", "report");
    line
}

/// Options that hold for all worlds, where they are not the default.
fn worlds(
    kinds: &[(WorldKind, &Value)],
    usual: &DebiasConfig,
    loaded: bool,
    add: &mut impl FnMut(&str, &str),
) {
    // The penalties of a network that was loaded are those of the deployed one.
    let own = DebiasConfig { target: DebiasTarget::Profanity, ..usual.clone() };
    let usual = if loaded { &own } else { usual };
    let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_f64);
    let differs = |key: &str, standard: &dyn Fn(WorldKind) -> f32| {
        let other = kinds.iter().find(|(kind, value)| {
            number(value, key).is_some_and(|value| value as f32 != standard(*kind))
        });
        other.and_then(|(_, value)| value.get(key)).map(shown)
    };
    if let Some(budget) = kinds.first().and_then(|(_, value)| value.get("budget")?.as_u64()) {
        add("budget", &budget.to_string());
    }
    type Standard<'s> = &'s dyn Fn(WorldKind) -> f32;
    let options: [(&str, &str, Standard<'_>); 3] = [
        ("rank", "rank", &|_| 1.0),
        ("step", "step", &|kind| Config::new(kind).step),
        ("size_penalty", "size-penalty", &|kind| usual.size_penalty(kind)),
    ];
    for (key, option, standard) in options {
        if let Some(value) = differs(key, standard) {
            add(option, &value);
        }
    }
    let unit = kinds.first().and_then(|(_, value)| value.get("unit")?.as_str());
    if let Some(unit) = unit.filter(|unit| *unit != "rms") {
        add("unit", unit);
    }
}

/// A word of a shell's line.
fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.,=/:+".contains(c);
    // No line break may end the block of code.
    let word: String = word.chars().filter(|c| !c.is_control()).collect();
    if !word.is_empty() && word.chars().all(plain) {
        word
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
