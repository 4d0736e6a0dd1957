//! Every operation of the tape against central finite differences.

use proptest::prelude::*;
use reweight::autodiff::{Tape, TapeError, Var};
use reweight::kernel::{Batch, Kernel};
use reweight::nn::{Init, Stack};
use reweight::rng::{Purpose, Rng};
use reweight::slab::Need;

/// A loss as a function of parameters, recorded on a fresh tape.
type Loss<'l> = dyn Fn(&mut Tape<'_>, &[f32]) -> Result<Var, TapeError> + 'l;

const SLAB: usize = 1 << 20;

fn value(loss: &Loss<'_>, parameters: &[f32]) -> f64 {
    let mut slab = vec![f32::NAN; SLAB];
    let mut tape = Tape::new(Kernel::auto(), &mut slab);
    let var = loss(&mut tape, parameters).unwrap();
    f64::from(tape.scalar(var))
}

/// Compares the tape's gradient with central differences, in the norm and along the gradient.
///
/// A single f32 loss is too coarse for the difference of one small entry, so the derivative is taken
/// along random directions and along the gradient itself: the relative error of each stays below 1e-3.
fn check(loss: &Loss<'_>, parameters: &[f32], seed: u64) {
    check_within(1e-3, loss, parameters, seed);
}

/// The same with another limit: a maximum has kinks, and where one lies near, no step is both beyond the
/// noise and short of it.
fn check_within(limit: f64, loss: &Loss<'_>, parameters: &[f32], seed: u64) {
    let mut slab = vec![f32::NAN; SLAB];
    let mut tape = Tape::new(Kernel::auto(), &mut slab);
    let var = loss(&mut tape, parameters).unwrap();
    let mut gradients = vec![0.0f32; parameters.len()];
    tape.backward(var, parameters, &mut gradients).unwrap();
    let norm = gradients.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    assert!(norm.is_finite() && norm > 1e-4, "a gradient of {norm} checks nothing");
    let mut rng = Rng::new(seed, Purpose::Data);
    for round in 0..6 {
        // Along the gradient, then along the gradient with random entries left out.
        let direction: Vec<f64> = gradients
            .iter()
            .map(|&g| if round > 0 && rng.unit() < 0.5 { 0.0 } else { f64::from(g) / norm })
            .collect();
        let slope: f64 = direction.iter().zip(&gradients).map(|(d, g)| d * f64::from(*g)).sum();
        let length = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
        if slope < 0.05 * norm {
            continue;
        }
        let along = |step: f64| -> f64 {
            let moved: Vec<f32> = parameters
                .iter()
                .zip(&direction)
                .map(|(p, d)| (f64::from(*p) + step * d / length) as f32)
                .collect();
            value(loss, &moved)
        };
        // Several steps: f32 noise rules the small ones, curvature (and kinks) the large ones.
        let best = [1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4]
            .iter()
            .map(|&step| {
                let difference = (8.0 * (along(step / 2.0) - along(-step / 2.0))
                    - (along(step) - along(-step)))
                    / (6.0 * step);
                (difference * length - slope).abs() / slope
            })
            .fold(f64::INFINITY, f64::min);
        assert!(best < limit, "relative error {best:e} in round {round}, slope {slope:e}");
    }
}

fn random(seed: u64, len: usize) -> Vec<f32> {
    let mut rng = Rng::new(seed, Purpose::Search);
    (0..len).map(|_| rng.normal()).collect()
}

fn initial(stack: &Stack, seed: u64) -> Vec<f32> {
    let mut parameters = vec![0.0; stack.parameters()];
    let mut rng = Rng::new(seed, Purpose::Weights);
    stack.initialise(Init::FanIn, &mut parameters, &mut rng).unwrap();
    parameters
}

fn fill(tape: &mut Tape<'_>, batch: Batch, rows: &[f32]) -> Result<Var, TapeError> {
    let features = rows.len() / batch.samples();
    let x = tape.input(batch, features)?;
    for (index, &value) in rows.iter().enumerate() {
        tape.value_mut(x)[batch.at(features, index / features, index % features)] = value;
    }
    Ok(x)
}

