//! `reweight unlearn`.

use super::common::{DataArgs, MachineArgs, PolicyArgs, Widths, network_widths, print};
use super::progress::Progress;
use clap::ValueEnum;
use reweight::report;
use reweight::run::{self, Preset, RunError, TargetConfig, UnlearnConfig};
use reweight::task::RewardKind;
use reweight::world::{Unit, WorldKind};
use std::path::PathBuf;
use std::sync::Arc;

/// Options of `unlearn`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    data: DataArgs,
    /// Network that is trained and edited
    #[arg(long, value_name = "NAME", value_parser = ["digits-cnn"], default_value = "digits-cnn")]
    target: String,
    /// Inputs x outputs of the layer fc2; a third number adds a hidden layer behind it
    #[arg(long, value_name = "INxOUT", value_parser = network_widths, default_value = "128x32")]
    widths: Widths,
    /// Network to edit instead: reweight's own file (.rwn), or safetensors with --arch
    #[arg(long, value_name = "FILE", conflicts_with_all = ["target", "widths"])]
    model: Option<PathBuf>,
    /// Layers of a network in safetensors (JSON)
    #[arg(long, value_name = "FILE", requires = "model")]
    arch: Option<PathBuf>,
    /// Dense or conv2d layer that is edited [default: fc2; with --model the last hidden dense one]
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// Classes to forget
    #[arg(long, value_name = "CLASS", value_delimiter = ',', default_value = "7")]
    forget: Vec<u8>,
    /// Share of the training samples to forget in place of classes: 10%
    #[arg(long, value_name = "SHARE", value_parser = percentage, conflicts_with = "forget")]
    forget_random: Option<f64>,
    /// Attack what was forgotten at random by likelihood ratios (U-LiRA), which trains N networks and
    /// unlearns with every editor on each
    #[arg(long, value_name = "N", requires = "forget_random")]
    lira: Option<usize>,
    /// World
    #[arg(long, value_enum, default_value = "both")]
    world: WorldName,
    /// Editors [default: ppo,sep-cma-es,random,logit-mask,none and, without --model, retrain]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    editor: Vec<String>,
    /// Hyper-parameters of ppo and of its world
    #[arg(long, value_enum, default_value = "edit")]
    preset: PresetName,
    /// One hyper-parameter of ppo (may be repeated)
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// Reward evaluations of each editor [default: 2000 shift, 5000 mask]
    #[arg(long, value_name = "N")]
    budget: Option<u64>,
    #[command(flatten)]
    policy: PolicyArgs,
    /// Rank of the action
    #[arg(long, value_name = "R", default_value_t = 1)]
    rank: usize,
    /// Step [default: 2 shift, 1.5 mask]
    #[arg(long, value_name = "S")]
    step: Option<f32>,
    /// What ShiftWorld's step is measured in [default: the preset's]
    #[arg(long, value_enum)]
    unit: Option<UnitName>,
    /// Share of utility in the reward, 0 to 1
    #[arg(long, value_name = "L", default_value_t = 0.5)]
    lambda: f32,
    /// What pays [default: the preset's]
    #[arg(long, value_enum)]
    reward: Option<RewardName>,
    /// Steps of an episode
    #[arg(long, value_name = "T", default_value_t = 1)]
    episode_length: usize,
    /// Number of seeds: replicates with a target of their own
    #[arg(long, value_name = "N", default_value_t = 5)]
    seeds: u64,
    /// First seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    machine: MachineArgs,
    /// Folder for results, report, edits and networks
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print results.json instead of the table
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum WorldName {
    Mask,
    Shift,
    Both,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PresetName {
    /// What works
    Edit,
    /// Stable-Baselines3's defaults, accuracy, absolute unit, raw weights
    Paper,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum UnitName {
    Rms,
    Absolute,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RewardName {
    Probability,
    Accuracy,
}

impl WorldName {
    /// The worlds, in the order of reports.
    pub(super) fn worlds(self) -> Vec<WorldKind> {
        match self {
            Self::Mask => vec![WorldKind::Mask],
            Self::Shift => vec![WorldKind::Shift],
            Self::Both => vec![WorldKind::Shift, WorldKind::Mask],
        }
    }
}

impl UnitName {
    /// What it names.
    pub(super) fn unit(self) -> Unit {
        match self {
            Self::Rms => Unit::Rms,
            Self::Absolute => Unit::Absolute,
        }
    }
}

/// Reads `KEY=VALUE`.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected key=value")?;
    Ok((key.trim().into(), value.trim().into()))
}

/// Reads "10%" as .1.
fn percentage(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').map(|number| number.trim().parse::<f64>());
    match number {
        Some(Ok(percent)) if percent > 0.0 && percent < 100.0 => Ok(percent / 100.0),
        _ => Err("expected a percentage between 0% and 100%, such as 10%".into()),
    }
}

impl Args {
    fn config(&self) -> Result<UnlearnConfig, RunError> {
        let defaults = UnlearnConfig::default();
        Ok(UnlearnConfig {
            target: TargetConfig {
                widths: self.widths.0,
                behind: self.widths.1,
                ..defaults.target
            },
            model: None,
            layer: self.layer.clone(),
            worlds: self.world.worlds(),
            forget: self.forget.clone(),
            forget_random: self.forget_random,
            lira: self.lira,
            editors: match (self.editor.is_empty(), self.forget_random) {
                (true, None) => defaults.editors,
                // There is no logit to mask.
                (true, Some(_)) => {
                    defaults.editors.into_iter().filter(|name| name != "logit-mask").collect()
                }
                (false, _) => self.editor.clone(),
            },
            preset: match self.preset {
                PresetName::Edit => Preset::Edit,
                PresetName::Paper => Preset::Paper,
            },
            set: self.set.clone(),
            budget: self.budget,
            policy: self.policy.policy.clone(),
            policy_seed: self.policy.policy_seed,
            refine: self.policy.refine(),
            rank: self.rank,
            step: self.step,
            unit: self.unit.map(UnitName::unit),
            lambda: self.lambda,
            reward: self.reward.map(|reward| match reward {
                RewardName::Probability => RewardKind::Probability,
                RewardName::Accuracy => RewardKind::Accuracy,
            }),
            episode_length: self.episode_length,
            seeds: self.seeds,
            seed: self.seed,
            split_seed: self.data.split_seed,
            threads: self.machine.threads(),
            kernel: self.machine.kernel.kernel()?,
        })
    }
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<(), RunError> {
    let mut config = args.config()?;
    config.validate()?;
    let data = match &args.model {
        None => args.data.load()?,
        Some(path) => {
            let model = run::load_model(path, args.arch.as_deref())?;
            if args.editor.is_empty() {
                config.editors = run::editors_for(&model, run::DEFAULT_EDITORS);
            }
            if args.out.is_some() {
                run::check_writable(&model, args.layer.as_deref())?;
            }
            let data = args.data.load_for(&model)?;
            config.model = Some(Arc::new(model));
            data
        }
    };
    config.validate()?;
    let store = args.out.as_deref().map(run::Store::open).transpose()?;
    let progress = Progress::new(args.machine.quiet);
    let key = match &config.model {
        Some(model) => model.key.clone(),
        None => run::target_key(&config.target, &data),
    };
    let cached = |seed| store.as_ref().and_then(|store| store.target(&key, seed));
    let mut unlearned = run::unlearn(&config, &data, &cached, &progress)?;
    progress.clear();
    unlearned.results.summary = report::summarise(&unlearned.results.runs);
    if let Some(store) = &store {
        store.save(&key, config.model.as_deref(), &unlearned)?;
        report::write_all(store.dir(), &unlearned.results)
            .map_err(|error| RunError::Failed(error.to_string()))?;
    }
    if args.json {
        return print(&report::json(&unlearned.results));
    }
    print(&report::table(&unlearned.results))?;
    if let Some(dir) = &args.out {
        print(&format!(
            "\nWritten to {}: report.md, results.json, results.csv, edits, networks\n",
            dir.display()
        ))?;
    }
    Ok(())
}
