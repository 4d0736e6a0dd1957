//! `reweight transfer`.

use super::common::{
    DataArgs, LengthName, MachineArgs, RefineName, Widths, class_list, network_widths, print,
    widths,
};
use super::progress::Progress;
use clap::{Subcommand, ValueEnum};
use reweight::report;
use reweight::run::debias::{DebiasTransferConfig, train_debias};
use reweight::run::{
    self, ApplyConfig, Edits, RunError, SourceShape, TargetConfig, TrainedPolicy, TransferConfig,
    UnlearnConfig,
};
use reweight::world::{FeatureSet, WorldKind};
use std::path::PathBuf;
use std::sync::Arc;

/// What is done with a policy.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Learn a policy on some classes of some networks
    Train(TrainArgs),
    /// Let a policy edit networks and classes that it never saw, beside its controls
    Apply(ApplyArgs),
}

/// Options of `transfer apply`.
#[derive(clap::Args, Debug)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Network to edit instead of those trained here: .rwn, or safetensors with --arch
    #[arg(long, value_name = "FILE", conflicts_with_all = ["widths", "seeds"])]
    model: Option<PathBuf>,
    /// Layers of a network in safetensors (JSON)
    #[arg(long, value_name = "FILE", requires = "model")]
    arch: Option<PathBuf>,
    /// World [default: the policy's]
    #[arg(long, value_enum)]
    world: Option<World>,
    /// Trained policy: a file or shift, mask, shift-core, mask-core
    #[arg(long, value_name = "NAME|FILE", default_value = "shift")]
    policy: String,
    /// Policies of the file that act alone, one after the other [default: the first without
    /// evaluations, else the best of all]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    policy_seed: Vec<usize>,
    /// What follows the first action [default: none shift, es mask]
    #[arg(long, value_enum)]
    refine: Option<RefineName>,
    /// Where the length of the step comes from [default: settled with --refine none, else predicted]
    #[arg(long, value_enum)]
    length: Option<LengthName>,
    /// Reward evaluations of an edit [default: none 0, scale 10 for each policy, es 60]
    #[arg(long, value_name = "N")]
    budget: Option<u64>,
    /// Classes to forget at once
    #[arg(long, value_name = "CLASSES", value_parser = class_list, conflicts_with = "each")]
    forget: Option<std::vec::Vec<u8>>,
    /// Classes to forget after those, on the edited network (may be repeated)
    #[arg(long, value_name = "CLASSES", value_parser = class_list, requires = "forget")]
    then: Vec<std::vec::Vec<u8>>,
    /// Classes that are forgotten one by one, each from the original network [default: 7]
    #[arg(long, value_name = "CLASSES", value_parser = class_list)]
    each: Option<std::vec::Vec<u8>>,
    /// Layer that is edited [default: fc2, or the last hidden dense layer of --model]
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// Inputs x outputs of the layer fc2 of networks trained here; a third number adds a hidden layer
    /// behind it
    #[arg(long, value_name = "INxOUT", value_parser = network_widths, default_value = "128x32")]
    widths: Widths,
    /// Train and edit networks on the second half of the train and reward splits only
    #[arg(long, conflicts_with = "model")]
    disjoint: bool,
    /// Number of networks trained here
    #[arg(long, value_name = "N", default_value_t = 3)]
    seeds: u64,
    /// First seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Share of utility in the reward of the refinement, 0 to 1
    #[arg(long, value_name = "L", default_value_t = 0.5)]
    lambda: f32,
    /// Leave out the controls
    #[arg(long)]
    no_controls: bool,
    #[command(flatten)]
    machine: MachineArgs,
    /// Folder for results, report, edits and networks
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print results.json instead of the table
    #[arg(long)]
    json: bool,
}