fn batch() -> impl Strategy<Value = Batch> {
    prop_oneof![(1usize..5).prop_map(Batch::rows), (1usize..70).prop_map(Batch::lanes)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn dense_tanh_and_cross_entropy(
        batch in batch(), inputs in 1usize..9, hidden in 1usize..12, classes in 2usize..7, seed in any::<u64>(),
    ) {
        let mut stack = Stack::new([inputs, 1, 1]);
        stack.dense("a", hidden).unwrap().tanh().unwrap().dense("b", classes).unwrap();
        let rows = random(seed, batch.samples() * inputs);
        let labels: Vec<u8> = (0..batch.samples()).map(|i| (i % classes) as u8).collect();
        check(&|tape, parameters| {
            let x = fill(tape, batch, &rows)?;
            let logits = stack.record(tape, parameters, x)?;
            tape.softmax_cross_entropy(logits, &labels)
        }, &initial(&stack, seed), seed);
        let weights: Vec<f32> = (0..labels.len()).map(|i| [1.5, 0.25, 0.0, 3.0][i % 4]).collect();
        check(&|tape, parameters| {
            let x = fill(tape, batch, &rows)?;
            let logits = stack.record(tape, parameters, x)?;
            tape.weighted_cross_entropy(logits, &labels, Some(&weights))
        }, &initial(&stack, seed), seed);
    }

    #[test]
    fn divergence_from_a_teacher(
        batch in batch(), inputs in 1usize..9, classes in 2usize..7, warm in any::<bool>(), seed in any::<u64>(),
    ) {
        let mut stack = Stack::new([inputs, 1, 1]);
        stack.dense("a", 6).unwrap().tanh().unwrap().dense("b", classes).unwrap();
        let rows = random(seed, batch.samples() * inputs);
        let temperature = if warm { 4.0 } else { 0.5 };
        // Spare lanes hold no number: nothing may read them.
        let mut targets = vec![f32::NAN; batch.len(classes)];
        for sample in 0..batch.samples() {
            let z = random(seed ^ (7 + sample as u64), classes);
            let total: f32 = z.iter().map(|z| z.exp()).sum();
            for (class, z) in z.iter().enumerate() {
                targets[batch.at(classes, sample, class)] = z.exp() / total;
            }
        }
        check(&|tape, parameters| {
            let x = fill(tape, batch, &rows)?;
            let logits = stack.record(tape, parameters, x)?;
            let loss = tape.kl_divergence(logits, &targets, temperature)?;
            tape.weighted_sum(&[(loss, 20.0 * temperature * temperature)])
        }, &initial(&stack, seed), seed);
    }

    #[test]
    fn convolution_pools_and_squared_error(
        batch in batch(), channels in 1usize..3, side in 6usize..9, kernel in 1usize..4,
        stride in 1usize..3, padding in 0usize..2, largest in any::<bool>(), seed in any::<u64>(),
    ) {
        let mut stack = Stack::new([channels, side, side]);
        stack.conv2d("c", 3, [kernel, 2], [stride, 1], [padding, padding]).unwrap().tanh().unwrap();
        if largest {
            stack.max_pool([2, 2], [2, 2]).unwrap();
        } else {
            stack.average_pool([2, 3], [1, 2]).unwrap();
        }
        stack.conv2d("d", 2, [2, 2], [1, 1], [1, 1]).unwrap().tanh().unwrap();
        stack.dense("e", 2).unwrap();
        let rows = random(seed, batch.samples() * stack.inputs());
        let targets = random(seed ^ 1, batch.samples() * 2);
        check_within(if largest { 1e-2 } else { 1e-3 }, &|tape, parameters| {
            let x = fill(tape, batch, &rows)?;
            let prediction = stack.record(tape, parameters, x)?;
            tape.mean_squared_error(prediction, &targets)
        }, &initial(&stack, seed), seed);
    }

    /// The whole loss of a policy update, with the mean of one sample for all actions or of each.
    #[test]
    fn clipped_surrogate_entropy_and_value(
        one in any::<bool>(), count in 1usize..40, inputs in 1usize..6, entries in 1usize..7, seed in any::<u64>(),
    ) {
        let batch = if one { Batch::rows(1) } else { Batch::lanes(count) };
        let mut policy = Stack::new([inputs, 1, 1]);
        policy.dense("a", 8).unwrap().tanh().unwrap().dense("b", entries).unwrap();
        let log_std = policy.parameters()..policy.parameters() + entries;
        let mut parameters = initial(&policy, seed);
        parameters.extend(random(seed ^ 2, entries).iter().map(|z| 0.3 * z - 0.5));
        let rows = random(seed, batch.samples() * inputs);
        let actions = random(seed ^ 3, count * entries);
        let advantages = random(seed ^ 4, count);
        let mut slab = vec![0.0; SLAB];
        let mut tape = Tape::new(Kernel::auto(), &mut slab);
        let log_prob = |tape: &mut Tape<'_>, parameters: &[f32]| -> Result<(Var, Var), TapeError> {
            let x = fill(tape, batch, &rows)?;
            let mean = policy.record(tape, parameters, x)?;
            let log_std = tape.parameter(parameters, log_std.clone())?;
            Ok((tape.gaussian_log_prob(mean, log_std, &actions)?, log_std))
        };
        let (now, _) = log_prob(&mut tape, &parameters).unwrap();
        // Ratios of 1.1 and 1/1.1 lie inside the clip, those of 1.5 and 1/1.5 outside.
        let old: Vec<f32> = tape.value(now).iter().enumerate()
            .map(|(i, log_prob)| log_prob + [0.1f32, -0.1, 0.4, -0.4][i % 4])
            .collect();
        check(&|tape, parameters| {
            let (log_prob, log_std) = log_prob(tape, parameters)?;
            let surrogate = tape.clipped_surrogate(log_prob, &old, &advantages, 0.2)?;
            let entropy = tape.gaussian_entropy(log_std)?;
            tape.weighted_sum(&[(surrogate, 1.0), (entropy, -0.3)])
        }, &parameters, seed);
    }

    /// `tape_need` is exactly what a recording uses; one value less is `TooSmall`.
    #[test]
    fn need_is_exact(batch in batch(), channels in 1usize..3, hidden in 1usize..9) {
        let mut stack = Stack::new([channels, 5, 5]);
        stack.conv2d("c", 2, [2, 2], [1, 1], [0, 0]).unwrap().relu().unwrap();
        stack.max_pool([2, 2], [1, 1]).unwrap().dense("d", hidden).unwrap().tanh().unwrap();
        stack.dense("e", 3).unwrap();
        let parameters = initial(&stack, 0);
        let labels = vec![0u8; batch.samples()];
        let need = stack.tape_need(batch).and(Tape::cross_entropy_need(batch, 3));
        let record = |len: usize| {
            let mut slab = vec![0.0; len];
            let mut tape = Tape::new(Kernel::auto(), &mut slab);
            let x = tape.input(batch, stack.inputs())?;
            let logits = stack.record(&mut tape, &parameters, x)?;
            tape.softmax_cross_entropy(logits, &labels)?;
            Ok::<usize, TapeError>(tape.used())
        };
        prop_assert_eq!(record(need.f32s), Ok(need.f32s));
        let short = record(need.f32s - 1);
        prop_assert!(matches!(short, Err(TapeError::TooSmall(error)) if error.have == need.f32s - 1));
        prop_assert_eq!(need, Need::f32s(need.f32s));
    }
}

