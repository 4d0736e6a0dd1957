//! Dense layers of 8-bit integers, as the kernels take them.

use super::file::{TfLite, TfOperator, TfTensor};
use super::names::{FULLY_CONNECTED, INT8, INT32};
use crate::data::error::{DataError, Problem};
use crate::kernel::int8::{DenseI8, OutputI8, Requantize};
use crate::model::int8::{Int8Link, Int8Scale};

/// What is fused to a layer's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// 0 and above.
    Relu,
    /// −1 to 1.
    ReluN1To1,
    /// 0 to 6.
    Relu6,
}

impl Activation {
    /// Its number in the format; `None` for those that dense layers of integers do not have.
    fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::None),
            1 => Some(Self::Relu),
            2 => Some(Self::ReluN1To1),
            3 => Some(Self::Relu6),
            _ => None,
        }
    }

    /// Its name, with a blank before; empty for none.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Relu => " RELU",
            Self::ReluN1To1 => " RELU_N1_TO_1",
            Self::Relu6 => " RELU6",
        }
    }

    /// Least and largest output at this scale.
    fn limits(self, scale: Int8Scale) -> (i8, i8) {
        match self {
            Self::None => (i8::MIN, i8::MAX),
            Self::Relu => (scale.quantise(0.0), i8::MAX),
            Self::ReluN1To1 => (scale.quantise(-1.0), scale.quantise(1.0)),
            Self::Relu6 => (scale.quantise(0.0), scale.quantise(6.0)),
        }
    }
}

/// A dense layer of a file, with copies of its weights and biases.
#[derive(Clone, Debug, PartialEq)]
pub struct TfDense {
    /// Index of its operator.
    pub operator: usize,
    /// Name of its weights.
    pub name: String,
    /// Inputs of the layer.
    pub inputs: usize,
    /// Outputs of the layer.
    pub outputs: usize,
    /// How its inputs stand for real numbers.
    pub input: Int8Scale,
    /// How its outputs do.
    pub output: Int8Scale,
    /// What is fused to its outputs.
    pub activation: Activation,
    /// Scales of its weights: one, or one for each output.
    pub scales: Vec<f32>,
    /// Weights, `outputs × inputs`, row by row: to be edited.
    pub weights: Vec<i8>,
    /// Biases, one per output, in units of the input's scale times the row's: to be edited. Zeros where the file
    /// has none.
    pub bias: Vec<i32>,
    /// Index of the tensor of its weights.
    pub(super) weight_tensor: usize,
    /// Index of the tensor of its biases.
    pub(super) bias_tensor: Option<usize>,
    pub(super) input_tensor: usize,
    pub(super) output_tensor: usize,
    multipliers: Vec<i32>,
    shifts: Vec<i32>,
}

impl TfDense {
    /// Whether the file has biases for it.
    pub fn has_bias(&self) -> bool {
        self.bias_tensor.is_some()
    }

    /// Scale of row `row`'s weights.
    pub fn scale(&self, row: usize) -> f32 {
        let of = if self.scales.len() == 1 { 0 } else { row };
        self.scales.get(of).copied().unwrap_or(1.0)
    }

    /// The layer as a kernel takes it; `packed` may be empty.
    pub fn link<'a>(&'a self, packed: &'a [i32]) -> Int8Link<'a> {
        let (low, high) = self.activation.limits(self.output);
        Int8Link {
            layer: DenseI8 {
                inputs: self.inputs,
                outputs: self.outputs,
                weights: &self.weights,
                packed,
                bias: &self.bias,
                zero: self.input.zero,
            },
            output: OutputI8 {
                multipliers: &self.multipliers,
                shifts: &self.shifts,
                zero: self.output.zero,
                low,
                high,
            },
        }
    }
}

/// Dense layers of a file, each fed by the one before: a whole network, or one layer of one.
#[derive(Clone, Debug, PartialEq)]
pub struct TfChain {
    /// The layers; at least one.
    pub layers: Vec<TfDense>,
}

impl TfChain {
    /// Inputs of the first layer.
    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.inputs)
    }

    /// Outputs of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs)
    }

    /// How inputs of the first layer and outputs of the last stand for real numbers.
    pub fn ends(&self) -> (Int8Scale, Int8Scale) {
        let nothing = Int8Scale { scale: 1.0, zero: 0 };
        (
            self.layers.first().map_or(nothing, |layer| layer.input),
            self.layers.last().map_or(nothing, |layer| layer.output),
        )
    }
}

