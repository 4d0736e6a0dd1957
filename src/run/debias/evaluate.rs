//! The command `evaluate` on classifiers of texts.

use super::language::Language;
use super::material::{TEST_TEMPLATES, TextPart};
use super::measure::{Cuts, Judged, scores};
use super::net::Net;
use super::record::{DebiasFigures, GroupFigures};
use super::target::{INT8, PROFANITY, TOXICITY, TextTarget};
use crate::data::text::{
    BUILTIN_SIZES, Comments, Vocabulary, builtin_comments, identity_test_templates, load_comments,
};
use crate::kernel::Kernel;
use crate::nn::{Kind, Stack};
use crate::run::error::RunError;
use crate::run::int8::load_int8;
use crate::run::loaded::load_any_model;
use crate::run::target::Target;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

/// Opens a classifier of texts: `.rwn` and `.rwq` with their words, one a line, in the file `words` or in the
/// `words-SEED.txt` that stands beside the network; safetensors with the description `arch`. `None` where the file
/// holds a network over images.
///
/// # Errors
/// [`RunError::Failed`] names the file and what is wrong with it.
pub fn open_text(
    model: &Path,
    arch: Option<&Path>,
    words: Option<&Path>,
) -> Result<Option<TextTarget>, RunError> {
    let (target, integers) = if model.extension().is_some_and(|end| end == "rwq") && arch.is_none()
    {
        let (target, integers) = load_int8(model)?.into_parts();
        (target, Some(Arc::new(integers)))
    } else {
        (load_any_model(model, arch)?, None)
    };
    match (&target.foreign, arch) {
        (Some(foreign), Some(arch)) if foreign.text.is_some() => {
            return TextTarget::load(model, arch).map(Some);
        }
        _ if !reads_words(&target.stack) => return Ok(None),
        _ => {}
    }
    if target.name == format!("{PROFANITY}{INT8}") {
        let TextTarget { language, foreign, .. } = TextTarget::profanity()?;
        return Ok(Some(TextTarget { foreign, integers, ..of_words(target, language) }));
    }
    if target.name.strip_suffix(INT8).unwrap_or(&target.name) != TOXICITY {
        return Err(RunError::Failed(format!(
            "{}: {} reads words as the file says that it was quantised from: debias --model … --int8 judges it",
            model.display(),
            target.name
        )));
    }
    let beside = model.with_file_name(format!("words-{}.txt", target.seed));
    let language = read_words(words.unwrap_or(&beside), &target.stack)?;
    Ok(Some(TextTarget { integers, ..of_words(target, language.into()) }))
}

/// Whether a network's first layer takes a bag of words rather than an image.
fn reads_words(stack: &Stack) -> bool {
    let first = stack.layers().first().map(|layer| *layer.kind());
    matches!((stack.input(), first), ([_, 1, 1], Some(Kind::Dense { .. })))
}

fn of_words(target: Target, language: Arc<Language>) -> TextTarget {
    let Target { name, stack, parameters, seed, key, .. } = target;
    TextTarget { name, stack, parameters, seed, key, language, foreign: None, integers: None }
}

fn read_words(path: &Path, stack: &Stack) -> Result<Language, RunError> {
    let refused = |what: String| RunError::Failed(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| {
        refused(format!("{error} (the words that the network reads, one a line: --words FILE)"))
    })?;
    let words: Vec<String> = text.lines().map(str::to_string).collect();
    let (found, inputs) = (words.len(), stack.inputs());
    if found != inputs {
        return Err(refused(format!("{found} words, the network takes {inputs}")));
    }
    if stack.outputs() != 2 {
        return Err(refused(format!("the network has {} outputs, expected 2", stack.outputs())));
    }
    let vocabulary = Vocabulary::from_words(words).map_err(|error| refused(error.to_string()))?;
    Ok(Language::of_words(vocabulary))
}

/// What `evaluate` found of a classifier of texts.
#[derive(Clone, Debug)]
pub struct TextEvaluation {
    /// Name of the network.
    pub network: String,
    /// Digest of its parameters.
    pub digest: String,
    /// Name of the comments.
    pub data: String,
    /// The figures.
    pub figures: DebiasFigures,
}