/// A network that agrees with its teacher has no divergence and no gradient; one of certain teachers is the
/// cross-entropy.
#[test]
fn divergence_in_closed_form() {
    let mut slab = vec![0.0; 1000];
    let mut tape = Tape::new(Kernel::auto(), &mut slab);
    let x = tape.differentiable_input(Batch::rows(2), 2).unwrap();
    tape.value_mut(x).copy_from_slice(&[0.0, 3.0f32.ln(), 0.0, 0.0]);
    let loss = tape.kl_divergence(x, &[0.25, 0.75, 0.5, 0.5], 1.0).unwrap();
    tape.backward(loss, &[], &mut []).unwrap();
    assert!(tape.scalar(loss).abs() < 1e-6, "{}", tape.scalar(loss));
    assert!(tape.gradient(x).iter().all(|gradient| gradient.abs() < 1e-7));
    let certain = tape.kl_divergence(x, &[0.0, 1.0, 1.0, 0.0], 1.0).unwrap();
    let entropy = tape.softmax_cross_entropy(x, &[1, 0]).unwrap();
    assert!((tape.scalar(certain) - tape.scalar(entropy)).abs() < 1e-6);
    let expected = 0.5 * (0.75f32.ln().abs() + 2.0f32.ln());
    assert!((tape.scalar(certain) - expected).abs() < 1e-6);
}

