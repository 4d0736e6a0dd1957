//! Networks and samples in flash, as `cargo run --example device_data` made them.

use crate::runs::Fault;
use reweight::kernel::{Batch, Kernel, LANES};
use reweight::nn::Stack;

/// Digits of the reward and of the test part.
pub const DIGITS: usize = 359;

/// Comments of the reward and of the test part.
pub const COMMENTS: usize = 800;

/// Groups that a comment can name.
pub const GROUPS: usize = 9;

/// Inputs and outputs of the layer of the digit network that is edited.
pub const EDITED: (usize, usize) = (128, 32);

/// Inputs of the edited layer of the comment network.
pub const FEATURES: usize = 16;

const PIXELS: usize = 64;
const HEAD_PARAMETERS: usize = PIXELS * EDITED.0 + EDITED.0;

/// Parameters of the layers from the edited one on.
pub const TAIL_PARAMETERS: usize = EDITED.0 * EDITED.1 + EDITED.1 + EDITED.1 * 10 + 10;

const DIGIT_BYTES: &[u8; 97_782] = include_bytes!("../data/digits.bin");
const COMMENT_BYTES: &[u8; 116_936] = include_bytes!("../data/comments.bin");

/// Layer fc1, 64 → 128.
static HEAD: [f32; HEAD_PARAMETERS] = floats(DIGIT_BYTES, 0);

/// Layers fc2, 128 → 32, and fc3, 32 → 10.
pub static TAIL: [f32; TAIL_PARAMETERS] = floats(DIGIT_BYTES, 4 * HEAD_PARAMETERS);

/// Samples in flash.
#[derive(Clone, Copy)]
pub struct Digits {
    /// What each shows.
    pub labels: &'static [u8; DIGITS],
    pixels: &'static [u8; PIXELS * DIGITS],
}

/// What editors may look at.
pub static REWARD: Digits = part(4 * (HEAD_PARAMETERS + TAIL_PARAMETERS));

/// Final figures.
pub static TEST: Digits = part(4 * (HEAD_PARAMETERS + TAIL_PARAMETERS) + (1 + PIXELS) * DIGITS);

const fn part(at: usize) -> Digits {
    let (labels, rest) = DIGIT_BYTES.split_at(at).1.split_at(DIGITS);
    let pixels = rest.split_at(PIXELS * DIGITS).0;
    match (labels.first_chunk(), pixels.first_chunk()) {
        (Some(labels), Some(pixels)) => Digits { labels, pixels },
        _ => panic!("digits.bin is too short"),
    }
}

/// Parameters of the layer 16 → 2 of the comment network: weights, then biases.
pub static LAST: [f32; 2 * FEATURES + 2] = floats(COMMENT_BYTES, 0);

/// Comments in flash.
pub struct Comments {
    /// 1 toxic.
    pub labels: [u8; COMMENTS],
    /// Groups that each names.
    pub members: [u64; COMMENTS],
    /// What the edited layer takes, 16 values each.
    pub taken: [f32; FEATURES * COMMENTS],
}

/// What editors may look at.
pub static REWARD_COMMENTS: Comments = comments(4 * (2 * FEATURES + 2));

/// Final figures.
pub static TEST_COMMENTS: Comments =
    comments(4 * (2 * FEATURES + 2) + (1 + 8 + 4 * FEATURES) * COMMENTS);

const fn comments(at: usize) -> Comments {
    let mut labels = [0; COMMENTS];
    let mut members = [0; COMMENTS];
    let mut index = 0;
    while index < COMMENTS {
        labels[index] = COMMENT_BYTES[at + index];
        let mut byte = 8;
        while byte > 0 {
            byte -= 1;
            let next = COMMENT_BYTES[at + COMMENTS + 8 * index + byte] as u64;
            members[index] = members[index] << 8 | next;
        }
        index += 1;
    }
    Comments { labels, members, taken: floats(COMMENT_BYTES, at + 9 * COMMENTS) }
}

/// `N` numbers from byte `at` on.
pub(crate) const fn floats<const N: usize>(bytes: &[u8], at: usize) -> [f32; N] {
    let mut values = [0.0; N];
    let mut index = 0;
    while index < N {
        let first = at + 4 * index;
        let four = [bytes[first], bytes[first + 1], bytes[first + 2], bytes[first + 3]];
        values[index] = f32::from_bits(u32::from_le_bytes(four));
        index += 1;
    }
    values
}

/// The layers from the edited one on, in flash.
pub static TAIL_LAYERS: Stack = layers(EDITED.0, &[("fc2", EDITED.1), ("fc3", 10)]);

/// The layer 16 → 2.
pub static LAST_LAYER: Stack = layers(FEATURES, &[("16x2", 2)]);

/// The layer that digits go through first.
static FIRST_LAYER: Stack = layers(PIXELS, &[("fc1", EDITED.0)]);

/// Dense layers with ReLU between them.
const fn layers(inputs: usize, all: &[(&str, usize)]) -> Stack {
    let mut stack = Stack::new([inputs, 1, 1]);
    let mut index = 0;
    while index < all.len() {
        let (name, outputs) = all[index];
        assert!(stack.dense(name, outputs).is_ok());
        index += 1;
        if index < all.len() {
            assert!(stack.relu().is_ok());
        }
    }
    stack
}

impl Digits {
    /// Length of [`activations`](Self::activations) of `samples` digits.
    pub const fn activations_len(samples: usize) -> usize {
        Batch::lanes(samples).len(EDITED.0)
    }

    /// Runs fc1 over the first digits: `to`, in panels, is what the edited layer takes.
    #[inline(never)]
    pub fn activations(&self, kernel: Kernel, samples: usize, to: &mut [f32]) -> Result<(), Fault> {
        let all = Batch::lanes(samples);
        let mut input = [0.0; PIXELS * LANES];
        for (index, to) in to.chunks_mut(EDITED.0 * LANES).enumerate() {
            let part = all.panel(index);
            let images = self.pixels.chunks_exact(PIXELS).skip(index * LANES).take(part.samples());
            input.fill(0.0);
            for (lane, image) in images.enumerate() {
                for (lanes, &pixel) in input.chunks_exact_mut(LANES).zip(image) {
                    if let Some(value) = lanes.get_mut(lane) {
                        *value = f32::from(pixel) / 255.0;
                    }
                }
            }
            FIRST_LAYER.forward(kernel, 0..1, part, &HEAD, &input, &mut [], to)?;
            kernel.relu(to);
        }
        Ok(())
    }
}