/// Judges `target` on the comments of a CSV file, or on what `debias` tests it on: the built-in comments' test split
/// (of `split_seed`), of the deployed classifier identity templates. From probability `threshold` on a comment is
/// called toxic.
///
/// # Errors
/// [`RunError`]: comments that cannot be read or are of one class, a threshold outside (0, 1).
pub fn evaluate_text(
    kernel: Kernel,
    target: &TextTarget,
    data: Option<&Path>,
    split_seed: u64,
    threshold: f32,
) -> Result<TextEvaluation, RunError> {
    if !(threshold > 0.0 && threshold < 1.0) {
        let message = "--threshold is a probability above 0 and below 1";
        return Err(RunError::Usage(message.into()));
    }
    let comments: Comments = match data {
        Some(path) => load_comments(path, &mut |_, _| {})
            .map_err(|error| RunError::Failed(error.to_string()))?,
        None if target.foreign.is_some() => {
            let (per_term, without) = TEST_TEMPLATES;
            identity_test_templates(0, per_term, without)
        }
        None => {
            let [_, _, test] = builtin_comments(split_seed, BUILTIN_SIZES);
            test
        }
    };
    let data = match data {
        Some(_) => comments.name.clone(),
        None if target.foreign.is_some() => "identity templates, test".into(),
        None => "built-in comments, test".into(),
    };
    let part = TextPart::of(&comments, &target.language);
    let readout = target.language.readout();
    let scores = scores(kernel, Net::of(target), &readout, &part.bag)?;
    let at = readout.score_of(threshold);
    let cuts = Cuts { threshold, at, matched: None, matched_probability: None };
    let figures = Judged::new(&part.comments, scores, &cuts).figures(&cuts, 0)?;
    Ok(TextEvaluation { network: target.name.clone(), digest: target.digest(), data, figures })
}

impl TextEvaluation {
    /// For people.
    pub fn text(&self) -> String {
        let figures = &self.figures;
        let show = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.3}"));
        let mut text = format!(
            "{} {} on {}: {} comments, toxic from {} on\n\n",
            self.network, self.digest, self.data, figures.n, figures.threshold
        );
        let mut line = |name: &str, values: &[(&str, Option<f64>)]| {
            let values: Vec<String> =
                values.iter().map(|(name, value)| format!("{name} {}", show(*value))).collect();
            let _ = writeln!(text, "{name:<10} {}", values.join(", "));
        };
        line(
            "overall",
            &[
                ("AUC", figures.auc),
                ("accuracy", figures.accuracy),
                ("TPR", figures.tpr),
                ("FPR", figures.fpr),
                ("Jigsaw", figures.jigsaw_score),
            ],
        );
        line(
            "FPR gap",
            &[
                ("mean", figures.fped_mean),
                ("worst", figures.worst_gap),
                ("by chance", figures.gap_null),
            ],
        );
        line("FNR gap", &[("mean", figures.fned_mean), ("by chance", figures.fned_null)]);
        let name = |group: &GroupFigures| group.name.chars().count();
        let width = figures.groups.iter().map(name).max().unwrap_or(0).max(5);
        let _ = writeln!(
            text,
            "\n{:<width$} {:>8} {:>7} {:>7} {:>9} {:>7} {:>7}",
            "group", "comments", "FPR", "gap", "by chance", "FNR", "AUC"
        );
        for group in &figures.groups {
            let _ = writeln!(
                text,
                "{:<width$} {:>8} {:>7} {:>7} {:>9} {:>7} {:>7}",
                group.name,
                group.n,
                show(group.fpr),
                show(group.gap),
                show(group.gap_null),
                show(group.fnr),
                show(group.subgroup_auc)
            );
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> String {
        let Self { network, digest, data, figures } = self;
        let value = json!({"schema": 1, "command": "evaluate", "network": network,
            "digest": digest, "data": data, "figures": figures});
        format!("{value:#}\n")
    }
}
