//! How the training of a policy went: text, and a page with its curve.

use crate::run::{Transfer, TransferConfig};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A few lines for the terminal.
pub fn training_text(config: &TransferConfig, transfer: &Transfer) -> String {
    let mut text = format!(
        "A policy for {} world, features {}, trained to forget {} classes of {} networks ({} contexts)\n\n",
        config.world.name(),
        config.features().name(),
        config.classes.len(),
        transfer.networks.len(),
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
            config.seed + seed as u64,
            curve.last().map_or(0, |point| point.evaluations),
            reward(0..1),
            reward(last)
        );
    }
    let _ = writeln!(text, "\nsource networks: {:.1} s", transfer.network_seconds);
    text
}

/// Writes the training report beside the policy file: its name with `.md` in place of the extension.
///
/// # Errors
/// What the disk says, or that the file cannot be written.
pub fn write_training(
    policy: &Path,
    config: &TransferConfig,
    transfer: &Transfer,
) -> Result<PathBuf, crate::run::RunError> {
    let path = policy.with_extension("md");
    crate::run::write_file(&path, training_text(config, transfer).as_bytes())?;
    Ok(path)
}
