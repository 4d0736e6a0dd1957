//! Pieces of buffers that lie in panels of [`LANES`]; empty where a buffer does not reach.

use crate::kernel::{Batch, LANES};

pub(super) fn panels_of(panels: &[f32], features: usize, index: usize, part: Batch) -> &[f32] {
    let first = index * features * LANES;
    panels.get(first..first + part.len(features)).unwrap_or_default()
}

pub(super) fn panel_of(panels: &[f32], features: usize, index: usize) -> &[f32] {
    let len = features * LANES;
    panels.get(index * len..(index + 1) * len).unwrap_or_default()
}

pub(super) fn panel_of_mut(panels: &mut [f32], features: usize, index: usize) -> &mut [f32] {
    let len = features * LANES;
    panels.get_mut(index * len..(index + 1) * len).unwrap_or_default()
}
