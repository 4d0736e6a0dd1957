//! `reweight train`.

use super::common::{DataArgs, MachineArgs, Widths, network_widths, print};
use super::progress::Progress;
use clap::ValueEnum;
use reweight::run::{self, Observer, RunError, TargetConfig};
use reweight::task::ClassSet;
use std::path::PathBuf;

/// Options of `train`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// What is trained
    #[arg(value_enum)]
    what: What,
    #[command(flatten)]
    data: DataArgs,
    /// Inputs x outputs of the layer fc2; a third number adds a hidden layer behind it
    #[arg(long, value_name = "INxOUT", value_parser = network_widths, default_value = "128x32")]
    widths: Widths,
    /// Passes over the train split
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    epochs: Option<u16>,
    /// Classes to leave out: retraining, the reference for unlearning
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    without: Vec<u8>,
    /// Seed of the initial weights and of the order of samples
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    machine: MachineArgs,
    /// File to write the network to
    #[arg(long, value_name = "FILE", default_value = "digits-cnn.rwn")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// The network digits-cnn on images of 28 x 28
    Digits,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<(), RunError> {
    let What::Digits = args.what;
    let kernel = args.machine.kernel.kernel()?;
    let data = args.data.load()?;
    let mut config =
        TargetConfig { widths: args.widths.0, behind: args.widths.1, ..TargetConfig::default() };
    if let Some(epochs) = args.epochs {
        config.training.epochs = usize::from(epochs);
    }
    let progress = Progress::new(args.machine.quiet);
    progress.phase("training digits-cnn", 1);
    let mut shown = 0;
    let without = ClassSet::of(&args.without);
    let target = run::train_target(kernel, &config, &data, without, args.seed, &mut |step| {
        if (step.step - shown) * 50 >= step.steps || step.step == step.steps {
            progress.advanced((step.step - shown) as f64 / step.steps as f64);
            shown = step.step;
        }
    })?;
    progress.clear();
    run::save_network(&args.out, &target, &run::target_key(&config, &data))?;
    let evaluation = run::evaluate(kernel, &target.stack, &target.parameters, &data)?;
    print(&format!("{}written to {}\n", evaluation.text(), args.out.display()))
}
