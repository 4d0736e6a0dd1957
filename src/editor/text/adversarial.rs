//! Adversarial debiasing: trained again against an adversary that tells groups by what the network says.

use super::{Judge, TextEdit, TextProblem, TextSet};
use crate::autodiff::Tape;
use crate::editor::EditError;
use crate::kernel::{Batch, Kernel};
use crate::nn::{Init, Stack};
use crate::num;
use crate::optim::{Adam, AdamConfig};
use crate::rng::{Purpose, Rng};
use crate::slab::Heap;

/// Share of the adversary's slope that is taken away.
const ALPHA: f32 = 3.0;
/// Adam's rate for the adversary.
const ADVERSARY_RATE: f32 = 1e-2;
/// Numbers of the adversary for each group.
const EACH: usize = 4;

/// Zhang, Lemoine and Mitchell 2018 (arXiv 1801.07593), for equalised odds. With s = σ((1 + |c|)·logit) the adversary
/// tells each group by a logistic regression on (s, s·y, s·(1 − y)), y the label; c is its own as well. Parameters of
/// the network go down `g_p − proj_{g_a} g_p − α·g_a`, tensor by tensor: g_p the slope of the network's
/// loss, g_a that of the adversary's, the mean over texts and groups. α = 3, the best of .1, 1, 3, 10, 30 and 100 by reward on
/// generated comments (seeds 10 to 12); AIF360 takes .1, fairlearn 1, each with one group.
///
/// The network is trained from its own initial weights, in its own order, as often as it was.
pub(super) fn adversarial(
    problem: &TextProblem<'_>,
    _: &mut dyn Judge,
) -> Result<TextEdit, EditError> {
    let unknown = EditError::Unfit("what the network was trained on is not known");
    let (set, training) = problem.train.zip(problem.training).ok_or(unknown)?;
    let stack = problem.stack;
    let groups = problem.words.len().min(64);
    let mut parameters = vec![0.0; stack.parameters()];
    let mut rng = Rng::new(problem.seed, Purpose::Weights);
    stack.initialise(Init::HeUniform, &mut parameters, &mut rng)?;
    let mut adversary = initial(groups);
    let mut heap = Heap::new(Adam::need(parameters.len()).and(Adam::need(adversary.len())));
    let mut arena = heap.arena();
    let mut of_network = Adam::new(AdamConfig::default(), parameters.len(), &mut arena)?;
    let mut of_adversary = Adam::new(AdamConfig::default(), adversary.len(), &mut arena)?;
    let mut order: Vec<u32> = (0u32..).take(set.labels.len()).collect();
    let mut shuffler = Rng::new(problem.seed, Purpose::Order);
    let steps = order.len().div_ceil(training.minibatch.max(1)) * training.epochs;
    let mut contest = Contest::new(problem.kernel, stack, training.minibatch);
    let mut step = 0;
    for _ in 0..training.epochs {
        shuffler.shuffle(&mut order);
        for chosen in order.chunks(training.minibatch.max(1)) {
            let slopes = contest.slopes(&parameters, &adversary, &set, chosen)?;
            let rate = training.rate * training.schedule.factor(step as f32 / steps.max(1) as f32);
            let together = combined(stack, &slopes.own, &slopes.adverse, ALPHA);
            of_network.step(problem.kernel, rate, &together, &mut parameters)?;
            of_adversary.step(problem.kernel, ADVERSARY_RATE, &slopes.adversary, &mut adversary)?;
            step += 1;
        }
    }
    if !num::all_finite(&parameters) {
        return Err(crate::model::ForwardError::NotFinite { step }.into());
    }
    Ok(TextEdit { parameters, ..TextEdit::default() })
}

/// An adversary that says nothing: weights of s, s·y, s·(1 − y) and an offset for every group, then c = 1.
pub(super) fn initial(groups: usize) -> Vec<f32> {
    let mut adversary = vec![0.0; EACH * groups];
    adversary.push(1.0);
    adversary
}

/// `g_p − proj_{g_a} g_p − α·g_a` for the weights and the biases of every layer by themselves.
pub(super) fn combined(stack: &Stack, own: &[f32], adverse: &[f32], alpha: f32) -> Vec<f32> {
    let mut together = own.to_vec();
    for layer in stack.layers() {
        for range in [Some(layer.weight_range()), layer.bias_range()].into_iter().flatten() {
            let adverse = adverse.get(range.clone()).unwrap_or_default();
            let together = together.get_mut(range).unwrap_or_default();
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
            };
            let square = dot(adverse, adverse);
            let along = if square > 0.0 { (dot(together, adverse) / square) as f32 } else { 0.0 };
            for (to, &from) in together.iter_mut().zip(adverse) {
                *to -= (along + alpha) * from;
            }
        }
    }
    together
}

/// Slopes of both losses on one minibatch.
pub(super) struct Slopes {
    /// Of the network's cross-entropy, by its parameters.
    pub(super) own: Vec<f32>,
    /// Of the adversary's, by the network's parameters.
    pub(super) adverse: Vec<f32>,
    /// Of the adversary's, by its own.
    pub(super) adversary: Vec<f32>,
}

