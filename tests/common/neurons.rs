//! Networks of `tests/oracle/neuron_features.json`, and all that is expected of a view of them.

use reweight::kernel::{Batch, Kernel};
use reweight::model::Samples;
use reweight::nn::Stack;
use reweight::slab::Heap;
use reweight::task::ClassSet;
use reweight::world::{FeatureSet, NeuronRequest, Neurons, WorldKind};
use serde_json::Value;

/// A small network with its samples.
pub(crate) struct Net {
    pub(crate) stack: Stack,
    pub(crate) parameters: Vec<f32>,
    pub(crate) batch: Batch,
    pub(crate) inputs: Vec<f32>,
    pub(crate) labels: Vec<u8>,
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

pub(crate) fn oracle() -> Value {
    serde_json::from_str(include_str!("../oracle/neuron_features.json")).unwrap()
}

impl Net {
    pub(crate) fn read(value: &Value) -> Self {
        let sizes = |value: &Value| -> Vec<usize> {
            let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
            list.iter().map(|size| size.as_u64().unwrap() as usize).collect()
        };
        let two = |value: &Value| <[usize; 2]>::try_from(sizes(value)).unwrap();
        let image = sizes(&value["image"]);
        let mut stack = match *image.as_slice() {
            [channels, rows, columns] => Stack::new([channels, rows, columns]),
            _ => Stack::new([value["inputs"].as_u64().unwrap() as usize, 1, 1]),
        };
        let features = stack.inputs();
        let activate =
            |stack: &mut Stack, index: usize| match value["activations"][index].as_str().unwrap() {
                "relu" => _ = stack.relu().unwrap(),
                "tanh" => _ = stack.tanh().unwrap(),
                _ => {}
            };
        let convolutions = value["convolutions"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (index, conv) in convolutions.iter().enumerate() {
            let channels = conv["channels"].as_u64().unwrap() as usize;
            let (kernel, stride) = (two(&conv["kernel"]), two(&conv["stride"]));
            let name = format!("d{index}");
            stack.conv2d(&name, channels, kernel, stride, two(&conv["padding"])).unwrap();
            activate(&mut stack, index);
            let window = [conv["pool"][1].as_u64().unwrap_or(0) as usize; 2];
            match conv["pool"][0].as_str() {
                Some("max") => _ = stack.max_pool(window, window).unwrap(),
                Some(_) => _ = stack.average_pool(window, window).unwrap(),
                None => {}
            }
        }
        for (index, &size) in sizes(&value["outputs"]).iter().enumerate() {
            let index = convolutions.len() + index;
            stack.dense(&format!("d{index}"), size).unwrap();
            activate(&mut stack, index);
        }
        let rows = floats(&value["samples"]);
        let batch = Batch::lanes(rows.len() / features);
        let mut inputs = vec![0.0; batch.len(features)];
        Kernel::auto().to_panels(batch, features, &rows, &mut inputs).unwrap();
        let labels = value["labels"].as_array().unwrap();
        let labels = labels.iter().map(|label| label.as_u64().unwrap() as u8).collect();
        Self { stack, parameters: floats(&value["parameters"]), batch, inputs, labels }
    }

    pub(crate) fn samples(&self) -> Samples<'_> {
        Samples { batch: self.batch, inputs: &self.inputs, labels: &self.labels }
    }

    /// Index of the `index`-th layer that has weights.
    pub(crate) fn layer(&self, index: u64) -> usize {
        self.stack.find(&format!("d{index}")).unwrap()
    }

