//! Edits as files: the actions that change one layer, and the digests that they belong to.

use super::container::{FileKind, HEAD, SnapshotError, Values, Writer, open, peek};
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
    /// Inputs of the layer; with [`columns`](Self::columns), how many of them are edited.
    pub inputs: usize,
    /// Outputs of the layer.
    pub outputs: usize,
    /// Digest of the whole network before the edit.
    pub before: u64,
    /// Digest of the whole network after it.
    pub after: u64,
    /// Which inputs of the layer are edited, as gaps; empty for all.
    gaps: &'b [u8],
    actions: Values<'b>,
}

/// Writes which inputs are edited: distances from one to the next, seven bits a byte. Returns the number
/// of bytes; 5 for each column are always enough.
///
/// # Errors
/// [`SnapshotError`]: columns that do not rise, or a buffer that is too small.
pub fn encode_columns(columns: &[u32], out: &mut [u8]) -> Result<usize, SnapshotError> {
    let (mut used, mut next) = (0, 0u32);
    let have = out.len();
    for &column in columns {
        let expected = "rising columns";
        let gap = column.checked_sub(next);
        let mut gap = gap.ok_or(SnapshotError::Malformed { offset: 0, expected })?;
        next = column.saturating_add(1);
        loop {
            let more = if gap > 0x7f { 0x80 } else { 0 };
            let slot = out.get_mut(used).ok_or(SnapshotError::TooSmall { have })?;
            *slot = (gap & 0x7f) as u8 | more;
            used += 1;
            gap >>= 7;
            if more == 0 {
                break;
            }
        }
    }
    Ok(used)
}

/// Reads what [`encode_columns`] wrote; ends early where it is not that.
fn decode_columns(gaps: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let (mut bytes, mut next) = (gaps.iter(), Some(0u32));
    core::iter::from_fn(move || {
        let (mut gap, mut shift) = (0u64, 0);
        loop {
            let &byte = bytes.next()?;
            gap |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > 28 {
                return None;
            }
        }
        let column = u32::try_from(u64::from(next?) + gap).ok()?;
        next = column.checked_add(1);
        Some(column)
    })
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
            gaps: &[],
            actions,
        }
    }

    /// The same for some inputs of the layer only: `gaps` is what [`encode_columns`] wrote of as many
    /// columns as [`inputs`](Self::inputs) says.
    pub const fn of_columns(self, gaps: &'b [u8]) -> Self {
        Self { gaps, ..self }
    }

    /// The inputs that are edited, rising; `None` for all.
    pub fn columns(&self) -> Option<impl Iterator<Item = u32> + 'b> {
        (!self.gaps.is_empty()).then(|| decode_columns(self.gaps))
    }

    /// Values of all actions.
    pub const fn actions_len(&self) -> usize {
        self.steps
            .saturating_mul(self.rank.saturating_mul(self.inputs.saturating_add(self.outputs)))
    }

    /// Bytes that the file takes at the most.
    pub const fn bound(&self) -> usize {
        (HEAD + 106 + self.layer.len() + self.gaps.len())
            .saturating_add(self.actions_len().saturating_mul(4))
    }

    /// Writes the file to the front of `out` and returns its length.
    ///
    /// # Errors
    /// [`SnapshotError`]: the buffer is too small, a size is 0 or above 2^32, or a number is not
    /// finite, outside [−1, 1], or not as many as the sizes call for.
    pub fn write(&self, actions: &[f32], out: &mut [u8]) -> Result<usize, SnapshotError> {
        let bad = |expected| SnapshotError::Malformed { offset: HEAD, expected };
        if self.is_nothing() {
            return Err(bad(AT_LEAST_1));
        }
        if actions.len() != self.actions_len() {
            return Err(bad("as many action entries as the sizes call for"));
        }
        check(self.step, self.unit, actions.iter().copied()).map_err(bad)?;
        let small = |size: usize| u32::try_from(size).map_err(|_| bad("sizes below 2^32"));
        let some = !self.gaps.is_empty();
        if some && decode_columns(self.gaps).count() != self.inputs {
            return Err(bad(AS_MANY_COLUMNS));
        }
        let kind = if some { FileKind::WordEdit } else { FileKind::Edit };
        let mut writer = Writer::new(kind, out);
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
        if some {
            writer.record(&self.gaps)?;
        }
        writer.values(actions)?;
        writer.finish()
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn read(bytes: &'b [u8]) -> Result<Self, SnapshotError> {
        let some = peek(bytes)?.kind == FileKind::WordEdit;
        let mut reader = open(if some { FileKind::WordEdit } else { FileKind::Edit }, bytes)?;
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
        if edit.is_nothing() {
            return Err(reader.malformed(AT_LEAST_1));
        }
        if some {
            edit.gaps = reader.record("which columns are edited")?;
            let columns = decode_columns(edit.gaps).count();
            let whole = edit.gaps.last().is_some_and(|last| last & 0x80 == 0);
            if columns != edit.inputs || !whole {
                return Err(reader.malformed(AS_MANY_COLUMNS));
            }
        }
        edit.actions = reader.values(edit.actions_len())?;
        check(edit.step, edit.unit, edit.actions.iter())
            .map_err(|expected| reader.malformed(expected))?;
        Ok(edit)
    }

    /// Whether there is nothing that it could change.
    const fn is_nothing(&self) -> bool {
        self.rank == 0 || self.steps == 0 || self.inputs == 0 || self.outputs == 0
    }

    /// The action entries, action by action.
    pub fn actions(&self) -> impl Iterator<Item = f32> + '_ {
        self.actions.iter()
    }
}

const AS_MANY_COLUMNS: &str = "as many rising columns as there are inputs";

const AT_LEAST_1: &str = "a rank, a length and sizes of at least 1";

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
