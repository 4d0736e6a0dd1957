//! References on small networks, against what defines them.

use super::adversarial::{Contest, combined};
use super::gradient::weights;
use super::nullspace::{classifiers, projector};
use super::{Judge, Odds, TextEdit, TextProblem, TextSet, find_text};
use crate::editor::EditError;
use crate::kernel::{Bag, Kernel};
use crate::nn::{Init, Stack};
use crate::rng::{Purpose, Rng};
use nalgebra::DMatrix;
use serde_json::Value;
use std::vec::Vec;

const WORDS: usize = 12;

/// Random texts of a few words; the first two words name the two groups, toxicity follows the third.
struct Texts {
    offsets: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f32>,
    labels: Vec<u8>,
    members: Vec<u64>,
}

impl Texts {
    fn draw(count: usize) -> Self {
        let mut rng = Rng::new(5, Purpose::Data);
        let (mut offsets, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
        let (mut labels, mut members) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let mut named = 0;
            let mut toxic = false;
            for word in 0..WORDS as u32 {
                if rng.unit() < 0.4 {
                    columns.push(word);
                    values.push(0.25 + 0.5 * rng.unit());
                    named |= u64::from(word < 2) << word;
                    toxic |= word == 2;
                }
            }
            labels.push(u8::from(toxic != (rng.unit() < 0.2)));
            members.push(named);
            offsets.push(columns.len() as u32);
        }
        Self { offsets, columns, values, labels, members }
    }

    fn set(&self) -> TextSet<'_> {
        let bag = Bag::new(WORDS, &self.offsets, &self.columns, &self.values).unwrap();
        TextSet { bag, labels: &self.labels, members: &self.members }
    }
}

fn network() -> (Stack, Vec<f32>) {
    let mut stack = Stack::new([WORDS, 1, 1]);
    stack.dense("a", 8).unwrap().relu().unwrap().dense("b", 2).unwrap();
    let mut parameters = vec![0.0; stack.parameters()];
    stack.initialise(Init::HeUniform, &mut parameters, &mut Rng::new(1, Purpose::Weights)).unwrap();
    (stack, parameters)
}

/// Pays for a small weight of the first word, and for a threshold near .7.
struct Payer;

impl Judge for Payer {
    fn reward(&mut self, parameters: &[f32]) -> Result<f32, EditError> {
        Ok(1.0 - (parameters[0] - 0.3 * network().1[0]).abs())
    }

    fn reward_at(&mut self, threshold: f32) -> Result<f32, EditError> {
        Ok(1.0 - (threshold - 0.7).abs())
    }
}

fn edit(name: &str, layer: usize, texts: &Texts) -> TextEdit {
    let (stack, parameters) = network();
    let words = [vec![0], vec![1]];
    let problem = TextProblem {
        kernel: Kernel::auto(),
        stack: &stack,
        parameters: &parameters,
        layer,
        reward: texts.set(),
        scores: &texts.values[..texts.labels.len()],
        words: &words,
        train: Some(texts.set()),
        unbiased: None,
        training: Some(crate::model::Training { epochs: 1, ..crate::model::Training::TOXICITY }),
        seed: 0,
        budget: 50,
    };
    (find_text(name).unwrap().edit)(&problem, &mut Payer).unwrap()
}

/// Covariance of one list with another.
fn covariance(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    let (ma, mb) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum::<f64>() / n
}