/// Options of `transfer train`.
#[derive(clap::Args, Debug)]
pub(super) struct TrainArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Networks to practise on: digits-cnn to forget classes, profanity to treat groups alike
    #[arg(long, value_name = "NAME", value_parser = ["digits-cnn", "profanity"],
        default_value = "digits-cnn")]
    target: String,
    /// World
    #[arg(long, value_enum)]
    world: World,
    /// Features of rows and columns [default: core+lda3 shift, all mask]
    #[arg(long, value_name = "SET", value_parser = ["core", "core+lda3", "all"])]
    features: Option<String>,
    /// Classes whose forgetting is practised
    #[arg(long, value_name = "CLASSES", value_parser = class_list, default_value = "0-6")]
    classes: std::vec::Vec<u8>,
    /// Inputs x outputs of the edited layer of the source networks [default: 128x32,96x24,48x64, and
    /// 512x128 shift]
    #[arg(long, value_name = "INxOUT", value_parser = widths, value_delimiter = ',')]
    widths: Vec<(usize, usize)>,
    /// Source networks of each width [default: 6,3,3, and 3 shift; profanity 12]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    networks: Vec<usize>,
    /// Reward evaluations of each policy seed [default: 32000 shift, 39936 mask, profanity 5120]
    #[arg(long, value_name = "N")]
    budget: Option<u64>,
    /// Deviation of constants that every practised edit adds to features of the columns, so that the policy does not
    /// lean on the level that they have in its own networks; 1 helps on networks of other kinds
    #[arg(long, value_name = "S", default_value_t = 0.0, allow_negative_numbers = true)]
    jitter: f32,
    /// Train on the first half of the train and reward splits only (transfer apply --disjoint takes the
    /// other)
    #[arg(long)]
    disjoint: bool,
    /// Policies in the file, each trained with a seed of its own
    #[arg(long, value_name = "N", default_value_t = 3)]
    policy_seeds: u64,
    /// First seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    machine: MachineArgs,
    /// Policy file; the training report goes beside it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum World {
    Mask,
    Shift,
}

impl World {
    fn kind(self) -> WorldKind {
        match self {
            Self::Mask => WorldKind::Mask,
            Self::Shift => WorldKind::Shift,
        }
    }
}

impl TrainArgs {
    fn debias_config(&self) -> Result<DebiasTransferConfig, RunError> {
        let defaults = DebiasTransferConfig::new(self.world.kind());
        if self.features.is_some() || !self.widths.is_empty() || self.disjoint || self.jitter != 0.0
        {
            return Err(RunError::Usage(
                "--features, --widths, --jitter and --disjoint are for networks of images".into(),
            ));
        }
        let networks = match self.networks.as_slice() {
            [] => defaults.networks,
            [count] => *count,
            _ => return Err(RunError::Usage("--networks: one number is expected".into())),
        };
        Ok(DebiasTransferConfig {
            networks,
            budget: self.budget.unwrap_or(defaults.budget),
            seeds: self.policy_seeds,
            seed: self.seed,
            threads: self.machine.threads(),
            kernel: self.machine.kernel.kernel()?,
            ..defaults
        })
    }

    fn config(&self) -> Result<TransferConfig, RunError> {
        let defaults = TransferConfig::new(self.world.kind());
        let shapes = match (self.widths.is_empty(), self.networks.is_empty()) {
            (true, true) => defaults.shapes,
            (true, false) => {
                let widths: Vec<_> = defaults.shapes.iter().map(|(widths, _)| *widths).collect();
                pairs(&widths, &self.networks)?
            }
            (false, true) => self.widths.iter().map(|&widths| (widths, 3)).collect(),
            (false, false) => pairs(&self.widths, &self.networks)?,
        };
        Ok(TransferConfig {
            features: self.features.as_deref().and_then(FeatureSet::find),
            classes: self.classes.clone(),
            shapes,
            budget: self.budget,
            jitter: self.jitter,
            seeds: self.policy_seeds,
            seed: self.seed,
            split_seed: self.data.split_seed,
            disjoint: self.disjoint,
            threads: self.machine.threads(),
            kernel: self.machine.kernel.kernel()?,
            ..defaults
        })
    }
}

fn pairs(widths: &[(usize, usize)], networks: &[usize]) -> Result<Vec<SourceShape>, RunError> {
    if widths.len() != networks.len() {
        return Err(RunError::Usage(format!(
            "--networks names {} numbers, --widths {} shapes: one number per shape is expected",
            networks.len(),
            widths.len()
        )));
    }
    Ok(widths.iter().copied().zip(networks.iter().copied()).collect())
}

/// Runs the subcommand.
pub(super) fn run(command: &Command) -> Result<(), RunError> {
    match command {
        Command::Train(args) => train(args),
        Command::Apply(args) => apply(args),
    }
}

