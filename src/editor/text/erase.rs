//! Least-squares concept erasure, folded into the edited layer; and what every edit needs that takes directions
//! out of a layer's inputs.

use super::{Judge, TextEdit, TextProblem};
use crate::editor::EditError;
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// Directions that are erased at most: more erase what the classes are told apart by.
const RANK: usize = 3;

/// Most inputs of a layer (words that occur, for the first one) that `leace` and `inlp` solve for.
pub const LEACE_INPUTS: usize = 1024;

/// Directions of the inputs whose variance is below this part of the largest are left alone.
const TOLERANCE: f64 = 1e-6;

/// `W ← (I − Q)ᵀ W`, `b ← b + (Q μ)ᵀ W`, with Q = S⁺ P S: S whitens the layer's inputs, P projects on the
/// [`RANK`] strongest directions of their covariance with the groups (Belrose et al. 2023, theorem 4.2).
/// Fitted on non-toxic texts, so that what toxicity and groups share is not taken for the groups.
pub(super) fn leace(problem: &TextProblem<'_>, _: &mut dyn Judge) -> Result<TextEdit, EditError> {
    let inputs = Inputs::of(problem)?;
    let mean = inputs.x.column_mean();
    let (mut centred, mut z) = (inputs.x.clone(), inputs.named.clone());
    let z_mean = z.column_mean();
    for mut column in centred.column_iter_mut() {
        column -= &mean;
    }
    for mut column in z.column_iter_mut() {
        column -= &z_mean;
    }
    let count = centred.ncols() as f64;
    let covariance = &centred * centred.transpose() / count;
    let cross = &centred * z.transpose() / count;
    let eigen = SymmetricEigen::new(covariance);
    let least = TOLERANCE * eigen.eigenvalues.amax();
    let powered = |power: f64| {
        let roots =
            eigen.eigenvalues.map(|value| if value > least { value.powf(power) } else { 0.0 });
        &eigen.eigenvectors * DMatrix::from_diagonal(&roots) * eigen.eigenvectors.transpose()
    };
    let (whiten, colour) = (powered(-0.5), powered(0.5));
    let svd = (&whiten * cross).svd(true, false);
    let left = svd.u.ok_or(EditError::Unfit("the groups' directions cannot be found"))?;
    let mut order: Vec<usize> = (0..svd.singular_values.len()).collect();
    order.sort_by(|&a, &b| svd.singular_values[b].total_cmp(&svd.singular_values[a]));
    let mut projector = DMatrix::<f64>::zeros(left.nrows(), left.nrows());
    for &index in order.iter().take(RANK) {
        let direction = left.column(index);
        projector += direction * direction.transpose();
    }
    // x ← x − Q (x − μ)
    let q = colour * projector * whiten;
    let change = q.transpose() * inputs.weights(problem);
    let offset: DVector<f64> = change.transpose() * mean;
    Ok(TextEdit { parameters: fold(problem, &inputs, &change, &offset)?, ..TextEdit::default() })
}

/// What the edited layer takes of the non-toxic texts of the reward split.
pub(super) struct Inputs {
    /// Its inputs that occur: words for the first layer, else all.
    columns: Vec<u32>,
    outputs: usize,
    /// Those inputs × texts.
    pub(super) x: DMatrix<f64>,
    /// Groups × texts: 1 where a text names the group.
    pub(super) named: DMatrix<f64>,
}

impl Inputs {
    pub(super) fn of(problem: &TextProblem<'_>) -> Result<Self, EditError> {
        let layer = problem.stack.layers().get(problem.layer);
        let layer = layer.ok_or(EditError::Unfit("there is no such layer"))?;
        let (inputs, outputs) =
            layer.kind().matrix().ok_or(EditError::Unfit("the layer has no weights"))?;
        let samples: Vec<usize> = problem
            .reward
            .labels
            .iter()
            .enumerate()
            .filter(|&(_, &label)| label == 0)
            .map(|(sample, _)| sample)
            .collect();
        let (columns, x) = if problem.layer == 0 {
            let bag = problem.reward.bag;
            let mut columns: Vec<u32> =
                samples.iter().flat_map(|&sample| bag.row(sample).0).copied().collect();
            columns.sort_unstable();
            columns.dedup();
            small(columns.len())?;
            let mut x = DMatrix::<f64>::zeros(columns.len(), samples.len());
            for (column, &sample) in samples.iter().enumerate() {
                let (own, values) = bag.row(sample);
                for (word, &value) in own.iter().zip(values) {
                    if let Ok(row) = columns.binary_search(word) {
                        x[(row, column)] = f64::from(value);
                    }
                }
            }
            (columns, x)
        } else {
            let (features, rows) = problem.inputs_of(problem.layer)?;
            small(features)?;
            let x = DMatrix::from_fn(features, samples.len(), |feature, column| {
                let at =
                    samples.get(column).map_or(usize::MAX, |sample| sample * features + feature);
                rows.get(at).copied().map_or(0.0, f64::from)
            });
            ((0..inputs as u32).collect(), x)
        };
        let groups = problem.words.len().min(64);
        let named = DMatrix::from_fn(groups, samples.len(), |group, column| {
            let named = samples.get(column).and_then(|&sample| problem.reward.members.get(sample));
            f64::from(u8::from(named.is_some_and(|named| named >> group & 1 == 1)))
        });
        if samples.is_empty() || groups == 0 || x.nrows() == 0 {
            return Err(EditError::Unfit("there is nothing to erase"));
        }
        Ok(Self { columns, outputs, x, named })
    }

    /// Weights of these inputs × outputs.
    pub(super) fn weights(&self, problem: &TextProblem<'_>) -> DMatrix<f64> {
        let layer = problem.stack.layers().get(problem.layer);
        let range = layer.map(|layer| layer.weight_range()).unwrap_or_default();
        let old = problem.parameters.get(range).unwrap_or_default();
        DMatrix::from_fn(self.columns.len(), self.outputs, |row, output| {
            let word = self.columns.get(row).map_or(usize::MAX, |&word| word as usize);
            old.get(word.saturating_mul(self.outputs) + output).copied().map_or(0.0, f64::from)
        })
    }
}

/// The parameters with `change` (inputs × outputs) taken from the edited layer's weights and `offset` added to
/// its biases.
pub(super) fn fold(
    problem: &TextProblem<'_>,
    inputs: &Inputs,
    change: &DMatrix<f64>,
    offset: &DVector<f64>,
) -> Result<Vec<f32>, EditError> {
    let layer = problem.stack.layers().get(problem.layer);
    let layer = layer.ok_or(EditError::Unfit("there is no such layer"))?;
    let bias = layer.bias_range().ok_or(EditError::Unfit("the layer has no bias to fold into"))?;
    let mut parameters = problem.parameters.to_vec();
    let slot = parameters.get_mut(layer.weight_range()).unwrap_or_default();
    for (row, &word) in inputs.columns.iter().enumerate() {
        for output in 0..inputs.outputs {
            if let Some(weight) = slot.get_mut(word as usize * inputs.outputs + output) {
                *weight = (f64::from(*weight) - change[(row, output)]) as f32;
            }
        }
    }
    for (to, &value) in parameters.get_mut(bias).unwrap_or_default().iter_mut().zip(offset.iter()) {
        *to = (f64::from(*to) + value) as f32;
    }
    Ok(parameters)
}

fn small(inputs: usize) -> Result<(), EditError> {
    if inputs <= LEACE_INPUTS {
        return Ok(());
    }
    Err(EditError::Unfit("the layer has too many inputs for its covariance to be solved"))
}
