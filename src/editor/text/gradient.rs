//! References that train: on the reward split, or again from scratch.

use super::{Judge, TextEdit, TextProblem, TextSet};
use crate::editor::EditError;
use crate::kernel::Bag;
use crate::model::{Lesson, Rows, Training, train_need, train_on};
use crate::nn::{Init, Kind};
use crate::optim::Schedule;
use crate::rng::{Purpose, Rng};
use crate::slab::Heap;
use core::ops::Range;
use nalgebra::{DMatrix, DVector};

/// Fine-tuning: Adam at 1e-3, minibatches of 64.
const TUNING: Training =
    Training { epochs: 3, minibatch: 64, rate: 1e-3, schedule: Schedule::Constant };

/// Largest weight of a text in reweighing.
const MOST_WEIGHT: f64 = 10.0;

fn taught(
    problem: &TextProblem<'_>,
    mut parameters: Vec<f32>,
    lesson: &Lesson<'_>,
    training: &Training,
) -> Result<TextEdit, EditError> {
    if problem.stack.outputs() != 2 {
        return Err(EditError::Unfit(
            "its outputs are not the two classes, so it cannot be trained",
        ));
    }
    let mut heap = Heap::new(train_need(problem.stack, lesson.labels.len(), training));
    train_on(
        problem.kernel,
        problem.stack,
        &mut parameters,
        lesson,
        &|_| true,
        training,
        problem.seed,
        &mut heap.arena(),
        &mut |_| {},
    )?;
    Ok(TextEdit { parameters, ..TextEdit::default() })
}

fn last_layer(problem: &TextProblem<'_>) -> Range<usize> {
    problem.stack.layers().last().map(|layer| layer.range()).unwrap_or_default()
}

fn tuned(problem: &TextProblem<'_>, trained: Range<usize>) -> Result<TextEdit, EditError> {
    let TextSet { bag, labels, .. } = problem.reward;
    let lesson = Lesson { inputs: Rows::Sparse(bag), labels, weights: None, trained };
    taught(problem, problem.parameters.to_vec(), &lesson, &TUNING)
}

/// The last layer on the reward split.
pub(super) fn fine_tune_last(
    problem: &TextProblem<'_>,
    _: &mut dyn Judge,
) -> Result<TextEdit, EditError> {
    tuned(problem, last_layer(problem))
}

/// All layers on the reward split.
pub(super) fn fine_tune(
    problem: &TextProblem<'_>,
    _: &mut dyn Judge,
) -> Result<TextEdit, EditError> {
    tuned(problem, 0..problem.stack.parameters())
}

/// The network trained again, from its own initial weights and in its own order.
fn again(
    problem: &TextProblem<'_>,
    set: TextSet<'_>,
    weights: Option<&[f32]>,
) -> Result<TextEdit, EditError> {
    let unknown = EditError::Unfit("what the network was trained on is not known");
    let training = problem.training.ok_or(unknown)?;
    let mut parameters = vec![0.0; problem.stack.parameters()];
    let mut rng = Rng::new(problem.seed, Purpose::Weights);
    problem.stack.initialise(Init::HeUniform, &mut parameters, &mut rng)?;
    let trained = 0..problem.stack.parameters();
    let lesson = Lesson { inputs: Rows::Sparse(set.bag), labels: set.labels, weights, trained };
    taught(problem, parameters, &lesson, &training)
}

fn train_set<'p>(problem: &TextProblem<'p>) -> Result<TextSet<'p>, EditError> {
    problem.train.ok_or(EditError::Unfit("what the network was trained on is not known"))
}

/// On labels without the planted bias.
pub(super) fn retrain(problem: &TextProblem<'_>, _: &mut dyn Judge) -> Result<TextEdit, EditError> {
    let set = train_set(problem)?;
    let labels =
        problem.unbiased.ok_or(EditError::Unfit("labels without the bias are not known"))?;
    again(problem, TextSet { labels, ..set }, None)
}

/// Trained again with [`weights`].
pub(super) fn reweighing(
    problem: &TextProblem<'_>,
    _: &mut dyn Judge,
) -> Result<TextEdit, EditError> {
    let set = train_set(problem)?;
    let weights = weights(&set, problem.words.len().min(64));
    again(problem, set, Some(&weights))
}

/// Each text weighs `Π P(g) P(y) / P(g, y)` over the groups g that it names, y its label; at most 10. A
/// text that names none is a group of its own (Kamiran and Calders 2012, for groups that overlap).
pub(super) fn weights(set: &TextSet<'_>, groups: usize) -> Vec<f32> {
    let total = set.labels.len().max(1) as f64;
    // Counts by label: of all texts, of those that name nothing, of each group.
    let mut all = [0.0f64; 2];
    let mut cells = vec![[0.0f64; 2]; groups + 1];
    let of = move |named: u64| {
        let own = (0..groups).filter(move |group| named >> group & 1 == 1);
        own.chain((named == 0).then_some(groups))
    };
    for (&label, &named) in set.labels.iter().zip(set.members) {
        let y = usize::from(label != 0);
        all[y] += 1.0;
        for group in of(named) {
            cells[group][y] += 1.0;
        }
    }
    let factor = |group: usize, y: usize| {
        let cell = cells[group];
        (cell[0] + cell[1]) * all[y] / (total * cell[y].max(1.0))
    };
    set.labels
        .iter()
        .zip(set.members)
        .map(|(&label, &named)| {
            let y = usize::from(label != 0);
            of(named).map(|group| factor(group, y)).product::<f64>().min(MOST_WEIGHT) as f32
        })
        .collect()
}

