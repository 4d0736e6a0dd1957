//! The shape of policy and value network: sizes as constants, and the stack that has them.

use super::config::{Activation, Config, MAX_HIDDEN};
use crate::autodiff::Tape;
use crate::kernel::Batch;
use crate::nn::{Stack, StackError};

/// Features between the dense layers of a network.
///
/// Where the observation is fixed, the first layer is no part of the network: its input is what that
/// layer gives, and the first activation comes before the first dense layer.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    widths: [usize; MAX_HIDDEN + 2],
    /// Dense layers.
    layers: usize,
    activation: Activation,
    fixed: bool,
}

impl Shape {
    pub(super) const fn new(config: &Config, inputs: usize, outputs: usize) -> Self {
        let (fixed, depth) = (config.fixed_observation, config.depth());
        let mut widths = [0; MAX_HIDDEN + 2];
        let mut layers = 0;
        if !fixed {
            widths[0] = inputs;
            layers = 1;
        }
        let mut hidden = 0;
        while hidden < depth {
            widths[layers] = config.hidden[hidden];
            layers += 1;
            hidden += 1;
        }
        widths[layers] = outputs;
        // A fixed observation without hidden layers is refused before anything is built.
        Self { widths, layers, activation: config.activation, fixed }
    }

    pub(super) const fn inputs(&self) -> usize {
        self.widths[0]
    }

    pub(super) const fn parameters(&self) -> usize {
        let (mut total, mut layer) = (0usize, 0);
        while layer < self.layers {
            let own = self.widths[layer].saturating_add(1).saturating_mul(self.widths[layer + 1]);
            total = total.saturating_add(own);
            layer += 1;
        }
        total
    }

    /// The largest of all features.
    pub(super) const fn widest(&self) -> usize {
        let (mut widest, mut layer) = (0, 0);
        while layer <= self.layers {
            if self.widths[layer] > widest {
                widest = self.widths[layer];
            }
            layer += 1;
        }
        widest
    }

    /// What recording input and layers takes on a tape.
    pub(super) const fn tape(&self, batch: Batch) -> usize {
        let mut total = Tape::input_need(batch, self.widths[0]).f32s;
        if self.fixed {
            // The gradient of the input, and the activation that stands first.
            total += Tape::input_need(batch, self.widths[0]).f32s;
            total += Tape::map_need(batch, self.widths[0]).f32s;
        }
        let mut layer = 0;
        while layer < self.layers {
            let outputs = self.widths[layer + 1];
            total += Tape::dense_need(batch, outputs).f32s;
            if layer + 1 < self.layers {
                total += Tape::map_need(batch, outputs).f32s;
            }
            layer += 1;
        }
        total
    }

    /// The network itself, without parameters, in the place of what `stack` was.
    #[inline(never)]
    pub(super) fn build(&self, stack: &mut Stack) -> Result<(), StackError> {
        *stack = Stack::new([self.inputs(), 1, 1]);
        if self.fixed {
            self.activate(stack)?;
        }
        let outputs = self.widths.iter().skip(1).take(self.layers);
        for ((&outputs, name), layer) in outputs.zip(["fc1", "fc2", "fc3", "fc4"]).zip(1..) {
            stack.dense(name, outputs)?;
            if layer < self.layers {
                self.activate(stack)?;
            }
        }
        Ok(())
    }

    fn activate(&self, stack: &mut Stack) -> Result<(), StackError> {
        match self.activation {
            Activation::Tanh => stack.tanh()?,
            Activation::Relu => stack.relu()?,
        };
        Ok(())
    }
}
