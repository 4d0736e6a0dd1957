//! Figures over all folds of a cross-validation.

use super::measure::Judged;
use super::record::{DebiasFigures, GroupFigures, PooledRun};
use super::unit::{Found, Work};
use crate::data::text::Comments;
use crate::run::error::RunError;
use crate::world::WorldKind;

/// Figures over all folds: predictions are pooled, ranks are means over the folds.
pub(super) fn pooled(units: &[Work<'_>], found: &[Found]) -> Result<Vec<PooledRun>, RunError> {
    let mut keys: Vec<(&str, Option<WorldKind>, &str)> = Vec::new();
    for unit in units {
        let key = (unit.method.name(), unit.kind, unit.layer_name());
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let mut rows = Vec::new();
    for key in keys {
        let ours: Vec<(&Work<'_>, &Found)> = units
            .iter()
            .zip(found)
            .filter(|(unit, _)| (unit.method.name(), unit.kind, unit.layer_name()) == key)
            .collect();
        let before: Vec<Judged<'_>> =
            ours.iter().map(|(unit, _)| unit.case.judged_before()).collect();
        let after: Vec<Judged<'_>> = ours
            .iter()
            .map(|(unit, found)| {
                let comments = &unit.case.material.test.comments;
                let judged = Judged::new(comments, found.scores.clone(), &found.cuts);
                match &found.called {
                    None => judged,
                    Some(called) => Judged { called: called.clone(), matched: None, ..judged },
                }
            })
            .collect();
        let means = |which: fn(&(&Work<'_>, &Found)) -> DebiasFigures| {
            mean_of(&ours.iter().map(which).collect::<Vec<_>>())
        };
        let befores = means(|(unit, _)| unit.case.before.clone());
        let afters = means(|(_, found)| found.after.clone());
        let cuts = ours.first().map(|(unit, found)| (unit.case.cuts, found.cuts));
        let Some((cut_before, cut_after)) = cuts else { continue };
        let names = ours.first().map(|(unit, _)| &unit.case.material.elsewhere);
        let elsewhere = names.into_iter().flatten().enumerate().map(|(index, (name, _))| {
            let of = |list: &[DebiasFigures]| list.get(index).cloned().unwrap_or_default();
            let all = |which: &dyn Fn(&(&Work<'_>, &Found)) -> DebiasFigures| {
                mean_of(&ours.iter().map(which).collect::<Vec<_>>())
            };
            (
                name.clone(),
                all(&|(unit, _)| of(&unit.case.elsewhere)),
                all(&|(_, found)| of(&found.elsewhere)),
            )
        });
        rows.push(PooledRun {
            editor: key.0.into(),
            world: key.1.map(|kind| kind.name().into()),
            layer: key.2.into(),
            before: ranks_of(joined(&before, &|own| own.figures(&cut_before, 0))?, &befores),
            after: ranks_of(joined(&after, &|own| own.figures(&cut_after, 0))?, &afters),
            elsewhere: elsewhere.collect(),
        });
    }
    Ok(rows)
}

type Figured<'f> = &'f dyn Fn(&Judged<'_>) -> Result<DebiasFigures, RunError>;

/// Figures of all folds' predictions together.
fn joined(folds: &[Judged<'_>], figures: Figured<'_>) -> Result<DebiasFigures, RunError> {
    let Some(first) = folds.first() else { return Ok(DebiasFigures::default()) };
    let mut comments = Comments {
        groups: first.comments.groups.clone(),
        kind_names: first.comments.kind_names.clone(),
        ..Comments::default()
    };
    let mut all = Judged {
        comments: first.comments,
        scores: Vec::new(),
        called: Vec::new(),
        matched: first.matched.as_ref().map(|_| Vec::new()),
    };
    for fold in folds {
        comments.texts.extend(fold.comments.texts.iter().cloned());
        comments.labels.extend(&fold.comments.labels);
        comments.members.extend(&fold.comments.members);
        comments.missing.extend(&fold.comments.missing);
        comments.kinds.extend(&fold.comments.kinds);
        all.scores.extend(&fold.scores);
        all.called.extend(&fold.called);
        match (&mut all.matched, &fold.matched) {
            (Some(all), Some(own)) => all.extend(own),
            _ => all.matched = None,
        }
    }
    figures(&Judged { comments: &comments, ..all })
}

/// `pooled` with the ranks of `mean`: scores of different networks do not compare.
fn ranks_of(pooled: DebiasFigures, mean: &DebiasFigures) -> DebiasFigures {
    DebiasFigures {
        auc: mean.auc,
        jigsaw_score: mean.jigsaw_score,
        subgroup_auc: mean.subgroup_auc,
        bpsn_auc: mean.bpsn_auc,
        bnsp_auc: mean.bnsp_auc,
        matched_threshold: None,
        reward: None,
        ..pooled
    }
}

/// Means of the figures over folds, each over those that have it; groups one by one.
fn mean_of(list: &[DebiasFigures]) -> DebiasFigures {
    let mean = |which: &dyn Fn(&DebiasFigures) -> Option<f64>| {
        let values: Vec<f64> = list.iter().filter_map(which).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let first = list.first().cloned().unwrap_or_default();
    let mut groups = first.groups.clone();
    for (index, group) in groups.iter_mut().enumerate() {
        let of = |which: fn(&GroupFigures) -> Option<f64>| {
            mean(&|figures| figures.groups.get(index).and_then(which))
        };
        group.fpr = of(|group| group.fpr);
        group.fnr = of(|group| group.fnr);
        group.gap = of(|group| group.gap);
        group.gap_null = of(|group| group.gap_null);
        group.matched_gap = of(|group| group.matched_gap);
        group.subgroup_auc = of(|group| group.subgroup_auc);
    }
    DebiasFigures {
        auc: mean(&|f| f.auc),
        accuracy: mean(&|f| f.accuracy),
        tpr: mean(&|f| f.tpr),
        fpr: mean(&|f| f.fpr),
        jigsaw_score: mean(&|f| f.jigsaw_score),
        subgroup_auc: mean(&|f| f.subgroup_auc),
        bpsn_auc: mean(&|f| f.bpsn_auc),
        bnsp_auc: mean(&|f| f.bnsp_auc),
        fped_mean: mean(&|f| f.fped_mean),
        fped: mean(&|f| Some(f.fped)).unwrap_or(0.0),
        fned_mean: mean(&|f| f.fned_mean),
        fned: mean(&|f| Some(f.fned)).unwrap_or(0.0),
        worst_gap: mean(&|f| f.worst_gap),
        gap_null: mean(&|f| f.gap_null),
        gap_null_high: mean(&|f| f.gap_null_high),
        fned_null: mean(&|f| f.fned_null),
        matched_threshold: None,
        matched_gap: mean(&|f| f.matched_gap),
        matched_worst: mean(&|f| f.matched_worst),
        matched_accuracy: mean(&|f| f.matched_accuracy),
        equalized_odds: mean(&|f| f.equalized_odds),
        demographic_parity: mean(&|f| f.demographic_parity),
        reward: None,
        kinds: Vec::new(),
        groups,
        ..first
    }
}