    /// Looks at layer `weighted` of those with weights and hands what is seen to `look`.
    pub(crate) fn look<R>(
        &self,
        kernel: Kernel,
        weighted: u64,
        request: NeuronRequest,
        look: impl FnOnce(&mut Neurons<'_>) -> R,
    ) -> R {
        let layer = self.layer(weighted);
        let mut heap = Heap::new(Neurons::need(&self.stack, layer, self.labels.len(), &request));
        let mut arena = heap.arena();
        let samples = self.samples();
        let parameters = &self.parameters;
        let neurons =
            Neurons::new(kernel, &self.stack, parameters, layer, samples, request, &mut arena);
        look(&mut neurons.unwrap())
    }
}

pub(crate) fn request(kind: WorldKind, features: FeatureSet, case: &Value) -> NeuronRequest {
    let gone: Vec<u8> = floats(&case["gone"]).iter().map(|&class| class as u8).collect();
    let class = case["class"].as_u64().unwrap() as u8;
    NeuronRequest { kind, features, class, gone: ClassSet::of(&gone) }
}

pub(crate) fn close(what: &str, got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(1.0f32, |most, value| most.max(value.abs()));
    for (index, (got, want)) in got.iter().zip(want).enumerate() {
        let error = (got - want).abs();
        assert!(error <= tolerance * scale, "{what} [{index}]: {got}, not {want}");
    }
}

/// One feature of all neurons out of panels.
fn feature(panels: &[f32], features: usize, index: usize, count: usize) -> Vec<f32> {
    (0..count).map(|neuron| panels[Batch::lanes(count).at(features, neuron, index)]).collect()
}

fn unit(values: &[f32]) -> Vec<f32> {
    let rms = reweight::num::rms(values);
    values.iter().map(|value| value / rms).collect()
}

/// Everything that is seen of one view.
pub(crate) fn check(name: &str, neurons: &mut Neurons<'_>, case: &Value) {
    let (set, kind) = (neurons.request().features, neurons.request().kind);
    let (inputs, outputs) = (neurons.inputs(), neurons.outputs());
    let of = |what: &str| format!("{name}: {what}");
    close(&of("margin"), &neurons.margin(), &floats(&case["margin"]), 2e-5);
    close(&of("effective"), neurons.effective(), &floats(&case["effective"]), 2e-4);
    close(&of("sensitivity"), neurons.sensitivity(), &floats(&case["sensitivity"]), 2e-4);
    close(&of("mean"), neurons.mean_forget(), &floats(&case["mean_forget"]), 1e-6);
    let mut contrast = vec![0.0; inputs];
    neurons.contrast(&mut contrast);
    close(&of("contrast"), &contrast, &floats(&case["contrast"]), 1e-4);
    let columns = neurons.column_features().to_vec();
    let mut wanted: Vec<Vec<f32>> =
        case["columns"].as_array().unwrap().iter().map(floats).collect();
    match set {
        FeatureSet::Core => {}
        FeatureSet::CoreLda3 => wanted.push(floats(&case["lda3"])),
        FeatureSet::All => wanted.push(floats(&case["lda"])),
        FeatureSet::Words => unreachable!("neurons do not have them"),
    }
    assert_eq!(wanted.len(), set.columns());
    for (index, want) in wanted.iter().enumerate() {
        let got = feature(&columns, set.columns(), index, inputs);
        close(&of(&format!("column feature {index}")), &got, want, 2e-3);
    }
    let world = &case["worlds"][kind.name()];
    let mut wanted: Vec<Vec<f32>> = case["rows"].as_array().unwrap().iter().map(floats).collect();
    if set == FeatureSet::All {
        wanted.push(floats(&case["lf"]));
    }
    let mut rows = vec![0.0; Batch::lanes(outputs).len(set.rows())];
    for response in world["response"].as_array().unwrap() {
        let v = floats(&response["v"]);
        neurons.row_features(&v, &mut rows).unwrap();
        let mut all = wanted.clone();
        if set.responds() {
            all.extend(response["features"].as_array().unwrap().iter().map(floats));
        }
        assert_eq!(all.len(), set.rows());
        for (index, want) in all.iter().enumerate() {
            let got = feature(&rows, set.rows(), index, outputs);
            close(&of(&format!("row feature {index}")), &got, want, 2e-3);
        }
        if set.responds() {
            let mut u = vec![0.0; outputs];
            neurons.row_solution(&v, &mut u).unwrap();
            close(&of("row solution"), &u, &all[set.rows() - 1], 2e-3);
        }
    }
    for wanted in world["calibration"].as_array().unwrap() {
        let (u, v) = (floats(&wanted["u"]), floats(&wanted["v"]));
        let step = wanted["step"].as_f64().unwrap() as f32;
        let got = neurons.calibration(step, &u, &v);
        let want = wanted["factor"].as_f64().unwrap() as f32;
        close(&of(&format!("factor of step {step}")), &[got], &[want], 1e-3);
        let got = neurons.settle(step, &u, &v).unwrap();
        let want = if set.keeps() { wanted["settled"].as_f64().unwrap() as f32 } else { want };
        close(&of(&format!("settled factor of step {step}")), &[got], &[want], 1e-3);
    }
    if set == FeatureSet::All {
        let mut v = vec![0.0; inputs];
        neurons.discriminant(&mut v).unwrap();
        close(&of("discriminant"), &unit(&v), &floats(&case["discriminant"]), 2e-3);
        for wanted in world["activation"].as_array().unwrap() {
            neurons.activation_columns(&floats(&wanted["u"]), &mut v).unwrap();
            close(&of("activation"), &unit(&v), &floats(&wanted["v"]), 5e-3);
        }
    } else {
        assert!(neurons.row_solution(&contrast, &mut vec![0.0; outputs]).is_err());
    }
}
