//! The command `ablate unlearn`: PPO over a grid of settings.

use super::assign::{assign, fit_layers};
use super::config::UnlearnConfig;
use super::error::RunError;
use super::layers::editable_layers;
use super::observer::Observer;
use super::plan::Plan;
use super::prepare::Prepared;
use super::record::{ABLATE_TARGET, AblateResults, AblateRun, AblateSetting, SCHEMA};
use super::shard::{Book, RunPlan, Shard};
use super::target::Target;
use super::unlearn::{data_record, remarks, targets};
use crate::task::{RewardKind, Unlearning};
use crate::world::WorldKind;
use serde_json::json;
use std::path::PathBuf;

/// A grid of settings: every combination is run on every seed.
#[derive(Clone, Debug, PartialEq)]
pub struct AblateConfig {
    /// What the grid does not vary.
    pub unlearn: UnlearnConfig,
    /// Steps T of an episode.
    pub episode_lengths: Vec<usize>,
    /// Ranks r of the action.
    pub ranks: Vec<usize>,
    /// Steps s at rank 1; at rank r it is s·√r, so that entries of the change keep their size.
    pub steps: Vec<f32>,
    /// λ.
    pub lambdas: Vec<f32>,
    /// What pays.
    pub rewards: Vec<RewardKind>,
    /// The policy's initial mean is uniform in ± this: 0 is the saddle.
    pub initial_means: Vec<f32>,
    /// Initial logarithms of the policy's standard deviation.
    pub log_stds: Vec<f32>,
    /// The units that are run.
    pub shard: Shard,
    /// Where finished units are kept; nowhere when `None`.
    pub out: Option<PathBuf>,
    /// Whether a folder with units of this very run is gone on with.
    pub resume: bool,
}

/// What `ablate unlearn` returns.
#[derive(Clone, Debug)]
pub struct Ablated {
    /// What the whole run is.
    pub plan: RunPlan,
    /// Units of the shard.
    pub units: usize,
    /// Those of them that had been done before.
    pub resumed: usize,
    /// The results, where the shard is the whole run.
    pub results: Option<AblateResults>,
    /// The targets that were needed, one per seed.
    pub targets: Vec<Target>,
}

/// One cell of the grid.
struct Cell {
    setting: AblateSetting,
    config: UnlearnConfig,
    plan: Plan,
}

fn reward_name(kind: RewardKind) -> &'static str {
    match kind {
        RewardKind::Probability => "probability",
        RewardKind::Accuracy => "accuracy",
    }
}

impl AblateConfig {
    /// Checks what the command line alone shows to be wrong.
    ///
    /// # Errors
    /// [`RunError::Usage`].
    pub fn validate(&self) -> Result<(), RunError> {
        self.settings()?.into_iter().try_for_each(|(_, config)| config.validate())
    }

