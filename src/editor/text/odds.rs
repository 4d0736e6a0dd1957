//! Equalised odds by post-processing: decisions that know the group, some of them drawn.

use super::{Judge, TextEdit, TextProblem};
use crate::editor::EditError;
use crate::rng::{Purpose, Rng};

/// Toxic texts, and as many others, that a group needs in the reward split for a rule of its own.
const LEAST: usize = 30;

/// Steps of the false positive rate that are tried.
const GRID: u32 = 1000;

/// A threshold for every group, mixed so that all groups come to one false positive rate and one recall
/// (Hardt et al. 2016, arXiv 1610.02413, section 3.2).
///
/// A text's group is the set of identities that it names, where that set is frequent enough; else the first of
/// them that is; texts of no such group share a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Odds {
    rules: Vec<Rule>,
    /// The false positive rate that all groups come to on the reward split.
    pub fpr: f64,
    /// The recall that they come to.
    pub tpr: f64,
}

/// The decisions for one group: toxic with probability `ignored`·fpr + (1 − `ignored`)·Σ share·[score ≥ at].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// The identities of the group, one bit each; `None` for texts of no other rule.
    pub named: Option<u64>,
    /// Share of texts that are decided without a look at their score.
    pub ignored: f64,
    /// Two thresholds and their shares, which sum to 1.
    pub mixed: [(f64, f32); 2],
}

/// A corner of an upper hull: false positive rate, recall, and the threshold that reaches them.
#[derive(Clone, Copy, Debug)]
struct Corner {
    x: f64,
    y: f64,
    at: f32,
}

impl Odds {
    /// The rules with the most accuracy among those that give all groups equal rates, on these texts.
    ///
    /// # Errors
    /// [`EditError::Unfit`] when texts of both classes are missing.
    pub fn fit(scores: &[f32], labels: &[u8], members: &[u64]) -> Result<Self, EditError> {
        let texts = || scores.iter().zip(labels).zip(members);
        let toxic = labels.iter().filter(|&&label| label == 1).count();
        if toxic == 0 || toxic == labels.len() {
            return Err(EditError::Unfit("the reward split has texts of one class only"));
        }
        let mut sets: Vec<u64> = members.to_vec();
        sets.sort_unstable();
        sets.dedup();
        let enough = |named: u64| {
            let of = |class: bool| {
                let own = labels.iter().zip(members);
                own.filter(|&(&label, &set)| set == named && (label == 1) == class).count()
            };
            of(true) >= LEAST && of(false) >= LEAST
        };
        sets.retain(|&named| enough(named));
        let mut hulls = Vec::new();
        for named in sets.iter().copied().map(Some).chain([None]) {
            let own: Vec<(f32, u8)> = texts()
                .filter(|&(_, &set)| rule_of(&sets, set) == named)
                .map(|((&score, &label), _)| (score, label))
                .collect();
            let many =
                |class: bool| own.iter().filter(|text| (text.1 == 1) == class).count() >= LEAST;
            let binds = named.is_some() || sets.is_empty() || (many(true) && many(false));
            match hull(own).filter(|_| binds) {
                Some(corners) => hulls.push((named, corners, true)),
                // Too few texts for a rule: that of all texts, which binds no group.
                None if named.is_none() => {
                    let all = texts().map(|((&score, &label), _)| (score, label)).collect();
                    hulls.extend(hull(all).map(|corners| (named, corners, false)));
                }
                None => {}
            }
        }
        let share = toxic as f64 / labels.len() as f64;
        let (mut best, mut accuracy) = ((0.0, 0.0), f64::NEG_INFINITY);
        for step in 0..=GRID {
            let x = f64::from(step) / f64::from(GRID);
            let y = (hulls.iter().filter(|(.., own)| *own))
                .map(|(_, corners, _)| height(corners, x))
                .fold(1.0, f64::min);
            let own = share * y + (1.0 - share) * (1.0 - x);
            if own > accuracy {
                (best, accuracy) = ((x, y), own);
            }
        }
        let (fpr, tpr) = best;
        let rules = hulls.iter().map(|(named, corners, _)| {
            let above = height(corners, fpr);
            let ignored =
                if above > fpr { ((above - tpr) / (above - fpr)).clamp(0.0, 1.0) } else { 0.0 };
            Rule { named: *named, ignored, mixed: mixed(corners, fpr) }
        });
        Ok(Self { rules: rules.collect(), fpr, tpr })
    }

