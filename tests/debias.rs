//! Debiasing: worlds over sparse samples, what they pay, what is known of their columns.
#![cfg(feature = "std")]

#[path = "common/texts.rs"]
mod texts;

use proptest::prelude::*;
use reweight::env::{Env, check_env, check_need};
use reweight::kernel::{Backend, Bag, Batch, Kernel, Start};
use reweight::metric::bias::Membership;
use reweight::model::{Change, Forward, Plain, Prefix, Samples, SparseSamples, Split};
use reweight::nn::Stack;
use reweight::rng::{Purpose, Rng};
use reweight::slab::Heap;
use reweight::task::{Bias, Debiasing, DebiasingConfig, DebiasingPart, Readout, Task, Utility};
use reweight::world::{Config, WorldKind};
use texts::Toy;

/// Logits of all samples.
fn logits(net: &mut dyn Forward, samples: usize) -> Vec<[f32; 2]> {
    let mut all = vec![[0.0f32; 2]; samples];
    net.for_each_logits(&mut |logits| {
        for sample in 0..logits.batch.samples() {
            for (class, to) in all[logits.first + sample].iter_mut().enumerate() {
                *to = logits.values[logits.batch.at(2, sample, class)];
            }
        }
    })
    .unwrap();
    all
}

fn settings() -> impl Strategy<Value = DebiasingConfig> {
    let bias = prop_oneof![
        Just(Bias::FprGap),
        Just(Bias::FnrGap),
        Just(Bias::EqualizedOdds),
        Just(Bias::Jigsaw)
    ];
    let utility = prop_oneof![Just(Utility::Accuracy), Just(Utility::Auc), Just(Utility::Both)];
    (bias, utility, 0.3f32..0.7, proptest::option::of(0.2f32..0.8)).prop_map(
        |(bias, utility, threshold, gap_threshold)| DebiasingConfig {
            bias,
            utility,
            threshold,
            gap_threshold,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// The public contract of environments holds over sparse samples, in both worlds, on every layer.
    #[test]
    fn worlds_over_texts_keep_the_contract(
        words in 3usize..40, texts in 12usize..120, place in 0usize..3, shift: bool,
        horizon in 1usize..3, config in settings(), seed: u64,
    ) {
        let toy = Toy::new(words, texts, seed);
        let layer = [0, 2, 4][place];
        let kind = if shift { WorldKind::Shift } else { WorldKind::Mask };
        let world = Config { horizon, size_penalty: 0.1, ..Config::new(kind) };
        toy.with_world(Kernel::auto(), world, config, layer, |world| {
            let (inputs, outputs) = (world.change().inputs, world.change().outputs);
            let mut heap = Heap::new(check_need(&world.spec(), inputs * outputs));
            check_env(world, seed, &mut heap.arena()).unwrap();
        });
    }

    /// Words that are left out of the bag and stand in the fixed part change nothing but last bits, formed or
    /// thin; and a layer with a fixed part is not rescaled.
    #[test]
    fn a_fixed_part_stands_for_its_words(
        words in 4usize..40, texts in 1usize..100, seed: u64,
    ) {
        let toy = Toy::new(words, texts, seed);
        let (kernel, half) = (Kernel::auto(), words as u32 / 2);
        let rest = Toy::new(words - half as usize, 0, 0).stack;
        let mut parameters = toy.parameters[half as usize * 9..].to_vec();
        let (mut own, mut held) = ((vec![0], vec![], vec![]), (vec![0], vec![], vec![]));
        for text in 0..texts {
            let (columns, values) = toy.bag().row(text);
            for (&column, &value) in columns.iter().zip(values) {
                let (to, column) =
                    if column < half { (&mut held, column) } else { (&mut own, column - half) };
                to.1.push(column);
                to.2.push(value);
            }
            own.0.push(own.1.len() as u32);
            held.0.push(held.1.len() as u32);
        }
        let mut fixed = vec![0.0; Batch::lanes(texts).len(9)];
        let held = Bag::new(words, &held.0, &held.1, &held.2).unwrap();
        let (weights, bias) = (&toy.parameters[..words * 9], &toy.parameters[words * 9..words * 9 + 9]);
        kernel.sparse_forward(held, 9, weights, Start::Bias(bias), &mut fixed).unwrap();
        let bag = Bag::new(words - half as usize, &own.0, &own.1, &own.2).unwrap();
        let some = SparseSamples { bag, labels: &toy.labels, fixed: Some(&fixed) };
        let close = |found: &[[f32; 2]], expected: &[[f32; 2]]| {
            let pairs = found.as_flattened().iter().zip(expected.as_flattened());
            pairs.clone().all(|(a, b)| (a - b).abs() < 1e-4 * (1.0 + b.abs()))
        };
        let plain = |stack: &Stack, parameters: &[f32], samples: SparseSamples<'_>| {
            let mut heap = Heap::new(Plain::sparse_need(stack));
            let mut arena = heap.arena();
            logits(&mut Plain::sparse(kernel, stack, parameters, samples, &mut arena).unwrap(), texts)
        };
        let whole = plain(&toy.stack, &toy.parameters, toy.samples());
        prop_assert!(close(&plain(&rest, &parameters, some), &whole));
        // The same change to the words that are left, as weights and as factors.
        let mut rng = Rng::new(seed, Purpose::Search);
        let left = words - half as usize;
        let (u, v): (Vec<f32>, Vec<f32>) =
            ((0..9).map(|_| rng.normal()).collect(), (0..left).map(|_| rng.normal()).collect());
        let mut changed = toy.parameters.clone();
        for (word, v) in v.iter().enumerate() {
            for (unit, u) in u.iter().enumerate() {
                changed[(half as usize + word) * 9 + unit] += u * v;
            }
        }
        let whole = plain(&toy.stack, &changed, toy.samples());
        let mut heap = Heap::new(Prefix::sparse_need(&rest, 0, texts, 1, false));
        let mut arena = heap.arena();
        let mut prefix =
            Prefix::sparse(kernel, &rest, &mut parameters, 0, some, 1, false, &mut arena).unwrap();
        let formed = &changed[half as usize * 9..words * 9];
        prop_assert!(close(&logits(&mut prefix.with(Change::Weights(formed)), texts), &whole));
        let thin = Change::LowRank { rank: 1, u: &u, v: &v };
        prop_assert!(close(&logits(&mut prefix.with(thin), texts), &whole));
        prop_assert!(!prefix.rescale(2.0));
    }

    /// Predictions alone give the score that all scores give, of one part and of two.
    #[test]
    fn predictions_are_enough_for_rates(
        words in 3usize..40, texts in 2usize..120, config in settings(), cut in 0usize..120, seed: u64,
    ) {
        let toy = Toy::new(words, texts, seed);
        let cut = cut % texts;
        let part = |from: usize, to: usize| DebiasingPart {
            labels: &toy.labels[from..to],
            membership: Membership {
                groups: 2,
                members: &toy.members[from..to],
                missing: &toy.missing[from..to],
            },
            matched: None,
        };
        let parts = match cut {
            0 => vec![part(0, texts)],
            cut => vec![part(0, cut), part(cut, texts)],
        };
        let sizes: Vec<_> = parts.iter().map(|part| (part.labels.len(), 2)).collect();
        let ranks = config.utility != Utility::Accuracy || config.bias == Bias::Jigsaw;
        let mut slab = Heap::new(Debiasing::lean_need(&config, &sizes));
        let mut arena = slab.arena();
        let lean = Debiasing::lean(config, Readout::Softmax, &parts, &mut arena);
        prop_assert_eq!(lean.is_err(), ranks);
        let Ok(mut lean) = lean else { return Ok(()) };
        prop_assert_eq!((arena.left().f32s, arena.left().u32s), (0, 0), "need is what is used");
        let mut heap = Heap::new(Debiasing::need(&sizes));
        let mut arena = heap.arena();
        let mut whole = Debiasing::new(config, Readout::Softmax, &parts, &mut arena, &mut []).unwrap();
        let mut heap = Heap::new(Plain::sparse_need(&toy.stack));
        for parameters in [toy.parameters.clone(), toy.parameters.iter().map(|w| -w).collect()] {
            let mut arena = heap.arena();
            let (stack, samples) = (&toy.stack, toy.samples());
            let mut net =
                Plain::sparse(Kernel::auto(), stack, &parameters, samples, &mut arena).unwrap();
            prop_assert_eq!(lean.score(&mut net, Split::Reward), whole.score(&mut net, Split::Reward));
        }
        prop_assert!(lean.rejudge().is_err() && lean.scores().is_empty());
    }

    /// Sparse samples give what the same samples give as dense ones.
    #[test]
    fn sparse_is_dense(words in 3usize..40, texts in 1usize..100, seed: u64) {
        let toy = Toy::new(words, texts, seed);
        let kernel = Kernel::auto();
        let batch = Batch::lanes(texts);
        let mut inputs = vec![0.0; batch.len(words)];
        for text in 0..texts {
            let (columns, values) = toy.bag().row(text);
            for (&column, &value) in columns.iter().zip(values) {
                inputs[batch.at(words, text, column as usize)] = value;
            }
        }
        let (stack, parameters) = (&toy.stack, &toy.parameters);
        let mut heap = Heap::new(Plain::need(stack));
        let samples = Samples { batch, inputs: &inputs, labels: &toy.labels };
        let mut arena = heap.arena();
        let mut net = Plain::new(kernel, stack, parameters, samples, &mut arena).unwrap();
        let dense = logits(&mut net, texts);
        let mut heap = Heap::new(Plain::sparse_need(stack));
        let mut arena = heap.arena();
        let mut net = Plain::sparse(kernel, stack, parameters, toy.samples(), &mut arena).unwrap();
        let sparse = logits(&mut net, texts);
        prop_assert_eq!(&dense, &sparse);
    }
}

/// The same bits on every backend, for rewards of every kind.
#[test]
fn rewards_are_the_same_on_every_backend() {
    let toy = Toy::new(30, 100, 3);
    for bias in [Bias::FprGap, Bias::EqualizedOdds, Bias::Jigsaw] {
        for layer in [0, 2] {
            let config =
                DebiasingConfig { bias, utility: Utility::Both, ..DebiasingConfig::default() };
            let rewards = |backend: Backend| {
                let kernel = Kernel::new(backend)?;
                let world = Config::new(WorldKind::Shift);
                Some(toy.with_world(kernel, world, config, layer, |world| {
                    let mut rng = Rng::new(1, Purpose::Search);
                    let length = world.spec().action.len;
                    let action: Vec<f32> = (0..length).map(|_| rng.uniform(-1.0, 1.0)).collect();
                    world.evaluate(&action).unwrap().to_bits()
                }))
            };
            let portable = rewards(Backend::Portable);
            for backend in Backend::ALL.into_iter().filter(|&backend| backend != Backend::Portable)
            {
                let other = rewards(backend);
                if other.is_none() {
                    println!("{}: not on this processor", backend.name());
                }
                assert!(other.is_none() || other == portable, "{}", backend.name());
            }
        }
    }
}

/// The seven features of a column, by their definitions in f64.
#[test]
fn columns_have_the_features_that_are_defined() {
    use reweight::world::{COLUMN_FEATURES, ColumnRequest, Columns};
    let toy = Toy::new(11, 90, 7);
    let mut rng = Rng::new(2, Purpose::Data);
    let weights: Vec<f32> = (0..11 * 3).map(|_| rng.normal()).collect();
    let scores: Vec<f32> = (0..90).map(|_| rng.unit()).collect();
    let request = ColumnRequest {
        bag: toy.bag(),
        labels: &toy.labels,
        members: &toy.members,
        scores: &scores,
        threshold: 0.5,
        weights: &weights,
        outputs: 3,
    };
    let mut heap = Heap::new(Columns::need(11));
    let columns = Columns::new(&request, &mut heap.arena()).unwrap();
    let x = |text: usize, word: usize| {
        let (own, values) = toy.bag().row(text);
        let at = own.iter().position(|&column| column as usize == word);
        at.map_or(0.0, |at| f64::from(values[at]))
    };
    let mean = |word: usize, of: &dyn Fn(usize) -> Option<f64>| {
        let factors = (0..90).filter_map(|text| of(text).map(|factor| factor * x(text, word)));
        let all: Vec<f64> = factors.collect();
        all.iter().sum::<f64>() / all.len() as f64
    };
    let toxic = |text: usize| toy.labels[text] == 1;
    let named = |text: usize| toy.members[text] != 0;
    let when = |yes: bool| yes.then_some(1.0);
    let mut expected = vec![[0.0f64; COLUMN_FEATURES]; 11];
    for (word, features) in expected.iter_mut().enumerate() {
        let w = weights[3 * word..3 * word + 3].iter().map(|&w| f64::from(w)).sum::<f64>() / 3.0;
        let spread = |text: usize| {
            let p = f64::from(scores[text]);
            p * (1.0 - p)
        };
        let positive = |text: usize| scores[text] >= 0.5;
        *features = [
            mean(word, &|t| when(!toxic(t) && named(t)))
                - mean(word, &|t| when(!toxic(t) && !named(t))),
            mean(word, &|t| when(toxic(t))) - mean(word, &|t| when(!toxic(t))),
            w,
            (1.0 + (0..90).filter(|&t| x(t, word) > 0.0).count() as f64).ln(),
            w * (mean(word, &|t| when(!toxic(t) && positive(t)))
                - mean(word, &|t| when(!toxic(t) && !positive(t)))),
            mean(word, &|t| when(toxic(t) && named(t)))
                - mean(word, &|t| when(toxic(t) && !named(t))),
            w * (mean(word, &|t| (!toxic(t)).then(|| spread(t)))
                - mean(word, &|t| toxic(t).then(|| spread(t)))),
        ];
    }
    let centre = expected.iter().map(|features| features[3]).sum::<f64>() / 11.0;
    expected.iter_mut().for_each(|features| features[3] -= centre);
    for feature in 0..COLUMN_FEATURES {
        let square: f64 = expected.iter().map(|features| features[feature].powi(2)).sum();
        let rms = (square / 11.0).sqrt();
        for (word, features) in expected.iter().enumerate() {
            let found = columns.features()[Batch::lanes(11).at(COLUMN_FEATURES, word, feature)];
            let wanted = (features[feature] / rms).clamp(-4.0, 4.0);
            assert!((f64::from(found) - wanted).abs() < 1e-3, "{feature} {word}: {found} {wanted}");
        }
    }
}