/// What LEACE promises: after it no linear map of the layer's output varies with a group, and the mean
/// output is what it was.
#[test]
fn leace_leaves_no_covariance_with_the_groups() {
    let texts = Texts::draw(400);
    let (_, before) = network();
    let after = edit("leace", 0, &texts).parameters;
    let calm: Vec<usize> = (0..400).filter(|&text| texts.labels[text] == 0).collect();
    let output = |parameters: &[f32], unit: usize| -> Vec<f64> {
        let of = |&text: &usize| {
            let (columns, values) = texts.set().bag.row(text);
            let terms = columns.iter().zip(values).map(|(&column, &value)| {
                f64::from(value) * f64::from(parameters[column as usize * 8 + unit])
            });
            terms.sum::<f64>() + f64::from(parameters[WORDS * 8 + unit])
        };
        calm.iter().map(of).collect()
    };
    for unit in 0..8 {
        let (old, new) = (output(&before, unit), output(&after, unit));
        for group in 0..2 {
            let named: Vec<f64> = calm
                .iter()
                .map(|&text| f64::from(u8::from(texts.members[text] >> group & 1 == 1)))
                .collect();
            assert!(covariance(&new, &named).abs() < 1e-6, "unit {unit}, group {group}");
        }
        let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len() as f64;
        assert!((mean(&old) - mean(&new)).abs() < 1e-5);
    }
    let named: Vec<f64> =
        calm.iter().map(|&text| f64::from(u8::from(texts.members[text] & 1 == 1))).collect();
    let told = (0..8).map(|unit| covariance(&output(&before, unit), &named).abs());
    assert!(told.fold(0.0, f64::max) > 1e-3, "there was nothing to erase");
}

/// At the minimum of the ridge regression the gradient is zero.
#[test]
fn refit_solves_its_regression() {
    let texts = Texts::draw(400);
    let after = edit("refit", 0, &texts).parameters;
    let (stack, before) = network();
    let head = stack.layers()[2].weight_range();
    assert_eq!(before[..head.start], after[..head.start]);
    let weight = |feature: usize| {
        f64::from(after[head.start + 2 * feature + 1]) - f64::from(after[head.start + 2 * feature])
    };
    let offset = f64::from(after[head.end + 1]) - f64::from(after[head.end]);
    let mut gradient = [0.0f64; 9];
    for text in 0..400 {
        let (columns, values) = texts.set().bag.row(text);
        let hidden: Vec<f64> = (0..8)
            .map(|unit| {
                let terms = columns.iter().zip(values).map(|(&column, &value)| {
                    f64::from(value) * f64::from(before[column as usize * 8 + unit])
                });
                (terms.sum::<f64>() + f64::from(before[WORDS * 8 + unit])).max(0.0)
            })
            .collect();
        let z = offset + hidden.iter().enumerate().map(|(f, h)| weight(f) * h).sum::<f64>();
        let error = f64::from(texts.labels[text]) - 1.0 / (1.0 + (-z).exp());
        for (to, h) in gradient.iter_mut().zip(hidden.iter().chain([&1.0])) {
            *to += error * h;
        }
    }
    for (feature, value) in gradient.iter().enumerate() {
        let ridge = if feature < 8 { weight(feature) } else { 0.0 };
        assert!((value - ridge).abs() < 1e-3, "{feature}: {value} {ridge}");
    }
}

#[test]
fn blindness_makes_groups_the_same() {
    let texts = Texts::draw(10);
    let (_, before) = network();
    let dropped = edit("blindness", 0, &texts).parameters;
    assert!(dropped[..16].iter().all(|&weight| weight == 0.0));
    assert_eq!(dropped[16..], before[16..]);
    let token = edit("blindness-token", 0, &texts).parameters;
    assert_eq!(token[..8], token[8..16]);
    assert_eq!(token[16..], before[16..]);
    assert!((token[3] - 0.5 * (before[3] + before[11])).abs() < 1e-7);
}

#[test]
fn searches_find_the_best_of_what_they_try() {
    let texts = Texts::draw(10);
    let threshold = edit("threshold", 0, &texts);
    assert!((threshold.threshold.unwrap() - 0.7).abs() < 1e-3);
    assert_eq!((threshold.evaluations, &threshold.parameters), (501, &network().1));
    let scaled = edit("column-scale", 0, &texts);
    assert!((scaled.parameters[0] - 0.3 * network().1[0]).abs() < 1e-6);
    assert_eq!(scaled.evaluations, 10);
    let perturbed = edit("savani", 0, &texts);
    let change = |parameters: &[f32]| (parameters[0] - 0.3 * network().1[0]).abs();
    assert!(change(&perturbed.parameters) < change(&network().1) && perturbed.evaluations == 50);
    assert_eq!(perturbed.parameters[WORDS * 8..], network().1[WORDS * 8..]);
}

