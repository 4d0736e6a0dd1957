//! `reweight unlearn`.

use super::common::{DataArgs, LengthName, MachineArgs, PolicyArgs, Widths, network_widths, print};
use super::progress::Progress;
use clap::ValueEnum;
use reweight::report;
use reweight::run::{self, Erase, Prepared, Preset, RunError, TargetConfig, UnlearnConfig, int8};
use reweight::task::{Refit, RewardKind};
use reweight::world::int8::{Int8Form, Int8Range};
use reweight::world::{Unit, WorldKind};
use std::path::PathBuf;
use std::sync::Arc;

/// Options of `unlearn`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
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
    #[command(flatten)]
    common: Common,
    /// What of an int8 target is edited: its weights (a row's scale grows where they leave 8 bits), its weights
    /// held to 8 bits, or its rows' multipliers (mask world alone)
    #[arg(long, value_enum, default_value = "weights")]
    int8: Int8Name,
    /// Folder for results, report, edits and networks
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What is forgotten.
#[derive(Clone, Copy, Default)]
pub(super) struct Forget<'a> {
    /// Classes.
    pub(super) classes: &'a [u8],
    /// Share of the training samples, in place of classes.
    pub(super) share: Option<f64>,
    /// Networks of either kind of an attack on them.
    pub(super) lira: Option<usize>,
}

/// Options of every command that unlearns.
#[derive(clap::Args, Debug)]
pub(super) struct Common {
    #[command(flatten)]
    data: DataArgs,
    /// Network that is trained and edited; digits-cnn-int8 is quantised after its training (unlearn alone)
    #[arg(long, value_name = "NAME", value_parser = ["digits-cnn", int8::NAME], default_value = "digits-cnn")]
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
    /// Dense or conv2d layer that is edited, or several with commas between them [default: fc2; with --model the
    /// last hidden dense one]
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
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
    /// Where the length of a policy's step comes from [default: settled with --refine none, else predicted]
    #[arg(long, value_enum)]
    length: Option<LengthName>,
    /// Make the features forget too, not the answers alone: from mean match on, from scratch, or (off) as from
    /// scratch but without the refit in the reward, as a control
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, default_missing_value = "warm")]
    erase: Option<EraseName>,
    /// How --erase fits the last layer anew [default: softmax warm, blend cold]
    #[arg(long, value_enum)]
    refit: Option<RefitName>,
    /// Whether the refit looks at every hidden layer behind the first edited one [default: a softmax does]
    #[arg(long, value_name = "BOOL")]
    deep: Option<bool>,
    /// Initial step size of sep-cma-es and mean-match-warm [default: .3 and .05; .4 with --erase cold]
    #[arg(long, value_name = "S")]
    sigma: Option<f32>,
    /// Rank of the action [default: 1; with --erase cold 4]
    #[arg(long, value_name = "R")]
    rank: Option<usize>,
    /// Step [default: 2 shift, 1.5 mask; with --erase cold times the root of the rank]
    #[arg(long, value_name = "S")]
    step: Option<f32>,
    /// What ShiftWorld's step is measured in [default: the preset's]
    #[arg(long, value_enum)]
    unit: Option<UnitName>,
    /// Share of utility in the reward, 0 to 1 [default: .5; with --erase what its weights come to]
    #[arg(long, value_name = "L")]
    lambda: Option<f32>,
    /// What pays [default: the preset's]
    #[arg(long, value_enum)]
    reward: Option<RewardName>,
    /// Switch the forgotten classes' outputs off after every edit (references aside)
    #[arg(long)]
    then_mask: bool,
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
    pub(super) machine: MachineArgs,
    /// Print results.json instead of the table
    #[arg(long)]
    pub(super) json: bool,
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
pub(super) enum RewardName {
    Probability,
    Accuracy,
}

/// What of an int8 target is edited.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(super) enum Int8Name {
    Weights,
    WeightsSaturating,
    RowMultipliers,
}

