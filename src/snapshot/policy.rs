//! Policies as files: several seeds of one design, and how they were trained.

use super::container::{FileKind, HEAD, SnapshotError, Values, Writer, open};
use serde::{Deserialize, Serialize};

/// A policy that was trained to transfer. Under 8 kB with three seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyFile<'b> {
    /// Whether it acts in ShiftWorld (else in MaskWorld).
    pub shift: bool,
    /// Name of its feature set.
    pub features: &'b str,
    /// Version of the features' definitions.
    pub feature_version: u32,
    /// Rank of its action.
    pub rank: usize,
    /// Hidden units of each network.
    pub hidden: usize,
    /// Step s that it was trained with.
    pub step: f32,
    /// Number of seeds.
    pub seeds: usize,
    /// Parameters of each seed.
    pub each: usize,
    /// How it was trained, in the words of the command line.
    pub trained: &'b str,
    /// Evaluations that each seed was trained with.
    pub evaluations: u64,
    /// Mean reward of the last updates, over the seeds.
    pub reward: f32,
    /// Digest of the source networks.
    pub networks: u64,
    parameters: Values<'b>,
}

#[derive(Serialize, Deserialize)]
struct Record<'b> {
    shift: bool,
    features: &'b str,
    feature_version: u32,
    rank: u32,
    hidden: u32,
    step: f32,
    seeds: u32,
    each: u32,
    trained: &'b str,
    evaluations: u64,
    reward: f32,
    networks: u64,
}

impl<'b> PolicyFile<'b> {
    /// A policy whose parameters are given to [`write`](Self::write), described by `like` a file without
    /// any.
    #[allow(clippy::too_many_arguments)]
    pub const fn new(
        shift: bool,
        (features, feature_version): (&'b str, u32),
        rank: usize,
        hidden: usize,
        step: f32,
        (seeds, each): (usize, usize),
        trained: &'b str,
        (evaluations, reward, networks): (u64, f32, u64),
    ) -> Self {
        let parameters = Values { bytes: &[] };
        Self {
            shift,
            features,
            feature_version,
            rank,
            hidden,
            step,
            seeds,
            each,
            trained,
            evaluations,
            reward,
            networks,
            parameters,
        }
    }

    /// Bytes that the file takes at the most.
    pub const fn bound(&self) -> usize {
        let values = self.seeds.saturating_mul(self.each).saturating_mul(4);
        (HEAD + 96 + self.features.len() + self.trained.len()).saturating_add(values)
    }

    /// Writes the file to the front of `out` and returns its length.
    ///
    /// # Errors
    /// [`SnapshotError`]: the buffer is too small, a size is 0 or above 2^32, or a number is not
    /// finite or not as many as the sizes call for.
    pub fn write(&self, parameters: &[f32], out: &mut [u8]) -> Result<usize, SnapshotError> {
        let bad = |expected| SnapshotError::Malformed { offset: HEAD, expected };
        self.check().map_err(bad)?;
        if Some(parameters.len()) != self.seeds.checked_mul(self.each) {
            return Err(bad("as many parameters as the sizes call for"));
        }
        let small = |size: usize| u32::try_from(size).map_err(|_| bad("sizes below 2^32"));
        let mut writer = Writer::new(FileKind::Policy, out);
        writer.record(&Record {
            shift: self.shift,
            features: self.features,
            feature_version: self.feature_version,
            rank: small(self.rank)?,
            hidden: small(self.hidden)?,
            step: self.step,
            seeds: small(self.seeds)?,
            each: small(self.each)?,
            trained: self.trained,
            evaluations: self.evaluations,
            reward: self.reward,
            networks: self.networks,
        })?;
        writer.values(parameters)?;
        writer.finish()
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn read(bytes: &'b [u8]) -> Result<Self, SnapshotError> {
        let mut reader = open(FileKind::Policy, bytes)?;
        let record: Record<'b> = reader.record("the description of a policy")?;
        let mut file = Self::new(
            record.shift,
            (record.features, record.feature_version),
            record.rank as usize,
            record.hidden as usize,
            record.step,
            (record.seeds as usize, record.each as usize),
            record.trained,
            (record.evaluations, record.reward, record.networks),
        );
        file.check().map_err(|expected| reader.malformed(expected))?;
        let count = file.seeds.checked_mul(file.each);
        let count = count.ok_or_else(|| reader.malformed("fewer parameters"))?;
        file.parameters = reader.values(count)?;
        Ok(file)
    }

    const fn check(&self) -> Result<(), &'static str> {
        if self.rank == 0 || self.hidden == 0 || self.seeds == 0 || self.each == 0 {
            return Err("a rank, hidden units, seeds and parameters of at least 1");
        }
        if !(self.step > 0.0 && self.step.is_finite() && self.reward.is_finite()) {
            return Err("a finite step above 0 and a finite reward");
        }
        Ok(())
    }

    /// The parameters, seed by seed.
    pub fn parameters(&self) -> impl Iterator<Item = f32> + '_ {
        self.parameters.iter()
    }
}
