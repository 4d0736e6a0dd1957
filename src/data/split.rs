//! Dealing samples into train, reward and test.

use super::error::{DataError, Problem};
use super::set::{Images, counts};
use crate::rng::{Purpose, Rng};

/// Shares of the three parts in per cent: one set, and the first half of a train and test pair.
pub(in crate::data) const ONE_SET: [usize; 3] = [60, 20, 20];
const BEFORE_TEST: [usize; 3] = [75, 25, 0];

/// Which samples are in which part: indices into a set, every sample in exactly one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Trains the target network.
    pub train: Vec<usize>,
    /// What editors may look at.
    pub reward: Vec<usize>,
    /// Final figures only.
    pub test: Vec<usize>,
}

impl Parts {
    /// Deals one set 60/20/20, class by class: reward and test each take a fifth of every class,
    /// rounded to the nearest whole number, train the rest. Fixed by the labels and `seed` (stream
    /// [`Purpose::Split`]). Within a part the order is random, so any stretch of it is mixed.
    ///
    /// # Errors
    /// [`Problem::Class`] when a class that has samples would be missing from a part (below 3
    /// samples). Classes without any sample are left alone.
    pub fn deal(images: &Images, seed: u64) -> Result<Self, DataError> {
        let [train, reward, test] = deal(&images.labels, images.classes, ONE_SET, seed);
        Self { train, reward, test }.checked(images)
    }

    /// Keeps the samples from index `first_test` on as the test part, in their order, and deals
    /// those before 75/25 into train and reward, in the way of [`Parts::deal`].
    ///
    /// # Errors
    /// [`Problem::Class`] when a class that has samples would be missing from a part.
    pub fn deal_before(images: &Images, first_test: usize, seed: u64) -> Result<Self, DataError> {
        let before = images.labels.get(..first_test).unwrap_or(&images.labels);
        let [train, reward, _] = deal(before, images.classes, BEFORE_TEST, seed);
        let test = (before.len()..images.len()).collect();
        Self { train, reward, test }.checked(images)
    }

    /// The same parts for a network that others trained: train and reward are halved anew, class by
    /// class, so that 60/20/20 becomes 40/40/20. Samples move from the front of train to the end of
    /// reward; test stays. What is left of train did not train the network: it is for probes.
    pub fn for_loaded(mut self, images: &Images) -> Self {
        let [train, reward] = [&self.train, &self.reward]
            .map(|indices| counts(&images.labels_of(indices), images.classes));
        let mut moving: Vec<usize> = train
            .iter()
            .zip(&reward)
            .map(|(train, reward)| ((train + reward) / 2).saturating_sub(*reward))
            .collect();
        self.train.retain(|&index| {
            let class = images.labels.get(index).map_or(usize::MAX, |&label| usize::from(label));
            match moving.get_mut(class) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    self.reward.push(index);
                    false
                }
                _ => true,
            }
        });
        self
    }

    /// Itself, when every class that has samples has one in each part.
    fn checked(self, images: &Images) -> Result<Self, DataError> {
        let parts = [("train", &self.train), ("reward", &self.reward), ("test", &self.test)];
        let whole = images.class_counts();
        for (part, indices) in parts {
            let found = counts(&images.labels_of(indices), images.classes);
            let missing = whole.iter().zip(&found).position(|(&all, &here)| all > 0 && here == 0);
            if let Some(class) = missing {
                let samples = whole.get(class).copied().unwrap_or_default();
                let problem = Problem::Class { class, part, samples };
                return Err(DataError::new(&images.name, problem));
            }
        }
        Ok(self)
    }
}

/// Deals `labels` (classes, or strata of any other kind) by `shares` (in per cent, 100 in all).
pub(in crate::data) fn deal(
    labels: &[u8],
    classes: usize,
    shares: [usize; 3],
    seed: u64,
) -> [Vec<usize>; 3] {
    let mut rng = Rng::new(seed, Purpose::Split);
    let mut by_class = vec![Vec::new(); classes];
    for (index, &label) in labels.iter().enumerate() {
        if let Some(members) = by_class.get_mut(usize::from(label)) {
            members.push(index);
        }
    }
    let mut parts = [Vec::new(), Vec::new(), Vec::new()];
    for members in &mut by_class {
        rng.shuffle(members);
        let share = |percent: usize| (members.len() * percent + 50) / 100;
        let (reward, test) = (share(shares[1]), share(shares[2]));
        // The shares of reward and test are below a half together, so the rest is not negative.
        let (reward, rest) = members.split_at(reward.min(members.len()));
        let (test, train) = rest.split_at(test.min(rest.len()));
        for (part, taken) in parts.iter_mut().zip([train, reward, test]) {
            part.extend_from_slice(taken);
        }
    }
    parts.iter_mut().for_each(|part| rng.shuffle(part));
    parts
}
