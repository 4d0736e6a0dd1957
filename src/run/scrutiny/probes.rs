//! Probes: what can be read of the forgotten classes from a layer's outputs.
//!
//! A probe is trained on the train split's features with the samples' own labels, all classes, and read
//! on the forgotten classes of the test split (Alain and Bengio, "Understanding intermediate layers using
//! linear classifier probes", 1610.01644). Features are standardised; dead ones are 0.

use super::student::Course;
use crate::kernel::Kernel;
use crate::model::Samples;
use crate::nn::{Init, Layer, Stack, StackError};
use crate::num::Digest;
use crate::rng::{Purpose, Rng};
use crate::run::error::RunError;
use crate::run::measure::Gauge;
use crate::run::prepare::Part;
use crate::run::record::LayerProbe;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Samples of a step.
const MINIBATCH: usize = 128;
/// Softmax probes: learning rate, and passes over the samples of the two readings.
const RATE: f32 = 1e-2;
const SHORT: usize = 10;
const LONG: usize = 60;
/// The probe with a hidden layer: units, learning rate, passes.
const UNITS: usize = 64;
const MLP_RATE: f32 = 3e-3;
const MLP_EPOCHS: usize = 15;
/// Widest layer that is probed: a wider one would cost more than all else together.
const MOST_FEATURES: usize = 4096;

/// What probes of one network said.
pub(super) struct Probed {
    pub(super) recovery: Option<f64>,
    pub(super) long: Option<f64>,
    pub(super) mlp: Option<f64>,
    pub(super) layers: Vec<LayerProbe>,
    /// Logits of the train and of the test split, which come of the same pass.
    pub(super) train: Part,
    pub(super) test: Part,
}

/// What tells one probe from another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    /// Index of the layer that takes the probed features.
    layer: usize,
    /// Of all parameters before it.
    digest: u64,
    seed: u64,
    probe: Probe,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Probe {
    Short,
    Long,
    Mlp,
}

/// The class that a probe takes each test sample for.
type Guesses = Arc<Vec<u32>>;

/// Probes that were trained before, by the parameters in front of them: an edit of one layer leaves
/// probes of the layers before it as they are. For networks of one architecture on one data set.
#[derive(Default)]
pub(in crate::run) struct ProbeCache(Mutex<HashMap<Key, Guesses>>);

impl ProbeCache {
    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Guesses>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of probes.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries().len()
    }
}

/// Indices of the layers with weights that are not the first one: each takes the outputs of a hidden layer,
/// after its activation and pooling; the last entry is the output layer's.
fn takers(stack: &Stack) -> Vec<usize> {
    let weighted = |(_, layer): &(usize, &Layer)| layer.kind().matrix().is_some();
    stack.layers().iter().enumerate().filter(weighted).map(|(index, _)| index).skip(1).collect()
}

/// Runs the network over the train and test splits and probes its hidden layers on the way.
pub(super) fn probe(
    gauge: &Gauge<'_>,
    parameters: &[f32],
    seed: u64,
    cache: &ProbeCache,
) -> Result<Probed, RunError> {
    let (kernel, stack, data) = (gauge.kernel, gauge.stack, gauge.data);
    let takers = if gauge.task.forget().is_empty() { Vec::new() } else { takers(stack) };
    let (mut layers, mut last) = (Vec::new(), [None; 3]);
    let (mut digest, mut digested) = (Digest::new(), 0);
    let (mut before, mut train, mut test) = (0, None, None);
    for (position, &taker) in takers.iter().enumerate() {
        let here = |split: &Option<Part>, whole: &Part| {
            split.as_ref().unwrap_or(whole).through(kernel, stack, parameters, before..taker)
        };
        (train, test) = (Some(here(&train, &data.train_panels)?), Some(here(&test, &data.test)?));
        before = taker;
        let Some(layer) = stack.layers().get(taker) else { continue };
        let start = layer.range().start;
        digest.values(parameters.get(digested..start).unwrap_or_default());
        digested = start;
        if layer.inputs() > MOST_FEATURES {
            continue;
        }
        let (Some(train), Some(test)) = (&train, &test) else { continue };
        let mut bench = Bench { kernel, classes: data.classes, train, test, laid_out: None };
        let mut read = |probe, seed| {
            let key = Key { layer: taker, digest: digest.finish(), seed, probe };
            let known = cache.entries().get(&key).cloned();
            let guesses = match known {
                Some(guesses) => guesses,
                None => {
                    for (probe, guesses) in bench.run(probe, seed)? {
                        cache.entries().insert(Key { probe, ..key }, Arc::new(guesses));
                    }
                    cache.entries().get(&key).cloned().unwrap_or_default()
                }
            };
            Ok::<_, RunError>(recovery(gauge, &guesses))
        };
        if position + 1 == takers.len() {
            // The long probe leaves the short one behind on its way.
            let long = read(Probe::Long, seed)?;
            last = [read(Probe::Short, seed)?, long, read(Probe::Mlp, seed)?];
        }
        if let Some(recovery) = read(Probe::Short, seed)? {
            let of = stack.layers().get(..taker).unwrap_or_default();
            let named = of.iter().rfind(|layer| layer.kind().matrix().is_some());
            let layer = named.map_or("", |layer| layer.name()).into();
            layers.push(LayerProbe { layer, recovery });
        }
    }
    let end = stack.layers().len();
    let logits = |split: Option<Part>, whole: &Part| {
        split.as_ref().unwrap_or(whole).through(kernel, stack, parameters, before..end)
    };
    let [recovery, long, mlp] = last;
    Ok(Probed {
        recovery,
        long,
        mlp,
        layers,
        train: logits(train, &data.train_panels)?,
        test: logits(test, &data.test)?,
    })
}