/// Each non-toxic text that names a group is repeated with other groups' words in their place.
pub(super) fn counterfactual(
    problem: &TextProblem<'_>,
    _: &mut dyn Judge,
) -> Result<TextEdit, EditError> {
    let set = train_set(problem)?;
    let words: Vec<u32> = problem.words.iter().flatten().copied().collect();
    if words.is_empty() {
        return Err(EditError::Unfit("no word that names a group is in the vocabulary"));
    }
    let mut rng = Rng::new(problem.seed, Purpose::Data);
    let (mut offsets, mut columns, mut values) = (vec![0u32], Vec::new(), Vec::new());
    let mut labels = Vec::new();
    let mut push = |row: &mut Vec<(u32, f32)>, label: u8| {
        row.sort_by_key(|&(column, _)| column);
        columns.extend(row.iter().map(|&(column, _)| column));
        values.extend(row.iter().map(|&(_, value)| value));
        offsets.push(columns.len() as u32);
        labels.push(label);
    };
    for (sample, &label) in set.labels.iter().enumerate() {
        let (own, inputs) = set.bag.row(sample);
        let mut row: Vec<(u32, f32)> = own.iter().copied().zip(inputs.iter().copied()).collect();
        push(&mut row, label);
        let mut swapped = false;
        for at in 0..row.len() {
            let Some((column, _)) = row.get(at).copied() else { continue };
            if !words.contains(&column) {
                continue;
            }
            let other = words.get(rng.below(words.len() as u32) as usize).copied();
            let other = other.unwrap_or(column);
            if row.iter().all(|&(taken, _)| taken != other)
                && let Some(place) = row.get_mut(at)
            {
                place.0 = other;
                swapped = true;
            }
        }
        if swapped && label == 0 {
            push(&mut row, label);
        }
    }
    let bag = Bag::new(set.bag.inputs(), &offsets, &columns, &values)?;
    again(problem, TextSet { bag, labels: &labels, members: &[] }, None)
}

/// Newton steps of the logistic regression.
const NEWTON_STEPS: usize = 25;

/// Its ridge, in units of one text.
const RIDGE: f64 = 1.0;

/// The last layer's two outputs become ∓½ of the logit of a ridge logistic regression (Newton's method,
/// in f64).
pub(super) fn refit(problem: &TextProblem<'_>, _: &mut dyn Judge) -> Result<TextEdit, EditError> {
    let index = problem.stack.layers().len().saturating_sub(1);
    let last = problem.stack.layers().last();
    let last = last.filter(|layer| {
        index > 0 && matches!(layer.kind(), Kind::Dense { outputs: 2, bias: true, .. })
    });
    let last = last.ok_or(EditError::Unfit("it does not end in a layer of two classes"))?;
    let (features, rows) = problem.inputs_of(index)?;
    let mut solution = DVector::<f64>::zeros(features + 1);
    for _ in 0..NEWTON_STEPS {
        let mut gradient = -RIDGE * &solution;
        let mut hessian = DMatrix::<f64>::identity(features + 1, features + 1) * RIDGE;
        // The offset is free.
        gradient[features] = 0.0;
        hessian[(features, features)] = 1e-9;
        for (row, &label) in rows.chunks(features.max(1)).zip(problem.reward.labels) {
            let x = DVector::from_iterator(
                features + 1,
                row.iter().map(|&value| f64::from(value)).chain([1.0]),
            );
            let p = 1.0 / (1.0 + libm::exp(-solution.dot(&x)));
            gradient += (f64::from(label) - p) * &x;
            hessian.ger((p * (1.0 - p)).max(1e-12), &x, &x, 1.0);
        }
        let step = hessian.cholesky().map(|factor| factor.solve(&gradient));
        let step = step.ok_or(EditError::Unfit("the regression has no solution"))?;
        let done = step.norm() < 1e-9;
        solution += step;
        if done {
            break;
        }
    }
    let mut parameters = problem.parameters.to_vec();
    let weights = parameters.get_mut(last.weight_range()).unwrap_or_default();
    for (pair, &value) in weights.as_chunks_mut::<2>().0.iter_mut().zip(solution.iter()) {
        *pair = [(-0.5 * value) as f32, (0.5 * value) as f32];
    }
    let offset = solution[features];
    let bias = last.bias_range().and_then(|range| parameters.get_mut(range)).unwrap_or_default();
    for (to, sign) in bias.iter_mut().zip([-0.5, 0.5]) {
        *to = (sign * offset) as f32;
    }
    Ok(TextEdit { parameters, ..TextEdit::default() })
}
