//! Edits as files: the actions that change one layer, and the digests that they belong to.

use super::container::{FileKind, HEAD, SnapshotError, Values, Writer, open};
use serde::{Deserialize, Serialize};

/// An edit: `steps` actions of rank `rank` on one layer. Under 2 kB for 128 × 32 at rank 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EditFile<'b> {
    /// Whether weights are shifted (else masked).
    pub shift: bool,
    /// Whether the step is in absolute units (else in units of the layer's rms).
    pub absolute: bool,
    /// Step s.
    pub step: f32,
    /// The unit u that the step was multiplied by.
    pub unit: f32,
    /// Rank r of each action.
    pub rank: usize,
    /// Number of actions, applied one after the other.
    pub steps: usize,
    /// Name of the layer.
    pub layer: &'b str,
    /// Inputs of the layer.
    pub inputs: usize,
    /// Outputs of the layer.
    pub outputs: usize,
    /// Digest of the whole network before the edit.
    pub before: u64,
    /// Digest of the whole network after it.
    pub after: u64,
    actions: Values<'b>,
}

#[derive(Serialize, Deserialize)]
struct Record<'b> {
    shift: bool,
    absolute: bool,
    step: f32,
    unit: f32,
    rank: u32,
    steps: u32,
    layer: &'b str,
    inputs: u32,
    outputs: u32,
    before: u64,
    after: u64,
}

impl<'b> EditFile<'b> {
    /// An edit whose actions are given to [`write`](Self::write).
    #[allow(clippy::too_many_arguments)]
    pub const fn new(
        shift: bool,
        absolute: bool,
        step: f32,
        unit: f32,
        rank: usize,
        steps: usize,
        layer: &'b str,
        (inputs, outputs): (usize, usize),
        (before, after): (u64, u64),
    ) -> Self {
        let actions = Values { bytes: &[] };
        Self {
            shift,
            absolute,
            step,
            unit,
            rank,
            steps,
            layer,
            inputs,
            outputs,
            before,
            after,
            actions,
        }
    }

    /// Values of all actions.
    pub const fn actions_len(&self) -> usize {
        self.steps
            .saturating_mul(self.rank.saturating_mul(self.inputs.saturating_add(self.outputs)))
    }

    /// Bytes that the file takes at the most.
    pub const fn bound(&self) -> usize {
        HEAD + 96 + self.layer.len() + self.actions_len().saturating_mul(4)
    }

    /// Writes the file to the front of `out` and returns its length.
    ///
    /// # Errors
    /// [`SnapshotError`]: the buffer is too small, or a number is not finite, outside [−1, 1], or not
    /// as many as the sizes call for.
    pub fn write(&self, actions: &[f32], out: &mut [u8]) -> Result<usize, SnapshotError> {
        let bad = |expected| SnapshotError::Malformed { offset: HEAD, expected };
        if actions.len() != self.actions_len() {
            return Err(bad("as many action entries as the sizes call for"));
        }
        check(self.step, self.unit, actions.iter().copied()).map_err(bad)?;
        let small = |size: usize| u32::try_from(size).map_err(|_| bad("sizes below 2^32"));
        let mut writer = Writer::new(FileKind::Edit, out);
        writer.record(&Record {
            shift: self.shift,
            absolute: self.absolute,
            step: self.step,
            unit: self.unit,
            rank: small(self.rank)?,
            steps: small(self.steps)?,
            layer: self.layer,
            inputs: small(self.inputs)?,
            outputs: small(self.outputs)?,
            before: self.before,
            after: self.after,
        })?;
        writer.values(actions)?;
        writer.finish()
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn read(bytes: &'b [u8]) -> Result<Self, SnapshotError> {
        let mut reader = open(FileKind::Edit, bytes)?;
        let record: Record<'b> = reader.record("the description of an edit")?;
        let mut edit = Self::new(
            record.shift,
            record.absolute,
            record.step,
            record.unit,
            record.rank as usize,
            record.steps as usize,
            record.layer,
            (record.inputs as usize, record.outputs as usize),
            (record.before, record.after),
        );
        if edit.rank == 0 || edit.steps == 0 || edit.inputs == 0 || edit.outputs == 0 {
            return Err(reader.malformed("a rank, a length and sizes of at least 1"));
        }
        edit.actions = reader.values(edit.actions_len())?;
        check(edit.step, edit.unit, edit.actions.iter())
            .map_err(|expected| reader.malformed(expected))?;
        Ok(edit)
    }

    /// The action entries, action by action.
    pub fn actions(&self) -> impl Iterator<Item = f32> + '_ {
        self.actions.iter()
    }
}

fn check(step: f32, unit: f32, mut entries: impl Iterator<Item = f32>) -> Result<(), &'static str> {
    if !(step > 0.0 && step.is_finite() && unit >= 0.0 && unit.is_finite()) {
        return Err("a finite step above 0 and a finite unit");
    }
    if entries.all(|entry| (-1.0..=1.0).contains(&entry)) {
        Ok(())
    } else {
        Err("action entries in [-1, 1]")
    }
}
