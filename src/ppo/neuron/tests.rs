use super::config::NeuronConfig;
use super::memory::Work;
use super::policy::{NeuronPolicy, Side};
use super::surrogate::Surrogate;
use super::train::{Context, NeuronPpo};
use crate::env::EnvError;
use crate::kernel::{Batch, Kernel};
use crate::num;
use crate::rng::{Purpose, Rng};
use crate::slab::Heap;

const POLICY: NeuronPolicy =
    NeuronPolicy { row_features: 5, column_features: 3, hidden: 4, rank: 2 };

fn normals(rng: &mut Rng, count: usize) -> Vec<f32> {
    (0..count).map(|_| rng.normal()).collect()
}

/// Features of `count` neurons in panels, and the same row by row.
fn features(rng: &mut Rng, count: usize, each: usize) -> (Vec<f32>, Vec<f32>) {
    let rows = normals(rng, count * each);
    let batch = Batch::lanes(count);
    let mut panels = vec![0.0; batch.len(each)];
    Kernel::auto().to_panels(batch, each, &rows, &mut panels).unwrap();
    (panels, rows)
}

/// The mean of one neuron in f64, written out.
fn mean(parameters: &[f64], start: usize, x: &[f32]) -> Vec<f64> {
    let (f, h, r) = (x.len(), POLICY.hidden, POLICY.rank);
    let (b1, w2) = (start + f * h, start + f * h + h);
    let hidden: Vec<f64> = (0..h)
        .map(|unit| {
            let sum: f64 = (0..f).map(|i| f64::from(x[i]) * parameters[start + i * h + unit]).sum();
            (sum + parameters[b1 + unit]).tanh()
        })
        .collect();
    (0..r)
        .map(|q| {
            let sum: f64 = (0..h).map(|unit| hidden[unit] * parameters[w2 + unit * r + q]).sum();
            sum + parameters[w2 + h * r + q]
        })
        .collect()
}

#[test]
fn means_are_those_of_the_written_out_network() {
    let mut rng = Rng::new(1, Purpose::Data);
    let parameters = normals(&mut rng, POLICY.parameters());
    let exact: Vec<f64> = parameters.iter().map(|&value| f64::from(value)).collect();
    let rows_len = (5 + 1) * 4 + (4 + 1) * 2;
    for (side, each, start) in [(Side::Rows, 5, 0), (Side::Columns, 3, rows_len)] {
        for count in [1, 7, 32, 45] {
            let (panels, rows) = features(&mut rng, count, each);
            let mut scratch = vec![0.0; POLICY.scratch()];
            let mut means = vec![0.0; count * POLICY.rank];
            POLICY
                .means(Kernel::auto(), &parameters, side, count, &panels, &mut scratch, &mut means)
                .unwrap();
            for neuron in 0..count {
                let want = mean(&exact, start, &rows[neuron * each..][..each]);
                for (q, want) in want.iter().enumerate() {
                    let got = f64::from(means[neuron * POLICY.rank + q]);
                    assert!((got - want).abs() < 1e-5, "{side:?} {count} {neuron}: {got} {want}");
                }
            }
        }
    }
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let mut rng = Rng::new(2, Purpose::Data);
    let parameters = normals(&mut rng, POLICY.parameters());
    let (count, samples, rank) = (41, 3, POLICY.rank);
    let (panels, rows) = features(&mut rng, count, POLICY.row_features);
    let exact: Vec<f64> = parameters.iter().map(|&value| f64::from(value)).collect();
    let log_std_at = POLICY.parameters() - 2;
    // Actions near the policy's, so that some ratios are clipped and others are not.
    let mut actions = vec![0.0; samples * count * rank];
    for sample in 0..samples {
        for neuron in 0..count {
            let means = mean(&exact, 0, &rows[neuron * 5..][..5]);
            for q in 0..rank {
                let noise = exact[log_std_at].exp() * f64::from(rng.normal());
                actions[(sample * count + neuron) * rank + q] = (means[q] + noise) as f32;
            }
        }
    }
    let log_probability = |parameters: &[f64], sample: usize, neuron: usize| -> f64 {
        let means = mean(parameters, 0, &rows[neuron * 5..][..5]);
        let log_std = parameters[log_std_at];
        (0..rank)
            .map(|q| {
                let value = f64::from(actions[(sample * count + neuron) * rank + q]);
                let z = (value - means[q]) / log_std.exp();
                -0.5 * z * z - log_std
            })
            .sum()
    };
    let old: Vec<f32> = (0..samples * count)
        .map(|at| (log_probability(&exact, at / count, at % count)) as f32 + 0.25 * rng.normal())
        .collect();
    let advantages = [1.3, -0.7, 0.4];
    let weight = 1.0 / (samples * count) as f32;
    let loss = |parameters: &[f64]| -> f64 {
        let mut total = 0.0;
        for at in 0..samples * count {
            let ratio =
                (log_probability(parameters, at / count, at % count) - f64::from(old[at])).exp();
            let advantage: f64 = advantages[at / count];
            total += (ratio * advantage).min(ratio.clamp(0.8, 1.2) * advantage);
        }
        -total * f64::from(weight)
    };
    let surrogate = Surrogate {
        side: Side::Rows,
        count,
        features: &panels,
        actions: &actions,
        old: &old,
        action_stride: count * rank,
        old_stride: count,
        advantages: &advantages.map(|advantage| advantage as f32),
        clip: 0.2,
        weight,
    };
    let mut heap = Heap::new(Work::need(&POLICY));
    let mut work = Work::new(&POLICY, &mut heap.arena()).unwrap();
    let mut gradient = vec![0.0; POLICY.parameters()];
    surrogate.gradient(&POLICY, Kernel::auto(), &parameters, &mut work, &mut gradient).unwrap();
    let mut moved = 0;
    for at in 0..POLICY.parameters() {
        let step = 1e-6;
        let (mut up, mut down) = (exact.clone(), exact.clone());
        up[at] += step;
        down[at] -= step;
        let want = (loss(&up) - loss(&down)) / (2.0 * step);
        let got = f64::from(gradient[at]);
        assert!((got - want).abs() < 2e-4 * (1.0 + want.abs()), "{at}: {got} against {want}");
        moved += usize::from(want.abs() > 1e-4);
    }
    assert!(moved > 30, "only {moved} parameters have a gradient");
}

