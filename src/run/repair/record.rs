//! What a repair has come to.

use serde::Serialize;

/// Absolute errors over samples, in units of the function's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Errors {
    /// The largest.
    pub max: f64,
    /// Their mean.
    pub mean: f64,
    /// The root of the mean of their squares.
    pub rms: f64,
}

impl Errors {
    /// Of errors of 0 and above.
    pub(super) fn of(errors: impl Iterator<Item = f64>) -> Self {
        let (mut max, mut sum, mut squares, mut count) = (0.0f64, 0.0, 0.0, 0.0);
        for error in errors {
            max = max.max(error);
            sum += error;
            squares += error * error;
            count += 1.0;
        }
        let count = f64::max(count, 1.0);
        Self { max, mean: sum / count, rms: libm::sqrt(squares / count) }
    }
}

/// One editor with one seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RepairRun {
    /// Name of the editor.
    pub editor: String,
    /// Seed of its random numbers.
    pub seed: u64,
    /// Rewards that were computed.
    pub evaluations: u64,
    /// Wall-clock time; of no other meaning than how fast this machine is.
    pub seconds: f64,
    /// The best reward, which is that of the edit.
    pub reward: f64,
    /// Errors on the samples that the reward is made of.
    pub on_reward: Errors,
    /// Errors on the others.
    pub on_test: Errors,
    /// Weights that are others than before.
    pub weights_changed: usize,
    /// Biases that are.
    pub biases_changed: usize,
    /// Digest of the edited file's bytes.
    pub digest: String,
    /// Name of the file that it was written to.
    pub file: String,
    /// The file with the edit.
    #[serde(skip)]
    pub bytes: Vec<u8>,
    /// What the edited network gives on the test samples of a function of one number.
    #[serde(skip)]
    pub curve: Vec<f32>,
}

/// A network before and after its repair.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Repaired {
    /// Version of this record's form.
    pub schema: u32,
    /// "repair".
    pub command: &'static str,
    /// Version of the program.
    pub version: &'static str,
    /// Name of the file.
    pub network: String,
    /// Digest of its bytes.
    pub digest: String,
    /// Names of the edited layers' weights.
    pub layers: Vec<String>,
    /// Weights and biases that are searched over.
    pub parameters: usize,
    /// The function: "sine on 0 to 6.28", or the file of samples.
    pub function: String,
    /// Samples that the reward is made of.
    pub reward_samples: usize,
    /// Samples of the final figures.
    pub test_samples: usize,
    /// Evaluations that a run may take.
    pub budget: u64,
    /// Initial standard deviation.
    pub sigma: f64,
    /// Errors that no edit can avoid: 8 bits of inputs and outputs.
    pub floor: Errors,
    /// Reward of the file as it is.
    pub reward: f64,
    /// Its errors on the samples that the reward is made of.
    pub on_reward: Errors,
    /// Its errors on the others.
    pub on_test: Errors,
    /// All runs, editor by editor.
    pub runs: Vec<RepairRun>,
    /// Test samples of a function of one number: x, the true value, what the network gives as it is.
    #[serde(skip)]
    pub curve: Vec<[f32; 3]>,
}

impl Repaired {
    /// The run whose edit has the best reward, the first of equals: chosen without a look at the test samples.
    pub fn best(&self) -> Option<&RepairRun> {
        self.runs.iter().reduce(|best, run| if run.reward > best.reward { run } else { best })
    }
}