#[test]
fn tuning_changes_what_it_may() {
    let texts = Texts::draw(200);
    let (stack, before) = network();
    let head = stack.layers()[2].range();
    let last = edit("fine-tune-last", 0, &texts).parameters;
    assert_eq!(last[..head.start], before[..head.start]);
    assert_ne!(last[head.clone()], before[head.clone()]);
    let all = edit("fine-tune", 0, &texts).parameters;
    assert!(all[..head.start] != before[..head.start] && all[head.clone()] != before[head]);
}

/// Weights by hand: group 0 is named by three texts, two of them toxic; one text names nothing.
#[test]
fn reweighing_makes_group_and_label_independent() {
    let bag = Bag::new(1, &[0, 0, 0, 0, 0], &[], &[]).unwrap();
    let set = TextSet { bag, labels: &[1, 1, 0, 0], members: &[1, 1, 1, 0] };
    let expected = [0.75, 0.75, 1.5, 0.5];
    for (found, wanted) in weights(&set, 1).iter().zip(expected) {
        assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
    }
    // The weighted counts of group and label are independent.
    let w = weights(&set, 1);
    assert!(((w[0] + w[1]) / (w[0] + w[1] + w[2]) - 0.5).abs() < 1e-6);
}

#[test]
fn counterfactuals_need_a_word_and_training_data() {
    let texts = Texts::draw(200);
    let swapped = edit("counterfactual", 0, &texts).parameters;
    assert_ne!(swapped, edit("reweighing", 0, &texts).parameters);
}

fn oracle() -> Value {
    let text = include_str!("../../../tests/oracle/debiasing_editors.json");
    serde_json::from_str(text).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

/// The probability of every decision is that of fairlearn's ThresholdOptimizer, and so are the groups' rates.
#[test]
fn odds_are_equalised_as_by_fairlearn() {
    for case in oracle()["odds"].as_array().unwrap() {
        let whole = |name: &str| numbers(&case[name]).into_iter().map(|value| value as u64);
        let scores = numbers(&case["scores"]);
        let labels: Vec<u8> = whole("labels").map(|label| label as u8).collect();
        let members: Vec<u64> = whole("groups").map(|group| 1 << group).collect();
        let odds = Odds::fit(&scores, &labels, &members).unwrap();
        let expected = numbers(&case["probabilities"]);
        for ((&score, &set), theirs) in scores.iter().zip(&members).zip(expected) {
            let ours = odds.probability(score, set);
            assert!((ours - f64::from(theirs)).abs() < 1e-6, "{score} in {set}: {ours}, {theirs}");
        }
        for rates in case["rates"].as_array().unwrap() {
            let rates: Vec<f64> =
                rates.as_array().unwrap().iter().filter_map(Value::as_f64).collect();
            assert!((rates[0] - odds.fpr).abs() < 1e-9 && (rates[1] - odds.tpr).abs() < 1e-9);
        }
        // Decisions that are drawn keep these rates but for chance, and repeat themselves.
        let drawn = odds.decide(&scores, &members, 4);
        assert_eq!(drawn, odds.decide(&scores, &members, 4));
        let negatives = || drawn.iter().zip(&labels).filter(|&(_, &label)| label == 0);
        let share =
            negatives().map(|(&call, _)| f64::from(call)).sum::<f64>() / negatives().count() as f64;
        assert!((share - odds.fpr).abs() < 0.06, "{share} of {}", odds.fpr);
    }
}

/// Groups that are too small share one rule, sets of groups fall to their first member; one class alone is refused.
#[test]
fn odds_of_rare_groups() {
    let scores: Vec<f32> = (0..400).map(|text| (text % 97) as f32).collect();
    let labels: Vec<u8> = (0..400).map(|text| u8::from(text % 97 > 40 + text % 30)).collect();
    let members: Vec<u64> =
        (0..400).map(|text| if text < 390 { text as u64 % 2 } else { 2 }).collect();
    let odds = Odds::fit(&scores, &labels, &members).unwrap();
    let named: Vec<Option<u64>> = odds.rules().iter().map(|rule| rule.named).collect();
    assert_eq!(named, [Some(0), Some(1), None]);
    assert_eq!(odds.probability(50.0, 0b11), odds.probability(50.0, 0b01));
    assert_eq!(odds.probability(50.0, 0b10), odds.probability(50.0, 0b100));
    assert!(Odds::fit(&scores, &[0; 400], &members).is_err());
    assert!(Odds::fit(&[], &[], &[]).is_err());
}

#[test]
fn a_step_against_the_adversary_is_pytorchs() {
    let case = &oracle()["adversarial"];
    let whole = |name: &str| numbers(&case[name]).into_iter().map(|value| value as u64);
    let sizes: Vec<usize> = whole("sizes").map(|size| size as usize).collect();
    let mut stack = Stack::new([sizes[0], 1, 1]);
    stack.dense("a", sizes[1]).unwrap().relu().unwrap().dense("b", 2).unwrap();
    let x = numbers(&case["x"]);
    let (mut offsets, mut columns, mut values) = (vec![0u32], Vec::new(), Vec::new());
    for row in x.chunks(sizes[0]) {
        for (column, &value) in (0u32..).zip(row).filter(|(_, value)| **value != 0.0) {
            columns.push(column);
            values.push(value);
        }
        offsets.push(columns.len() as u32);
    }
    let labels: Vec<u8> = whole("labels").map(|label| label as u8).collect();
    let members: Vec<u64> = whole("members").collect();
    let bag = Bag::new(sizes[0], &offsets, &columns, &values).unwrap();
    let set = TextSet { bag, labels: &labels, members: &members };
    let chosen: Vec<u32> = (0..labels.len() as u32).collect();
    let mut contest = Contest::new(Kernel::auto(), &stack, chosen.len());
    let (parameters, adversary) = (numbers(&case["parameters"]), numbers(&case["adversary"]));
    let slopes = contest.slopes(&parameters, &adversary, &set, &chosen).unwrap();
    let alpha = case["alpha"].as_f64().unwrap() as f32;
    let together = combined(&stack, &slopes.own, &slopes.adverse, alpha);
    for (name, ours) in [
        ("own", &slopes.own),
        ("adverse", &slopes.adverse),
        ("of_adversary", &slopes.adversary),
        ("together", &together),
    ] {
        let theirs = numbers(&case[name]);
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            assert!((ours - theirs).abs() < 2e-6, "{name}[{index}]: {ours}, {theirs}");
        }
    }
}