/// A layer whose reward is highest when every neuron does what its first feature says.
struct Known {
    columns: Vec<f32>,
    rows: Vec<f32>,
    wanted: Vec<f32>,
    shape: (usize, usize),
    evaluations: usize,
}

impl Known {
    fn new(rng: &mut Rng, rows: usize, columns: usize) -> Self {
        let policy = POLICY;
        let (column_panels, column_rows) = features(rng, columns, policy.column_features);
        let (row_panels, row_rows) = features(rng, rows, policy.row_features);
        let mut wanted = Vec::new();
        wanted.extend((0..rows).map(|row| num::tanh(row_rows[row * 5])));
        wanted.extend((0..columns).map(|column| num::tanh(-column_rows[column * 3 + 1])));
        let shape = (rows, columns);
        Self { columns: column_panels, rows: row_panels, wanted, shape, evaluations: 0 }
    }
}

impl Context for Known {
    fn rows(&self) -> usize {
        self.shape.0
    }

    fn columns(&self) -> usize {
        self.shape.1
    }

    fn column_features(&self) -> &[f32] {
        &self.columns
    }

    fn row_features(&mut self, v: &[f32], features: &mut [f32]) -> Result<(), EnvError> {
        assert_eq!(v.len(), self.shape.1);
        features.copy_from_slice(&self.rows);
        Ok(())
    }

    fn evaluate(&mut self, action: &[f32]) -> Result<f32, EnvError> {
        self.evaluations += 1;
        let error: f32 = action.iter().zip(&self.wanted).map(|(a, b)| (a - b) * (a - b)).sum();
        Ok(1.0 - error / action.len() as f32)
    }
}

fn train(seed: u64, kernel: Kernel, responds: bool) -> (Vec<f32>, Vec<f32>, usize) {
    let policy = NeuronPolicy { rank: 1, ..POLICY };
    let config = NeuronConfig { contexts: 4, responds, ..NeuronConfig::default() };
    let mut rng = Rng::new(seed, Purpose::Data);
    let mut known: Vec<Known> =
        (0..6).map(|index| Known::new(&mut rng, 8 + index, 40 - index)).collect();
    let mut heap = Heap::new(NeuronPpo::need(&policy, &config, (13, 40), 6));
    let mut ppo =
        NeuronPpo::new(policy, config, kernel, (13, 40), 6, seed, &mut heap.arena()).unwrap();
    let mut curve = Vec::new();
    for update in 0..60 {
        let mut contexts: Vec<&mut dyn Context> =
            known.iter_mut().map(|context| context as &mut dyn Context).collect();
        curve.push(ppo.update(&mut contexts, update as f32 / 60.0).unwrap().reward);
    }
    let used = known.iter().map(|context| context.evaluations).sum();
    (curve, ppo.parameters().to_vec(), used)
}

#[test]
fn it_learns_what_every_neuron_should_do() {
    let (curve, _, used) = train(3, Kernel::auto(), true);
    assert_eq!(used, 60 * 64);
    let (first, last) = (curve[0], num::mean(&curve[55..]));
    assert!(first < 0.6 && last > 0.93, "from {first} to {last}");
}

#[test]
fn every_kernel_learns_the_same_bits() {
    let portable = train(4, Kernel::portable(), false);
    let auto = train(4, Kernel::auto(), false);
    assert!(portable.1.iter().zip(&auto.1).all(|(a, b)| a.to_bits() == b.to_bits()));
    assert_ne!(portable.1, train(5, Kernel::auto(), false).1);
}

/// Features that do not answer to the columns may be kept once: the same gradients, summed in another order.
#[test]
fn features_that_are_kept_once_teach_the_same() {
    let (each, once) = (train(3, Kernel::auto(), true), train(3, Kernel::auto(), false));
    assert!(num::abs(each.0[1] - once.0[1]) < 1e-4, "{} {}", each.0[1], once.0[1]);
    let (each, once) = (num::mean(&each.0[55..]), num::mean(&once.0[55..]));
    assert!(once > 0.93 && num::abs(each - once) < 0.02, "{each} {once}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let config = NeuronConfig::default();
    let need = NeuronPpo::need(&POLICY, &config, (4, 4), 8);
    let kernel = Kernel::auto();
    let build = |f32s, contexts| {
        let mut heap = Heap::new(crate::slab::Need { f32s, u32s: 8 });
        NeuronPpo::new(POLICY, config, kernel, (4, 4), contexts, 0, &mut heap.arena()).err()
    };
    assert_eq!(build(need.f32s, 8), None);
    assert!(build(need.f32s - 1, 8).is_some());
    assert!(build(need.f32s, 7).is_some(), "fewer contexts than one update takes");
}