/// Share of the forgotten classes' test samples that the probe gets right; `None` without such samples.
fn recovery(gauge: &Gauge<'_>, guesses: &[u32]) -> Option<f64> {
    let forget = gauge.task.forget();
    let (mut right, mut count) = (0u32, 0u32);
    for (&label, &guess) in gauge.data.test.labels().iter().zip(guesses) {
        if forget.contains(label) {
            count += 1;
            right += u32::from(guess == u32::from(label));
        }
    }
    (count > 0).then(|| f64::from(right) / f64::from(count))
}

/// Features of one layer, for probes.
struct Bench<'a> {
    kernel: Kernel,
    classes: usize,
    train: &'a Part,
    test: &'a Part,
    /// Standardised features: train row by row, test in panels. Laid out when the first probe asks.
    laid_out: Option<(Vec<f32>, Vec<f32>)>,
}

impl Bench<'_> {
    fn features(&self) -> usize {
        let samples = self.train.samples();
        samples.inputs.len() / samples.batch.len(1).max(1)
    }

    /// Trains a probe; the long one gives the short one too.
    fn run(&mut self, probe: Probe, seed: u64) -> Result<Vec<(Probe, Vec<u32>)>, RunError> {
        let features = self.features();
        if self.laid_out.is_none() {
            let (train, test) = (self.train.samples(), self.test.samples());
            self.laid_out = Some(standardised(self.kernel, &train, &test, features)?);
        }
        let Some((rows, test)) = &self.laid_out else { return Ok(Vec::new()) };
        let failed = |error: StackError| RunError::Failed(format!("probe: {error}"));
        let mut stack = Stack::new([features, 1, 1]);
        if probe == Probe::Mlp {
            stack.dense("hidden", UNITS).and_then(Stack::relu).map_err(failed)?;
        }
        stack.dense("probe", self.classes).map_err(failed)?;
        let (rate, epochs) = match probe {
            Probe::Short => (RATE, SHORT),
            Probe::Long => (RATE, LONG),
            Probe::Mlp => (MLP_RATE, MLP_EPOCHS),
        };
        let labels = self.train.labels();
        let mut course = Course {
            kernel: self.kernel,
            stack: &stack,
            rows,
            labels,
            minibatch: MINIBATCH,
            rate,
            steps: 0,
        };
        let per_epoch = course.steps_per_epoch();
        course.steps = epochs * per_epoch;
        let mut rng = Rng::new(seed, Purpose::Scrutiny);
        // A softmax probe is convex: it starts at 0.
        let mut parameters = vec![0.0; stack.parameters()];
        if probe == Probe::Mlp {
            stack.initialise(Init::HeUniform, &mut parameters, &mut rng)?;
        }
        let batch = self.test.samples().batch;
        let mut scratch = vec![0.0; stack.scratch(batch)];
        let mut logits = vec![0.0; batch.len(self.classes)];
        let mut read = |parameters: &[f32]| {
            let layers = 0..stack.layers().len();
            stack.forward(
                self.kernel,
                layers,
                batch,
                parameters,
                test,
                &mut scratch,
                &mut logits,
            )?;
            let mut guesses = vec![0; batch.samples()];
            self.kernel.argmax(batch, self.classes, &logits, &mut guesses)?;
            Ok::<_, RunError>(guesses)
        };
        let mut found = Vec::new();
        course.follow(&mut parameters, rng, &mut |step, parameters| {
            if probe == Probe::Long && step == SHORT * per_epoch {
                found.push((Probe::Short, read(parameters)?));
            }
            Ok(true)
        })?;
        found.push((probe, read(&parameters)?));
        Ok(found)
    }
}

/// Both splits by the train split's means and deviations: train row by row, test in panels.
pub(super) fn standardised(
    kernel: Kernel,
    train: &Samples<'_>,
    test: &Samples<'_>,
    features: usize,
) -> Result<(Vec<f32>, Vec<f32>), RunError> {
    let mut rows = vec![0.0; train.batch.samples() * features];
    kernel.to_rows(train.batch, features, 1, train.inputs, &mut rows)?;
    let count = train.batch.samples().max(1) as f64;
    let (mut sums, mut squares) = (vec![0.0f64; features], vec![0.0f64; features]);
    for row in rows.chunks(features.max(1)) {
        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let means: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
    for row in rows.chunks(features.max(1)) {
        for ((square, mean), &x) in squares.iter_mut().zip(&means).zip(row) {
            *square += (f64::from(x) - mean) * (f64::from(x) - mean);
        }
    }
    let scale = |square: &f64| if *square > 0.0 { 1.0 / (square / count).sqrt() } else { 0.0 };
    let scales: Vec<f32> = squares.iter().map(|square| scale(square) as f32).collect();
    let means: Vec<f32> = means.iter().map(|&mean| mean as f32).collect();
    for row in rows.chunks_mut(features.max(1)) {
        for ((x, mean), scale) in row.iter_mut().zip(&means).zip(&scales) {
            *x = (*x - mean) * scale;
        }
    }
    let mut panels = test.inputs.to_vec();
    let each = means.iter().zip(&scales).cycle();
    for (lanes, (mean, scale)) in panels.chunks_mut(test.batch.width()).zip(each) {
        lanes.iter_mut().for_each(|x| *x = (*x - mean) * scale);
    }
    Ok((rows, panels))
}
