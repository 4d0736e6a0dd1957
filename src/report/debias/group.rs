//! Runs that belong together, their means, and the edit that is looked at closely.

use crate::editor::{self, text::find_text};
use crate::metric::statistics::sample_std;
use crate::report::summary::Stat;
use crate::run::debias::{DebiasFigures, DebiasResults, DebiasRun, GroupFigures, PooledRun};

/// Runs of one editor in one world on one layer.
pub(super) struct Group<'a> {
    pub(super) editor: &'a str,
    pub(super) kind: &'a str,
    pub(super) world: Option<&'a str>,
    pub(super) layer: &'a str,
    pub(super) runs: Vec<&'a DebiasRun>,
}

/// A figure of one network.
pub(super) type Figure = fn(&DebiasFigures) -> Option<f64>;

impl<'a> Group<'a> {
    /// Mean over the runs after the edit, over those that have the figure.
    pub(super) fn after(&self, figure: Figure) -> Option<f64> {
        mean(self.runs.iter().filter_map(|run| figure(&run.after)))
    }

    /// The same before it.
    pub(super) fn before(&self, figure: Figure) -> Option<f64> {
        mean(self.runs.iter().filter_map(|run| figure(&run.before)))
    }

    /// Mean after the edit with its standard deviation over the runs.
    pub(super) fn stat(&self, figure: Figure) -> Option<Stat> {
        let values: Vec<f64> = self.runs.iter().filter_map(|run| figure(&run.after)).collect();
        Some(Stat {
            n: values.len(),
            mean: mean(values.iter().copied())?,
            std: sample_std(&values),
        })
    }

    /// Mean of what is not a figure of one network.
    pub(super) fn mean(&self, of: impl Fn(&DebiasRun) -> Option<f64>) -> Option<f64> {
        mean(self.runs.iter().filter_map(|run| of(run)))
    }

    /// "sep-cma-es in shift world, embed".
    pub(super) fn subject(&self) -> String {
        let world = self.world.map_or(String::new(), |world| format!(" in {world} world"));
        let layer = if self.layer.is_empty() { String::new() } else { format!(", {}", self.layer) };
        format!("{}{world}{layer}", self.editor)
    }
}

/// Mean of the finite ones.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0usize);
    for value in values.filter(|value| value.is_finite()) {
        (sum, count) = (sum + value, count + 1);
    }
    (count > 0).then(|| sum / count as f64)
}

/// The runs by editor, world and layer, in the order of the records.
pub(super) fn groups(results: &DebiasResults) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for run in &results.runs {
        let same = |group: &&mut Group<'_>| {
            group.editor == run.editor
                && group.world == run.world.as_deref()
                && group.layer == run.target.layer
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.runs.push(run),
            None => groups.push(Group {
                editor: &run.editor,
                kind: &run.kind,
                world: run.world.as_deref(),
                layer: &run.target.layer,
                runs: vec![run],
            }),
        }
    }
    groups
}

/// The figures of a group over all folds, where there are folds.
fn pooled_of<'a>(results: &'a DebiasResults, group: &Group<'_>) -> Option<&'a PooledRun> {
    results.pooled.iter().find(|run| {
        run.editor == group.editor
            && run.world.as_deref() == group.world
            && run.layer == group.layer
    })
}

/// A figure before and after a group's edit: over all folds, or else the mean over the runs.
pub(super) fn pair(results: &DebiasResults, group: &Group<'_>, figure: Figure) -> Pair {
    match pooled_of(results, group) {
        Some(run) => (figure(&run.before), figure(&run.after)),
        None => (group.before(figure), group.after(figure)),
    }
}

/// The edit that the report looks at closely: the reward-only one with the lowest matched gap among
/// those that lose no accuracy worth speaking of; without one, the lowest gap.
fn chosen<'g, 'r>(results: &DebiasResults, groups: &'g [Group<'r>]) -> Option<&'g Group<'r>> {
    let ours = || groups.iter().filter(|group| group.world.is_some());
    let value = |group: &Group<'_>| {
        let after = |figure| pair(results, group, figure).1;
        after(|f| f.matched_gap).or(after(|f| f.fped_mean)).unwrap_or(f64::INFINITY)
    };
    let keeps = |group: &&Group<'_>| {
        let (before, after) = pair(results, group, |f| f.accuracy);
        after >= before.map(|before| before - 0.02)
    };
    let lowest = |a: &&Group<'_>, b: &&Group<'_>| value(a).total_cmp(&value(b));
    ours().filter(keeps).min_by(lowest).or_else(|| ours().min_by(lowest))
}

