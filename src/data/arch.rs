//! Descriptions of networks that others trained: which layers there are, and which tensors they read.
//!
//! ```json
//! {"input": [1, 28, 28], "normalize": [0.1307, 0.3081], "vocabulary": null, "layers": [
//!     {"type": "conv2d", "name": "features.0", "padding": 1},
//!     {"type": "relu"},
//!     {"type": "max_pool", "window": 2},
//!     {"type": "flatten"},
//!     {"type": "dense", "name": "classifier.0"}]}
//! ```

use super::error::{DataError, Problem, one_line};
use super::idx::MAX_SIDE;
use super::near::nearest;
use super::safetensors::read_file;
use serde_json::{Map, Value};
use std::path::Path;

/// The longest description that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// A network's description.
#[derive(Clone, Debug, PartialEq)]
pub struct Arch {
    /// Channels, rows and columns of the input.
    pub input: [usize; 3],
    /// Mean and standard deviation: the network takes (x − mean) / std for x in [0, 1].
    pub normalize: (f32, f32),
    /// The words that the first layer takes, for networks over texts.
    pub text: Option<ArchText>,
    /// The layers, from input to output.
    pub layers: Vec<ArchLayer>,
}

/// How a text becomes the input of a network, and its outputs a probability. Files lie beside the
/// description unless their paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchText {
    /// The file of words, one a line, in the order of the input.
    pub vocabulary: String,
    /// The tensor of inverse document frequencies; counts of words when there is none.
    pub idf: Option<String>,
    /// A file of words that are left out, one a line.
    pub stop_words: Option<String>,
    /// The tensors a and b of a calibration: the probability is the mean over outputs m of
    /// 1 / (1 + exp(a m + b)). Without it there are two outputs, and their softmax is taken.
    pub calibration: Option<(String, String)>,
}

/// One layer of a description.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchLayer {
    /// Its name; empty when none is given.
    pub name: String,
    /// What it is.
    pub kind: ArchKind,
}

/// What a layer is, and the names of the tensors that it reads.
#[derive(Clone, Debug, PartialEq)]
pub enum ArchKind {
    /// Fully connected; weights outputs × inputs.
    Dense {
        /// The weights' tensor.
        weight: String,
        /// The biases' tensor.
        bias: Optional,
    },
    /// 2-d convolution; weights outputs × inputs × kernel rows × kernel columns.
    Conv2d {
        /// The weights' tensor.
        weight: String,
        /// The biases' tensor.
        bias: Optional,
        /// Rows, columns.
        stride: [usize; 2],
        /// Rows, columns.
        padding: [usize; 2],
    },
    /// Batch normalisation with running statistics, folded into the layer before it.
    BatchNorm {
        /// The factors' tensor.
        weight: Optional,
        /// The offsets' tensor.
        bias: Optional,
        /// The means' tensor.
        mean: String,
        /// The variances' tensor.
        variance: String,
        /// What is added to the variances.
        eps: f64,
    },
    /// Largest value of each window (rows, columns).
    MaxPool {
        /// Window.
        window: [usize; 2],
        /// Stride.
        stride: [usize; 2],
    },
    /// Mean of each window (rows, columns).
    AveragePool {
        /// Window.
        window: [usize; 2],
        /// Stride.
        stride: [usize; 2],
    },
    /// Rectified linear unit.
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// Dropout, flatten, softmax at the end: nothing to compute for logits.
    Identity,
}

/// A tensor that a layer may do without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Optional {
    /// `null`: there is none.
    None,
    /// Not said: the tensor of this name, where the file has it.
    IfThere(String),
    /// Named: it must be there.
    Named(String),
}

impl Arch {
    /// Reads a description.
    ///
    /// # Errors
    /// [`DataError`] when the file cannot be read, is no JSON, or says something that is not known:
    /// the message names the layer and the key.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        Self::read(&path.display().to_string(), &read_file(path, MAX_BYTES)?)
    }

    /// Reads a description's text. `place` stands in errors.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read(place: &str, text: &[u8]) -> Result<Self, DataError> {
        parse(text).map_err(|(at, what)| {
            DataError::new(place, Problem::Arch { at: one_line(&at), what: one_line(&what) })
        })
    }
}

/// Where something is wrong, and what.
type Fault = (String, String);

const LAYERS: [&str; 10] = [
    "dense",
    "conv2d",
    "batch_norm",
    "relu",
    "tanh",
    "max_pool",
    "average_pool",
    "dropout",
    "flatten",
    "softmax",
];

