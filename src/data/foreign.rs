//! Networks that others trained: tensors of a safetensors file, put together as a description says.

use super::arch::{Arch, ArchKind, ArchLayer, Optional};
use super::error::{DataError, Problem, one_line};
use super::safetensors::{SafeTensors, Tensor};
use crate::kernel::{Conv2d, Pool2d};
use crate::nn::{Kind, Stack, StackError};
use std::path::Path;

/// The widest activation, in values of one sample, of a network that is run here.
const MAX_FEATURES: usize = 1 << 20;

/// A network that others trained, and how to write it back.
///
/// The tensors are those of PyTorch: weights outputs × inputs (outputs × inputs × kernel rows × kernel
/// columns for convolutions), and features are flattened channel by channel, row by row, which is this
/// crate's order as well. Batch normalisation is folded into the layer before it, in f64:
/// `W·γ/√(σ² + ε)` and `(b − μ)·γ/√(σ² + ε) + β`, each rounded once.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign {
    /// Its layers.
    pub stack: Stack,
    /// Its parameters, in the order of the stack.
    pub parameters: Vec<f32>,
    /// Mean and standard deviation: it takes (x − mean) / std for x in [0, 1].
    pub normalize: (f32, f32),
    file: SafeTensors,
    origins: Vec<Origin>,
}

/// Where the parameters of one layer of the stack come from.
#[derive(Clone, Debug, Default, PartialEq)]
struct Origin {
    /// The weights' tensor; `None` for layers without weights.
    weight: Option<Tensor>,
    bias: Option<Tensor>,
    /// The batch normalisation that was folded in.
    fold: Option<Fold>,
}

/// Per output: `w·factor`, and `(b − mean)·factor + offset`.
#[derive(Clone, Debug, PartialEq)]
struct Fold {
    factor: Vec<f64>,
    mean: Vec<f32>,
    offset: Vec<f32>,
}

impl Foreign {
    /// Loads the safetensors file `model` as the description `arch` says.
    ///
    /// # Errors
    /// [`DataError`] names the file, the layer or tensor, and what was expected.
    pub fn open(model: &Path, arch: &Path) -> Result<Self, DataError> {
        let described = Arch::open(arch)?;
        Self::new(&arch.display().to_string(), &described, SafeTensors::open(model)?)
    }

    /// Puts the tensors of `file` together. `place` stands in errors of the description.
    ///
    /// # Errors
    /// [`DataError`]: a tensor that is missing or has another shape or type than the layer calls for, a
    /// value that is not finite, layers that do not fit one another, an activation of more than 2²⁰
    /// values.
    pub fn new(place: &str, arch: &Arch, file: SafeTensors) -> Result<Self, DataError> {
        let mut builder = Builder {
            place,
            at: "input".into(),
            file: &file,
            stack: Stack::new(arch.input),
            parameters: Vec::new(),
            origins: Vec::new(),
        };
        builder.check_width()?;
        for (index, layer) in arch.layers.iter().enumerate() {
            builder.at = described(index, layer);
            builder.layer(layer)?;
        }
        if !builder.stack.layers().iter().any(|layer| layer.kind().matrix().is_some()) {
            builder.at = "layers".into();
            return Err(builder.fault("expected at least one dense or conv2d layer".into()));
        }
        let Builder { stack, parameters, origins, .. } = builder;
        Ok(Self { stack, parameters, normalize: arch.normalize, file, origins })
    }

    /// The file that it was loaded from.
    pub fn file(&self) -> &SafeTensors {
        &self.file
    }

    /// Checks that edited weights of `layer` (an index into the stack) can be written back.
    ///
    /// # Errors
    /// [`DataError`] when the tensor is not of type F32, or a batch normalisation that was folded in
    /// has a factor of 0, which hides the weights.
    pub fn writable(&self, layer: usize) -> Result<(), DataError> {
        let Some(origin) = self.origins.get(layer) else { return Ok(()) };
        if let Some(weight) = &origin.weight {
            self.file.writable(weight)?;
        }
        match &origin.fold {
            Some(fold) if fold.factor.contains(&0.0) => Err(self.hidden(layer)),
            _ => Ok(()),
        }
    }

