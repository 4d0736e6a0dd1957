//! One pass over the samples, the probes of the tail, and the features made of both.

use super::assemble::{COLUMN_NORMS, ROW_NORMS};
use super::covariance::inverse_need;
use super::features::FeatureSet;
use super::pass::Pass;
use super::positions::Positions;
use super::statistics::Moments;
use crate::error::ShapeError;
use crate::kernel::{Batch, Kernel, LANES, copy};
use crate::model::{ForwardError, Samples};
use crate::nn::Stack;
use crate::slab::{Arena, Need};
use crate::task::ClassSet;
use crate::world::WorldKind;

/// Forget samples on which the tail is probed, at most.
pub const PROBES: usize = 64;

/// Forget samples whose inputs are kept for systems of equations and responses, at most.
pub const MAX_FORGET: usize = 200;

/// Retain samples that are kept, at most.
pub const MAX_RETAIN: usize = 600;

/// Two numbers for every feature.
pub(super) const NORMALS: usize = 2 * (COLUMN_NORMS.len() + ROW_NORMS.len());

pub(super) const NO_ROWS: ForwardError = ForwardError::Failed(
    "rows and columns can be looked at in a dense or convolutional layer; this one is neither",
);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeuronRequest {
    /// The world that will be acted in.
    pub kind: WorldKind,
    /// The features.
    pub features: FeatureSet,
    /// The class to forget.
    pub class: u8,
    /// Classes that were forgotten earlier: their samples count for nothing and their logits are left
    /// out of every softmax.
    pub gone: ClassSet,
}

/// Inputs of the layer that were kept, forget and retain apart, and where its outputs were active.
#[derive(Debug)]
pub(super) struct Kept<'a> {
    pub(super) batch: Batch,
    pub(super) x: &'a mut [f32],
    pub(super) gates: &'a mut [f32],
    /// By class.
    pub(super) labels: &'a mut [f32],
}

/// The network around the layer, for what is tried on kept samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    pub(super) stack: &'a Stack,
    pub(super) parameters: &'a [f32],
    pub(super) layer: usize,
}

/// What forward passes show of the rows and columns of one dense or convolutional layer, for one forget class.
#[derive(Debug)]
pub struct Neurons<'a> {
    pub(super) kernel: Kernel,
    pub(super) request: NeuronRequest,
    /// Of a dense layer whose samples are kept.
    pub(super) around: Option<Around<'a>>,
    pub(super) weights: &'a [f32],
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) classes: usize,
    pub(super) x: Moments<'a>,
    pub(super) h: Moments<'a>,
    pub(super) p: Moments<'a>,
    /// Share of forget and of retain samples on which an output is active.
    pub(super) active: Moments<'a>,
    /// O, outputs × classes.
    pub(super) effective: &'a mut [f32],
    /// Mean square of P over forget samples.
    pub(super) square: &'a mut [f32],
    /// gp, not normalised.
    pub(super) sensitivity: &'a mut [f32],
    pub(super) column_features: &'a mut [f32],
    /// Without the response.
    pub(super) row_features: &'a mut [f32],
    /// What normalises the features where they are made when they are asked for, two numbers each: those of columns,
    /// those of rows.
    pub(super) normals: &'a mut [f32],
    pub(super) forget: Option<Kept<'a>>,
    pub(super) retain: Option<Kept<'a>>,
    /// OcᵀOc, outputs × outputs, for responses.
    pub(super) products: &'a mut [f32],
    pub(super) work: &'a mut [f32],
    /// Whether the layer's outputs pass through a ReLU.
    pub(super) gated: bool,
    pub(super) margin: [f32; 2],
    pub(super) probe_passes: usize,
    pub(super) counts: [usize; 2],
}