fn parse(text: &[u8]) -> Result<Arch, Fault> {
    let value: Value = serde_json::from_slice(text)
        .map_err(|error| ("not a description of a network".to_string(), error.to_string()))?;
    let fields = Fields::of(&value, "the description".into())?;
    fields.known(&[
        "input",
        "normalize",
        "vocabulary",
        "idf",
        "stop_words",
        "calibration",
        "layers",
    ])?;
    let words = words(&fields)?;
    let sides = fields.get("input").and_then(sizes).unwrap_or_default();
    let input = match sides[..] {
        [channels, rows, cols]
            if sides.iter().all(|side| (1..=MAX_SIDE as usize).contains(side)) =>
        {
            [channels, rows, cols]
        }
        _ if words.is_some() && fields.get("input").is_none() => [0; 3],
        _ => {
            let expected = format!("[channels, rows, columns], each from 1 to {MAX_SIDE}");
            return fields.wrong("input", &expected);
        }
    };
    let normalize = match fields.get("normalize") {
        None => (0.0, 1.0),
        Some(value) => match numbers(value).unwrap_or_default()[..] {
            [mean, std]
                if mean.is_finite() && std > 0.0 && std.is_finite() && (1.0 / std).is_finite() =>
            {
                (mean, std)
            }
            _ => return fields.wrong("normalize", "[mean, std] of pixels in [0, 1], std above 0"),
        },
    };
    let Some(Value::Array(list)) = fields.get("layers") else {
        return fields.wrong("layers", "a list of layers");
    };
    let mut layers = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let last = index + 1 == list.len();
        layers.push(layer(value, format!("layer {}", index + 1), last)?);
    }
    Ok(Arch { input, normalize, text: words, layers })
}

/// What the description says of words.
fn words(fields: &Fields<'_>) -> Result<Option<ArchText>, Fault> {
    let of = |key| Ok::<_, Fault>(fields.text(key)?.map(ToString::to_string));
    let Some(vocabulary) = of("vocabulary")? else {
        for key in ["idf", "stop_words", "calibration"] {
            if fields.get(key).is_some() {
                return fields.wrong(key, "nothing without \"vocabulary\"");
            }
        }
        return Ok(None);
    };
    let calibration = match fields.get("calibration") {
        None => None,
        Some(Value::Array(names)) => match names.as_slice() {
            [Value::String(slope), Value::String(offset)] => Some((slope.clone(), offset.clone())),
            _ => return fields.wrong("calibration", "the names of two tensors"),
        },
        Some(_) => return fields.wrong("calibration", "the names of two tensors"),
    };
    Ok(Some(ArchText { vocabulary, idf: of("idf")?, stop_words: of("stop_words")?, calibration }))
}

fn layer(value: &Value, at: String, last: bool) -> Result<ArchLayer, Fault> {
    let mut fields = Fields::of(value, at)?;
    let kind = match fields.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        _ => return fields.wrong("type", &format!("one of {}", LAYERS.join(", "))),
    };
    let name = fields.text("name")?.unwrap_or_default();
    fields.at = format!("{} ({kind}{}{name})", fields.at, if name.is_empty() { "" } else { " " });
    let kind = match kind {
        "dense" => {
            fields.known(&["type", "name", "weight", "bias"])?;
            ArchKind::Dense { weight: fields.tensor("weight")?, bias: fields.optional("bias")? }
        }
        "conv2d" => {
            fields.known(&["type", "name", "weight", "bias", "stride", "padding"])?;
            ArchKind::Conv2d {
                weight: fields.tensor("weight")?,
                bias: fields.optional("bias")?,
                stride: fields.pair("stride", Some([1, 1]))?,
                padding: fields.pair("padding", Some([0, 0]))?,
            }
        }
        "batch_norm" => {
            fields.known(&[
                "type",
                "name",
                "weight",
                "bias",
                "running_mean",
                "running_var",
                "eps",
            ])?;
            let eps = match fields.get("eps") {
                None => 1e-5,
                Some(value) => match value.as_f64() {
                    Some(eps) if eps >= 0.0 && eps.is_finite() => eps,
                    _ => return fields.wrong("eps", "a number of at least 0"),
                },
            };
            ArchKind::BatchNorm {
                weight: fields.optional("weight")?,
                bias: fields.optional("bias")?,
                mean: fields.tensor("running_mean")?,
                variance: fields.tensor("running_var")?,
                eps,
            }
        }
        "max_pool" | "average_pool" => {
            fields.known(&["type", "name", "window", "stride"])?;
            let window = fields.pair("window", None)?;
            let stride = fields.pair("stride", Some(window))?;
            if kind == "max_pool" {
                ArchKind::MaxPool { window, stride }
            } else {
                ArchKind::AveragePool { window, stride }
            }
        }
        "relu" | "tanh" | "flatten" => {
            fields.known(&["type", "name"])?;
            match kind {
                "relu" => ArchKind::Relu,
                "tanh" => ArchKind::Tanh,
                _ => ArchKind::Identity,
            }
        }
        "dropout" => {
            fields.known(&["type", "name", "p"])?;
            ArchKind::Identity
        }
        "softmax" => {
            fields.known(&["type", "name"])?;
            if !last {
                return Err((fields.at, "softmax may stand at the end only".into()));
            }
            ArchKind::Identity
        }
        other => {
            let near = nearest(other, LAYERS);
            let hint = near.first().map_or(String::new(), |near| format!("; did you mean {near}?"));
            let what = format!("unknown type {other:?}{hint} (types: {})", LAYERS.join(", "));
            return Err((fields.at, what));
        }
    };
    Ok(ArchLayer { name: name.to_string(), kind })
}

