//! Networks that others trained: tensors of a safetensors file, put together as a description says.

use super::arch::{Arch, ArchKind, ArchText};
use super::assemble::{Fold, Origin, assemble};
use super::error::{DataError, Problem, one_line};
use super::safetensors::{SafeTensors, Tensor};
use crate::nn::Stack;
use std::path::Path;

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
    /// How texts become its input, for networks over texts.
    pub text: Option<ArchText>,
    file: SafeTensors,
    origins: Vec<Origin>,
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
        let mut described = arch.clone();
        if described.input == [0; 3] {
            // A network over texts takes as many words as its first layer has columns.
            let weight = described.layers.iter().find_map(|layer| match &layer.kind {
                ArchKind::Dense { weight, .. } => Some(weight),
                _ => None,
            });
            let shape = weight.map(|weight| file.tensor(weight)).transpose()?.map(|t| &t.shape);
            let columns = shape.and_then(|shape| shape.last()).copied();
            described.input = [columns.unwrap_or(1).max(1), 1, 1];
        }
        let (stack, parameters, origins) = assemble(place, &described, &file)?;
        let (normalize, text) = (arch.normalize, described.text);
        Ok(Self { stack, parameters, normalize, text, file, origins })
    }

    /// The file that it was loaded from.
    pub fn file(&self) -> &SafeTensors {
        &self.file
    }

    /// Checks that edited weights of `layer` (an index into the stack) can be written back.
    ///
    /// # Errors
    /// [`DataError`] when the tensor is not of type F32, another layer reads it as well, or a batch
    /// normalisation that was folded in has a factor of 0, which hides the weights.
    pub fn writable(&self, layer: usize) -> Result<(), DataError> {
        let Some(origin) = self.origins.get(layer) else { return Ok(()) };
        if let Some(weight) = &origin.weight {
            self.file.writable(weight)?;
            let own = |other: &&Origin| other.weight.as_ref() == Some(weight);
            if self.origins.iter().filter(own).count() > 1 {
                let name = self.stack.layers().get(layer).map_or("", |layer| layer.name());
                let reason = format!("another layer reads {} as well", one_line(&weight.name));
                return Err(self.not_writable(name, reason));
            }
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
