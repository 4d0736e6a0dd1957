//! Quantised networks on disk (`.rwq`).

use super::quantised::Quantised;
use crate::kernel::Kernel;
use crate::run::error::RunError;
use crate::run::evaluate::{Evaluation, count, fits, parts};
use crate::run::files::{at, read_file, write_file};
use crate::run::prepare::{Part, Prepared};
use crate::run::target::Target;
use crate::snapshot::Int8File;
use std::fmt::Write;
use std::path::Path;

/// A quantised network that was loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8Model {
    /// The same network in real numbers.
    pub target: Target,
    net: Quantised,
}

impl Int8Model {
    /// Accuracy of the integers on every part of `data`; the digest is that of the network in real numbers.
    ///
    /// # Errors
    /// [`RunError`] when the network does not fit the data.
    pub fn evaluate(&self, kernel: Kernel, data: &Prepared) -> Result<Evaluation, RunError> {
        fits(self.target.stack.outputs(), data)?;
        let part = |(name, part): (&'static str, &Part)| {
            let (labels, classes) = (part.labels(), data.classes);
            self.net.on(kernel, part.samples(), |net| count(net, name, labels, classes))
        };
        Ok(Evaluation {
            digest: self.target.digest(),
            data: data.name.clone(),
            parts: parts(data).into_iter().map(part).collect::<Result<_, _>>()?,
        })
    }

    /// The network in real numbers, and the integers that they stand for.
    pub(in crate::run) fn into_parts(self) -> (Target, Quantised) {
        (self.target, self.net)
    }

    /// Its layers and their scales, in words.
    pub(in crate::run) fn describe(&self) -> String {
        let mut text = format!(
            "{}, seed {}, {} weights of 8 bits, digest {}\n",
            self.target.name,
            self.target.seed,
            self.net.weights.len(),
            self.target.digest()
        );
        for layer in self.net.stack.layers() {
            let name =
                self.target.stack.layers().get(layer.source).map_or("", |layer| layer.name());
            let (inputs, outputs, scale) = (layer.inputs, layer.outputs, layer.input);
            let _ = writeln!(
                text,
                "  {name:<8} {inputs} -> {outputs}, takes {}",
                affine(scale.scale, scale.zero.into())
            );
        }
        text
    }
}

/// What an 8-bit number q stands for, in words.
pub(in crate::run) fn affine(scale: f32, zero: i64) -> String {
    let sign = if zero < 0 { '+' } else { '-' };
    format!("{scale} x (q {sign} {})", zero.unsigned_abs())
}

pub(in crate::run) fn save_int8(
    path: &Path,
    name: &str,
    origin: &str,
    target: &Target,
    net: &Quantised,
) -> Result<(), RunError> {
    let source = &target.stack;
    let mut bytes = vec![0; Int8File::bound(name, origin, source, &net.stack)];
    let network = net.network();
    let len = Int8File::write(name, origin, target.seed, source, &network, &mut bytes)
        .map_err(at(path))?;
    bytes.truncate(len);
    write_file(path, &bytes)
}

/// Loads a quantised network.
///
/// # Errors
/// [`RunError::Failed`] names the file and what is wrong with it.
pub fn load_int8(path: &Path) -> Result<Int8Model, RunError> {
    let bytes = read_file(path)?;
    let file = Int8File::read(&bytes).map_err(at(path))?;
    let mut net = Quantised::zeros(file.stack.clone());
    file.fill(&mut net.parameters());
    let target = Target {
        name: file.name.into(),
        parameters: net.real(&file.source)?,
        stack: file.source,
        seed: file.seed,
        key: file.origin.into(),
        foreign: None,
    };
    Ok(Int8Model { target, net })
}
