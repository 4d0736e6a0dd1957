//! A data set, dealt into its three parts and laid out for networks.

use super::error::RunError;
use super::target::Target;
use crate::data::{Images, Parts};
use crate::kernel::{Batch, Kernel, LANES};
use crate::model::{DIGITS_INPUT, Samples};
use crate::nn::Stack;
use core::ops::Range;

/// Samples of one part, in one layout.
#[derive(Clone, Debug)]
pub struct Part {
    batch: Batch,
    inputs: Vec<f32>,
    labels: Vec<u8>,
}

impl Part {
    fn new(
        images: &Images,
        indices: &[usize],
        (mean, std): (f32, f32),
        panels: bool,
    ) -> Result<Self, RunError> {
        let mut rows = images.rows_of(indices);
        rows.iter_mut().for_each(|x| *x = (*x - mean) / std);
        let labels = images.labels_of(indices);
        let features = images.pixels_per_image();
        if !panels {
            return Ok(Self { batch: Batch::rows(indices.len()), inputs: rows, labels });
        }
        let batch = Batch::lanes(indices.len());
        let mut inputs = vec![0.0; batch.len(features)];
        let laid_out = Kernel::auto().to_panels(batch, features, &rows, &mut inputs);
        laid_out.map_err(|error| RunError::Failed(error.to_string()))?;
        Ok(Self { batch, inputs, labels })
    }

    /// The samples of these indices, in panels, in the order given.
    pub(super) fn select(&self, indices: &[usize]) -> Self {
        self.laid_out(Batch::lanes(indices.len()), indices)
    }

    /// The first or the second half, in the layout of the whole.
    fn half(&self, second: bool) -> Self {
        let middle = self.len() / 2;
        let range = if second { middle..self.len() } else { 0..middle };
        let batch = match self.batch.width() {
            1 => Batch::rows(range.len()),
            _ => Batch::lanes(range.len()),
        };
        self.laid_out(batch, &range.collect::<Vec<_>>())
    }

    fn laid_out(&self, batch: Batch, indices: &[usize]) -> Self {
        let features = self.inputs.len() / self.batch.len(1).max(1);
        let mut inputs = vec![0.0; batch.len(features)];
        for (to, &from) in indices.iter().enumerate() {
            for feature in 0..features {
                inputs[batch.at(features, to, feature)] =
                    self.inputs[self.batch.at(features, from, feature)];
            }
        }
        Self { batch, inputs, labels: indices.iter().map(|&index| self.labels[index]).collect() }
    }

    /// What `stack` gives for these samples (which lie in panels) before its layer `layer`.
    pub(super) fn before(
        &self,
        kernel: Kernel,
        stack: &Stack,
        parameters: &[f32],
        layer: usize,
    ) -> Result<Self, RunError> {
        self.through(kernel, stack, parameters, 0..layer)
    }

    /// What `layers` of `stack` give for these samples (which lie in panels), the features that the first
    /// of them takes.
    pub(super) fn through(
        &self,
        kernel: Kernel,
        stack: &Stack,
        parameters: &[f32],
        layers: Range<usize>,
    ) -> Result<Self, RunError> {
        let taken = |layer: usize| {
            stack.layers().get(layer).map_or(stack.outputs(), |layer| layer.inputs())
        };
        let (taken, given) = (taken(layers.start), taken(layers.end));
        let mut inputs = vec![0.0; self.batch.len(given)];
        let panel = Batch::lanes(LANES);
        let mut scratch = vec![0.0; stack.scratch(panel)];
        let from = self.inputs.chunks(panel.len(taken).max(1));
        for (index, (to, from)) in inputs.chunks_mut(panel.len(given).max(1)).zip(from).enumerate()
        {
            let part = self.batch.panel(index);
            stack.forward(kernel, layers.clone(), part, parameters, from, &mut scratch, to)?;
        }
        Ok(Self { batch: self.batch, inputs, labels: self.labels.clone() })
    }

    /// These samples (in panels), then those of `other` with the given indices.
    pub(super) fn followed_by(&self, other: &Self, indices: &[usize]) -> Self {
        let features = self.inputs.len() / self.batch.len(1).max(1);
        let batch = Batch::lanes(self.len() + indices.len());
        let mut inputs = vec![0.0; batch.len(features)];
        let ours = (0..self.len()).map(|index| (self, index));
        let theirs = indices.iter().map(|&index| (other, index));
        let mut labels = Vec::with_capacity(batch.samples());
        for (to, (part, from)) in ours.chain(theirs).enumerate() {
            for feature in 0..features {
                inputs[batch.at(features, to, feature)] =
                    part.inputs[part.batch.at(features, from, feature)];
            }
            labels.push(part.labels[from]);
        }
        Self { batch, inputs, labels }
    }