/// A JSON object, and where it stands.
struct Fields<'v> {
    at: String,
    map: &'v Map<String, Value>,
}

impl<'v> Fields<'v> {
    fn of(value: &'v Value, at: String) -> Result<Self, Fault> {
        match value {
            Value::Object(map) => Ok(Self { at, map }),
            _ => Err((at, format!("expected an object {{…}}, found {}", short(value)))),
        }
    }

    /// What stands under `key`; `None` for `null` too.
    fn get(&self, key: &str) -> Option<&'v Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn known(&self, keys: &[&str]) -> Result<(), Fault> {
        let Some(key) = self.map.keys().find(|key| !keys.contains(&key.as_str())) else {
            return Ok(());
        };
        let near = nearest(key, keys.iter().copied());
        let hint = near.first().map_or(String::new(), |near| format!("; did you mean {near:?}?"));
        Err((self.at.clone(), format!("unknown key {key:?}{hint} (keys: {})", keys.join(", "))))
    }

    fn wrong<T>(&self, key: &str, expected: &str) -> Result<T, Fault> {
        let found = self.map.get(key).map_or("nothing".into(), short);
        Err((self.at.clone(), format!("\"{key}\": expected {expected}, found {found}")))
    }

    fn text(&self, key: &str) -> Result<Option<&'v str>, Fault> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => self.wrong(key, "text"),
        }
    }

    /// The name of a tensor, `NAME.key` unless it is given.
    fn tensor(&self, key: &str) -> Result<String, Fault> {
        match (self.text(key)?, self.text("name")?) {
            (Some(tensor), _) => Ok(tensor.into()),
            (None, Some(name)) => Ok(format!("{name}.{key}")),
            (None, None) => self.wrong(key, "the name of a tensor (or \"name\" to begin it)"),
        }
    }

    fn optional(&self, key: &str) -> Result<Optional, Fault> {
        match (self.map.get(key), self.text("name")?) {
            (Some(Value::Null), _) => Ok(Optional::None),
            (Some(Value::String(tensor)), _) => Ok(Optional::Named(tensor.clone())),
            (Some(_), _) => self.wrong(key, "the name of a tensor, or null for none"),
            (None, Some(name)) => Ok(Optional::IfThere(format!("{name}.{key}"))),
            (None, None) => Ok(Optional::None),
        }
    }

    /// Rows and columns: a number for both, or [rows, columns].
    fn pair(&self, key: &str, default: Option<[usize; 2]>) -> Result<[usize; 2], Fault> {
        let both = |value: &Value| match sizes(value).as_deref() {
            Some(&[rows, cols]) => Some([rows, cols]),
            Some(_) => None,
            None => size(value).map(|side| [side; 2]),
        };
        match (self.get(key), default) {
            (None, Some(default)) => Ok(default),
            (value, _) => match value.and_then(both) {
                Some(pair) => Ok(pair),
                None => self.wrong(key, "a whole number, or [rows, columns]"),
            },
        }
    }
}

fn size(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|size| usize::try_from(size).ok())
}

fn sizes(value: &Value) -> Option<Vec<usize>> {
    value.as_array()?.iter().map(size).collect()
}

fn numbers(value: &Value) -> Option<Vec<f32>> {
    value.as_array()?.iter().map(|number| number.as_f64().map(|number| number as f32)).collect()
}

/// A value as a message shows it.
fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 {
        return text;
    }
    text.chars().take(59).chain(['…']).collect()
}