    /// The rules, those of named groups first.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The probability with which a text is called toxic.
    pub fn probability(&self, score: f32, members: u64) -> f64 {
        let named: Vec<u64> = self.rules.iter().filter_map(|rule| rule.named).collect();
        let own = rule_of(&named, members);
        let Some(rule) = self.rules.iter().find(|rule| rule.named == own) else { return 0.0 };
        let told: f64 =
            (rule.mixed.iter()).map(|&(share, at)| if score >= at { share } else { 0.0 }).sum();
        rule.ignored * self.fpr + (1.0 - rule.ignored) * told
    }

    /// Decisions, 1 toxic and 0 not, drawn from stream (seed, action) text by text.
    pub fn decide(&self, scores: &[f32], members: &[u64], seed: u64) -> Vec<f32> {
        let mut rng = Rng::new(seed, Purpose::Action);
        let texts = scores.iter().zip(members);
        texts
            .map(|(&score, &set)| {
                let toxic = f64::from(rng.unit()) < self.probability(score, set);
                f32::from(u8::from(toxic))
            })
            .collect()
    }
}

/// Which of the sets with a rule a text belongs to.
fn rule_of(sets: &[u64], members: u64) -> Option<u64> {
    if sets.contains(&members) {
        return Some(members);
    }
    let single = (0..64).map(|group| 1u64 << group).filter(|bit| members & bit != 0);
    single.into_iter().find(|bit| sets.contains(bit))
}

/// The upper hull of the curve of all thresholds, from (0, 0) to (1, 1); `None` without both classes.
fn hull(mut texts: Vec<(f32, u8)>) -> Option<Vec<Corner>> {
    let toxic = texts.iter().filter(|&&(_, label)| label == 1).count();
    let calm = texts.len() - toxic;
    if toxic == 0 || calm == 0 {
        return None;
    }
    texts.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut corners = vec![Corner { x: 0.0, y: 0.0, at: f32::INFINITY }];
    let (mut hits, mut alarms) = (0usize, 0usize);
    let mut rest = texts.iter().peekable();
    while let Some(&(score, label)) = rest.next() {
        if label == 1 {
            hits += 1
        } else {
            alarms += 1
        }
        if rest.peek().is_some_and(|next| next.0 == score) {
            continue;
        }
        let next =
            Corner { x: alarms as f64 / calm as f64, y: hits as f64 / toxic as f64, at: score };
        // Corners that lie below the line from the one before them to the new one are none.
        while let [.., a, b] = corners.as_slice() {
            if (b.x - a.x) * (next.y - a.y) - (next.x - a.x) * (b.y - a.y) < 0.0 {
                break;
            }
            corners.pop();
        }
        corners.push(next);
    }
    Some(corners)
}

/// The segment over x: its ends and how far x lies along it, in [0, 1].
fn segment(corners: &[Corner], x: f64) -> Option<(Corner, Corner, f64)> {
    // The last one that reaches x from the left, so that of a vertical one the upper end counts.
    let mut pairs = corners.windows(2).filter(|pair| pair.first().is_some_and(|a| a.x <= x));
    let [a, b] = pairs.next_back()? else { return None };
    let along = if b.x > a.x { ((x - a.x) / (b.x - a.x)).clamp(0.0, 1.0) } else { 1.0 };
    Some((*a, *b, along))
}

fn height(corners: &[Corner], x: f64) -> f64 {
    segment(corners, x).map_or(0.0, |(a, b, along)| a.y + along * (b.y - a.y))
}

fn mixed(corners: &[Corner], x: f64) -> [(f64, f32); 2] {
    match segment(corners, x) {
        Some((a, b, along)) => [(1.0 - along, a.at), (along, b.at)],
        None => [(1.0, f32::INFINITY), (0.0, f32::INFINITY)],
    }
}

/// The network as it was, and [`Odds`] for its decisions.
pub(super) fn equalized_odds(
    problem: &TextProblem<'_>,
    _: &mut dyn Judge,
) -> Result<TextEdit, EditError> {
    let set = &problem.reward;
    let odds = Odds::fit(problem.scores, set.labels, set.members)?;
    let parameters = problem.parameters.to_vec();
    Ok(TextEdit { parameters, odds: Some(odds), ..TextEdit::default() })
}