    /// The file with the parameters of an edited network: only bytes of tensors whose parameters
    /// differ from [`parameters`](Self::parameters) are replaced, and of those only values that do.
    ///
    /// A folded batch normalisation is undone by dividing by its factor, so there the network that is
    /// read back may differ from `edited` in last bits.
    ///
    /// # Errors
    /// [`DataError`]: as [`writable`](Self::writable), a bias that the file has no tensor for, a value
    /// that is not finite in the file's terms, or another number of parameters.
    pub fn write(&self, edited: &[f32]) -> Result<Vec<u8>, DataError> {
        let mut bytes = self.file.bytes().to_vec();
        if edited.len() != self.parameters.len() {
            let reason = format!(
                "it has {} parameters, the edited network {}",
                self.parameters.len(),
                edited.len()
            );
            return Err(self.not_writable("", reason));
        }
        for (index, layer) in self.stack.layers().iter().enumerate() {
            let Some(origin) = self.origins.get(index) else { continue };
            let Some((inputs, outputs)) = layer.kind().matrix() else { continue };
            let changed = |range: core::ops::Range<usize>| {
                let new = edited.get(range.clone()).unwrap_or_default();
                let old = self.parameters.get(range).unwrap_or_default();
                let same = new.iter().zip(old).all(|(new, old)| new.to_bits() == old.to_bits());
                (!same).then_some((new, old))
            };
            if let (Some((new, old)), Some(tensor)) =
                (changed(layer.weight_range()), &origin.weight)
            {
                self.writable(index)?;
                let mut values = self.file.values(tensor)?;
                for (at, value) in values.iter_mut().enumerate() {
                    // In the file outputs × inputs, here inputs × outputs.
                    let (output, input) = (at / inputs, at % inputs);
                    let here = input * outputs + output;
                    let (Some(new), Some(old)) = (new.get(here), old.get(here)) else { continue };
                    if new.to_bits() != old.to_bits() {
                        *value = match &origin.fold {
                            None => *new,
                            Some(fold) => unfold(*new, fold.factor.get(output)),
                        };
                    }
                }
                self.put(index, tensor, &values, &mut bytes)?;
            }
            if let Some((new, old)) = layer.bias_range().and_then(changed) {
                let Some(tensor) = &origin.bias else {
                    let reason = "its bias was edited, and the file has no tensor for it".into();
                    return Err(self.not_writable(layer.name(), reason));
                };
                self.writable(index)?;
                let mut values = self.file.values(tensor)?;
                for (at, (value, (new, old))) in
                    values.iter_mut().zip(new.iter().zip(old)).enumerate()
                {
                    if new.to_bits() == old.to_bits() {
                        continue;
                    }
                    *value = match &origin.fold {
                        None => *new,
                        Some(Fold { factor, mean, offset }) => {
                            let of = |list: &[f32]| list.get(at).copied().unwrap_or_default();
                            let factor = factor.get(at).copied().unwrap_or(1.0);
                            ((f64::from(*new) - f64::from(of(offset))) / factor
                                + f64::from(of(mean))) as f32
                        }
                    };
                }
                self.put(index, tensor, &values, &mut bytes)?;
            }
        }
        Ok(bytes)
    }

    fn put(
        &self,
        layer: usize,
        tensor: &Tensor,
        values: &[f32],
        bytes: &mut [u8],
    ) -> Result<(), DataError> {
        if values.iter().any(|value| !value.is_finite()) {
            let name = self.stack.layers().get(layer).map_or("", |layer| layer.name());
            let reason = "undoing its batch normalisation gives a value that is not finite".into();
            return Err(self.not_writable(name, reason));
        }
        self.file.replace(tensor, values, bytes)
    }

    fn hidden(&self, layer: usize) -> DataError {
        let name = self.stack.layers().get(layer).map_or("", |layer| layer.name());
        let reason = "the batch normalisation after it has a factor of 0, which hides its weights";
        self.not_writable(name, reason.into())
    }

    fn not_writable(&self, layer: &str, reason: String) -> DataError {
        let layer = one_line(layer);
        DataError::new(self.file.place(), Problem::NotWritable { layer, reason })
    }
}

fn unfold(value: f32, factor: Option<&f64>) -> f32 {
    (f64::from(value) / factor.copied().unwrap_or(1.0)) as f32
}

