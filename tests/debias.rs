//! Debiasing: worlds over sparse samples, the deployed classifier, the command, its bad input.
#![cfg(feature = "std")]

use proptest::prelude::*;
use reweight::data::text::{identity_terms, identity_test_templates};
use reweight::env::{Env, check_env, check_need};
use reweight::kernel::{Backend, Bag, Batch, Kernel, Start};
use reweight::metric::bias::Membership;
use reweight::model::{Change, Forward, Plain, Prefix, Samples, SparseSamples, Split};
use reweight::nn::{Init, Stack};
use reweight::rng::{Purpose, Rng};
use reweight::run::Silent;
use reweight::run::debias::{DebiasConfig, DebiasTarget, TextTarget, debias};
use reweight::slab::Heap;
use reweight::task::{Bias, Debiasing, DebiasingConfig, DebiasingPart, Readout, Task, Utility};
use reweight::world::{Config, World, WorldKind};
use std::path::PathBuf;
use std::sync::Arc;

/// A small classifier on random texts with two overlapping groups.
struct Toy {
    stack: Stack,
    parameters: Vec<f32>,
    offsets: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f32>,
    labels: Vec<u8>,
    members: Vec<u64>,
    missing: Vec<u64>,
}

impl Toy {
    fn new(words: usize, texts: usize, seed: u64) -> Self {
        let mut stack = Stack::new([words, 1, 1]);
        stack.dense("a", 9).unwrap().relu().unwrap().dense("b", 5).unwrap().relu().unwrap();
        stack.dense("c", 2).unwrap();
        let mut parameters = vec![0.0; stack.parameters()];
        let mut rng = Rng::new(seed, Purpose::Weights);
        stack.initialise(Init::HeUniform, &mut parameters, &mut rng).unwrap();
        let (mut offsets, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
        for _ in 0..texts {
            for word in 0..words as u32 {
                if rng.unit() < 0.3 {
                    columns.push(word);
                    values.push(rng.unit());
                }
            }
            offsets.push(columns.len() as u32);
        }
        let labels = (0..texts).map(|text| u8::from(text % 3 == 0)).collect();
        let members = (0..texts as u64).map(|text| text / 2 % 4).collect();
        let missing = (0..texts as u64).map(|text| u64::from(text % 11 == 0)).collect();
        Self { stack, parameters, offsets, columns, values, labels, members, missing }
    }

    fn bag(&self) -> Bag<'_> {
        Bag::new(self.stack.inputs(), &self.offsets, &self.columns, &self.values).unwrap()
    }

    fn samples(&self) -> SparseSamples<'_> {
        SparseSamples { bag: self.bag(), labels: &self.labels, fixed: None }
    }

    fn part(&self, matched: Option<f64>) -> DebiasingPart<'_> {
        let membership = Membership { groups: 2, members: &self.members, missing: &self.missing };
        DebiasingPart { labels: &self.labels, membership, matched }
    }

    fn with_world<R>(
        &self,
        kernel: Kernel,
        world: Config,
        config: DebiasingConfig,
        layer: usize,
        look: impl FnOnce(&mut World<'_>) -> R,
    ) -> R {
        let sizes = [(self.labels.len(), 2)];
        let (mut heap, mut wide) =
            (Heap::new(Debiasing::unmatched_need(&sizes)), vec![0; Debiasing::scratch(&sizes)]);
        let parts = [self.part(None)];
        let mut arena = heap.arena();
        let mut task =
            Debiasing::new(config, Readout::Softmax, &parts, &mut arena, &mut wide).unwrap();
        assert_eq!((arena.left().f32s, arena.left().u32s), (0, 0), "need() is what is used");
        let need = World::sparse_need(&world, &self.stack, layer, self.labels.len());
        let mut heap = Heap::new(need);
        let mut own = self.parameters.clone();
        let (stack, samples) = (&self.stack, self.samples());
        let mut arena = heap.arena();
        let mut world =
            World::sparse(world, kernel, stack, &mut own, layer, samples, &mut task, &mut arena)
                .unwrap();
        assert_eq!(arena.left().f32s, 0, "need() is what is used");
        look(&mut world)
    }
}

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

/// Scores that the package itself gives, to three places.
#[test]
fn the_deployed_classifier_is_reproduced() {
    let target = TextTarget::profanity().unwrap();
    let texts = ["I am a gay man", "I am a man", "I am a tall woman"];
    let found = target.probabilities(Kernel::auto(), &texts).unwrap();
    for ((text, found), expected) in texts.iter().zip(found).zip([0.953, 0.125, 0.060]) {
        assert!((found - expected).abs() < 1e-3, "{text}: {found}, expected {expected}");
    }
}

