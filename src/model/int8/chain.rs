//! Dense layers from i8 to i8: what a .tflite file of nothing but such layers computes.

use crate::error::ShapeError;
use crate::kernel::Kernel;
use crate::kernel::int8::{DenseI8, OutputI8};

/// A dense layer and what becomes of its sums. Unlike the last layer of an [`Int8Stack`](super::Int8Stack),
/// that of a chain gives i8 as well.
#[derive(Clone, Copy, Debug)]
pub struct Int8Link<'a> {
    /// The products.
    pub layer: DenseI8<'a>,
    /// The way back to i8.
    pub output: OutputI8<'a>,
}

/// Working memory of [`run_chain`] in i8: two activations of all samples.
pub fn chain_need(links: &[Int8Link<'_>], samples: usize) -> usize {
    let widest = links.iter().map(|link| link.layer.outputs).max().unwrap_or(0);
    samples.saturating_mul(widest).saturating_mul(2)
}

/// Runs `links`, each on what the one before it gives; `x` and `y` are `[sample][feature]`.
///
/// # Errors
/// [`ShapeError`] for slices that do not fit, `work` among them ([`chain_need`]), for a link that takes another number
/// of features than the one before gives, and for no links at all.
pub fn run_chain(
    kernel: Kernel,
    links: &[Int8Link<'_>],
    samples: usize,
    x: &[i8],
    work: &mut [i8],
    y: &mut [i8],
) -> Result<(), ShapeError> {
    ShapeError::check("working memory", chain_need(links, samples), work.len())?;
    let Some((last, before)) = links.split_last() else {
        return ShapeError::check("links", 1, 0);
    };
    for (one, next) in links.iter().zip(links.iter().skip(1)) {
        ShapeError::check("inputs of a link", one.layer.outputs, next.layer.inputs)?;
    }
    let half = work.len() / 2;
    let (mut to, mut from) = work.split_at_mut_checked(half).unwrap_or_default();
    for (index, link) in before.iter().enumerate() {
        let given = to.get_mut(..samples * link.layer.outputs).unwrap_or_default();
        let taken = taken(index, samples, link, x, from);
        kernel.dense_i8(samples, link.layer, link.output, taken, given)?;
        core::mem::swap(&mut to, &mut from);
    }
    let taken = taken(before.len(), samples, last, x, from);
    kernel.dense_i8(samples, last.layer, last.output, taken, y)
}

/// What link `index` takes: the chain's input, or what the link before it gave.
fn taken<'s>(
    index: usize,
    samples: usize,
    link: &Int8Link<'_>,
    x: &'s [i8],
    from: &'s [i8],
) -> &'s [i8] {
    match index {
        0 => x,
        _ => from.get(..samples.saturating_mul(link.layer.inputs)).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_follow_one_another_and_lengths_are_checked() {
        // 2 → 3 → 1 with factors of 1: sums come out as they are.
        let (multipliers, shifts) = ([1 << 30], [1]);
        let output = OutputI8 {
            multipliers: &multipliers,
            shifts: &shifts,
            zero: 0,
            low: i8::MIN,
            high: i8::MAX,
        };
        let relu = OutputI8 { low: 0, ..output };
        let dense = |inputs, outputs, weights, bias| DenseI8 {
            inputs,
            outputs,
            weights,
            packed: &[],
            bias,
            zero: 0,
        };
        let links = [
            Int8Link { layer: dense(2, 3, &[1, 0, 0, 1, -1, -1], &[0, 0, 5]), output: relu },
            Int8Link { layer: dense(3, 1, &[1, 2, 3], &[-1]), output },
        ];
        let kernel = Kernel::auto();
        let mut work = [0; 12];
        assert_eq!(chain_need(&links, 2), work.len());
        let mut y = [0; 2];
        run_chain(kernel, &links, 2, &[3, 4, -1, 2], &mut work, &mut y).unwrap();
        // (3, 4, 0) and (0, 2, 4) in between.
        assert_eq!(y, [3 + 8 - 1, 4 + 12 - 1]);
        assert!(run_chain(kernel, &links, 2, &[3, 4, -1], &mut work, &mut y).is_err());
        assert!(run_chain(kernel, &links, 2, &[3, 4, -1, 2], &mut work[1..], &mut y).is_err());
        assert!(run_chain(kernel, &links, 2, &[3, 4, -1, 2], &mut work, &mut y[1..]).is_err());
        assert!(run_chain(kernel, &[], 0, &[], &mut [], &mut []).is_err());
        let odd = [links[0], links[0]];
        assert!(run_chain(kernel, &odd, 1, &[3, 4], &mut [0; 6], &mut [0; 3]).is_err());
    }
}
