//! The network without the words that do not occur: what the editors of a sparse layer work on.

use crate::data::text::BagSet;
use crate::kernel::{Bag, Batch, Kernel, Start};
use crate::model::SparseSamples;
use crate::nn::{Kind, Stack};
use crate::run::error::RunError;

/// A network whose first layer has the columns that occur in some texts, and no others: they alone can
/// be edited, and the unit of a step and the size of an edit are theirs.
pub(super) struct Compact {
    /// The columns of the whole network, rising.
    pub(super) columns: Vec<u32>,
    pub(super) stack: Stack,
    pub(super) parameters: Vec<f32>,
    /// The texts over those columns.
    pub(super) bag: BagSet,
    /// What the first layer gives for all other columns, in panels; `None` where the texts have no others.
    fixed: Option<Vec<f32>>,
    outputs: usize,
}

impl Compact {
    /// The network over the columns of `texts`, or of `of` where only words that occur there are edited.
    pub(super) fn new(
        kernel: Kernel,
        stack: &Stack,
        parameters: &[f32],
        texts: &BagSet,
        of: Option<&BagSet>,
    ) -> Result<Self, RunError> {
        let mut columns = of.unwrap_or(texts).columns().to_vec();
        columns.sort_unstable();
        columns.dedup();
        let place = |column: u32| columns.binary_search(&column).ok().map(|at| at as u32);
        let bag = texts.map_columns(place);
        let layer = stack.layers().first();
        let first = layer.map(|layer| *layer.kind());
        let (Some(Kind::Dense { outputs, bias, .. }), Some(layer)) = (first, layer) else {
            return Err(RunError::Failed("the network's first layer does not take words".into()));
        };
        if columns.is_empty() {
            return Err(RunError::Failed(
                "none of the reward split's words is in the network's vocabulary".into(),
            ));
        }
        let fixed = match of {
            None => None,
            Some(_) => {
                let rest = texts.map_columns(|column| match place(column) {
                    None => Some(column),
                    Some(_) => None,
                });
                let mut fixed = vec![0.0; Batch::lanes(texts.len()).len(outputs)];
                let weights = parameters.get(layer.weight_range()).unwrap_or_default();
                let start = layer.bias_range().and_then(|range| parameters.get(range));
                let start = start.map_or(Start::Zero, Start::Bias);
                let rest = rest.view(stack.inputs())?;
                kernel.sparse_forward(rest, outputs, weights, start, &mut fixed)?;
                Some(fixed)
            }
        };
        let mut small = Stack::new([columns.len(), 1, 1]);
        for (index, layer) in stack.layers().iter().enumerate() {
            let kind = match index {
                0 => Kind::Dense { inputs: columns.len(), outputs, bias },
                _ => *layer.kind(),
            };
            small.add(layer.name(), kind).map_err(RunError::stack)?;
        }
        let row = |&column: &u32| {
            let start = column as usize * outputs;
            parameters.get(start..start + outputs).unwrap_or_default()
        };
        let mut own: Vec<f32> = columns.iter().flat_map(row).copied().collect();
        let words = stack.inputs() * outputs;
        own.extend_from_slice(parameters.get(words..).unwrap_or_default());
        Ok(Self { columns, stack: small, parameters: own, bag, fixed, outputs })
    }

    /// Whether the texts have columns that are not edited.
    pub(super) fn has_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// The texts, as kernels take them.
    pub(super) fn bag(&self) -> Result<Bag<'_>, RunError> {
        Ok(self.bag.view(self.columns.len())?)
    }

    /// The texts with their labels, as worlds take them.
    pub(super) fn samples<'c>(&'c self, labels: &'c [u8]) -> Result<SparseSamples<'c>, RunError> {
        Ok(SparseSamples { bag: self.bag()?, labels, fixed: self.fixed.as_deref() })
    }

    /// The whole network with the small one's parameters.
    pub(super) fn expand(&self, original: &[f32], small: &[f32]) -> Vec<f32> {
        let mut whole = original.to_vec();
        let outputs = self.outputs.max(1);
        for (&column, row) in self.columns.iter().zip(small.chunks(outputs)) {
            let start = column as usize * outputs;
            if let Some(to) = whole.get_mut(start..start + outputs) {
                to.copy_from_slice(row);
            }
        }
        let rest = small.get(self.columns.len() * outputs..).unwrap_or_default();
        let end = whole.len();
        if let Some(to) = whole.get_mut(end.saturating_sub(rest.len())..) {
            to.copy_from_slice(rest);
        }
        whole
    }
}
