//! `reweight transfer`.

use super::common::{DataArgs, MachineArgs, class_list, print, widths};
use super::progress::Progress;
use clap::{Subcommand, ValueEnum};
use reweight::report;
use reweight::run::{self, RunError, TransferConfig};
use reweight::world::{FeatureSet, WorldKind};
use std::path::PathBuf;

/// What is done with a policy.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Learn a policy on some classes of some networks
    Train(TrainArgs),
}

/// Options of `transfer train`.
#[derive(clap::Args, Debug)]
pub(super) struct TrainArgs {
    #[command(flatten)]
    data: DataArgs,
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
    /// Source networks of each width [default: 6,3,3, and 3 shift]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    networks: Vec<usize>,
    /// Reward evaluations of each policy seed [default: 32000 shift, 39936 mask]
    #[arg(long, value_name = "N")]
    budget: Option<u64>,
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

impl TrainArgs {
    fn config(&self) -> Result<TransferConfig, RunError> {
        let world = match self.world {
            World::Mask => WorldKind::Mask,
            World::Shift => WorldKind::Shift,
        };
        let defaults = TransferConfig::new(world);
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
            seeds: self.policy_seeds,
            seed: self.seed,
            split_seed: self.data.split_seed,
            threads: self.machine.threads(),
            kernel: self.machine.kernel.kernel()?,
            ..defaults
        })
    }
}

fn pairs(
    widths: &[(usize, usize)],
    networks: &[usize],
) -> Result<Vec<((usize, usize), usize)>, RunError> {
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
    }
}

fn train(args: &TrainArgs) -> Result<(), RunError> {
    let config = args.config()?;
    config.validate()?;
    let data = args.data.load()?;
    // An unwritable path is found out before the work, not after it.
    run::write_file(&args.out.with_extension("probe"), b"")?;
    let _ = std::fs::remove_file(args.out.with_extension("probe"));
    let progress = Progress::new(args.machine.quiet);
    let transfer = run::train_transfer(&config, &data, &progress)?;
    progress.clear();
    transfer.policy.save(&args.out)?;
    let written = report::write_training(&args.out, &config, &transfer)
        .map_err(|error| RunError::Failed(error.to_string()))?;
    print(&report::training_text(&config, &transfer))?;
    print(&format!("\nWritten: {}, {}\n", args.out.display(), written.display()))
}
