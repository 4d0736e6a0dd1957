//! Generalised advantage estimation.

use crate::env::End;
use crate::error::ShapeError;

/// Advantages of consecutive steps of one environment (Schulman et al. 2016, "High-dimensional
/// continuous control using generalized advantage estimation", equation 16):
///
/// δₜ = rₜ + γ·V(sₜ₊₁) − V(sₜ) and Aₜ = δₜ + γλ·Aₜ₊₁, where the chain is cut at the end of an
/// episode. `values[t]` is V of the observation *before* step t, and `end(t)` says how the episode
/// stood after it:
///
/// - [`End::Running`]: V(sₜ₊₁) is `values[t + 1]`; after the last step of the slice, `bootstrap[t]`.
/// - [`End::Terminated`]: V(sₜ₊₁) is 0.
/// - [`End::Truncated`]: V(sₜ₊₁) is `bootstrap[t]`, the value of the last observation of the episode
///   (not of the one that the next reset gives).
///
/// `bootstrap` is read at no other place. Returns, the targets of the value function, are
/// `advantages[t] + values[t]`. All arithmetic is in f32, from the last step to the first.
///
/// # Other libraries
/// Stable-Baselines3 does the same, by adding γ·V to the reward of a truncated step; what this crate
/// calls a horizon and ends as terminated is usually truncated there (by a time-limit wrapper), so
/// its values of one-step episodes drift to r/(1 − γ). CleanRL treats a truncated step as
/// terminated. RLtools sets δ of a truncated step to 0, so that a one-step truncated episode
/// teaches it nothing.
///
/// ```
/// use reweight::env::End;
/// use reweight::ppo::gae;
/// # fn main() -> Result<(), reweight::error::ShapeError> {
/// // An episode of one step: the advantage is r − V(s), whatever γ and λ are.
/// let mut advantage = [0.0];
/// gae(&[1.0], &[0.25], |_| End::Terminated, &[9.0], 0.99, 0.95, &mut advantage)?;
/// assert_eq!(advantage, [0.75]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`ShapeError`] when the slices differ in length.
pub fn gae(
    rewards: &[f32],
    values: &[f32],
    end: impl Fn(usize) -> End,
    bootstrap: &[f32],
    gamma: f32,
    lambda: f32,
    advantages: &mut [f32],
) -> Result<(), ShapeError> {
    let steps = rewards.len();
    ShapeError::check("values", steps, values.len())?;
    ShapeError::check("bootstrap values", steps, bootstrap.len())?;
    ShapeError::check("advantages", steps, advantages.len())?;
    let mut later = None;
    let decay = gamma * lambda;
    let rows = rewards.iter().zip(values).zip(bootstrap).zip(advantages).enumerate().rev();
    for (step, (((&reward, &value), &bootstrap), advantage)) in rows {
        let (next_value, next_advantage) = match (end(step), later) {
            (End::Running, Some(next)) => next,
            (End::Running, None) | (End::Truncated, _) => (bootstrap, 0.0),
            (End::Terminated, _) => (0.0, 0.0),
        };
        let delta = reward + gamma * next_value - value;
        *advantage = delta + decay * next_advantage;
        later = Some((value, *advantage));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: &[f32], want: &[f32]) {
        assert_eq!(got.len(), want.len());
        for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
            let error = (got - want).abs() / want.abs().max(1.0);
            assert!(error < 1e-5, "entry {index}: {got}, not {want}");
        }
    }

    /// With a constant reward r and a constant value v, δ is r + γv − v = d everywhere but at the
    /// end, so that A of the step k before the last is a geometric sum.
    #[test]
    fn constant_value_function() {
        let (reward, value, gamma, lambda) = (0.5f32, 2.0f32, 0.9f32, 0.8f32);
        let (inner, decay) = (reward + gamma * value - value, gamma * lambda);
        for (end, last) in [
            (End::Terminated, reward - value),
            (End::Truncated, reward + gamma * 3.0 - value),
            (End::Running, reward + gamma * 3.0 - value),
        ] {
            let mut got = [0.0; 8];
            let mut bootstrap = [f32::NAN; 8];
            bootstrap[7] = 3.0;
            let ends = |step| if step == 7 { end } else { End::Running };
            gae(&[reward; 8], &[value; 8], ends, &bootstrap, gamma, lambda, &mut got).unwrap();
            let want: [f32; 8] = core::array::from_fn(|step| {
                let k = (7 - step) as i32;
                inner * (1.0 - decay.powi(k)) / (1.0 - decay) + decay.powi(k) * last
            });
            close(&got, &want);
        }
    }

    /// λ = 1 and no value function: the discounted return; λ = 0: the one-step error.
    #[test]
    fn both_ends_of_lambda() {
        let rewards = [1.0, 2.0, 4.0];
        let ends = |step| if step == 2 { End::Terminated } else { End::Running };
        let mut got = [0.0; 3];
        gae(&rewards, &[0.0; 3], ends, &[0.0; 3], 0.5, 1.0, &mut got).unwrap();
        assert_eq!(got, [1.0 + 1.0 + 1.0, 2.0 + 2.0, 4.0]);
        gae(&rewards, &[1.0, 3.0, 5.0], ends, &[0.0; 3], 0.5, 0.0, &mut got).unwrap();
        assert_eq!(got, [1.0 + 1.5 - 1.0, 2.0 + 2.5 - 3.0, 4.0 - 5.0]);
    }

    #[test]
    fn nothing_crosses_the_end_of_an_episode() {
        let ends = |step| match step {
            1 => End::Terminated,
            3 => End::Truncated,
            _ => End::Running,
        };
        let bootstrap = [f32::NAN, f32::NAN, f32::NAN, 10.0, f32::NAN, 20.0];
        let (rewards, values) = ([1.0; 6], [0.5; 6]);
        let mut whole = [0.0; 6];
        gae(&rewards, &values, ends, &bootstrap, 0.9, 0.9, &mut whole).unwrap();
        let mut pair = [0.0; 2];
        for (start, end) in [(0, End::Terminated), (2, End::Truncated), (4, End::Running)] {
            let at = |step| if step == 1 { end } else { End::Running };
            let range = start..start + 2;
            let bootstrap = &bootstrap[range.clone()];
            gae(&rewards[..2], &values[..2], at, bootstrap, 0.9, 0.9, &mut pair).unwrap();
            assert_eq!(whole[range], pair);
        }
        assert!(whole.iter().all(|advantage| advantage.is_finite()));
    }

    #[test]
    fn lengths_are_checked() {
        let mut two = [0.0; 2];
        let run = |_| End::Running;
        assert!(gae(&[0.0; 3], &[0.0; 3], run, &[0.0; 3], 0.9, 0.9, &mut two).is_err());
        assert!(gae(&[0.0; 2], &[0.0; 3], run, &[0.0; 2], 0.9, 0.9, &mut two).is_err());
        assert!(gae(&[0.0; 2], &[0.0; 2], run, &[], 0.9, 0.9, &mut two).is_err());
        assert!(gae(&[], &[], run, &[], 0.9, 0.9, &mut []).is_ok());
    }
}