    /// Every combination, worlds first.
    fn settings(&self) -> Result<Vec<(AblateSetting, UnlearnConfig)>, RunError> {
        let mut settings = Vec::new();
        for &world in &self.unlearn.worlds {
            for &episode_length in &self.episode_lengths {
                for &rank in &self.ranks {
                    for &lambda in &self.lambdas {
                        for &reward in &self.rewards {
                            for &initial_mean in &self.initial_means {
                                for &log_std in &self.log_stds {
                                    for &step in &self.steps {
                                        let setting = AblateSetting {
                                            world: world.name().into(),
                                            episode_length,
                                            rank,
                                            step,
                                            lambda,
                                            reward: reward_name(reward).into(),
                                            initial_mean,
                                            log_std,
                                        };
                                        let config = self.of_setting(&setting, world, reward);
                                        settings.push((setting, config));
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        match settings.is_empty() {
            true => Err(RunError::Usage("the grid is empty: every list needs a value".into())),
            false => Ok(settings),
        }
    }

    fn of_setting(
        &self,
        setting: &AblateSetting,
        world: WorldKind,
        reward: RewardKind,
    ) -> UnlearnConfig {
        let mut config = self.unlearn.clone();
        config.editors = vec!["ppo".into()];
        config.worlds = vec![world];
        config.episode_length = setting.episode_length;
        config.rank = setting.rank;
        config.step = Some(setting.step * (setting.rank as f32).sqrt());
        config.lambda = setting.lambda;
        config.reward = Some(reward);
        config.set.push(("initial_mean".into(), setting.initial_mean.to_string()));
        config.set.push(("log_std".into(), setting.log_std.to_string()));
        config
    }
}

/// Runs the units of a shard that are not done yet. `cached` holds targets that need not be trained again.
///
/// # Errors
/// [`RunError`]: as [`unlearn`](super::unlearn()), and as [`Book::open`].
pub fn ablate_unlearn(
    config: &AblateConfig,
    data: &Prepared,
    cached: &dyn Fn(u64) -> Option<Target>,
    observer: &dyn Observer,
) -> Result<Ablated, RunError> {
    config.validate()?;
    let kept = &config.unlearn;
    let cells = config
        .settings()?
        .into_iter()
        .map(|(setting, config)| {
            let plan = config.plan(data)?;
            Ok(Cell { setting, config, plan })
        })
        .collect::<Result<Vec<_>, RunError>>()?;
    let Some(first) = cells.first() else {
        return Err(RunError::Usage("the grid is empty".into()));
    };
    let targets = targets(kept, data, cached, observer)?;
    let Some(stack) = targets.first().map(|target| &target.stack) else {
        return Err(RunError::Usage("--seeds is 0".into()));
    };
    let layers = &*editable_layers(stack, first.config.layer_name())?;
    fit_layers(&first.plan, layers)?;
    let labels = [data.train.labels(), data.reward.labels(), data.test.labels()];
    let task = |cell: &Cell| Unlearning::new(cell.plan.forget, cell.plan.reward, labels);
    let notes = remarks(kept, data, stack, task(first), observer)?;
    let mut units = Vec::new();
    for cell in &cells {
        for mut unit in assign(&cell.config, &cell.plan, data, task(cell), layers, &[], &targets) {
            unit.unit.target_value = ABLATE_TARGET;
            units.push((cell, unit));
        }
    }
    let plan = RunPlan {
        schema: SCHEMA,
        command: "ablate unlearn".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        config: config.record(&first.config),
        data: data_record(data),
        notes,
        units: units
            .iter()
            .map(|(cell, unit)| format!("{}/seed{}", cell.setting.name(), unit.unit.target.seed))
            .collect(),
    };
    let book = Book::open(config.out.as_deref(), plan, config.resume)?;
    let work = book.work::<AblateRun>(config.shard)?;
    let (own, resumed) = (work.units(), work.resumed);
    observer.phase("editing", work.missing.len());
    let whole = book.finish(work, kept.threads, |index| {
        let (cell, assignment) = &units[index];
        let found = assignment.run(observer)?;
        Ok(AblateRun {
            setting: cell.setting.clone(),
            seed: assignment.unit.target.seed,
            before: found.before,
            after: found.after,
            policy: found.policy,
            evaluations: found.evaluations,
            evaluations_to_target: found.evaluations_to_target,
            edit_norm: found.edit_norm,
            digest: format!("{:016x}", found.digest),
        })
    })?;
    let plan = book.plan().clone();
    let results = whole.map(|runs| ablated_results(&plan, runs));
    Ok(Ablated { units: own, resumed, results, targets: targets.clone(), plan })
}

impl AblateConfig {
    fn record(
        &self,
        first: &UnlearnConfig,
    ) -> std::collections::BTreeMap<String, serde_json::Value> {
        let mut settings = first.record();
        for varied in [
            "reward",
            "set",
            "policy",
            "policy_seed",
            "refine",
            "length",
            "world_mask",
            "world_shift",
        ] {
            settings.remove(varied);
        }
        let rewards: Vec<&str> = self.rewards.iter().map(|&reward| reward_name(reward)).collect();
        let worlds: Vec<&str> = self.unlearn.worlds.iter().map(|world| world.name()).collect();
        let budgets: Vec<u64> =
            self.unlearn.worlds.iter().map(|&world| self.unlearn.budget_of(world)).collect();
        settings.extend([
            ("worlds".into(), json!(worlds)),
            ("budgets".into(), json!(budgets)),
            (
                "unit".into(),
                json!(match first.world(WorldKind::Shift).unit {
                    crate::world::Unit::Rms => "rms",
                    crate::world::Unit::Absolute => "absolute",
                }),
            ),
            ("set".into(), json!(self.unlearn.set)),
            ("episode_lengths".into(), json!(self.episode_lengths)),
            ("ranks".into(), json!(self.ranks)),
            ("steps".into(), json!(self.steps)),
            ("lambdas".into(), json!(self.lambdas)),
            ("rewards".into(), json!(rewards)),
            ("initial_means".into(), json!(self.initial_means)),
            ("log_stds".into(), json!(self.log_stds)),
        ]);
        settings
    }
}

/// The results of a run all of whose units are done.
pub fn ablated_results(plan: &RunPlan, runs: Vec<AblateRun>) -> AblateResults {
    AblateResults {
        schema: plan.schema,
        command: plan.command.clone(),
        version: plan.version.clone(),
        config: plan.config.clone(),
        data: plan.data.clone(),
        runs,
        notes: plan.notes.clone(),
    }
}
