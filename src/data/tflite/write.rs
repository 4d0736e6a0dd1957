//! Edited weights and biases, put back into the bytes that they came from.

use super::dense::TfChain;
use super::file::TfLite;
use crate::data::error::{DataError, Problem};

impl TfLite {
    /// A copy of this file's bytes with the weights and biases of `chain`, which came from it, in the place of its own;
    /// every other byte stays.
    ///
    /// # Errors
    /// [`Problem::NotWritable`] where a layer shares its bytes with something else, has another number of
    /// values than the file, or has biases that the file has no place for.
    pub fn with(&self, chain: &TfChain) -> Result<Vec<u8>, DataError> {
        let mut bytes = self.bytes.clone();
        for layer in &chain.layers {
            let failed = |reason: &str| {
                let (layer, reason) = (layer.name.clone(), reason.to_string());
                Err(DataError::new(&self.place, Problem::NotWritable { layer, reason }))
            };
            let weights: Vec<u8> = layer.weights.iter().map(|&weight| weight as u8).collect();
            let mut written = self.put(layer.weight_tensor, &weights, &mut bytes);
            match layer.bias_tensor {
                Some(tensor) => {
                    let bias: Vec<u8> =
                        layer.bias.iter().flat_map(|bias| bias.to_le_bytes()).collect();
                    written = written.and(self.put(tensor, &bias, &mut bytes));
                }
                None if layer.bias.iter().any(|&bias| bias != 0) => {
                    return failed("the file has no biases for it");
                }
                None => {}
            }
            if let Err(reason) = written {
                return failed(reason);
            }
        }
        // Where bytes of weights are those of something else as well, what is read back is not what was written.
        let same = |read: &Self| {
            (&read.tensors, &read.operators, &read.buffers, &read.inputs, &read.outputs)
                == (&self.tensors, &self.operators, &self.buffers, &self.inputs, &self.outputs)
        };
        let read = Self::read(&self.place, bytes.clone());
        let Some(read) = read.ok().filter(same) else { return self.shared() };
        for layer in &chain.layers {
            if read
                .dense(Some(&layer.operator.to_string()))
                .ok()
                .as_ref()
                .map(|read| &read.layers[..])
                != Some(std::slice::from_ref(layer))
            {
                return self.shared();
            }
        }
        Ok(bytes)
    }

    /// Puts values into the place of tensor `tensor`'s.
    fn put(&self, index: usize, values: &[u8], bytes: &mut [u8]) -> Result<(), &'static str> {
        let Some(tensor) = self.tensors.get(index) else {
            return Err("the file has no such tensor");
        };
        let uses = |operator| {
            self.arguments(operator).0.filter(|&at| usize::try_from(at) == Ok(index)).count()
        };
        if self.operators.iter().map(uses).sum::<usize>() != 1 {
            return Err("another operator takes its values as well");
        }
        if self.tensors.iter().filter(|other| other.buffer == tensor.buffer).count() != 1 {
            return Err("another tensor shares its values");
        }
        let slot = tensor.data.clone().and_then(|range| bytes.get_mut(range));
        match slot {
            Some(slot) if slot.len() == values.len() => {
                slot.copy_from_slice(values);
                Ok(())
            }
            _ => Err("it has another number of values than the file"),
        }
    }

    fn shared(&self) -> Result<Vec<u8>, DataError> {
        let layer = "(any)".to_string();
        let reason = "its values share bytes with other parts of the file".to_string();
        Err(DataError::new(&self.place, Problem::NotWritable { layer, reason }))
    }
}