/// Words of the test templates have no bias of their own: without a term no harmless sentence is near
/// the threshold.
#[test]
fn harmless_test_templates_are_harmless_without_a_term() {
    let target = TextTarget::profanity().unwrap();
    let set = identity_test_templates(0, 0, 2_000);
    let texts: Vec<&str> = set.texts.iter().map(String::as_str).collect();
    let scores = target.probabilities(Kernel::auto(), &texts).unwrap();
    for ((text, label), score) in texts.iter().zip(&set.labels).zip(scores) {
        assert!(*label == 1 || score < 0.45, "{text}: {score}");
    }
}

fn profanity(editors: &[&str], world: WorldKind) -> DebiasConfig {
    DebiasConfig {
        target: DebiasTarget::Profanity,
        worlds: vec![world],
        editors: editors.iter().map(ToString::to_string).collect(),
        seeds: 1,
        ..DebiasConfig::default()
    }
}

/// The shipped policies repair it without one evaluation: of harmless sentences about the groups that it
/// flags, at most one in twenty stays flagged, and toxic ones stay toxic.
#[test]
fn shipped_policies_repair_it_without_an_evaluation() {
    for world in [WorldKind::Shift, WorldKind::Mask] {
        for policy_seed in 0..3 {
            let config =
                DebiasConfig { policy_seed: Some(policy_seed), ..profanity(&["policy"], world) };
            let results = debias(&config, &Silent).unwrap().results;
            let run = &results.runs[0];
            assert_eq!(run.evaluations, 0);
            for term in ["gay", "queer", "homosexual"] {
                let of = |figures: &reweight::run::debias::DebiasFigures| {
                    figures.groups.iter().find(|group| group.name == term).unwrap().fpr.unwrap()
                };
                assert!(of(&run.before) > 0.25, "{term} was not flagged");
                assert!(of(&run.after) <= 0.05, "{term}: {}", of(&run.after));
            }
            assert!(run.after.tpr.unwrap() > run.before.tpr.unwrap() - 0.03);
            assert!(run.after.auc > run.before.auc);
        }
    }
}

/// Threads and kernels change no figure, and what an editor was paid is what its network earns.
#[test]
fn figures_do_not_depend_on_threads_or_kernels() {
    let base = DebiasConfig {
        editors: ["ppo", "sep-cma-es", "threshold"].map(str::to_string).to_vec(),
        budget: Some(192),
        seeds: 2,
        layer: Some("embed".into()),
        keep_best: true,
        ..DebiasConfig::default()
    };
    let run = |threads, kernel| {
        let config = DebiasConfig { threads, kernel, ..base.clone() };
        let mut results = debias(&config, &Silent).unwrap().results;
        results.runs.iter_mut().for_each(|run| run.seconds = 0.0);
        results
    };
    let one = run(1, Kernel::auto());
    assert_eq!(one, run(2, Kernel::auto()));
    assert_eq!(one, run(2, Kernel::portable()));
    for run in one.runs.iter().filter(|run| run.world.is_some()) {
        let paid = run.curve.last().unwrap().best;
        let earned = run.after.reward.unwrap().reward;
        assert!((paid - earned).abs() < 2e-3, "{}: paid {paid}, earns {earned}", run.editor);
        assert!(earned > run.before.reward.unwrap().reward);
    }
}

/// The comments that are built in make the task what it is meant to be.
#[test]
fn built_in_comments_are_hard_in_the_way_that_they_should_be() {
    let editors = ["none", "blindness", "threshold", "retrain"].map(str::to_string).to_vec();
    let config = DebiasConfig { editors, seeds: 2, ..DebiasConfig::default() };
    let results = debias(&config, &Silent).unwrap().results;
    for run in &results.runs {
        let (before, after) = (&run.before, &run.after);
        let (gap, null) = (before.fped_mean.unwrap(), before.gap_null.unwrap());
        assert!((0.91..0.95).contains(&before.auc.unwrap()), "{:?}", before.auc);
        assert!(gap > 5.0 * null, "gap {gap}, null {null}");
        let signs = |sign: f64| before.groups.iter().any(|g| sign * g.gap.unwrap() > 0.05);
        assert!(signs(1.0) && signs(-1.0));
        let lost = before.auc.unwrap() - after.auc.unwrap();
        let matched = after.matched_gap.unwrap() / before.matched_gap.unwrap();
        match run.editor.as_str() {
            "none" => assert_eq!(before, after),
            "blindness" => assert!(lost > 0.02, "{lost}"),
            "threshold" => assert!((0.95..1.05).contains(&matched), "{matched}"),
            _ => assert!(lost < -0.02 && matched < 0.4, "{lost} {matched}"),
        }
    }
}

