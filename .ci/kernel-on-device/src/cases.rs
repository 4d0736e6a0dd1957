//! What is computed: products, gradients and convolutions of ragged shapes, and multiply-adds that
//! round differently when they are rounded twice.

use reweight::kernel::{AdamStep, Bag, Batch, Conv2d, Kernel, LANES, LowRank, Start};
use reweight::num::{self, Digest};

/// Samples × inputs × outputs: around the edges of tiles and of vectors of four.
const SHAPES: [[usize; 3]; 9] = [
    [1, 1, 1],
    [1, 3, 2],
    [4, 5, 4],
    [5, 8, 7],
    [1, 17, 33],
    [9, 16, 10],
    [12, 33, 17],
    [6, 140, 3],
    [37, 7, 26],
];

/// Room for the largest operand, in panels as wide as they are here.
const ROOM: usize = 160 * if LANES < 8 { 8 } else { LANES };

/// Working memory, one buffer for each operand.
struct Buffers {
    weights: [f32; ROOM],
    bias: [f32; ROOM],
    before: [f32; ROOM],
    x: [f32; ROOM],
    dy: [f32; ROOM],
    out: [f32; ROOM],
}

/// A name for what went wrong, or the digest of all results.
pub fn digest(kernel: Kernel) -> Result<u64, &'static str> {
    let mut digest = Digest::new();
    roundings(kernel, &mut digest)?;
    let zeros = [0.0; ROOM];
    let mut buffers =
        Buffers { weights: zeros, bias: zeros, before: zeros, x: zeros, dy: zeros, out: zeros };
    for style in 0..3 {
        for [samples, inputs, outputs] in SHAPES {
            for batch in [Batch::lanes(samples), Batch::rows(samples)] {
                let mut source = Source { state: (samples * inputs + outputs) as u64, style };
                dense(kernel, &mut digest, batch, [inputs, outputs], &mut source, &mut buffers)
                    .ok_or("dense")?;
            }
            let mut source = Source { state: outputs as u64, style };
            sparse(kernel, &mut digest, [inputs, outputs], &mut source, &mut buffers)
                .ok_or("sparse")?;
        }
        for channels in [1, 5, 8] {
            for samples in [1, 6] {
                for (batch, padding) in [(Batch::lanes(samples), 0), (Batch::rows(samples), 1)] {
                    let mut source = Source { state: channels as u64, style };
                    let conv = Conv2d {
                        input: [2, 6, 5],
                        channels,
                        kernel: [2, 3],
                        stride: [2, 1],
                        padding: [padding, padding],
                    };
                    convolution(kernel, &mut digest, batch, &conv, &mut source, &mut buffers)
                        .ok_or("convolution")?;
                }
            }
        }
    }
    Ok(digest.finish())
}

/// Numbers from a seed: ordinary ones; with style 1, few bits, so that sums fall half way between two
/// numbers; with style 2, zeros of both signs, subnormal and tiny numbers among them.
pub struct Source {
    pub state: u64,
    pub style: u32,
}

impl Source {
    pub fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let word = self.state ^ self.state >> 31;
        word.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ word >> 17
    }

    fn next(&mut self) -> f32 {
        let word = self.word();
        let ordinary = (word >> 40) as f32 / (1 << 22) as f32 - 2.0;
        match (self.style, word % 8) {
            (1, _) => f32::from_bits(ordinary.to_bits() & 0xffff_f000),
            (2, 0) => 0.0,
            (2, 1) => -0.0,
            (2, 2) => f32::from_bits((word >> 32) as u32 & 0x807f_ffff),
            (2, 3) => f32::MIN_POSITIVE * ordinary,
            (2, 4) => 1e-20 * ordinary,
            _ => ordinary,
        }
    }

    fn fill<'a>(&mut self, buffer: &'a mut [f32], len: usize) -> Option<&'a [f32]> {
        let values = buffer.get_mut(..len)?;
        values.iter_mut().for_each(|value| *value = self.next());
        Some(values)
    }
}

/// `bias + x·w` for operands whose exact sum lies half way between two numbers, or so near that f64
/// cannot tell, above and below the smallest normal number; against the exact software form.
fn roundings(kernel: Kernel, digest: &mut Digest) -> Result<(), &'static str> {
    let mut source = Source { state: 1, style: 0 };
    for round in 0..2000u32 {
        let (addend, exponent) = if round % 2 == 0 { (127 << 23, -12) } else { (0, -75) };
        let bits = source.word() as u32;
        let c = f32::from_bits(addend | 0x0040_0000 | bits & 0x803f_ffff);
        let offset = ((bits >> 23) % 8) as f32 * f32::EPSILON;
        let scale = f32::from_bits(((127 + exponent) as u32) << 23);
        let scale = if bits >> 30 & 1 == 1 { -scale } else { scale };
        let (a, b) = (scale * (1.0 + offset), scale.abs() * (1.0 - offset));
        let want = num::fma(a, b, c);
        // One chain in each place of a tile of four rows and four lanes.
        let mut y = [0.0; 16];
        let batch = Batch::rows(4);
        let mut dw = [c; 16];
        kernel
            .dense_forward(batch, 1, 4, &[b; 4], Start::Bias(&[c; 4]), &[a; 4], &mut y)
            .and(kernel.dense_weight_gradient(Batch::rows(1), 4, 4, &[a; 4], &[b; 4], &mut dw))
            .map_err(|_| "shapes of the roundings")?;
        if y.iter().chain(&dw).any(|value| value.to_bits() != want.to_bits()) {
            return Err("a multiply-add is rounded twice, or flushed to zero");
        }
        digest.values(&y);
    }
    Ok(())
}

