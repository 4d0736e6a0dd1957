//! `reweight evaluate`.

use super::common::{DataArgs, KernelName, print};
use reweight::run::{self, RunError};
use std::path::PathBuf;

/// Options of `evaluate`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Network file (.rwn)
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// Kernels
    #[arg(long, value_name = "NAME", value_enum, default_value = "auto")]
    kernel: KernelName,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<(), RunError> {
    let kernel = args.kernel.kernel()?;
    let network = run::load_network(&args.model)?;
    let data = args.data.load()?;
    let evaluation = run::evaluate(kernel, &network.stack, &network.parameters, &data)?;
    print(&if args.json { evaluation.json() } else { evaluation.text() })
}