fn described(index: usize, layer: &ArchLayer) -> String {
    let kind = match layer.kind {
        ArchKind::Dense { .. } => "dense",
        ArchKind::Conv2d { .. } => "conv2d",
        ArchKind::BatchNorm { .. } => "batch_norm",
        ArchKind::MaxPool { .. } => "max_pool",
        ArchKind::AveragePool { .. } => "average_pool",
        ArchKind::Relu => "relu",
        ArchKind::Tanh => "tanh",
        ArchKind::Identity => "identity",
    };
    let space = if layer.name.is_empty() { "" } else { " " };
    one_line(&format!("layer {} ({kind}{space}{})", index + 1, layer.name))
}

/// A network in the making.
struct Builder<'b> {
    /// The description's file.
    place: &'b str,
    /// The layer that is being added.
    at: String,
    file: &'b SafeTensors,
    stack: Stack,
    parameters: Vec<f32>,
    origins: Vec<Origin>,
}

impl Builder<'_> {
    fn fault(&self, what: String) -> DataError {
        DataError::new(self.place, Problem::Arch { at: self.at.clone(), what })
    }

    fn layer(&mut self, layer: &ArchLayer) -> Result<(), DataError> {
        let input = self.stack.output_shape();
        match &layer.kind {
            ArchKind::Identity => Ok(()),
            ArchKind::Relu => self.plain(Kind::Relu),
            ArchKind::Tanh => self.plain(Kind::Tanh),
            &ArchKind::MaxPool { window, stride } => {
                self.plain(Kind::MaxPool(Pool2d { input, window, stride }))
            }
            &ArchKind::AveragePool { window, stride } => {
                self.plain(Kind::AveragePool(Pool2d { input, window, stride }))
            }
            ArchKind::Dense { weight, bias } => {
                let weight = self.file.tensor(weight)?;
                let inputs = self.stack.outputs();
                let outputs = match weight.shape[..] {
                    [outputs, found] if found == inputs => outputs,
                    _ => return Err(self.shape(weight, &format!("[outputs, {inputs}]"))),
                };
                self.weighted(&layer.name, weight, bias, outputs, |bias| Kind::Dense {
                    inputs,
                    outputs,
                    bias,
                })
            }
            ArchKind::Conv2d { weight, bias, stride, padding } => {
                let weight = self.file.tensor(weight)?;
                let [channels, ..] = input;
                let (outputs, kernel) = match weight.shape[..] {
                    [outputs, found, rows, cols] if found == channels => (outputs, [rows, cols]),
                    _ => {
                        let expected =
                            format!("[outputs, {channels}, kernel rows, kernel columns]");
                        return Err(self.shape(weight, &expected));
                    }
                };
                let conv =
                    Conv2d { input, channels: outputs, kernel, stride: *stride, padding: *padding };
                self.weighted(&layer.name, weight, bias, outputs, |bias| Kind::Conv2d {
                    conv,
                    bias,
                })
            }
            ArchKind::BatchNorm { weight, bias, mean, variance, eps } => {
                self.fold([weight, bias], [mean, variance], *eps)
            }
        }
    }

    fn shape(&self, tensor: &Tensor, expected: &str) -> DataError {
        let expected = format!("shape {expected} for {}", self.at);
        self.file.wrong(tensor, expected, format!("{:?}", tensor.shape))
    }

    fn add(&mut self, name: &str, kind: Kind) -> Result<(), DataError> {
        let [channels, rows, cols] = self.stack.output_shape();
        if let Err(error) = self.stack.add(name, kind) {
            return Err(self.fault(match error {
                StackError::Name => {
                    "its \"name\" must have 1 to 16 bytes (\"weight\" and \"bias\" may name tensors of \
                     longer names)"
                        .into()
                }
                error => format!("{error} (its input is {channels} x {rows} x {cols})"),
            }));
        }
        self.check_width()
    }

    fn check_width(&self) -> Result<(), DataError> {
        let (shape, found) = (self.stack.output_shape(), self.stack.outputs());
        if found <= MAX_FEATURES {
            return Ok(());
        }
        Err(self
            .fault(format!("gives {found} values {shape:?}, at most {MAX_FEATURES} are run here")))
    }

    fn plain(&mut self, kind: Kind) -> Result<(), DataError> {
        self.add("", kind)?;
        self.origins.push(Origin::default());
        Ok(())
    }

    fn optional(&self, tensor: &Optional) -> Result<Option<Tensor>, DataError> {
        match tensor {
            Optional::None => Ok(None),
            Optional::IfThere(name) => Ok(self.file.find(name).cloned()),
            Optional::Named(name) => self.file.tensor(name).cloned().map(Some),
        }
    }

    /// One value per output.
    fn vector(&self, tensor: &Tensor, outputs: usize) -> Result<Vec<f32>, DataError> {
        if tensor.shape != [outputs] {
            return Err(self.shape(tensor, &format!("[{outputs}]")));
        }
        self.file.values(tensor)
    }

    fn weighted(
        &mut self,
        name: &str,
        weight: &Tensor,
        bias: &Optional,
        outputs: usize,
        kind: impl Fn(bool) -> Kind,
    ) -> Result<(), DataError> {
        let bias = self.optional(bias)?;
        // Always with a bias, so that a batch normalisation has where to go.
        let kind = kind(true);
        self.add(name, kind)?;
        let biases = match &bias {
            Some(bias) => self.vector(bias, outputs)?,
            None => vec![0.0; outputs],
        };
        let stored = self.file.values(weight)?;
        let inputs = stored.len() / outputs.max(1);
        let start = self.parameters.len();
        self.parameters.resize(start + stored.len(), 0.0);
        let own = self.parameters.get_mut(start..).unwrap_or_default();
        for (output, row) in stored.chunks_exact(inputs.max(1)).enumerate() {
            let column = own.iter_mut().skip(output).step_by(outputs);
            column.zip(row).for_each(|(to, &from)| *to = from);
        }
        self.parameters.extend_from_slice(&biases);
        self.origins.push(Origin { weight: Some(weight.clone()), bias, fold: None });
        Ok(())
    }

    /// Folds a batch normalisation into the last layer.
    fn fold(
        &mut self,
        [weight, bias]: [&Optional; 2],
        [mean, variance]: [&String; 2],
        eps: f64,
    ) -> Result<(), DataError> {
        let before =
            "batch_norm must come right after a dense or conv2d layer, to be folded into it";
        let layer = self.stack.layers().last();
        let Some((layer, (_, outputs))) =
            layer.and_then(|layer| Some((layer, layer.kind().matrix()?)))
        else {
            return Err(self.fault(before.into()));
        };
        if self.origins.last().is_some_and(|origin| origin.fold.is_some()) {
            return Err(self.fault(before.into()));
        }
        let (weights, biases) = (layer.weight_range(), layer.bias_range().unwrap_or_default());
        let optional = |tensor: &Optional, default: f32| match self.optional(tensor)? {
            Some(tensor) => self.vector(&tensor, outputs),
            None => Ok(vec![default; outputs]),
        };
        let (gamma, offset) = (optional(weight, 1.0)?, optional(bias, 0.0)?);
        let mean = self.vector(self.file.tensor(mean)?, outputs)?;
        let variance_tensor = self.file.tensor(variance)?;
        let variance = self.vector(variance_tensor, outputs)?;
        let mut factor = Vec::with_capacity(outputs);
        for (&gamma, &variance) in gamma.iter().zip(&variance) {
            let spread = f64::from(variance) + eps;
            if spread <= 0.0 {
                let expected = format!("variances above 0 with eps = {eps}");
                return Err(self.file.wrong(variance_tensor, expected, variance.to_string()));
            }
            factor.push(f64::from(gamma) / spread.sqrt());
        }
        let folded = self.parameters.get_mut(weights).unwrap_or_default();
        for row in folded.chunks_exact_mut(outputs) {
            for (weight, &factor) in row.iter_mut().zip(&factor) {
                *weight = (f64::from(*weight) * factor) as f32;
            }
        }
        let folded = self.parameters.get_mut(biases).unwrap_or_default();
        let terms = factor.iter().zip(&mean).zip(&offset);
        for (bias, ((&factor, &mean), &offset)) in folded.iter_mut().zip(terms) {
            *bias = ((f64::from(*bias) - f64::from(mean)) * factor + f64::from(offset)) as f32;
        }
        if !crate::num::all_finite(&self.parameters) {
            return Err(self.fault("folding it gives values that are not finite".into()));
        }
        if let Some(origin) = self.origins.last_mut() {
            origin.fold = Some(Fold { factor, mean, offset });
        }
        Ok(())
    }
}