impl<'a> Neurons<'a> {
    /// Memory for `samples` samples.
    pub fn need(stack: &Stack, layer: usize, samples: usize, request: &NeuronRequest) -> Need {
        let Some(positions) = Positions::of(stack, layer) else { return Need::default() };
        let (inputs, outputs) = positions.sizes();
        let (classes, features) = (stack.outputs(), request.features);
        let kept = |most: usize| Batch::lanes(samples.min(most));
        let mut need = moments(inputs, outputs)
            + outputs * (classes + 2)
            + Batch::lanes(inputs).len(features.columns())
            + Batch::lanes(outputs).len(features.rows());
        if features.keeps() {
            need += kept(MAX_RETAIN).len(inputs + outputs) + kept(MAX_FORGET).len(inputs + outputs);
            need += samples.min(MAX_RETAIN) + samples.min(MAX_FORGET);
            need += work(features, stack, layer, samples);
        }
        if features.responds() {
            need += outputs * outputs;
        }
        // While building: one panel of everything and the probes, then normalised copies.
        let building = Pass::need(stack, layer, positions, PROBES);
        Need::f32s(need + larger(building, larger(inputs, outputs)))
    }

    /// Memory of [`sparing`](Self::sparing).
    pub fn sparing_need(stack: &Stack, layer: usize) -> Need {
        let Some(positions) = spared(stack, layer) else { return Need::default() };
        let (inputs, outputs) = positions.sizes();
        let looking = Need::f32s(Pass::need(stack, layer, positions, LANES));
        let normalising = Need::f32s(NORMALS + larger(inputs, outputs));
        numbers(stack, positions).and(looking.or(normalising))
    }

    /// What of [`sparing_need`](Self::sparing_need) stays in use; the rest was for building.
    pub fn spared_need(stack: &Stack, layer: usize) -> Need {
        let Some(positions) = spared(stack, layer) else { return Need::default() };
        numbers(stack, positions).and(Need::f32s(NORMALS))
    }

