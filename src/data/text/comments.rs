//! Comments with labels and groups.

use crate::data::split::{ONE_SET, deal};
use crate::rng::{Purpose, Rng};

/// Strata that parts are dealt by.
const STRATA: usize = 4;

/// Comments, whether they are toxic, and which groups they name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comments {
    /// Name of the set.
    pub name: String,
    /// The texts; may be empty where they are no longer needed.
    pub texts: Vec<String>,
    /// Label of each, 1 toxic.
    pub labels: Vec<u8>,
    /// Names of the groups, at most 64.
    pub groups: Vec<String>,
    /// Groups that each comment names: bit g for group g.
    pub members: Vec<u64>,
    /// Groups of which nobody said whether a comment names them.
    pub missing: Vec<u64>,
    /// Kind of each comment: index into `kind_names`, 0 where there is one kind.
    pub kinds: Vec<u8>,
    /// Names of the kinds.
    pub kind_names: Vec<String>,
    /// What was left out and why, a line each.
    pub skipped: Vec<String>,
    /// sha256 of the file, or of the texts that were made.
    pub digest: String,
}

impl Comments {
    /// Number of comments.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True without comments.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The same without the texts.
    pub fn untold(&self) -> Self {
        Self {
            name: self.name.clone(),
            texts: Vec::new(),
            labels: self.labels.clone(),
            groups: self.groups.clone(),
            members: self.members.clone(),
            missing: self.missing.clone(),
            kinds: self.kinds.clone(),
            kind_names: self.kind_names.clone(),
            skipped: self.skipped.clone(),
            digest: self.digest.clone(),
        }
    }

    /// The comments of these indices, in their order.
    pub fn select(&self, indices: &[usize]) -> Self {
        fn of<T: Clone>(list: &[T], indices: &[usize]) -> Vec<T> {
            indices.iter().filter_map(|&index| list.get(index)).cloned().collect()
        }
        Self {
            name: self.name.clone(),
            texts: of(&self.texts, indices),
            labels: of(&self.labels, indices),
            groups: self.groups.clone(),
            members: of(&self.members, indices),
            missing: of(&self.missing, indices),
            kinds: of(&self.kinds, indices),
            kind_names: self.kind_names.clone(),
            skipped: Vec::new(),
            digest: self.digest.clone(),
        }
    }

    /// Keeps some of the groups, by name.
    ///
    /// # Errors
    /// The first name that is no group.
    pub fn with_groups(mut self, names: &[String]) -> Result<Self, String> {
        let mut kept = Vec::with_capacity(names.len());
        for name in names {
            let found = self.groups.iter().position(|group| group == name);
            kept.push(found.ok_or_else(|| name.clone())?);
        }
        self.pick_groups(&kept);
        Ok(self)
    }

    /// Keeps the groups of these bits, in this order.
    pub(super) fn pick_groups(&mut self, bits: &[usize]) {
        let pick = |word: u64| {
            bits.iter().enumerate().fold(0, |all, (to, from)| all | (word >> from & 1) << to)
        };
        self.members.iter_mut().for_each(|word| *word = pick(*word));
        self.missing.iter_mut().for_each(|word| *word = pick(*word));
        self.groups = bits.iter().filter_map(|&bit| self.groups.get(bit)).cloned().collect();
    }

    /// Train, reward and test, 60/20/20 of every stratum (label × names a group or not), by stream
    /// (seed, split).
    pub fn split(&self, seed: u64) -> [Vec<usize>; 3] {
        deal(&self.strata(), STRATA, ONE_SET, seed)
    }

    /// `count` times train, reward and test: every comment is test once, and reward once.
    pub fn folds(&self, count: usize, seed: u64) -> Vec<[Vec<usize>; 3]> {
        let mut rng = Rng::new(seed, Purpose::Split);
        let mut folds = vec![[Vec::new(), Vec::new(), Vec::new()]; count];
        let mut strata = [const { Vec::new() }; STRATA];
        for (index, stratum) in self.strata().into_iter().enumerate() {
            if let Some(members) = strata.get_mut(usize::from(stratum)) {
                members.push(index);
            }
        }
        strata.iter_mut().for_each(|members| rng.shuffle(members));
        for members in strata {
            for (place, index) in members.into_iter().enumerate() {
                for (fold, parts) in folds.iter_mut().enumerate() {
                    let part = match (place + count - fold) % count {
                        0 => 2,
                        1 => 1,
                        _ => 0,
                    };
                    if let Some(part) = parts.get_mut(part) {
                        part.push(index);
                    }
                }
            }
        }
        folds.iter_mut().flatten().for_each(|part| rng.shuffle(part));
        folds
    }

    /// Label and whether a group is named, as one number below [`STRATA`].
    fn strata(&self) -> Vec<u8> {
        let pairs = self.labels.iter().zip(&self.members);
        pairs.map(|(&label, &named)| 2 * u8::from(label != 0) + u8::from(named != 0)).collect()
    }
}