fn train(args: &TrainArgs) -> Result<(), RunError> {
    let debias = if args.target == "profanity" { Some(args.debias_config()?) } else { None };
    let (config, data) = match &debias {
        Some(config) => {
            config.validate()?;
            (None, None)
        }
        None => {
            let config = args.config()?;
            config.validate()?;
            let data = args.data.load()?;
            let data = if args.disjoint { data.half(false) } else { data };
            (Some(config), Some(data))
        }
    };
    // An unwritable path is found out before the work, not after it.
    let probe = args.out.with_extension("probe");
    run::write_file(&probe, b"").map_err(|_| {
        let out = args.out.display();
        RunError::Failed(format!("--out {out}: no file can be written to its folder"))
    })?;
    let _ = std::fs::remove_file(probe);
    let progress = Progress::new(args.machine.quiet);
    let transfer = match (&debias, &config, &data) {
        (None, Some(config), Some(data)) => run::train_transfer(config, data, &progress)?,
        (Some(config), ..) => train_debias(config, &progress)?,
        _ => return Err(RunError::Usage("--target names nothing to train on".into())),
    };
    progress.clear();
    transfer.policy.save(&args.out)?;
    let written = report::write_training(&args.out, &transfer)
        .map_err(|error| RunError::Failed(error.to_string()))?;
    print(&report::training_text(&transfer))?;
    print(&format!("\nWritten: {}, {}\n", args.out.display(), written.display()))
}

impl ApplyArgs {
    fn config(&self) -> Result<ApplyConfig, RunError> {
        let defaults = UnlearnConfig::default();
        let policy = TrainedPolicy::load(&self.policy)?;
        let world = match self.world {
            None => policy.kind,
            Some(world) => world.kind(),
        };
        let edits = match (&self.forget, &self.each) {
            (Some(first), _) if !self.then.is_empty() => {
                Edits::Sequence(std::iter::once(first).chain(&self.then).cloned().collect())
            }
            (Some(together), _) => Edits::Each(vec![together.clone()]),
            (None, Some(each)) => Edits::Each(each.iter().map(|&class| vec![class]).collect()),
            (None, None) => Edits::Each(vec![vec![7]]),
        };
        Ok(ApplyConfig {
            base: UnlearnConfig {
                target: TargetConfig {
                    widths: self.widths.0,
                    behind: self.widths.1,
                    ..defaults.target
                },
                layer: self.layer.clone(),
                worlds: vec![world],
                editors: vec!["policy".into()],
                policy: Some(self.policy.clone()),
                refine: self.refine.map(RefineName::refine),
                length: self.length.map(LengthName::length),
                budget: self.budget,
                lambda: self.lambda,
                seeds: self.seeds,
                seed: self.seed,
                split_seed: self.data.split_seed,
                threads: self.machine.threads(),
                kernel: self.machine.kernel.kernel()?,
                ..defaults
            },
            edits,
            policy_seeds: self.policy_seed.clone(),
            controls: !self.no_controls,
        })
    }
}

fn apply(args: &ApplyArgs) -> Result<(), RunError> {
    let mut config = args.config()?;
    config.validate()?;
    let data = match &args.model {
        None if args.disjoint => args.data.load()?.half(true),
        None => args.data.load()?,
        Some(path) => {
            let model = run::load_model(path, args.arch.as_deref())?;
            if args.out.is_some() {
                run::check_writable(&model, args.layer.as_deref())?;
            }
            let data = args.data.load_for(&model)?;
            config.base.seeds = 1;
            config.base.model = Some(Arc::new(model));
            data
        }
    };
    let store = args.out.as_deref().map(run::Store::open).transpose()?;
    let progress = Progress::new(args.machine.quiet);
    let key = match &config.base.model {
        Some(model) => model.key.clone(),
        None => run::target_key(&config.base.target, &data),
    };
    let cached = |seed| store.as_ref().and_then(|store| store.target(&key, seed));
    let mut applied = run::apply_transfer(&config, &data, &cached, &progress)?;
    progress.clear();
    applied.results.summary = report::summarise(&applied.results.runs);
    if let Some(store) = &store {
        store.save_applied(&key, config.base.model.as_deref(), &applied)?;
        report::write_transfer(store.dir(), &applied)
            .map_err(|error| RunError::Failed(error.to_string()))?;
    }
    if args.json {
        return print(&report::json(&applied.results));
    }
    print(&report::transfer_text(&applied))?;
    if let Some(dir) = &args.out {
        print(&format!(
            "\nWritten to {}: report.md, results.json, results.csv, edits, networks\n",
            dir.display()
        ))?;
    }
    Ok(())
}
