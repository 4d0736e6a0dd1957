//! `reweight evaluate`.

use super::common::{DataArgs, KernelName, ModelArgs, print};
use reweight::run::{self, RunError, debias};
use std::path::PathBuf;

/// Options of `evaluate`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    network: ModelArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Words of a classifier of comments, one a line [default: words-SEED.txt beside it]; --data is then a CSV file
    #[arg(long, value_name = "FILE")]
    words: Option<PathBuf>,
    /// Probability from which on a comment is called toxic
    #[arg(long, value_name = "P", default_value_t = 0.5)]
    threshold: f32,
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
    let file = &args.network.model;
    let (arch, words) = (args.network.arch.as_deref(), args.words.as_deref());
    if let Some(target) = debias::open_text(file, arch, words)? {
        let DataArgs { data, split_seed } = &args.data;
        let data = data.as_deref();
        let found = debias::evaluate_text(kernel, &target, data, *split_seed, args.threshold)?;
        return print(&if args.json { found.json() } else { found.text() });
    }
    if args.network.arch.is_none() && file.extension().is_some_and(|end| end == "rwq") {
        let model = run::int8::load_int8(file)?;
        let data = args.data.load_as_trained(&model.target)?;
        let evaluation = model.evaluate(kernel, &data)?;
        return print(&if args.json { evaluation.json() } else { evaluation.text() });
    }
    let network = args.network.load()?;
    let data = match &network.foreign {
        Some(_) => args.data.load_for(&network)?,
        None => args.data.load_as_trained(&network)?,
    };
    let evaluation = run::evaluate(kernel, &network.stack, &network.parameters, &data)?;
    let accuracy = evaluation.parts.last().map_or(1.0, run::PartAccuracy::accuracy);
    if let Some(warning) = run::near_chance(&network.name, accuracy, network.stack.outputs()) {
        eprintln!("warning: {warning}");
    }
    print(&if args.json { evaluation.json() } else { evaluation.text() })
}
