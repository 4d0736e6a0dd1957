//! Units of unlearning: which there are, and the record of each.

use super::config::{Preset, TARGET_VALUE, UnlearnConfig};
use super::error::RunError;
use super::measure::{Gauge, js_to_retrained};
use super::observer::Observer;
use super::plan::Plan;
use super::policy::TrainedPolicy;
use super::prepare::Prepared;
use super::record::{RunRecord, TargetRecord, TrainFigures};
use super::scrutiny::{ProbeCache, Scrutiny, classwise, heat, scrutinise};
use super::target::{Target, network_digest};
use super::unit::{Found, Unit};
use crate::editor::{Acts, View};
use crate::metric;
use crate::task::Unlearning;
use crate::world::WorldKind;

/// A unit, and the world that its record names.
pub(super) struct Assignment<'a> {
    pub(super) world: Option<WorldKind>,
    pub(super) unit: Unit<'a>,
}

/// Every editor × world × target of a plan, in the order of the report.
pub(super) fn assign<'a>(
    config: &UnlearnConfig,
    plan: &'a Plan,
    data: &'a Prepared,
    task: Unlearning<'a>,
    layers: &'a [usize],
    policies: &'a [TrainedPolicy],
    targets: &'a [Target],
) -> Vec<Assignment<'a>> {
    let stack = targets.first().map(|target| &target.stack);
    let edited = stack.and_then(|stack| stack.layers().get(*layers.first()?));
    let matrix = edited.and_then(|layer| layer.kind().matrix()).unwrap_or((1, 1));
    let mut units = Vec::new();
    for &editor in &plan.editors {
        let worlds: Vec<Option<WorldKind>> = match editor.acts {
            Acts::Neither => vec![None],
            acts => {
                let kinds = config.worlds.iter().copied();
                kinds.filter(|&kind| acts.within(kind)).map(Some).collect()
            }
        };
        for world in worlds {
            let kind = world.unwrap_or(WorldKind::Shift);
            let sees = editor.view != View::None;
            let policy = policies.iter().find(|policy| policy.kind == kind);
            units.extend(targets.iter().map(|target| Assignment {
                world,
                unit: Unit {
                    kernel: config.kernel,
                    data,
                    task,
                    target,
                    training: config.model.is_none().then_some(config.target.training),
                    layers,
                    world: match editor.acts {
                        Acts::MaskEach => config.world_of_weights(matrix),
                        _ if sees => config.world_of_view(kind),
                        _ => config.world(kind),
                    },
                    settings: &plan.settings,
                    editor,
                    budget: if world.is_some() { config.budget_for(editor, kind) } else { 0 },
                    target_value: TARGET_VALUE,
                    view: sees.then(|| {
                        let policy = policy.filter(|_| editor.view == View::Policy);
                        (config.step_of_view(kind), policy)
                    }),
                    then_mask: config.then_mask,
                    erasure: plan.erasure.map(|erasure| (erasure, config.deep())),
                },
            }));
        }
    }
    units
}

/// Checks that every editor of a plan can edit as many layers.
pub(super) fn fit_layers(plan: &Plan, layers: &[usize]) -> Result<(), RunError> {
    let one_layer = |view: View| matches!(view, View::Neurons | View::Policy);
    let unfit = plan.editors.iter().find(|editor| one_layer(editor.view));
    match (layers.len(), unfit) {
        (2.., Some(editor)) => Err(RunError::Usage(format!(
            "--editor {}: it acts on one layer, --layer names {}",
            editor.name,
            layers.len()
        ))),
        _ => Ok(()),
    }
}

/// The network that was trained without the forget set.
#[derive(Clone, Copy)]
pub(super) struct Reference<'a> {
    pub(super) parameters: &'a [f32],
    pub(super) scrutiny: &'a Scrutiny,
}

