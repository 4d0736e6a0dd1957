//! Tensors put together into a network as a description says.

use super::arch::{Arch, ArchKind, ArchLayer, Optional};
use super::error::{DataError, Problem, one_line};
use super::safetensors::{SafeTensors, Tensor};
use crate::kernel::{Conv2d, Pool2d};
use crate::nn::{Kind, Stack, StackError};

/// The widest activation, in values of one sample, of a network that is run here.
const MAX_FEATURES: usize = 1 << 20;

/// Where the parameters of one layer of the stack come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Origin {
    /// The weights' tensor; `None` for layers without weights.
    pub(super) weight: Option<Tensor>,
    pub(super) bias: Option<Tensor>,
    /// The batch normalisation that was folded in.
    pub(super) fold: Option<Fold>,
}

/// Per output: `w·factor`, and `(b − mean)·factor + offset`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fold {
    pub(super) factor: Vec<f64>,
    pub(super) mean: Vec<f32>,
    pub(super) offset: Vec<f32>,
}

/// Layers, parameters, and where those of each layer come from. `place` stands in errors of the
/// description.
pub(super) fn assemble(
    place: &str,
    arch: &Arch,
    file: &SafeTensors,
) -> Result<(Stack, Vec<f32>, Vec<Origin>), DataError> {
    let mut builder = Builder {
        place,
        at: "input".into(),
        file,
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
    Ok((builder.stack, builder.parameters, builder.origins))
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
