//! Membership inference: can one tell by a network's loss whether a sample was trained on?
//!
//! Figures are balanced accuracies: ½ is chance, 1 certainty. Losses are finite: whoever takes
//! them bounds them.

use super::{MetricError, carve};

/// Folds of [`logistic_attack`].
const FOLDS: usize = 10;

/// Values of scratch that [`loss_threshold`] needs.
pub const fn threshold_scratch(members: usize, others: usize) -> usize {
    members.saturating_add(others)
}

/// The threshold τ at which "loss ≤ τ: a member" is right most often, by ½(TPR + TNR); the least of
/// equals, and −∞ (nobody is a member) where no threshold is better than that. Yeom et al., "Privacy
/// risk in machine learning" (1709.01604), section 5, with the threshold fitted.
///
/// `scratch` holds at least [`threshold_scratch`] values and is overwritten.
///
/// # Errors
/// `Empty` when one side has no samples, `Nan`, `Scratch`.
pub fn loss_threshold(
    members: &[f32],
    others: &[f32],
    scratch: &mut [(f32, bool)],
) -> Result<f32, MetricError> {
    check(members, others)?;
    let sorted = carve(scratch, threshold_scratch(members.len(), others.len()))?;
    let all = members.iter().map(|&loss| (loss, true));
    let all = all.chain(others.iter().map(|&loss| (loss, false)));
    sorted.iter_mut().zip(all).for_each(|(to, from)| *to = from);
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // TPR − FPR times both numbers of samples, in whole numbers, so that rounding decides no tie.
    let (of_members, of_others) = (members.len() as i128, others.len() as i128);
    let (mut threshold, mut best) = (f32::NEG_INFINITY, 0);
    let (mut taken, mut wrong) = (0, 0);
    for (index, &(loss, member)) in sorted.iter().enumerate() {
        *(if member { &mut taken } else { &mut wrong }) += 1;
        // Equal losses are taken together. (−0 and 0 are equal.)
        if sorted.get(index + 1).is_some_and(|next| next.0 == loss) {
            continue;
        }
        let gain = taken * of_others - wrong * of_members;
        if gain > best {
            (threshold, best) = (loss, gain);
        }
    }
    Ok(threshold)
}

/// ½(TPR + TNR) of "loss ≤ `threshold`: a member", in [0, 1].
///
/// # Errors
/// `Empty` when one side has no samples, `Nan`.
pub fn threshold_attack(
    threshold: f32,
    members: &[f32],
    others: &[f32],
) -> Result<f64, MetricError> {
    check(members, others)?;
    MetricError::check_nan("threshold", &[threshold])?;
    let share = |losses: &[f32]| {
        losses.iter().filter(|&&loss| loss <= threshold).count() as f64 / losses.len() as f64
    };
    Ok(0.5 * (share(members) + 1.0 - share(others)))
}

/// Accuracy of a logistic regression that is told the loss of a sample and says whether it was a member,
/// on samples that it was not fitted on, in [0, 1].
///
/// As many samples of either side as the smaller one has are used, the first ones: both come in random
/// order. 10 folds, sample i of a side in fold i mod 10 (as many folds as samples, if there are fewer);
/// each is judged by a fit to all others. The loss is standardised on the samples of the fit; the fit
/// minimises Σ ln(1 + exp(−y(wz + b))) + ½w². The attack of the "NeurIPS 2023 machine unlearning"
/// starting kit, with folds in place of random splits, so that every sample counts once.
///
/// # Errors
/// `Empty` below two samples of a side, `Nan`.
pub fn logistic_attack(members: &[f32], others: &[f32]) -> Result<f64, MetricError> {
    check(members, others)?;
    let each = members.len().min(others.len());
    let (Some(members), Some(others)) = (members.get(..each), others.get(..each)) else {
        return Err(MetricError::Empty);
    };
    if each < 2 {
        return Err(MetricError::Empty);
    }
    let folds = FOLDS.min(each);
    let mut right = 0;
    for fold in 0..folds {
        let fit = Fit { members, others, folds, fold };
        let line = fit.solve();
        let told = |losses: &[f32], member: bool| {
            let ours = losses.iter().skip(fold).step_by(folds);
            ours.filter(|&&loss| (line.of(f64::from(loss)) > 0.0) == member).count()
        };
        right += told(members, true) + told(others, false);
    }
    Ok(right as f64 / (2 * each) as f64)
}

