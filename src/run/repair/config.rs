//! The command `repair`.

use super::objective::Objective;
use super::record::{RepairRun, Repaired};
use super::samples::{Samples, real};
use super::search::search;
use crate::data::tflite::{TfChain, TfLite};
use crate::kernel::Kernel;
use crate::num;
use crate::run::pool;
use crate::run::{Observer, RunError};
use std::path::PathBuf;
use std::time::Instant;

/// Editors that repair knows: searches that act by reward alone, and the control `random`.
pub const EDITORS: &[&str] = &["sep-cma-es", "sparse-es", "es", "random"];

/// What a network should compute.
#[derive(Clone, Debug, PartialEq)]
pub enum Function {
    /// The sine of its one input.
    Sine {
        /// Least input.
        low: f32,
        /// Largest input.
        high: f32,
    },
    /// Samples: a CSV file of inputs and outputs.
    File(PathBuf),
}

impl Function {
    /// For people.
    pub fn name(&self) -> String {
        match self {
            Self::Sine { low, high } => format!("sine on {low} to {high}"),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// Settings of a repair.
#[derive(Clone, Debug, PartialEq)]
pub struct RepairConfig {
    /// What the network should compute.
    pub function: Function,
    /// One dense layer that is repaired as a network over its own inputs; all of the network where it is left out.
    pub layer: Option<String>,
    /// Positions of the dense layers whose weights are edited, from 0; all where it is left out.
    pub edit: Option<Vec<usize>>,
    /// Names of editors, of [`EDITORS`].
    pub editors: Vec<String>,
    /// Reward evaluations of a run.
    pub budget: u64,
    /// Initial standard deviation, in steps of a weight.
    pub sigma: f32,
    /// Number of seeds.
    pub seeds: u64,
    /// The first seed.
    pub first_seed: u64,
    /// Threads; change no figure.
    pub threads: usize,
    /// Kernels; change no figure.
    pub kernel: Kernel,
}

impl Default for RepairConfig {
    #[allow(clippy::approx_constant, reason = "a range that is written down, not a turn")]
    fn default() -> Self {
        Self {
            function: Function::Sine { low: 0.0, high: 6.28 },
            layer: None,
            edit: None,
            editors: vec!["sep-cma-es".into()],
            budget: 100_000,
            sigma: 8.0,
            seeds: 5,
            first_seed: 0,
            threads: 1,
            kernel: Kernel::auto(),
        }
    }
}

impl RepairConfig {
    /// Checks what needs no file.
    ///
    /// # Errors
    /// [`RunError::Usage`] names the option and what was expected.
    pub fn check(&self) -> Result<(), RunError> {
        let wrong = |text: String| Err(RunError::Usage(text));
        if let Some(name) = self.editors.iter().find(|name| !EDITORS.contains(&name.as_str())) {
            return wrong(format!(
                "--editor: expected some of {}, found {name}",
                EDITORS.join(", ")
            ));
        }
        if let Function::Sine { low, high } = self.function
            && !(low < high && low.is_finite() && high.is_finite())
        {
            return wrong(format!("--range: expected two rising numbers, found {low},{high}"));
        }
        if !(self.sigma > 0.0 && self.sigma <= 127.0) {
            return wrong(format!(
                "--sigma: expected a number above 0, at most 127, found {}",
                self.sigma
            ));
        }
        if self.budget == 0 || self.seeds == 0 || self.editors.is_empty() {
            return wrong("expected at least one evaluation, one seed and one editor".into());
        }
        Ok(())
    }

    /// Whether each layer of the network is edited.
    fn edited(&self, chain: &TfChain) -> Result<Vec<bool>, RunError> {
        let count = chain.layers.len();
        match &self.edit {
            None => Ok(vec![true; count]),
            Some(edit) if edit.iter().all(|&layer| layer < count) && !edit.is_empty() => {
                Ok((0..count).map(|layer| edit.contains(&layer)).collect())
            }
            Some(edit) => Err(RunError::Failed(format!(
                "--edit: expected positions of dense layers below {count}, found {edit:?}"
            ))),
        }
    }
}

/// Repairs a network with every editor and seed. Nothing is written.
///
/// # Errors
/// [`RunError`]: settings, samples or a file that do not fit each other; the file's own errors name operator and tensor.
pub fn repair(
    file: &TfLite,
    config: &RepairConfig,
    observer: &dyn Observer,
) -> Result<Repaired, RunError> {
    config.check()?;
    let failed = |error: crate::data::DataError| RunError::Failed(error.to_string());
    let chain = file.dense(config.layer.as_deref()).map_err(failed)?;
    // What cannot be written back should not be searched for first.
    file.with(&chain).map_err(failed)?;
    let edited = config.edited(&chain)?;
    let samples = Samples::new(&config.function, &chain)?;
    let (_, scale) = chain.ends();
    let mut original = Objective::new(config.kernel, &samples, &chain, &edited);
    let on_reward = original.errors(&samples.reward)?;
    let on_test = original.errors(&samples.test)?;
    let single = chain.inputs() == 1 && chain.outputs() == 1;
    let given = original.run(&samples.test)?.to_vec();
    let curve = samples.test.real.iter().zip(&samples.test.y).zip(given);
    let curve = curve.map(|((&x, &y), q)| [x, y, real(scale, q)]);
    let stem = std::path::Path::new(file.place()).file_stem().unwrap_or_default();
    let stem = stem.to_string_lossy();
    let seeds = config.first_seed..config.first_seed.saturating_add(config.seeds);
    let units: Vec<(&String, u64)> = (config.editors.iter())
        .flat_map(|editor| seeds.clone().map(move |seed| (editor, seed)))
        .collect();
    observer.phase("repairing", units.len());
    let runs =
        pool::map(&units, config.threads, |&(editor, seed)| -> Result<RepairRun, RunError> {
            let started = Instant::now();
            let mut objective = Objective::new(config.kernel, &samples, &chain, &edited);
            let watch = |part| observer.advanced(part);
            let found = search(editor, &mut objective, config.budget, config.sigma, seed, &watch)?;
            objective.apply(&found.change);
            let on_test = objective.errors(&samples.test)?;
            let curve = objective.run(&samples.test)?.iter().map(|&q| real(scale, q));
            let curve = if single { curve.collect() } else { Vec::new() };
            let on_reward = objective.errors(&samples.reward)?;
            let (weights_changed, biases_changed) = objective.changed();
            let bytes = file.with(objective.chain()).map_err(failed)?;
            observer.finished(editor);
            Ok(RepairRun {
                editor: editor.clone(),
                seed,
                evaluations: objective.evaluations,
                seconds: started.elapsed().as_secs_f64(),
                reward: objective.rate(on_reward),
                on_reward,
                on_test,
                weights_changed,
                biases_changed,
                digest: digest(&bytes),
                file: format!("{stem}-{editor}-{seed}.tflite"),
                bytes,
                curve,
            })
        })?;
    let layers = chain.layers.iter().zip(&edited).filter(|(_, edited)| **edited);
    Ok(Repaired {
        schema: 1,
        command: "repair",
        version: env!("CARGO_PKG_VERSION"),
        network: file.place().into(),
        digest: digest(file.bytes()),
        layers: layers.map(|(layer, _)| layer.name.clone()).collect(),
        parameters: original.len(),
        function: config.function.name(),
        reward_samples: samples.reward.count,
        test_samples: samples.test.count,
        budget: config.budget,
        sigma: config.sigma.into(),
        floor: samples.test.floor(scale),
        reward: original.rate(on_reward),
        on_reward,
        on_test,
        runs,
        curve: if single { curve.collect() } else { Vec::new() },
    })
}

fn digest(bytes: &[u8]) -> String {
    let mut digest = num::Digest::new();
    digest.bytes(bytes);
    format!("{:016x}", digest.finish())
}