impl Int8Name {
    pub(super) fn how(self) -> (Int8Form, Int8Range) {
        match self {
            Self::Weights => (Int8Form::Weights, Int8Range::Grow),
            Self::WeightsSaturating => (Int8Form::Weights, Int8Range::Saturate),
            Self::RowMultipliers => (Int8Form::RowMultipliers, Int8Range::Grow),
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EraseName {
    Warm,
    Cold,
    Off,
}

impl EraseName {
    fn erase(self) -> Erase {
        match self {
            Self::Warm => Erase::Warm,
            Self::Cold => Erase::Cold,
            Self::Off => Erase::Off,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RefitName {
    /// Least squares and discriminants, crossed
    Blend,
    /// Softmax regression
    Softmax,
}

impl RefitName {
    fn refit(self) -> Refit {
        match self {
            Self::Blend => Refit::Blend,
            Self::Softmax => Refit::Softmax,
        }
    }
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

impl RewardName {
    /// What it names.
    pub(super) fn kind(self) -> RewardKind {
        match self {
            Self::Probability => RewardKind::Probability,
            Self::Accuracy => RewardKind::Accuracy,
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

impl Common {
    /// The settings, for the default classes to forget.
    fn config(&self) -> Result<UnlearnConfig, RunError> {
        let erase = self.erase.map(EraseName::erase);
        let defaults = match erase {
            Some(erase) => UnlearnConfig::erasing(erase, self.then_mask),
            None => UnlearnConfig::default(),
        };
        Ok(UnlearnConfig {
            target: TargetConfig {
                widths: self.widths.0,
                behind: self.widths.1,
                ..defaults.target
            },
            model: None,
            layer: self.layer.clone(),
            worlds: self.world.worlds(),
            forget: defaults.forget,
            forget_random: None,
            lira: None,
            editors: match self.editor.is_empty() {
                true => defaults.editors,
                false => self.editor.clone(),
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
            length: self.length.map(LengthName::length),
            rank: self.rank.unwrap_or(defaults.rank),
            erase,
            refit: self.refit.map(RefitName::refit),
            deep: self.deep,
            sigma: self.sigma,
            step: self.step,
            unit: self.unit.map(UnitName::unit),
            lambda: self.lambda.unwrap_or(defaults.lambda),
            then_mask: self.then_mask,
            reward: self.reward.map(RewardName::kind),
            episode_length: self.episode_length,
            seeds: self.seeds,
            seed: self.seed,
            split_seed: self.data.split_seed,
            threads: self.machine.threads(),
            kernel: self.machine.kernel.kernel()?,
        })
    }
}

impl Common {
    /// Whether the target is quantised.
    fn is_int8(&self) -> bool {
        self.model.is_none() && self.target == int8::NAME
    }

    /// Refuses targets that `unlearn` alone can edit.
    ///
    /// # Errors
    /// [`RunError::Usage`].
    pub(super) fn only_real(&self) -> Result<(), RunError> {
        match self.is_int8() {
            true => {
                Err(RunError::Usage(format!("--target {}: unlearn alone edits it", int8::NAME)))
            }
            false => Ok(()),
        }
    }

    /// The first option of those that a grid of settings decides, where one is given.
    pub(super) fn varied_by_grid(&self) -> Option<&'static str> {
        let given = [
            ("--editor", !self.editor.is_empty()),
            ("--rank", self.rank.is_some()),
            ("--step", self.step.is_some()),
            ("--lambda", self.lambda.is_some()),
            ("--erase", self.erase.is_some()),
            ("--reward", self.reward.is_some()),
            ("--episode-length", self.episode_length != 1),
        ];
        given.into_iter().find_map(|(name, given)| given.then_some(name))
    }

    /// The settings with the network and the data, which are checked in this order: options, network, data.
    /// `editors` are those that run where none are named; `writes` says that the edited network is saved.
    pub(super) fn load(
        &self,
        what: Forget<'_>,
        editors: &[&str],
        writes: bool,
    ) -> Result<(UnlearnConfig, Prepared), RunError> {
        let mut config = UnlearnConfig {
            forget: what.classes.to_vec(),
            forget_random: what.share,
            lira: what.lira,
            ..self.config()?
        };
        if self.editor.is_empty() && self.erase.is_none() {
            config.editors = editors.iter().map(ToString::to_string).collect();
        }
        config.validate()?;
        let data = match &self.model {
            None => self.data.load()?,
            Some(path) => {
                let model = run::load_model(path, self.arch.as_deref())?;
                if self.editor.is_empty() {
                    let names: Vec<&str> = config.editors.iter().map(String::as_str).collect();
                    config.editors = run::editors_for(&model, &names);
                }
                if writes {
                    run::check_writable(&model, self.layer.as_deref())?;
                }
                let data = self.data.load_for(&model)?;
                config.model = Some(Arc::new(model));
                data
            }
        };
        config.validate()?;
        Ok((config, data))
    }
}

/// What targets of these settings are made from.
pub(super) fn key(config: &UnlearnConfig, data: &Prepared) -> String {
    match &config.model {
        Some(model) => model.key.clone(),
        None => run::target_key(&config.target, data),
    }
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<(), RunError> {
    let Args { forget, forget_random, lira, common, int8: form, out } = args;
    if *form != Int8Name::Weights && !common.is_int8() {
        return Err(RunError::Usage(format!("--int8 is for --target {}", int8::NAME)));
    }
    let editors: Vec<&str> = match forget_random {
        None => run::DEFAULT_EDITORS.to_vec(),
        // There is no logit to mask.
        Some(_) => {
            run::DEFAULT_EDITORS.iter().copied().filter(|name| *name != "logit-mask").collect()
        }
    };
    let what = Forget { classes: forget, share: *forget_random, lira: *lira };
    let (config, data) = common.load(what, &editors, out.is_some())?;
    let store = out.as_deref().map(run::Store::open).transpose()?;
    let progress = Progress::new(common.machine.quiet);
    let key = key(&config, &data);
    let cached = |seed| store.as_ref().and_then(|store| store.target(&key, seed));
    if common.is_int8() {
        let mut unlearned = int8::unlearn(&config, form.how(), &data, &cached, &progress)?;
        progress.clear();
        unlearned.results.summary = report::summarise(&unlearned.results.runs);
        if let Some(store) = &store {
            int8::save(store, &key, &unlearned)?;
        }
        return show(common, store.as_ref(), &unlearned.results, "networks");
    }
    let mut unlearned = run::unlearn(&config, &data, &cached, &progress)?;
    progress.clear();
    unlearned.results.summary = report::summarise(&unlearned.results.runs);
    if let Some(store) = &store {
        store.save(&key, config.model.as_deref(), &unlearned)?;
    }
    show(common, store.as_ref(), &unlearned.results, "edits, networks")
}

/// Writes the report, if there is a folder for it, and prints what was asked for.
fn show(
    common: &Common,
    store: Option<&run::Store>,
    results: &run::record::Results,
    files: &str,
) -> Result<(), RunError> {
    if let Some(store) = store {
        report::write_all(store.dir(), results)
            .map_err(|error| RunError::Failed(error.to_string()))?;
    }
    if common.json {
        return print(&report::json(results));
    }
    print(&report::table(results))?;
    if let Some(store) = store {
        print(&format!(
            "\nWritten to {}: report.md, results.json, results.csv, {files}\n",
            store.dir().display()
        ))?;
    }
    Ok(())
}