impl TfLite {
    /// The network's dense layers, from input to output; or one of its layers alone, as a network over that layer's
    /// own inputs: by the index of its operator or the name of its weights.
    ///
    /// # Errors
    /// [`DataError`] names operator and tensor: an operator that is no dense layer (and then which dense layers can be
    /// edited by themselves), one that is not fed by the one before, tensors that are no 8-bit
    /// integers, zero points of weights other than 0, scales that are no positive numbers.
    pub fn dense(&self, layer: Option<&str>) -> Result<TfChain, DataError> {
        if let Some(layer) = layer {
            let index = self.find(layer)?;
            return Ok(TfChain { layers: vec![self.layer(index)?] });
        }
        if let Some(index) = self.operators.iter().position(|made| made.code != FULLY_CONNECTED) {
            let dense: Vec<String> = (self.operators.iter().enumerate())
                .filter(|(_, operator)| operator.code == FULLY_CONNECTED)
                .take(9)
                .map(|(index, _)| index.to_string())
                .collect();
            let rest = match dense.as_slice() {
                [] => "there is no dense layer that could be edited by itself".to_string(),
                dense => format!(
                    "a dense layer can still be edited by itself: --layer with operator {}",
                    dense.join(" or ")
                ),
            };
            let problem = format!("expected FULLY_CONNECTED all the way; {rest}");
            return Err(self.fault(index, problem));
        }
        let count = self.operators.len();
        let layers: Vec<TfDense> =
            (0..count).map(|index| self.layer(index)).collect::<Result<_, _>>()?;
        let (inputs, outputs) = self.ends();
        let (mut inputs, mut outputs) = (inputs.map(i64::from), outputs.map(i64::from));
        let mut fed = inputs.next();
        for layer in &layers {
            if fed != i64::try_from(layer.input_tensor).ok() || inputs.len() > 0 {
                let problem = "expected it to take what the operator before it gives, the first the network's one \
                               input";
                return Err(self.fault(layer.operator, problem.into()));
            }
            fed = i64::try_from(layer.output_tensor).ok();
        }
        if layers.is_empty() || outputs.next() != fed || outputs.len() > 0 {
            let problem = "expected its last operator to give its one output".into();
            let at = format!("network of {count} operators");
            return Err(DataError::new(&self.place, Problem::Tflite { at, what: problem }));
        }
        Ok(TfChain { layers })
    }

    /// The operator that is meant: an index, or the name of a dense layer's weights.
    fn find(&self, layer: &str) -> Result<usize, DataError> {
        let index = layer.parse().ok().filter(|&index: &usize| index < self.operators.len());
        let named = |operator: &TfOperator| {
            let weights = self.arguments(operator).0.nth(1).and_then(|at| usize::try_from(at).ok());
            let tensor = weights.and_then(|at| self.tensors.get(at));
            operator.code == FULLY_CONNECTED && tensor.is_some_and(|tensor| tensor.name == layer)
        };
        index.or_else(|| self.operators.iter().position(named)).ok_or_else(|| {
            let at = format!("layer {}", crate::data::error::one_line(layer));
            let what = format!(
                "expected the index of an operator, below {}, or the name of a dense layer's weights",
                self.operators.len()
            );
            DataError::new(&self.place, Problem::Tflite { at, what })
        })
    }

    /// Something that is wrong with operator `index`.
    fn fault(&self, index: usize, what: String) -> DataError {
        let name = self.operators.get(index).map_or("", |operator| &operator.name);
        let at = format!("operator {index} ({name})");
        DataError::new(&self.place, Problem::Tflite { at, what })
    }