/// The values of real samples, sample by sample: how wide a panel is depends on the machine.
fn write(digest: &mut Digest, batch: Batch, features: usize, values: &[f32]) -> Option<()> {
    for sample in 0..batch.samples() {
        for feature in 0..features {
            digest.value(*values.get(batch.at(features, sample, feature))?);
        }
    }
    Some(())
}

/// A buffer of `features` features for each sample, whatever the width of a panel.
fn samples<'a>(
    source: &mut Source,
    batch: Batch,
    features: usize,
    buffer: &'a mut [f32],
) -> Option<&'a [f32]> {
    let values = buffer.get_mut(..batch.len(features))?;
    values.fill(0.0);
    for sample in 0..batch.samples() {
        for feature in 0..features {
            *values.get_mut(batch.at(features, sample, feature))? = source.next();
        }
    }
    Some(values)
}

fn dense(
    kernel: Kernel,
    digest: &mut Digest,
    batch: Batch,
    [inputs, outputs]: [usize; 2],
    source: &mut Source,
    buffers: &mut Buffers,
) -> Option<()> {
    let Buffers { weights, bias, before, x, dy, out } = buffers;
    let weights = source.fill(weights, inputs * outputs)?;
    let bias = source.fill(bias, outputs)?;
    let before = samples(source, batch, outputs, before)?;
    let x = samples(source, batch, inputs, x)?;
    for start in [Start::Zero, Start::Bias(bias), Start::Values(before)] {
        let y = out.get_mut(..batch.len(outputs))?;
        kernel.dense_forward(batch, inputs, outputs, weights, start, x, y).ok()?;
        write(digest, batch, outputs, y)?;
        kernel.relu(y);
        write(digest, batch, outputs, y)?;
    }
    for rank in 1..=inputs.min(outputs).min(5) {
        let (v, u) = (weights.get(..inputs * rank)?, weights.get(..rank * outputs)?);
        let change = LowRank { inputs, rank, outputs, v, u };
        let (thin, y) = (dy.get_mut(..batch.len(rank))?, out.get_mut(..batch.len(outputs))?);
        kernel.low_rank_forward(batch, change, rank % 2 == 1, before, x, thin, y).ok()?;
        write(digest, batch, outputs, y)?;
    }
    let gradient = samples(source, batch, outputs, dy)?;
    let dx = out.get_mut(..batch.len(inputs))?;
    kernel.dense_input_gradient(batch, inputs, outputs, weights, gradient, dx).ok()?;
    write(digest, batch, inputs, dx)?;
    let rows = source.fill(dy, batch.samples() * outputs)?;
    let dw = out.get_mut(..inputs * outputs)?;
    dw.copy_from_slice(weights);
    kernel.dense_weight_gradient(batch, inputs, outputs, x, rows, dw).ok()?;
    digest.values(dw);
    let step = AdamStep {
        rate: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        correction1: 0.1,
        correction2: 1e-3,
    };
    let len = weights.len().min(400);
    let (m, rest) = out.split_at_mut_checked(len)?;
    let (v, rest) = rest.split_at_mut_checked(len)?;
    let parameters = rest.get_mut(..len)?;
    m.fill(0.0);
    v.fill(0.0);
    parameters.fill(0.5);
    kernel.adam(&step, weights.get(..len)?, m, v, parameters).ok()?;
    digest.values(parameters);
    Some(())
}

fn sparse(
    kernel: Kernel,
    digest: &mut Digest,
    [inputs, outputs]: [usize; 2],
    source: &mut Source,
    buffers: &mut Buffers,
) -> Option<()> {
    let Buffers { weights, bias, x, out, .. } = buffers;
    let weights = source.fill(weights, inputs * outputs)?;
    let bias = source.fill(bias, outputs)?;
    let mut columns = [0u32; 6];
    columns.iter_mut().for_each(|column| *column = (source.word() % inputs as u64) as u32);
    let (first, second) = columns.split_at_mut(2);
    first.sort_unstable();
    second.sort_unstable();
    let values = source.fill(x, 6)?;
    let bag = Bag::new(inputs, &[0, 2, 2, 6], &columns, values).ok()?;
    let batch = Batch::lanes(3);
    let y = out.get_mut(..batch.len(outputs))?;
    kernel.sparse_forward(bag, outputs, weights, Start::Bias(bias), y).ok()?;
    write(digest, batch, outputs, y)
}

fn convolution(
    kernel: Kernel,
    digest: &mut Digest,
    batch: Batch,
    conv: &Conv2d,
    source: &mut Source,
    buffers: &mut Buffers,
) -> Option<()> {
    let Buffers { weights, bias, x, dy, out, .. } = buffers;
    let weights = source.fill(weights, conv.taps() * conv.channels)?;
    let bias = source.fill(bias, conv.channels)?;
    let x = samples(source, batch, conv.input_len(), x)?;
    let y = out.get_mut(..batch.len(conv.output_len()))?;
    kernel.conv2d_forward(batch, conv, weights, Some(bias), x, y).ok()?;
    write(digest, batch, conv.output_len(), y)?;
    let gradient = samples(source, batch, conv.output_len(), dy)?;
    let dx = out.get_mut(..batch.len(conv.input_len()))?;
    kernel.conv2d_input_gradient(batch, conv, weights, gradient, dx).ok()?;
    write(digest, batch, conv.input_len(), dx)?;
    let rows = source.fill(dy, batch.samples() * conv.output_len())?;
    let dw = out.get_mut(..weights.len())?;
    dw.copy_from_slice(weights);
    kernel.conv2d_weight_gradient(batch, conv, x, rows, dw).ok()?;
    digest.values(dw);
    Some(())
}
