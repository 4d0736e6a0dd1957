//! Runs that belong together, and their means.

use crate::run::debias::{DebiasFigures, DebiasResults, DebiasRun};

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

pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0usize);
    for value in values {
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

/// The edit that the report looks at closely: the reward-only one with the lowest matched gap among
/// those that lose no accuracy worth speaking of; without one, the lowest gap.
pub(super) fn chosen<'g, 'r>(groups: &'g [Group<'r>]) -> Option<&'g Group<'r>> {
    let ours = || groups.iter().filter(|group| group.world.is_some());
    let value = |group: &Group<'_>| {
        let gap = group.after(|f| f.matched_gap).or(group.after(|f| f.fped_mean));
        gap.unwrap_or(f64::INFINITY)
    };
    let keeps = |group: &&Group<'_>| {
        let accuracy = |f: &DebiasFigures| f.accuracy;
        group.after(accuracy) >= group.before(accuracy).map(|before| before - 0.02)
    };
    let best =
        |list: Vec<&'g Group<'r>>| list.into_iter().min_by(|a, b| value(a).total_cmp(&value(b)));
    best(ours().filter(keeps).collect()).or_else(|| best(ours().collect()))
}