fn folder(name: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// A CSV file of comments about two groups.
fn comments(count: usize, toxic: impl Fn(usize) -> bool) -> String {
    let mut text = String::from("comment_text,target,female,muslim\n");
    for index in 0..count {
        let word = ["lovely", "awful"][usize::from(toxic(index))];
        let (female, muslim) = (index % 3 == 0, index % 4 == 0);
        let name = match (female, muslim) {
            (true, _) => "female",
            (false, true) => "muslim",
            _ => "tall",
        };
        text += &format!(
            "\"a {word} {name} person, number {index}\",{},{},{}\n",
            f32::from(u8::from(toxic(index))),
            u8::from(female),
            u8::from(muslim)
        );
    }
    text
}

fn on_file(name: &str, content: &str) -> DebiasConfig {
    let path = folder(name).join("comments.csv");
    std::fs::write(&path, content).unwrap();
    DebiasConfig {
        data: Some(path),
        editors: vec!["sep-cma-es".into(), "none".into(), "blindness".into()],
        budget: Some(40),
        seeds: 1,
        ..DebiasConfig::default()
    }
}

#[test]
fn comments_of_a_file_are_trained_on_edited_and_folded() {
    let config = on_file("debias-file", &comments(300, |index| index % 2 == 0));
    let results = debias(&config, &Silent).unwrap().results;
    assert_eq!(results.data.test, 60);
    let names: Vec<&str> =
        results.runs[0].after.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["female", "muslim"]);
    let folded = DebiasConfig { folds: Some(3), ..config };
    let results = debias(&folded, &Silent).unwrap().results;
    assert_eq!((results.data.test, results.pooled[0].after.n), (300, 300));
    // Every comment is judged once: the pooled counts are those of the file.
    let female = &results.pooled[0].after.groups[0];
    assert_eq!((female.name.as_str(), female.n), ("female", 100));
}

#[test]
fn bad_comments_are_errors_with_what_and_where() {
    let refused = |name: &str, content: &str, named: &[&str]| {
        let error = debias(&on_file(name, content), &Silent).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.exit_code(), 1, "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        for name in named {
            assert!(text.contains(name), "{text:?} does not name {name:?}");
        }
    };
    refused("debias-empty", "", &["comments.csv", "empty"]);
    refused("debias-columns", "text,label\na,1\n", &["comment_text", "label"]);
    let broken = comments(40, |index| index % 2 == 0) + "\"open,1,0,0\n";
    refused("debias-quote", &broken, &["line 42"]);
    let number = comments(40, |index| index % 2 == 0) + "fine,many,0,0\n";
    refused("debias-number", &number, &["line 42", "target", "many"]);
    refused("debias-class", &comments(40, |_| true), &["toxic"]);
    let mut config = on_file("debias-groups", &comments(60, |index| index % 2 == 0));
    config.groups = vec!["martian".into()];
    let error = debias(&config, &Silent).unwrap_err().to_string();
    assert!(error.contains("martian") && error.contains("female"), "{error}");
}

#[test]
fn what_cannot_be_done_is_said_before_work_begins() {
    let refused = |config: DebiasConfig, named: &[&str]| {
        let error = debias(&config, &Silent).unwrap_err().to_string();
        for name in named {
            assert!(error.contains(name), "{error:?} does not name {name:?}");
        }
    };
    let base = || DebiasConfig { seeds: 1, budget: Some(20), ..DebiasConfig::default() };
    let named = |name: &str| vec![name.to_string()];
    refused(DebiasConfig { editors: named("blindnes"), ..base() }, &["did you mean blindness?"]);
    refused(DebiasConfig { editors: named("lda"), ..base() }, &["lda", "unlearns"]);
    refused(DebiasConfig { editors: named("policy"), ..base() }, &["policy", "one layer"]);
    refused(DebiasConfig { layer: Some("16x3".into()), ..base() }, &["16x3", "64x16, embed, 16x2"]);
    refused(DebiasConfig { threshold: 1.0, ..base() }, &["--threshold"]);
    refused(DebiasConfig { folds: Some(5), ..base() }, &["--folds", "--data"]);
    let mut config = profanity(&["fine-tune"], WorldKind::Mask);
    refused(config.clone(), &["fine-tune", "trained"]);
    config.editors = named("reweighing");
    refused(config.clone(), &["reweighing", "not known"]);
    config.target = DebiasTarget::Loaded(Arc::new(TextTarget::profanity().unwrap()));
    config.editors = named("retrain");
    refused(config, &["retrain"]);
}

#[test]
fn terms_are_words_of_the_deployed_classifier() {
    let target = TextTarget::profanity().unwrap();
    for (term, group) in identity_terms() {
        assert!(target.language.vocabulary.find(term).is_some(), "{term} ({group})");
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