impl Assignment<'_> {
    /// Edits, and tells the observer.
    pub(super) fn run(&self, observer: &dyn Observer) -> Result<Found, RunError> {
        let found = self.unit.run(observer);
        let world = self.world.map_or(String::new(), |world| format!(" in {} world", world.name()));
        let (editor, seed) = (self.unit.editor.name, self.unit.target.seed);
        observer.finished(&format!("{editor}{world} on target {seed}"));
        found
    }

    /// What figures are taken with.
    fn gauge(&self) -> Gauge<'_> {
        let Unit { kernel, data, task, target, world, .. } = &self.unit;
        let lambda = world.lambda;
        Gauge { kernel: *kernel, stack: &target.stack, data, task: *task, lambda }
    }

    /// What tells hiding from erasing, of a network that the editor made.
    pub(super) fn scrutinise(
        &self,
        parameters: &[f32],
        cache: &ProbeCache,
    ) -> Result<Scrutiny, RunError> {
        let target = self.unit.target;
        scrutinise(&self.gauge(), target, parameters, target.seed, cache)
    }

    /// The record of what was found, beside the network that never saw the forget set.
    pub(super) fn record(
        &self,
        config: &UnlearnConfig,
        found: &Found,
        scrutiny: &Scrutiny,
        reference: Option<Reference<'_>>,
    ) -> Result<RunRecord, RunError> {
        let Self { world, unit } = self;
        let stack = &unit.target.stack;
        let edited = || unit.layers.iter().filter_map(|&layer| stack.layers().get(layer));
        let names: Vec<&str> = edited().map(|layer| layer.name()).collect();
        let layer = edited().next();
        let (cols, rows) = layer.and_then(|layer| layer.kind().matrix()).unwrap_or((0, 0));
        let gauge = self.gauge();
        let js = reference
            .map(|reference| js_to_retrained(&gauge, &found.parameters, reference.parameters))
            .transpose()?;
        let train = scrutiny.accuracies();
        let tow = reference.map(|reference| {
            metric::tug_of_war(scrutiny.accuracies(), reference.scrutiny.accuracies())
        });
        let acts = world.is_some();
        let mut run = RunRecord {
            target: TargetRecord {
                name: unit.target.name.clone(),
                layer: names.join(","),
                rows,
                cols,
                test_accuracy: gauge.test(&unit.target.parameters)?.all(),
                digest: network_digest(&unit.target.parameters),
            },
            editor: unit.editor.name.into(),
            kind: unit.editor.kind.name().into(),
            world: world.map(|world| world.name().into()),
            seed: unit.target.seed,
            forget: unit.task.forget().iter().map(u32::from).collect(),
            budget: unit.budget,
            evaluations: found.evaluations,
            evaluations_to_target: found.evaluations_to_target.filter(|_| acts),
            seconds: found.seconds,
            peak_bytes: Some(found.peak_bytes),
            before: found.before,
            after: found.after,
            after_train: Some(TrainFigures {
                retain: train.retain_train as f32,
                forget: train.forget_train as f32,
            }),
            policy: found.policy,
            tow,
            js_to_retrained: js,
            edit_norm: Some(found.edit_norm),
            digest: format!("{:016x}", found.digest),
            curve: found.curve.clone(),
            classwise: Some(classwise(&gauge, &unit.target.parameters, &found.parameters)?),
            heat: layer
                .filter(|_| unit.target.seed == config.seed)
                .and_then(|layer| heat(layer, &unit.target.parameters, &found.parameters)),
            note: note(config, unit, found),
            ..RunRecord::default()
        };
        scrutiny.record(reference.map(|reference| reference.scrutiny), &mut run);
        Ok(run)
    }
}

/// What has to be said of a run in one line.
fn note(config: &UnlearnConfig, unit: &Unit<'_>, found: &Found) -> Option<String> {
    let policy = found.policy?;
    if config.preset != Preset::Paper || unit.editor.name != "ppo" {
        return None;
    }
    let gained = policy.reward - found.before.reward;
    let best = found.after.reward;
    Some(if gained < 0.01 {
        format!(
            "Stable-Baselines3's defaults learned nothing: the noise-free policy still scores {:.3} \
             (unedited {:.3}), because U = V = 0 is a saddle — (U, V) and (−U, −V) give the same edit, so \
             a policy with mean zero has no expected gradient; the best edit ({best:.3}) is what its \
             initial noise hit upon",
            policy.reward, found.before.reward
        )
    } else {
        format!(
            "Stable-Baselines3's defaults left the saddle at U = V = 0 by noise: the noise-free policy \
             scores {:.3} (unedited {:.3}), the best edit {best:.3}",
            policy.reward, found.before.reward
        )
    })
}