fn check(members: &[f32], others: &[f32]) -> Result<(), MetricError> {
    if members.is_empty() || others.is_empty() {
        return Err(MetricError::Empty);
    }
    MetricError::check_nan("losses of members", members)?;
    MetricError::check_nan("losses of others", others)
}

/// The samples of one fit: all but those of a fold.
#[derive(Clone, Copy)]
struct Fit<'a> {
    members: &'a [f32],
    others: &'a [f32],
    folds: usize,
    fold: usize,
}

/// w·(loss − mean)/scale + b.
struct Line {
    mean: f64,
    scale: f64,
    w: f64,
    b: f64,
}

impl Line {
    fn of(&self, loss: f64) -> f64 {
        self.w * (loss - self.mean) / self.scale + self.b
    }
}

/// Steps of Newton's method at most, and how often a step is halved.
const STEPS: usize = 100;
const HALVINGS: usize = 40;

impl<'a> Fit<'a> {
    /// Losses of the fit, and whether they are a member's.
    fn samples(self) -> impl Iterator<Item = (f64, bool)> + 'a {
        let Self { members, others, folds, fold } = self;
        let of = move |losses: &'a [f32], member| {
            let left = losses.iter().enumerate().filter(move |(index, _)| index % folds != fold);
            left.map(move |(_, &loss)| (f64::from(loss), member))
        };
        of(members, true).chain(of(others, false))
    }

    /// Newton's method with halved steps; the objective is strictly convex.
    fn solve(self) -> Line {
        let mut count = 0.0;
        let mut total = 0.0;
        for (loss, _) in self.samples() {
            total += loss;
            count += 1.0;
        }
        let mean = if count > 0.0 { total / count } else { 0.0 };
        let spread = self.samples().fold(0.0, |sum, (x, _)| sum + (x - mean) * (x - mean));
        let deviation = libm::sqrt(spread / f64::max(count, 1.0));
        // Losses that are all the same deviate by rounding at most.
        let constant = deviation <= 10.0 * f64::EPSILON * libm::fabs(mean);
        let scale = if constant { 1.0 } else { deviation };
        let mut line = Line { mean, scale, w: 0.0, b: 0.0 };
        if constant {
            return Line { w: 0.0, ..line };
        }
        let mut value = self.objective(&line);
        for _ in 0..STEPS {
            let [gw, gb, hww, hwb, hbb] = self.slopes(&line);
            let determinant = hww * hbb - hwb * hwb;
            if libm::fabs(gw) + libm::fabs(gb) <= 1e-10 * count || determinant <= 0.0 {
                break;
            }
            let step = [(hbb * gw - hwb * gb) / determinant, (hww * gb - hwb * gw) / determinant];
            let mut size = 1.0;
            let mut better = None;
            for _ in 0..HALVINGS {
                let tried = Line { w: line.w - size * step[0], b: line.b - size * step[1], ..line };
                let there = self.objective(&tried);
                if there < value {
                    better = Some((tried, there));
                    break;
                }
                size *= 0.5;
            }
            let Some((tried, there)) = better else { break };
            (line, value) = (tried, there);
        }
        line
    }

    fn objective(self, line: &Line) -> f64 {
        self.samples().fold(0.5 * line.w * line.w, |sum, (loss, member)| {
            let margin = if member { line.of(loss) } else { -line.of(loss) };
            // ln(1 + e^−m) without overflow.
            sum + libm::log1p(libm::exp(-libm::fabs(margin))) + f64::max(-margin, 0.0)
        })
    }

    /// First derivatives by w and b, then the second ones by ww, wb, bb.
    fn slopes(self, line: &Line) -> [f64; 5] {
        let mut sums = [line.w, 0.0, 1.0, 0.0, 0.0];
        for (loss, member) in self.samples() {
            let z = (loss - line.mean) / line.scale;
            let p = 1.0 / (1.0 + libm::exp(-line.of(loss)));
            let (off, curve) = (p - f64::from(u8::from(member)), p * (1.0 - p));
            let terms = [off * z, off, curve * z * z, curve * z, curve];
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
        sums
    }
}