    /// Streams over `samples` (in panels of [`LANES`]).
    ///
    /// # Errors
    /// [`ForwardError`]: the layer is neither dense nor a convolution, a slice does not fit, the arena holds less than
    /// [`need`](Self::need), or the forget class or the retain set has no samples.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        kernel: Kernel,
        stack: &'a Stack,
        parameters: &'a [f32],
        layer: usize,
        samples: Samples<'_>,
        request: NeuronRequest,
        arena: &mut Arena<'a>,
    ) -> Result<Self, ForwardError> {
        let mut neurons = Self::unseen(kernel, request);
        neurons.lay_out(stack, parameters, layer, samples, false, arena)?;
        neurons.look(stack, parameters, layer, samples, false, arena)?;
        Ok(neurons)
    }

    /// The same in little memory, for [`FeatureSet::Core`] and dense layers alone: features are made panel by panel when they are
    /// asked for ([`column_panels`](Self::column_panels), [`row_panels`](Self::row_panels)), and the samples are
    /// looked at twice. The bits are those of [`new`](Self::new).
    ///
    /// # Errors
    /// As [`new`](Self::new), or for another set of features or a convolution.
    #[allow(clippy::too_many_arguments)]
    pub fn sparing(
        kernel: Kernel,
        stack: &'a Stack,
        parameters: &'a [f32],
        layer: usize,
        samples: Samples<'_>,
        request: NeuronRequest,
        arena: &mut Arena<'a>,
    ) -> Result<Self, ForwardError> {
        let mut neurons = Self::unseen(kernel, request);
        neurons.look_sparingly(stack, parameters, layer, samples, arena)?;
        Ok(neurons)
    }

    /// Nothing was looked at yet. A caller with little stack begins with this, so that what is looked at is not moved.
    pub fn unseen(kernel: Kernel, request: NeuronRequest) -> Self {
        Self {
            kernel,
            request,
            around: None,
            weights: &[],
            inputs: 0,
            outputs: 0,
            classes: 0,
            x: Moments::default(),
            h: Moments::default(),
            p: Moments::default(),
            active: Moments::default(),
            effective: &mut [],
            square: &mut [],
            sensitivity: &mut [],
            column_features: &mut [],
            row_features: &mut [],
            normals: &mut [],
            forget: None,
            retain: None,
            products: &mut [],
            work: &mut [],
            gated: false,
            margin: [0.0; 2],
            probe_passes: 0,
            counts: [0; 2],
        }
    }

    /// What [`sparing`](Self::sparing) does, to what [`unseen`](Self::unseen) gave.
    ///
    /// # Errors
    /// As [`sparing`](Self::sparing).
    #[inline(never)]
    pub fn look_sparingly(
        &mut self,
        stack: &'a Stack,
        parameters: &'a [f32],
        layer: usize,
        samples: Samples<'_>,
        arena: &mut Arena<'a>,
    ) -> Result<(), ForwardError> {
        if self.request.features != FeatureSet::Core {
            return Err(ForwardError::Failed("only the features \"core\" can be made sparingly"));
        }
        if Positions::of(stack, layer).is_some_and(|positions| !positions.is_dense()) {
            return Err(ForwardError::Failed("only a dense layer can be looked at sparingly"));
        }
        self.lay_out(stack, parameters, layer, samples, true, arena)?;
        self.look(stack, parameters, layer, samples, true, arena)
    }

    /// Checks the request and takes the memory. Apart from [`look`](Self::look), so that neither takes stack while the
    /// other runs.
    #[inline(never)]
    fn lay_out(
        &mut self,
        stack: &'a Stack,
        parameters: &'a [f32],
        layer: usize,
        samples: Samples<'_>,
        sparing: bool,
        arena: &mut Arena<'a>,
    ) -> Result<(), ForwardError> {
        let request = self.request;
        if request.features == FeatureSet::Words {
            return Err(ForwardError::Failed("these features are those of a classifier of texts"));
        }
        let (inputs, outputs) = Positions::of(stack, layer).ok_or(NO_ROWS)?.sizes();
        let (classes, features, batch) = (stack.outputs(), request.features, samples.batch);
        ShapeError::check("samples of a panel", LANES, batch.width())?;
        ShapeError::check("input", batch.len(stack.inputs()), samples.inputs.len())?;
        ShapeError::check("labels", batch.samples(), samples.labels.len())?;
        ShapeError::check("parameters", stack.parameters(), parameters.len())?;
        if usize::from(request.class) >= classes {
            return Err(ForwardError::Label { label: request.class, classes });
        }
        let weights = stack.layers().get(layer).map(|layer| layer.weight_range());
        let count = |role: &dyn Fn(u8) -> bool, most: usize| {
            samples.labels.iter().filter(|&&label| role(label)).count().min(most)
        };
        let is_forget = |label: u8| label == request.class;
        let is_retain = |label: u8| label != request.class && !request.gone.contains(label);
        let keep = |count: usize, arena: &mut Arena<'a>| -> Result<_, ForwardError> {
            if !features.keeps() {
                return Ok(None);
            }
            let batch = Batch::lanes(count);
            let (x, gates) = (arena.take(batch.len(inputs))?, arena.take(batch.len(outputs))?);
            Ok(Some(Kept { batch, x, gates, labels: arena.take(count)? }))
        };
        self.weights = parameters.get(weights.unwrap_or_default()).unwrap_or_default();
        (self.inputs, self.outputs, self.classes) = (inputs, outputs, classes);
        self.counts = [0; 2];
        self.x = Moments::new(inputs, arena)?;
        self.h = Moments::new(outputs, arena)?;
        self.p = Moments::means(outputs, arena)?;
        self.active = Moments::means(outputs, arena)?;
        self.effective = arena.take(outputs * classes)?;
        self.square = arena.take(outputs)?;
        self.sensitivity = arena.take(outputs)?;
        if !sparing {
            self.column_features = arena.take(Batch::lanes(inputs).len(features.columns()))?;
            self.row_features = arena.take(Batch::lanes(outputs).len(features.rows()))?;
        }
        self.forget = keep(count(&is_forget, MAX_FORGET), arena)?;
        self.retain = keep(count(&is_retain, MAX_RETAIN), arena)?;
        if features.responds() {
            self.products = arena.take(outputs * outputs)?;
        }
        if features.keeps() {
            self.work = arena.take(work(features, stack, layer, batch.samples()))?;
            self.around = Some(Around { stack, parameters, layer });
        }
        Ok(())
    }

    /// Inputs of the layer: columns.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Outputs of the layer: rows.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// What was asked for.
    pub fn request(&self) -> &NeuronRequest {
        &self.request
    }

    /// Features of the columns, in panels of [`LANES`]; empty where they are made when they are asked for.
    pub fn column_features(&self) -> &[f32] {
        self.column_features
    }

    /// Writes the features of the columns from panel `index` on: as many panels of [`LANES`] as `panels` holds.
    ///
    /// # Errors
    /// [`ShapeError`] for panels that there are not, or part of one.
    pub fn column_panels(&self, index: usize, panels: &mut [f32]) -> Result<(), ShapeError> {
        let each = self.request.features.columns() * LANES;
        check_panels("column features", self.inputs, each, index, panels.len())?;
        match self.column_features.get(index * each..index * each + panels.len()) {
            Some(kept) => copy(panels, kept),
            None => self.make_columns(index, panels),
        }
        Ok(())
    }

    /// The same of the rows, without their response.
    ///
    /// # Errors
    /// As [`column_panels`](Self::column_panels).
    pub fn row_panels(&self, index: usize, panels: &mut [f32]) -> Result<(), ShapeError> {
        let each = self.request.features.rows() * LANES;
        check_panels("row features", self.outputs, each, index, panels.len())?;
        match self.row_features.get(index * each..index * each + panels.len()) {
            Some(kept) => copy(panels, kept),
            None => self.make_rows(index, panels),
        }
        Ok(())
    }

    /// Passes of the rest of the network over [`PROBES`] samples that its effective layer cost.
    pub fn probe_passes(&self) -> usize {
        self.probe_passes
    }

    /// Mean and deviation over forget samples of the unedited network's margin, `z_c` minus the
    /// log-sum-exp of the other logits.
    pub fn margin(&self) -> [f32; 2] {
        self.margin
    }

    /// The effective next layer, outputs × classes.
    pub fn effective(&self) -> &[f32] {
        self.effective
    }

    /// gp: how much each row pushes the forget class against the others, not normalised.
    pub fn sensitivity(&self) -> &[f32] {
        self.sensitivity
    }

    /// Mean of the layer's inputs over forget samples.
    pub fn mean_forget(&self) -> &[f32] {
        self.x.forget
    }

    /// Contrast of the layer's inputs between forget and retain samples.
    pub fn contrast(&self, out: &mut [f32]) {
        self.x.contrast(out);
    }

    /// Share of forget samples on which a row acts; 1 where no ReLU follows.
    pub(super) fn share(&self, row: usize) -> f32 {
        if self.gated { self.active.forget.get(row).copied().unwrap_or(0.0) } else { 1.0 }
    }
}

