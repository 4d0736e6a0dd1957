//! Networks in 8-bit integers as files: layers, integers, scales.

use super::container::{FileKind, HEAD, SnapshotError, Values, Writer, open};
use super::network::{read_stack, write_stack};
use crate::model::int8::{Int8Network, Int8Parameters, Int8Scale, Int8Stack};
use crate::nn::Stack;

/// A network in 8-bit integers in a file. What multiplies the rows' sums is taken from their scales, which
/// the file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8File<'b> {
    /// Name of the architecture: "digits-cnn-int8", …
    pub name: &'b str,
    /// What it was made from (settings and data, digested).
    pub origin: &'b str,
    /// The seed that the network was trained with.
    pub seed: u64,
    /// The layers as they were before they became integers.
    pub source: Stack,
    /// The quantised layers.
    pub stack: Int8Stack,
    weights: &'b [u8],
    bias: &'b [u8],
    scales: Values<'b>,
}

impl<'b> Int8File<'b> {
    /// Bytes that a file takes at the most.
    pub fn bound(name: &str, origin: &str, source: &Stack, stack: &Int8Stack) -> usize {
        let layers = source.layers().len() * 80 + stack.layers().len() * 16;
        (HEAD + 64 + name.len() + origin.len() + layers)
            .saturating_add(stack.weights())
            .saturating_add(stack.rows().saturating_mul(8))
    }

    /// Writes a network, all of whose layers are quantised, to the front of `out` and returns the file's length.
    ///
    /// # Errors
    /// [`SnapshotError`]: the buffer is too small, a scale is not finite, the network is not made from
    /// `source`, or layers of it stayed in f32.
    pub fn write(
        name: &str,
        origin: &str,
        seed: u64,
        source: &Stack,
        network: &Int8Network<'_>,
        out: &mut [u8],
    ) -> Result<usize, SnapshotError> {
        let Int8Network { stack, weights, bias, scales, .. } = *network;
        let same = Int8Stack::of_scales(source, |index| {
            let layer = stack.layers().get(index);
            layer.map(|layer| (layer.input, layer.output)).unwrap_or((NONE, NONE))
        });
        let lengths = [weights.len(), bias.len(), scales.len()];
        if same.as_ref() != Ok(stack) || lengths != [stack.weights(), stack.rows(), stack.rows()] {
            let expected = "as many integers as the layers call for";
            return Err(SnapshotError::Malformed { offset: HEAD, expected });
        }
        let mut writer = Writer::new(FileKind::Int8Network, out);
        write_stack(&mut writer, name, origin, seed, source)?;
        writer.bytes(weights.iter().map(|&q| q as u8))?;
        writer.bytes(bias.iter().flat_map(|bias| bias.to_le_bytes()))?;
        for layer in stack.layers() {
            let Int8Scale { scale, zero } = layer.input;
            let output = layer.output;
            writer.values(&[scale, zero.into(), output.scale, output.zero.into()])?;
        }
        writer.values(scales)?;
        writer.finish()
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn read(bytes: &'b [u8]) -> Result<Self, SnapshotError> {
        let mut reader = open(FileKind::Int8Network, bytes)?;
        let (head, source) = read_stack(&mut reader)?;
        let layers = |_| reader.malformed("layers that have a form in 8-bit integers");
        let plan = Int8Stack::of_scales(&source, |_| (NONE, NONE)).map_err(layers)?;
        let rows = plan.rows();
        let weights = reader.bytes(plan.weights())?;
        let bias = reader.bytes(rows.saturating_mul(4))?;
        let bad = reader.malformed("scales above 0 and zero points of 8 bits");
        let values = reader.values(4 * plan.layers().len() + rows)?;
        let scale = |at: usize| {
            let mut pair = values.iter().skip(at);
            let (scale, zero) = (pair.next()?, pair.next()?);
            // Saturating: only a whole number of 8 bits comes back as it was.
            let fits = scale > 0.0 && f32::from(zero as i8) == zero;
            fits.then_some(Int8Scale { scale, zero: zero as i8 })
        };
        let mut fault = false;
        let stack = Int8Stack::of_scales(&source, |index| {
            let pair = (scale(4 * index), scale(4 * index + 2));
            fault |= pair.0.is_none() || pair.1.is_none();
            (pair.0.unwrap_or(NONE), pair.1.unwrap_or(NONE))
        });
        let scales = Values { bytes: values.bytes.get(16 * plan.layers().len()..).unwrap_or(&[]) };
        // A row may have been switched off.
        fault |= scales.iter().any(|scale| scale < 0.0);
        match stack {
            Ok(stack) if !fault => Ok(Self {
                name: head.name,
                origin: head.origin,
                seed: head.seed,
                source,
                stack,
                weights,
                bias,
                scales,
            }),
            _ => Err(bad),
        }
    }

    /// Fills parameters of [`stack`](Self::stack), factors included.
    pub fn fill(&self, parameters: &mut Int8Parameters<'_>) {
        let Int8Parameters { weights, bias, scales, .. } = parameters;
        weights.iter_mut().zip(self.weights).for_each(|(to, &byte)| *to = byte as i8);
        for (to, four) in bias.iter_mut().zip(self.bias.as_chunks().0) {
            *to = i32::from_le_bytes(*four);
        }
        scales.iter_mut().zip(self.scales.iter()).for_each(|(to, scale)| *to = scale);
        parameters.encode(&self.stack);
    }
}

const NONE: Int8Scale = Int8Scale { scale: 1.0, zero: 0 };