/// Both networks, and memory to run them.
pub(super) struct Contest<'s> {
    kernel: Kernel,
    stack: &'s Stack,
    slab: Vec<f32>,
}

impl<'s> Contest<'s> {
    pub(super) fn new(kernel: Kernel, stack: &'s Stack, minibatch: usize) -> Self {
        let (batch, classes) = (Batch::lanes(minibatch.max(1)), stack.outputs());
        let values = batch.samples().saturating_mul(classes);
        let losses = Tape::cross_entropy_need(batch, classes).or(Tape::squared_error_need(values));
        let need = stack.tape_need(batch).and(losses);
        Self { kernel, stack, slab: vec![0.0; need.f32s] }
    }

    /// Slopes on the chosen texts.
    pub(super) fn slopes(
        &mut self,
        parameters: &[f32],
        adversary: &[f32],
        set: &TextSet<'_>,
        chosen: &[u32],
    ) -> Result<Slopes, EditError> {
        let (stack, failed) = (self.stack, |_| EditError::Unfit("the network cannot be trained"));
        if stack.outputs() != 2 {
            return Err(EditError::Unfit(
                "its outputs are not the two classes, so it cannot be trained",
            ));
        }
        let features = stack.inputs();
        let batch = Batch::lanes(chosen.len());
        let pick = |index: u32| usize::try_from(index).unwrap_or(usize::MAX);
        let labels: Vec<u8> = (chosen.iter())
            .map(|&index| set.labels.get(pick(index)).copied().unwrap_or(0))
            .collect();
        let mut tape = Tape::new(self.kernel, &mut self.slab);
        let mut own = vec![0.0; parameters.len()];
        let mut adverse = vec![0.0; parameters.len()];
        let mut of_adversary = vec![0.0; adversary.len()];
        for against in [false, true] {
            tape.clear();
            let x = tape.input(batch, features).map_err(failed)?;
            let input = tape.value_mut(x);
            input.fill(0.0);
            for (slot, &index) in chosen.iter().enumerate() {
                let (columns, values) = set.bag.row(pick(index));
                for (&column, &value) in columns.iter().zip(values) {
                    let at = batch.at(features, slot, column as usize);
                    if let Some(to) = input.get_mut(at) {
                        *to = value;
                    }
                }
            }
            let logits = stack.record(&mut tape, parameters, x).map_err(failed)?;
            if !against {
                let loss = tape.softmax_cross_entropy(logits, &labels).map_err(failed)?;
                tape.backward(loss, parameters, &mut own).map_err(failed)?;
                continue;
            }
            let values = tape.value(logits);
            let of = |slot: usize, class: usize| {
                values.get(batch.at(2, slot, class)).copied().unwrap_or(0.0)
            };
            // A squared error whose slope at the logits is the one that is wanted: 2 (z − target) / count.
            let mut targets = Vec::with_capacity(2 * chosen.len());
            let half = chosen.len() as f32;
            for (slot, (&index, &label)) in chosen.iter().zip(&labels).enumerate() {
                let members = set.members.get(pick(index)).copied().unwrap_or(0);
                let logit = of(slot, 1) - of(slot, 0);
                let toxic = f32::from(label);
                let count = chosen.len();
                let slope = oppose(adversary, logit, toxic, members, count, &mut of_adversary);
                targets.push(of(slot, 0) + half * slope);
                targets.push(of(slot, 1) - half * slope);
            }
            let loss = tape.mean_squared_error(logits, &targets).map_err(failed)?;
            tape.backward(loss, parameters, &mut adverse).map_err(failed)?;
        }
        Ok(Slopes { own, adverse, adversary: of_adversary })
    }
}

/// Adds the slope of the adversary's loss (the mean over texts and groups) on one text to `slopes`, and returns
/// that by the network's logit.
fn oppose(
    adversary: &[f32],
    logit: f32,
    toxic: f32,
    members: u64,
    texts: usize,
    slopes: &mut [f32],
) -> f32 {
    let sigmoid = |x: f32| 1.0 / (1.0 + num::exp(-x));
    let groups = adversary.len() / EACH;
    let Some((&c, weights)) = adversary.split_last() else { return 0.0 };
    let sharp = 1.0 + num::abs(c);
    let s = sigmoid(sharp * logit);
    let share = 1.0 / (texts * groups.max(1)) as f32;
    let mut by_s = 0.0;
    let each = weights.chunks_exact(EACH).zip(slopes.chunks_exact_mut(EACH));
    for (group, (weights, slopes)) in each.enumerate() {
        let &[w, w_toxic, w_calm, offset] = weights else { continue };
        let slope_of_s = w + w_toxic * toxic + w_calm * (1.0 - toxic);
        let member = (members >> group & 1) as f32;
        let error = share * (sigmoid(slope_of_s * s + offset) - member);
        by_s += error * slope_of_s;
        for (to, feature) in slopes.iter_mut().zip([s, s * toxic, s * (1.0 - toxic), 1.0]) {
            *to += error * feature;
        }
    }
    let by_argument = by_s * s * (1.0 - s);
    let sign = if c < 0.0 { -1.0 } else { 1.0 };
    if let Some(last) = slopes.last_mut() {
        *last += by_argument * logit * sign;
    }
    by_argument * sharp
}