#[test]
fn spare_lanes_change_nothing() {
    let mut stack = Stack::new([3, 1, 1]);
    stack.dense("a", 4).unwrap().relu().unwrap().dense("b", 3).unwrap();
    let parameters = initial(&stack, 5);
    let rows = random(5, 7 * 3);
    let labels = [0, 1, 2, 0, 1, 2, 0];
    let run = |batch: Batch, spare: f32| {
        let mut slab = vec![spare; 4096];
        let mut tape = Tape::new(Kernel::auto(), &mut slab);
        let x = fill(&mut tape, batch, &rows).unwrap();
        if batch.width() > 1 {
            for feature in 0..3 {
                for lane in 7..batch.width() {
                    tape.value_mut(x)[feature * batch.width() + lane] = spare;
                }
            }
        }
        let logits = stack.record(&mut tape, &parameters, x).unwrap();
        let loss = tape.softmax_cross_entropy(logits, &labels).unwrap();
        let mut gradients = vec![0.0; parameters.len()];
        tape.backward(loss, &parameters, &mut gradients).unwrap();
        (tape.scalar(loss).to_bits(), gradients.iter().map(|g| g.to_bits()).collect::<Vec<_>>())
    };
    let plain = run(Batch::rows(7), 0.0);
    assert_eq!(run(Batch::lanes(7), 0.0), plain);
    assert_eq!(run(Batch::lanes(7), f32::NAN), plain);
    assert_eq!(run(Batch::lanes(7), f32::INFINITY), plain);
}

#[test]
fn bad_operands_are_errors() {
    let mut slab = vec![0.0; 1000];
    let mut tape = Tape::new(Kernel::portable(), &mut slab);
    let x = tape.input(Batch::rows(2), 3).unwrap();
    let label = tape.softmax_cross_entropy(x, &[0, 3]);
    assert_eq!(label, Err(TapeError::Label { label: 3, classes: 3 }));
    assert!(matches!(tape.softmax_cross_entropy(x, &[0]), Err(TapeError::Shape(_))));
    assert!(matches!(tape.mean_squared_error(x, &[0.0]), Err(TapeError::Shape(_))));
    assert!(matches!(tape.kl_divergence(x, &[0.5; 5], 1.0), Err(TapeError::Shape(_))));
    let mut gradients = [0.0; 4];
    assert!(matches!(tape.backward(x, &[0.0; 4], &mut gradients), Err(TapeError::Shape(_))));
    let loss = tape.mean_squared_error(x, &[0.0; 6]).unwrap();
    assert!(matches!(tape.backward(loss, &[0.0; 3], &mut gradients), Err(TapeError::Shape(_))));
    tape.clear();
    assert_eq!(tape.relu(loss), Err(TapeError::UnknownVar));
    assert!(tape.scalar(loss).is_nan());
    let x = tape.input(Batch::rows(1), 1).unwrap();
    let error = (0..100).find_map(|_| tape.relu(x).err());
    assert_eq!(error, Some(TapeError::TooManyNodes));
}