    /// No samples.
    fn none() -> Self {
        Self { batch: Batch::lanes(0), inputs: Vec::new(), labels: Vec::new() }
    }

    /// The samples as networks take them.
    pub fn samples(&self) -> Samples<'_> {
        Samples { batch: self.batch, inputs: &self.inputs, labels: &self.labels }
    }

    /// Class of each sample.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True without samples.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// A data set that is ready to be used.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Name of the set.
    pub name: String,
    /// Number of classes.
    pub classes: usize,
    /// sha256 of the decompressed images, then the labels.
    pub digest: String,
    /// Whether the parts are for a network that was loaded: `train` then is for probes.
    pub loaded: bool,
    /// What trains targets, row by row.
    pub train: Part,
    /// The same in panels, for taking figures.
    pub train_panels: Part,
    /// What editors may look at, in panels.
    pub reward: Part,
    /// What final figures are taken on, in panels.
    pub test: Part,
}

impl Prepared {
    /// Deals `images` into the three parts; images of another size are resampled to 28 × 28.
    ///
    /// # Errors
    /// [`RunError`] when the images cannot be resampled or laid out.
    pub fn new(images: &Images, parts: &Parts) -> Result<Self, RunError> {
        Self::laid_out(images, parts, DIGITS_INPUT, (0.0, 1.0))
    }

    /// Deals `images` for a network that was loaded ([`Parts::for_loaded`]): resampled to the size of its
    /// input, and normalised as it wants them.
    ///
    /// # Errors
    /// [`RunError`] as [`new`](Self::new), or when the network takes more than one channel or has fewer
    /// classes than the images.
    pub fn for_loaded(images: &Images, parts: &Parts, model: &Target) -> Result<Self, RunError> {
        let parts = parts.clone().for_loaded(images);
        let prepared = Self::for_model(images, &parts, model)?;
        Ok(Self { loaded: true, ..prepared })
    }

    /// The same with the parts as they are.
    ///
    /// # Errors
    /// As [`for_loaded`](Self::for_loaded).
    pub fn for_model(images: &Images, parts: &Parts, model: &Target) -> Result<Self, RunError> {
        let [channels, ..] = model.stack.input();
        if channels != 1 {
            return Err(RunError::Failed(format!(
                "{} takes images of {channels} channels, those of {} have 1",
                model.name, images.name
            )));
        }
        if model.stack.outputs() < images.classes {
            return Err(RunError::Failed(format!(
                "{} tells {} classes apart, {} has {}",
                model.name,
                model.stack.outputs(),
                images.name,
                images.classes
            )));
        }
        Self::laid_out(images, parts, model.stack.input(), model.normalize())
    }

    /// The same with one half of the train and of the reward split: for networks that share no image with
    /// those of the other half. The test split stays whole.
    pub fn half(&self, second: bool) -> Self {
        Self {
            train: self.train.half(second),
            train_panels: self.train_panels.half(second),
            reward: self.reward.half(second),
            ..self.clone()
        }
    }

    /// The reward and the test split as they arrive at a layer: for editing the layer again and again. The
    /// train split is left out.
    pub(super) fn before(
        &self,
        kernel: Kernel,
        target: &Target,
        layer: usize,
    ) -> Result<Self, RunError> {
        let (stack, parameters) = (&target.stack, &target.parameters);
        Ok(Self {
            loaded: self.loaded,
            name: self.name.clone(),
            classes: self.classes,
            digest: self.digest.clone(),
            train: Part::none(),
            train_panels: Part::none(),
            reward: self.reward.before(kernel, stack, parameters, layer)?,
            test: self.test.before(kernel, stack, parameters, layer)?,
        })
    }

    fn laid_out(
        images: &Images,
        parts: &Parts,
        [_, rows, cols]: [usize; 3],
        normalize: (f32, f32),
    ) -> Result<Self, RunError> {
        let images =
            &images.resampled(rows, cols).map_err(|error| RunError::Failed(error.to_string()))?;
        Ok(Self {
            loaded: false,
            name: images.name.clone(),
            classes: images.classes,
            digest: images.digest(),
            train: Part::new(images, &parts.train, normalize, false)?,
            train_panels: Part::new(images, &parts.train, normalize, true)?,
            reward: Part::new(images, &parts.reward, normalize, true)?,
            test: Part::new(images, &parts.test, normalize, true)?,
        })
    }
}
