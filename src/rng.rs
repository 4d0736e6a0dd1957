//! Random numbers: one independent stream per (seed, purpose).
//!
//! What belongs here: the generator, the list of purposes, and the distributions that the crate
//! draws from. A stream is PCG-XSL-RR 128/64 (`rand_pcg`): the seed is its state, the purpose its
//! sequence, so that two purposes never share numbers and adding a purpose disturbs no other.

use crate::num;
use rand_pcg::{Pcg64, rand_core::Rng as _};

/// What a stream is for. The number is part of the stream, so it never changes once released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Dealing a data set into train, reward and test.
    Split = 1,
    /// The initial weights of a network that is trained here.
    Weights = 2,
    /// The order of samples in training.
    Order = 3,
    /// The initial weights of a policy and of its value network.
    Policy = 4,
    /// Exploration noise of a policy.
    Action = 5,
    /// The order of samples in a policy update.
    Minibatch = 6,
    /// Candidates of a search (evolution strategies, random search).
    Search = 7,
    /// An environment's own initial states.
    Environment = 8,
    /// Resampling in statistics.
    Bootstrap = 9,
    /// Synthetic data.
    Data = 10,
    /// Probes of an edited network (refits, relearning).
    Probe = 11,
    /// Sentences that are generated.
    Sentences = 12,
    /// Templates that are filled for a reward.
    RewardText = 13,
    /// Templates that are filled for a test.
    TestText = 14,
    /// Labels of generated sentences.
    Labels = 15,
    /// What editors by gradients draw besides orders: labels, noise, samples.
    Unlearning = 16,
    /// Probes of an edited network: initial weights, orders.
    Scrutiny = 17,
    /// The order of samples when an edited network is trained on to have it back.
    Relearning = 18,
    /// Samples that a membership attack takes.
    Membership = 19,
    /// Training samples that are drawn to be forgotten.
    Subset = 20,
}

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub struct Rng {
    generator: Pcg64,
    /// The second number of the last Box–Muller pair.
    spare: Option<f32>,
}

impl Rng {
    /// The stream of `seed` for `purpose`.
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        Self { generator: Pcg64::new(u128::from(seed), purpose as u128), spare: None }
    }

    /// 64 uniform bits.
    pub fn bits(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// Uniform in [0, 1), a multiple of 2⁻²⁴.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform in [low, high).
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform whole number below `bound`; 0 when `bound` is 0. Unbiased (Lemire's method).
    pub fn below(&mut self, bound: u32) -> u32 {
        if bound == 0 {
            return 0;
        }
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let wide = (self.bits() >> 32) * u64::from(bound);
            if wide as u32 >= threshold {
                return (wide >> 32) as u32;
            }
        }
    }

    /// Standard normal, by Box and Muller.
    pub fn normal(&mut self) -> f32 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        // 1 − unit() lies in (0, 1], so the logarithm is finite.
        let radius = num::sqrt(-2.0 * num::ln(1.0 - self.unit()));
        let angle = core::f32::consts::TAU * self.unit();
        self.spare = Some(radius * num::sin(angle));
        radius * num::cos(angle)
    }

    /// Shuffles in place (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u32 + 1) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_and_by_purpose() {
        let first = |seed, purpose| Rng::new(seed, purpose).bits();
        assert_eq!(first(3, Purpose::Action), first(3, Purpose::Action));
        assert_ne!(first(3, Purpose::Action), first(4, Purpose::Action));
        assert_ne!(first(3, Purpose::Action), first(3, Purpose::Policy));
    }

    #[test]
    fn moments_of_the_distributions() {
        let mut rng = Rng::new(0, Purpose::Data);
        let n = 200_000;
        let (mut sum, mut square, mut flat) = (0.0f64, 0.0f64, 0.0f64);
        for _ in 0..n {
            let z = f64::from(rng.normal());
            sum += z;
            square += z * z;
            flat += f64::from(rng.uniform(-1.0, 3.0));
        }
        let n = f64::from(n);
        assert!((sum / n).abs() < 0.01);
        assert!((square / n - 1.0).abs() < 0.02);
        assert!((flat / n - 1.0).abs() < 0.01);
    }

    #[test]
    fn below_reaches_every_value_and_no_other() {
        let mut rng = Rng::new(1, Purpose::Data);
        let mut seen = [0u32; 7];
        for _ in 0..7_000 {
            seen[rng.below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
    }

    #[test]
    fn shuffle_is_a_permutation() {
        let mut items: [u32; 50] = core::array::from_fn(|i| i as u32);
        Rng::new(2, Purpose::Order).shuffle(&mut items);
        assert_ne!(items[..5], [0, 1, 2, 3, 4]);
        items.sort_unstable();
        assert!(items.iter().enumerate().all(|(i, &item)| i as u32 == item));
    }
}
