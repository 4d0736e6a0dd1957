//! How the training of a policy went: text, and a page with its curve.

use crate::run::Transfer;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A few lines for the terminal.
pub fn training_text(transfer: &Transfer) -> String {
    let policy = &transfer.policy;
    let mut text = format!(
        "A policy for {} world, features {}, trained {} ({} contexts)\n\n",
        policy.kind.name(),
        policy.features.name(),
        transfer.practised,
        transfer.contexts
    );
    let _ = writeln!(text, "seed  evaluations  first reward  last reward  seconds");
    for (seed, (curve, seconds)) in transfer.curves.iter().zip(&transfer.seconds).enumerate() {
        let reward = |range: std::ops::Range<usize>| {
            let part = curve.get(range).unwrap_or_default();
            part.iter().map(|point| f64::from(point.update.reward)).sum::<f64>()
                / part.len().max(1) as f64
        };
        let last = curve.len().saturating_sub(20)..curve.len();
        let _ = writeln!(
            text,
            "{:>4}  {:>11}  {:>12.4}  {:>11.4}  {seconds:>7.1}",
            transfer.first_seed + seed as u64,
            curve.last().map_or(0, |point| point.evaluations),
            reward(0..1),
            reward(last)
        );
    }
    let _ = writeln!(text, "\nsource networks: {:.1} s", transfer.network_seconds);
    text
}

/// Reward over evaluations of every seed, as a picture of its own.
pub fn training_svg(transfer: &Transfer) -> String {
    let (width, height, left, bottom) = (640.0, 320.0, 56.0, 40.0);
    let points = transfer.curves.iter().flatten();
    let most = points.clone().map(|point| point.evaluations).max().unwrap_or(1) as f64;
    let low = points.map(|point| f64::from(point.update.reward)).fold(1.0, f64::min);
    let low = (10.0 * low).floor() / 10.0;
    let x = |evaluations: f64| left + (width - left - 16.0) * evaluations / most;
    let y = |reward: f64| 16.0 + (height - bottom - 16.0) * (1.0 - reward) / (1.0 - low).max(1e-6);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>Mean reward of each update</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for step in 0..=4 {
        let reward = low + (1.0 - low) * f64::from(step) / 4.0;
        let at = y(reward);
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {at:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\">{reward:.3}</text>",
            width - 16.0,
            left - 6.0,
            at + 4.0
        );
        let evaluations = most * f64::from(step) / 4.0;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{}\">{evaluations:.0}</text>",
            x(evaluations),
            height - bottom + 18.0,
            if step == 4 { "end" } else { "middle" }
        );
    }
    let colours = ["#1b6ca8", "#c8553d", "#3a7d44", "#7a4f9a", "#a67c00"];
    for (seed, curve) in transfer.curves.iter().enumerate() {
        let line: Vec<String> = curve
            .iter()
            .map(|point| {
                let reward = f64::from(point.update.reward);
                format!("{:.1},{:.1}", x(point.evaluations as f64), y(reward))
            })
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"/>",
            line.join(" "),
            colours[seed % colours.len()]
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">evaluations (one line per policy seed)</text>\n</svg>",
        (width + left) / 2.0,
        height - 6.0
    );
    svg
}

/// Writes the training report beside the policy file: its name with `.md` in place of the extension, and the
/// curve as `.svg`.
///
/// # Errors
/// What the disk says, or that the file cannot be written.
pub fn write_training(policy: &Path, transfer: &Transfer) -> Result<PathBuf, crate::run::RunError> {
    let (path, curve) = (policy.with_extension("md"), policy.with_extension("svg"));
    crate::run::write_file(&curve, training_svg(transfer).as_bytes())?;
    let name = curve.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = format!(
        "# Training of a policy\n\n```text\n{}```\n\n![mean reward of each update]({name})\n\n\
         Made by `reweight {}`.\n",
        training_text(transfer),
        transfer.policy.trained
    );
    crate::run::write_file(&path, text.as_bytes())?;
    Ok(path)
}