/// What a method is told besides the reward.
#[derive(Clone, Copy)]
pub(super) struct Needs {
    pub(super) gradients: bool,
    pub(super) training_data: bool,
    pub(super) words: bool,
    /// Activations of the target.
    pub(super) inside: bool,
}

/// What the method of that name is told; `kind` as in the record.
pub(super) fn needs(editor: &str, kind: &str) -> Needs {
    let inside = kind == "closed";
    if let Some(text) = find_text(editor) {
        let (gradients, training_data, words) = (text.gradients, text.training_data, text.words);
        return Needs { gradients, training_data, words, inside };
    }
    let acts = editor::find(editor);
    Needs {
        gradients: acts.is_some_and(|editor| editor.gradients),
        training_data: acts.is_some_and(|editor| editor.training_data),
        words: false,
        inside,
    }
}

/// The chosen edit, with the figures over all folds where there are folds.
pub(super) struct Look<'a> {
    pub(super) results: &'a DebiasResults,
    pub(super) group: &'a Group<'a>,
    pub(super) pooled: Option<&'a PooledRun>,
}

/// One group of comments, before and after the edit.
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) n: usize,
    pub(super) negatives: usize,
    pub(super) fpr: Pair,
    pub(super) gap: Pair,
    pub(super) matched_gap: Pair,
    pub(super) fnr: Pair,
    pub(super) gap_null: Option<f64>,
}

/// A figure before and after the edit.
pub(super) type Pair = (Option<f64>, Option<f64>);

impl<'a> Look<'a> {
    pub(super) fn new(results: &'a DebiasResults, groups: &'a [Group<'a>]) -> Option<Self> {
        let group = chosen(results, groups)?;
        Some(Self { results, group, pooled: pooled_of(results, group) })
    }

    /// Before and after: over all folds, or else the mean over the runs.
    pub(super) fn pair(&self, figure: Figure) -> Pair {
        pair(self.results, self.group, figure)
    }

    /// The groups, by their place in the figures.
    pub(super) fn rows(&self) -> Vec<Row<'a>> {
        let figures: Vec<(&'a DebiasFigures, &'a DebiasFigures)> = match self.pooled {
            Some(run) => vec![(&run.before, &run.after)],
            None => self.group.runs.iter().map(|run| (&run.before, &run.after)).collect(),
        };
        let first = figures.first().map_or(&[][..], |(before, _)| &before.groups);
        let row = |(index, group): (usize, &'a GroupFigures)| {
            let one = |after: bool, of: fn(&GroupFigures) -> Option<f64>| {
                mean(figures.iter().filter_map(|(before, edited)| {
                    let groups = if after { &edited.groups } else { &before.groups };
                    groups.get(index).and_then(of)
                }))
            };
            let pair = |of| (one(false, of), one(true, of));
            Row {
                name: &group.name,
                n: group.n,
                negatives: group.negatives,
                fpr: pair(|group| group.fpr),
                gap: pair(|group| group.gap),
                matched_gap: pair(|group| group.matched_gap),
                fnr: pair(|group| group.fnr),
                gap_null: one(true, |group| group.gap_null),
            }
        };
        first.iter().enumerate().map(row).collect()
    }
}

/// Mean of a figure of the unedited networks, each counted once.
pub(super) fn unedited(results: &DebiasResults, figure: Figure) -> Option<f64> {
    mean(targets(results).into_iter().filter_map(|run| figure(&run.before)))
}

/// The first run of every seed.
pub(super) fn targets(results: &DebiasResults) -> Vec<&DebiasRun> {
    let mut runs: Vec<&DebiasRun> = Vec::new();
    for run in &results.runs {
        if !runs.iter().any(|known| known.seed == run.seed) {
            runs.push(run);
        }
    }
    runs
}
