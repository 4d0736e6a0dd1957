//! Iterative null-space projection of groups, folded into the edited layer.

use super::erase::{Inputs, fold};
use super::{Judge, TextEdit, TextProblem};
use crate::editor::EditError;
use nalgebra::{DMatrix, DVector};

/// Rounds at most.
const ROUNDS: usize = 4;
/// Balanced accuracy at which a classifier of a group is as good as none.
const CHANCE: f64 = 0.55;
/// Ridge in units of the mean variance.
const RIDGE: f64 = 1e-3;

/// INLP (Ravfogel et al. 2020, arXiv 2004.07667): linear classifiers tell every group by what is left of the layer's
/// inputs; the directions of those that are right for more than .55 of the group's texts and of the others (their
/// mean) are taken out together, and so on, until there is none, [`ROUNDS`] times at most. `W ← W P`, P
/// the projector on what all of them leave; the bias stays.
///
/// Least-squares classifiers (there support vector machines or logistic ones), cut half-way between the means,
/// fitted on non-toxic texts: within one label, as the authors do where label and group go together.
pub(super) fn inlp(problem: &TextProblem<'_>, _: &mut dyn Judge) -> Result<TextEdit, EditError> {
    let inputs = Inputs::of(problem)?;
    let projector = projector(&inputs.x, &inputs.named)?;
    let weights = inputs.weights(problem);
    let change = &weights - projector.transpose() * &weights;
    let offset = DVector::zeros(weights.ncols());
    Ok(TextEdit { parameters: fold(problem, &inputs, &change, &offset)?, ..TextEdit::default() })
}

/// P for inputs (features × texts) and what is named (groups × texts, 0 or 1).
pub(super) fn projector(x: &DMatrix<f64>, named: &DMatrix<f64>) -> Result<DMatrix<f64>, EditError> {
    let features = x.nrows();
    let mut projector = DMatrix::<f64>::identity(features, features);
    for _ in 0..ROUNDS {
        let left = &projector * x;
        let told = classifiers(&left, named)?;
        if told.is_empty() {
            break;
        }
        let basis = DMatrix::from_columns(&told);
        // Their common span, without what rounding leaves of directions that are gone.
        let svd = (&projector * basis).svd(true, false);
        let spanned = svd.u.ok_or(EditError::Unfit("the groups' directions cannot be found"))?;
        let least = 1e-6 * svd.singular_values.amax();
        for (direction, &size) in spanned.column_iter().zip(svd.singular_values.iter()) {
            if size > least {
                projector -= direction * direction.transpose();
            }
        }
    }
    Ok(projector)
}

/// Unit directions of the classifiers that tell a group better than [`CHANCE`].
pub(super) fn classifiers(
    x: &DMatrix<f64>,
    named: &DMatrix<f64>,
) -> Result<Vec<DVector<f64>>, EditError> {
    let (features, count) = (x.nrows(), x.ncols().max(1) as f64);
    let mean = x.column_mean();
    let mut centred = x.clone();
    for mut column in centred.column_iter_mut() {
        column -= &mean;
    }
    let mut covariance = &centred * centred.transpose() / count;
    let added = RIDGE * covariance.trace() / features.max(1) as f64;
    for at in 0..features {
        covariance[(at, at)] += added.max(f64::MIN_POSITIVE);
    }
    let Some(factor) = covariance.cholesky() else { return Ok(Vec::new()) };
    let mut told = Vec::new();
    for row in named.row_iter() {
        let mut z: DVector<f64> = row.transpose();
        let share = z.mean();
        z.add_scalar_mut(-share);
        let w = factor.solve(&(&centred * z));
        let length = w.norm();
        if !(share > 0.0 && share < 1.0 && length > 0.0) {
            continue;
        }
        let w = w / length;
        if balanced_accuracy(&w, x, row.iter().map(|&named| named > 0.5)) > CHANCE {
            told.push(w);
        }
    }
    Ok(told)
}

/// Mean of the shares of texts that name a group and of others that w tells right, cut half-way between their
/// means.
fn balanced_accuracy(
    w: &DVector<f64>,
    x: &DMatrix<f64>,
    named: impl Iterator<Item = bool> + Clone,
) -> f64 {
    let scores = x.tr_mul(w);
    let of = |which: bool| {
        let pairs = scores.iter().copied().zip(named.clone());
        pairs.filter(move |&(_, named)| named == which).map(|(score, _)| score)
    };
    let mean = |which: bool| of(which).sum::<f64>() / of(which).count().max(1) as f64;
    let middle = 0.5 * (mean(true) + mean(false));
    let right = |which: bool| {
        let hits = of(which).filter(|&score| (score > middle) == which).count();
        hits as f64 / of(which).count().max(1) as f64
    };
    0.5 * (right(true) + right(false))
}