    /// The dense layer that operator `index` is.
    fn layer(&self, index: usize) -> Result<TfDense, DataError> {
        let Some(operator) = self.operators.get(index).filter(|made| made.code == FULLY_CONNECTED)
        else {
            return Err(self.fault(index, "expected FULLY_CONNECTED".into()));
        };
        let Some(activation) = Activation::of(operator.activation) else {
            let found = operator.activation;
            let problem =
                format!("expected an activation of 0 to 3 (none, RELU, …), found {found}");
            return Err(self.fault(index, problem));
        };
        if operator.format != 0 {
            return Err(self.fault(index, "expected weights in rows, found them shuffled".into()));
        }
        let (inputs, outputs) = self.arguments(operator);
        let (inputs, outputs): (Vec<i32>, Vec<i32>) =
            (inputs.take(4).collect(), outputs.take(2).collect());
        let (&[input, weights] | &[input, weights, _], &[output]) = (&inputs[..], &outputs[..])
        else {
            let problem = "expected input, weights, perhaps biases, and one output".into();
            return Err(self.fault(index, problem));
        };
        let [(input_tensor, input), (weight_tensor, weights), (output_tensor, output)] = [
            self.argument(index, input)?,
            self.argument(index, weights)?,
            self.argument(index, output)?,
        ];
        let bias = inputs.get(2).copied().filter(|&bias| bias >= 0);
        let bias = bias.map(|bias| self.argument(index, bias)).transpose()?;
        let wrong = |tensor: &TfTensor, expected: &str, found: String| {
            self.fault(index, format!("tensor {}: expected {expected}, found {found}", tensor.name))
        };
        for tensor in [input, weights, output] {
            if tensor.kind != INT8 {
                return Err(wrong(tensor, "type INT8", tensor.kind()));
            }
        }
        let (&[outputs, inputs], Some(data)) = (&weights.shape[..], &weights.data) else {
            let found = format!("shape {:?}, values {}", weights.shape, weights.data.is_some());
            return Err(wrong(weights, "constant values in two dimensions", found));
        };
        // Other dimensions are samples, one at a time.
        if input.len() != inputs || output.len() != outputs || inputs == 0 || outputs == 0 {
            let found = format!("{:?} to {:?}", input.shape, output.shape);
            return Err(wrong(weights, &format!("{inputs} inputs to {outputs} outputs"), found));
        }
        let bytes = self.bytes.get(data.clone()).unwrap_or_default();
        let values = match bias.map(|(_, bias)| (bias, &bias.data)) {
            None => vec![0; outputs],
            Some((bias, Some(data))) if bias.kind == INT32 && bias.len() == outputs => {
                let bytes = self.bytes.get(data.clone()).unwrap_or_default();
                bytes.as_chunks().0.iter().map(|&bytes| i32::from_le_bytes(bytes)).collect()
            }
            Some((bias, _)) => {
                let found = format!("{} in shape {:?}", bias.kind(), bias.shape);
                return Err(wrong(bias, &format!("{outputs} constant values of INT32"), found));
            }
        };
        let scales = self
            .scales_of(weights, outputs)
            .map_err(|(expected, found)| wrong(weights, expected, found))?;
        let one = |tensor: &TfTensor| {
            self.scale_of(tensor).map_err(|(expected, found)| wrong(tensor, expected, found))
        };
        let (from, to) = (one(input)?, one(output)?);
        let factors: Vec<Requantize> =
            scales.iter().map(|&scale| factor(from, scale, to, scales.len())).collect();
        Ok(TfDense {
            operator: index,
            name: weights.name.clone(),
            inputs,
            outputs,
            input: from,
            output: to,
            activation,
            weights: bytes.iter().map(|&byte| byte as i8).collect(),
            bias: values,
            weight_tensor,
            bias_tensor: bias.map(|(at, _)| at),
            input_tensor,
            output_tensor,
            multipliers: factors.iter().map(|factor| factor.multiplier).collect(),
            shifts: factors.iter().map(|factor| factor.shift).collect(),
            scales,
        })
    }

    /// The tensor at `at`, an argument of operator `index`.
    fn argument(&self, index: usize, at: i32) -> Result<(usize, &TfTensor), DataError> {
        usize::try_from(at).ok().and_then(|at| Some((at, self.tensors.get(at)?))).ok_or_else(|| {
            let count = self.tensors.len();
            self.fault(index, format!("expected one of {count} tensors, found number {at}"))
        })
    }

    /// The one scale of a tensor and its zero point, or what was expected and what is there.
    fn scale_of(&self, tensor: &TfTensor) -> Result<Int8Scale, (&'static str, String)> {
        let (mut scales, mut zeros) = self.quantisation(tensor);
        let expected = "one scale above 0 and one zero point in -128 to 127";
        if scales.len() != 1 || zeros.len() != 1 {
            return Err((expected, format!("{} and {} of them", scales.len(), zeros.len())));
        }
        let (scale, zero) = (scales.next().unwrap_or(f32::NAN), zeros.next().unwrap_or(i64::MAX));
        match i8::try_from(zero) {
            Ok(zero) if scale > 0.0 && scale.is_finite() => Ok(Int8Scale { scale, zero }),
            _ => Err((expected, format!("scale {scale}, zero point {zero}"))),
        }
    }

    /// The scales of weights of `rows` rows, or what was expected and what is there.
    fn scales_of(
        &self,
        weights: &TfTensor,
        rows: usize,
    ) -> Result<Vec<f32>, (&'static str, String)> {
        let (scales, mut zeros) = self.quantisation(weights);
        if scales.len() != 1 && (scales.len() != rows || weights.axis != 0) {
            let found = format!("{} along dimension {}", scales.len(), weights.axis);
            return Err(("one scale, or one for each output", found));
        }
        if let Some(zero) = zeros.find(|&zero| zero != 0) {
            return Err(("zero points of 0 (others cannot be edited)", zero.to_string()));
        }
        let scales: Vec<f32> = scales.collect();
        match scales.iter().find(|&&scale| !(scale > 0.0 && scale.is_finite())) {
            Some(scale) => Err(("scales above 0", scale.to_string())),
            None => Ok(scales),
        }
    }
}

/// What a row's sums are multiplied by. With one scale for all rows TensorFlow Lite takes the product of the input's
/// and the weights' scale in f32.
fn factor(input: Int8Scale, scale: f32, output: Int8Scale, scales: usize) -> Requantize {
    let product = match scales {
        1 => f64::from(input.scale * scale),
        _ => f64::from(input.scale) * f64::from(scale),
    };
    Requantize::of(product / f64::from(output.scale))
}
