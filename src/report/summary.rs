//! Statistics over seeds, per editor × world.

use super::versus;
use crate::metric::statistics::{Aggregate, mean, sample_std};
use crate::run::record::{RunRecord, SummaryRecord};

/// A figure of a run, where the run has it.
pub(super) type Metric = fn(&RunRecord) -> Option<f64>;

pub(super) const FORGET: Metric = |run| Some(run.after.forget_test.into());
pub(super) const RETAIN: Metric = |run| Some(run.after.retain_test.into());
pub(super) const REWARD: Metric = |run| Some(run.after.reward.into());
pub(super) const FORGET_BEFORE: Metric = |run| Some(run.before.forget_test.into());
pub(super) const RETAIN_BEFORE: Metric = |run| Some(run.before.retain_test.into());
pub(super) const POLICY_FORGET: Metric = |run| run.policy.map(|policy| policy.forget_test.into());
pub(super) const POLICY_RETAIN: Metric = |run| run.policy.map(|policy| policy.retain_test.into());
pub(super) const EVALUATIONS: Metric = |run| Some(run.evaluations as f64);
pub(super) const TO_TARGET: Metric = |run| run.evaluations_to_target.map(|count| count as f64);
pub(super) const TOW: Metric = |run| run.tow;
pub(super) const JS: Metric = |run| run.js_to_retrained;
pub(super) const GAP: Metric = |run| run.average_gap;
pub(super) const PROBE: Metric = |run| run.probe_recovery;
pub(super) const PROBE_LONG: Metric = |run| run.probe_long;
pub(super) const PROBE_MLP: Metric = |run| run.probe_mlp;
pub(super) const RELEARN: Metric = |run| run.relearn_steps.map(|steps| steps as f64);
pub(super) const LIRA: Metric = |run| run.lira.map(|lira| lira.accuracy);
pub(super) const LIRA_TPR: Metric = |run| run.lira.map(|lira| lira.tpr);
pub(super) const MIA: Metric = |run| run.mia;
pub(super) const MIA_THRESHOLD: Metric = |run| run.mia_threshold;
pub(super) const NORM: Metric = |run| run.edit_norm;

/// What is summarised, in the order of the records.
const METRICS: [(&str, Metric); 21] = [
    ("retain_test", RETAIN),
    ("forget_test", FORGET),
    ("reward", REWARD),
    ("policy_retain_test", POLICY_RETAIN),
    ("policy_forget_test", POLICY_FORGET),
    ("policy_reward", |run| run.policy.map(|policy| policy.reward.into())),
    ("retain_drop", |run| {
        Some(f64::from(run.before.retain_test) - f64::from(run.after.retain_test))
    }),
    ("evaluations", EVALUATIONS),
    ("evaluations_to_target", TO_TARGET),
    ("tow", TOW),
    ("average_gap", GAP),
    ("js_to_retrained", JS),
    ("probe_recovery", PROBE),
    ("probe_long", PROBE_LONG),
    ("probe_mlp", PROBE_MLP),
    ("relearn_steps", RELEARN),
    ("mia", MIA),
    ("mia_threshold", MIA_THRESHOLD),
    ("lira_accuracy", LIRA),
    ("lira_tpr", LIRA_TPR),
    ("edit_norm", NORM),
];

/// The runs of one editor in one world.
pub(super) struct Group<'a> {
    pub(super) editor: &'a str,
    pub(super) world: Option<&'a str>,
    pub(super) runs: Vec<&'a RunRecord>,
}

/// Mean and sample standard deviation of a figure over the runs that have it.
#[derive(Clone, Copy)]
pub(super) struct Stat {
    pub(super) n: usize,
    pub(super) mean: f64,
    pub(super) std: Option<f64>,
}

impl Group<'_> {
    /// `None` when no run has the figure.
    pub(super) fn stat(&self, metric: Metric) -> Option<Stat> {
        self.stat_of(metric)
    }

    /// The same of a figure that is no constant.
    pub(super) fn stat_of(&self, metric: impl Fn(&RunRecord) -> Option<f64>) -> Option<Stat> {
        let values: Vec<f64> = self.runs.iter().filter_map(|run| metric(run)).collect();
        Some(Stat { n: values.len(), mean: mean(&values)?, std: sample_std(&values) })
    }
}

/// The runs by editor × world, in the order of first appearance.
pub(super) fn groups(runs: &[RunRecord]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for run in runs {
        let (editor, world) = (run.editor.as_str(), run.world.as_deref());
        match groups.iter_mut().find(|group| group.editor == editor && group.world == world) {
            Some(group) => group.runs.push(run),
            None => groups.push(Group { editor, world, runs: vec![run] }),
        }
    }
    groups
}

/// The worlds of the runs: shift, mask, then any other in the order of first appearance.
pub(super) fn worlds(runs: &[RunRecord]) -> Vec<&str> {
    let mut worlds: Vec<&str> = Vec::new();
    for world in runs.iter().filter_map(|run| run.world.as_deref()) {
        if !worlds.contains(&world) {
            worlds.push(world);
        }
    }
    worlds.sort_by_key(|&world| match world {
        "shift" => 0,
        "mask" => 1,
        _ => 2,
    });
    worlds
}

/// The groups as a reader meets them: world by world, then those of no world.
pub(super) fn sections(runs: &[RunRecord]) -> Vec<(Option<&str>, Vec<Group<'_>>)> {
    let mut sections: Vec<(Option<&str>, Vec<Group<'_>>)> =
        worlds(runs).into_iter().map(|world| (Some(world), Vec::new())).collect();
    sections.push((None, Vec::new()));
    for group in groups(runs) {
        if let Some((_, list)) = sections.iter_mut().find(|(world, _)| *world == group.world) {
            list.push(group);
        }
    }
    sections.retain(|(_, list)| !list.is_empty());
    sections
}

/// Statistics of every metric for every editor × world, in the order of first appearance of the
/// editors and a fixed order of metrics. Runs without a figure are left out of its statistics; a
/// metric that no run of a group has makes no record.
pub fn summarise(runs: &[RunRecord]) -> Vec<SummaryRecord> {
    let mut sets: Vec<Vec<u32>> = Vec::new();
    for run in runs {
        if !sets.contains(&run.forget) {
            sets.push(run.forget.clone());
        }
    }
    let mut records = Vec::new();
    for group in groups(runs) {
        for (name, metric) in METRICS {
            let tasks = versus::tasks(&group.runs, &sets, metric);
            let values: Vec<f64> = tasks.iter().flatten().copied().collect();
            let Some(mean) = versus::estimate(&tasks, Aggregate::Mean) else { continue };
            let iqm = versus::estimate(&tasks, Aggregate::InterquartileMean).unwrap_or(mean);
            records.push(SummaryRecord {
                editor: group.editor.into(),
                world: group.world.map(Into::into),
                metric: name.into(),
                n: values.len(),
                mean: mean.value,
                std: sample_std(&values),
                iqm: iqm.value,
                ci95: mean.interval,
                iqm_ci95: iqm.interval,
            });
        }
    }
    records
}
