//! Networks as files: layers and parameters.

use super::container::{FileKind, HEAD, Reader, SnapshotError, Values, Writer, open};
use crate::kernel::{Conv2d, Pool2d};
use crate::nn::{Kind, MAX_LAYERS, Stack};
use serde::{Deserialize, Serialize};

/// A network in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkFile<'b> {
    /// Name of the architecture: "digits-cnn", …
    pub name: &'b str,
    /// What it was made from (settings and data, digested): a file with the same origin and seed holds
    /// the same network, unless it was edited.
    pub origin: &'b str,
    /// The seed that it was trained with.
    pub seed: u64,
    /// Its layers.
    pub stack: Stack,
    parameters: Values<'b>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Record<'b> {
    pub(super) name: &'b str,
    pub(super) origin: &'b str,
    pub(super) seed: u64,
    input: [u32; 3],
    layers: u32,
}

#[derive(Serialize, Deserialize)]
struct LayerRecord<'b> {
    name: &'b str,
    kind: KindRecord,
}

/// Layers. The input shape of windows is stored: it may be another than the shape before it, of as many
/// features.
#[derive(Serialize, Deserialize)]
enum KindRecord {
    Dense {
        outputs: u32,
        bias: bool,
    },
    Conv2d {
        input: [u32; 3],
        channels: u32,
        kernel: [u32; 2],
        stride: [u32; 2],
        padding: [u32; 2],
        bias: bool,
    },
    MaxPool {
        input: [u32; 3],
        window: [u32; 2],
        stride: [u32; 2],
    },
    AveragePool {
        input: [u32; 3],
        window: [u32; 2],
        stride: [u32; 2],
    },
    Relu,
    Tanh,
}

impl<'b> NetworkFile<'b> {
    /// Bytes that a file takes at the most.
    pub fn bound(name: &str, origin: &str, stack: &Stack) -> usize {
        (HEAD + 64 + name.len() + origin.len() + stack.layers().len() * 80)
            .saturating_add(stack.parameters().saturating_mul(4))
    }

    /// Writes a network to the front of `out` and returns the file's length.
    ///
    /// # Errors
    /// [`SnapshotError`]: the buffer is too small, a parameter is not finite, or there are not as many
    /// as the layers call for.
    pub fn write(
        name: &str,
        origin: &str,
        seed: u64,
        stack: &Stack,
        parameters: &[f32],
        out: &mut [u8],
    ) -> Result<usize, SnapshotError> {
        if parameters.len() != stack.parameters() {
            return Err(SnapshotError::Malformed {
                offset: HEAD,
                expected: "as many parameters as the layers call for",
            });
        }
        let mut writer = Writer::new(FileKind::Network, out);
        write_stack(&mut writer, name, origin, seed, stack)?;
        writer.values(parameters)?;
        writer.finish()
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn read(bytes: &'b [u8]) -> Result<Self, SnapshotError> {
        let mut reader = open(FileKind::Network, bytes)?;
        let (head, stack) = read_stack(&mut reader)?;
        let parameters = reader.values(stack.parameters())?;
        Ok(Self { name: head.name, origin: head.origin, seed: head.seed, stack, parameters })
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.parameters.len()
    }

    /// True for a network without parameters.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The parameters in the order of [`Stack`].
    pub fn parameters(&self) -> impl Iterator<Item = f32> + '_ {
        self.parameters.iter()
    }
}

/// Writes what the layers are.
pub(super) fn write_stack(
    writer: &mut Writer<'_>,
    name: &str,
    origin: &str,
    seed: u64,
    stack: &Stack,
) -> Result<(), SnapshotError> {
    let bad = |expected| SnapshotError::Malformed { offset: HEAD, expected };
    let small = |size: usize| u32::try_from(size).map_err(|_| bad("sizes below 2^32"));
    let pair = |[a, b]: [usize; 2]| Ok::<_, SnapshotError>([small(a)?, small(b)?]);
    let shape = |[a, b, c]: [usize; 3]| Ok::<_, SnapshotError>([small(a)?, small(b)?, small(c)?]);
    let input = shape(stack.input())?;
    let layers = small(stack.layers().len())?;
    writer.record(&Record { name, origin, seed, input, layers })?;
    for layer in stack.layers() {
        let kind = match *layer.kind() {
            Kind::Dense { outputs, bias, .. } => {
                KindRecord::Dense { outputs: small(outputs)?, bias }
            }
            Kind::Conv2d { conv, bias } => KindRecord::Conv2d {
                input: shape(conv.input)?,
                channels: small(conv.channels)?,
                kernel: pair(conv.kernel)?,
                stride: pair(conv.stride)?,
                padding: pair(conv.padding)?,
                bias,
            },
            Kind::MaxPool(pool) => KindRecord::MaxPool {
                input: shape(pool.input)?,
                window: pair(pool.window)?,
                stride: pair(pool.stride)?,
            },
            Kind::AveragePool(pool) => KindRecord::AveragePool {
                input: shape(pool.input)?,
                window: pair(pool.window)?,
                stride: pair(pool.stride)?,
            },
            Kind::Relu => KindRecord::Relu,
            Kind::Tanh => KindRecord::Tanh,
        };
        writer.record(&LayerRecord { name: layer.name(), kind })?;
    }
    Ok(())
}

/// Reads what the layers are.
pub(super) fn read_stack<'b>(
    reader: &mut Reader<'b>,
) -> Result<(Record<'b>, Stack), SnapshotError> {
    let head: Record<'b> = reader.record("the description of a network")?;
    if head.layers as usize > MAX_LAYERS {
        return Err(reader.malformed("no more layers than a network can have"));
    }
    let mut stack = Stack::new(head.input.map(|size| size as usize));
    for _ in 0..head.layers {
        let layer: LayerRecord<'b> = reader.record("a layer")?;
        let kind = kind(&layer.kind, &stack);
        stack
            .add(layer.name, kind)
            .map_err(|_| reader.malformed("a layer that fits the one before"))?;
    }
    Ok((head, stack))
}

/// The layer that a record describes, behind the layers of `stack`.
fn kind(record: &KindRecord, stack: &Stack) -> Kind {
    let shape = |shape: [u32; 3]| shape.map(|size| size as usize);
    let pair = |pair: [u32; 2]| pair.map(|size| size as usize);
    match *record {
        KindRecord::Dense { outputs, bias } => {
            Kind::Dense { inputs: stack.outputs(), outputs: outputs as usize, bias }
        }
        KindRecord::Conv2d { input, channels, kernel, stride, padding, bias } => Kind::Conv2d {
            conv: Conv2d {
                input: shape(input),
                channels: channels as usize,
                kernel: pair(kernel),
                stride: pair(stride),
                padding: pair(padding),
            },
            bias,
        },
        KindRecord::MaxPool { input, window, stride } => Kind::MaxPool(Pool2d {
            input: shape(input),
            window: pair(window),
            stride: pair(stride),
        }),
        KindRecord::AveragePool { input, window, stride } => Kind::AveragePool(Pool2d {
            input: shape(input),
            window: pair(window),
            stride: pair(stride),
        }),
        KindRecord::Relu => Kind::Relu,
        KindRecord::Tanh => Kind::Tanh,
    }
}