/// What INLP promises: P is a projector, and no classifier tells a group by what it leaves.
#[test]
fn inlp_leaves_nothing_that_tells_the_groups() {
    let mut rng = Rng::new(2, Purpose::Data);
    let count = 500;
    let named = DMatrix::from_fn(2, count, |_, _| f64::from(u8::from(rng.unit() < 0.4)));
    let mixing = DMatrix::from_fn(9, 2, |_, _| f64::from(rng.normal()));
    let noise = DMatrix::from_fn(9, count, |_, _| f64::from(rng.normal()));
    let x = mixing * &named + noise * 0.5;
    assert_eq!(classifiers(&x, &named).unwrap().len(), 2, "there was something to tell");
    let p = projector(&x, &named).unwrap();
    assert!((&p * &p - &p).amax() < 1e-9 && (&p - p.transpose()).amax() < 1e-9);
    let rank = p.trace();
    assert!((rank - rank.round()).abs() < 1e-9 && (3.0..7.5).contains(&rank), "{rank}");
    assert!(classifiers(&(&p * &x), &named).unwrap().is_empty());
    // Folded into a layer: the words that name the groups no longer reach it.
    let texts = Texts::draw(400);
    let (stack, before) = network();
    let after = edit("inlp", 0, &texts).parameters;
    let weights = stack.layers()[0].weight_range();
    let size =
        |parameters: &[f32], word: usize| crate::num::norm(&parameters[8 * word..8 * word + 8]);
    for word in 0..2 {
        assert!(size(&after, word) < 0.2 * size(&before, word), "{word}");
    }
    assert!(size(&after, 5) > 0.5 * size(&before, 5));
    assert_eq!(before[weights.end..], after[weights.end..]);
}