/// A layer that can be looked at in little memory.
fn spared(stack: &Stack, layer: usize) -> Option<Positions<'_>> {
    Positions::of(stack, layer).filter(|positions| positions.is_dense())
}

/// Moments, the effective next layer and two numbers of every output.
fn numbers(stack: &Stack, positions: Positions<'_>) -> Need {
    let (inputs, outputs) = positions.sizes();
    Need::f32s(moments(inputs, outputs) + outputs * (stack.outputs() + 2))
}

/// Values of all moments.
const fn moments(inputs: usize, outputs: usize) -> usize {
    3 * inputs + (3 + 2 + 2) * outputs
}

/// Checks that whole panels from `index` on are among those of `neurons` rows or columns.
fn check_panels(
    what: &'static str,
    neurons: usize,
    each: usize,
    index: usize,
    found: usize,
) -> Result<(), ShapeError> {
    let most = Batch::lanes(neurons).panels().saturating_sub(index) * each;
    if found <= most && found.is_multiple_of(each) {
        return Ok(());
    }
    Err(ShapeError { what, expected: most, found })
}

/// Working memory of systems of equations, responses and lengths.
fn work(features: FeatureSet, stack: &Stack, layer: usize, samples: usize) -> usize {
    let Some(positions) = Positions::of(stack, layer) else { return 0 };
    let (inputs, outputs) = positions.sizes();
    let kept = samples.min(MAX_RETAIN);
    let settling =
        if positions.is_dense() { super::settle::need(stack, layer, samples) } else { 0 };
    let lda = inverse_need(inputs, kept).max(settling);
    if !features.responds() {
        return larger(lda, inputs);
    }
    let forget = samples.min(MAX_FORGET);
    larger(lda, inputs)
        .max(super::response::need(inputs, outputs, forget, kept))
        .max(super::closed::need(inputs, outputs, forget, kept))
}

pub(super) const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

pub(super) fn larger_of(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}
