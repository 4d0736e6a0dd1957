//! `reweight apply`.

use super::common::{KernelName, ModelArgs, print};
use reweight::run::{self, RunError};
use std::path::PathBuf;

/// Options of `apply`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Edit file (.rwe)
    edit: PathBuf,
    #[command(flatten)]
    network: ModelArgs,
    /// File to write the edited network to [default: the network's name with -edited]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Kernels
    #[arg(long, value_name = "NAME", value_enum, default_value = "auto")]
    kernel: KernelName,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<(), RunError> {
    let kernel = args.kernel.kernel()?;
    let network = run::load_any_model(&args.network.model, args.network.arch.as_deref())?;
    let model = &args.network.model;
    let edited = run::apply_edit(kernel, &args.edit, model, &network)?;
    let out = args.out.clone().unwrap_or_else(|| {
        let stem = model.file_stem().unwrap_or_default().to_string_lossy();
        model.with_file_name(format!("{stem}-edited.{}", run::extension(&network)))
    });
    run::save_model(&out, &edited, &network.key)?;
    print(&format!(
        "network {} -> {}\nwritten to {}\n",
        network.digest(),
        edited.digest(),
        out.display()
    ))?;
    // Undoing a folded batch normalisation rounds.
    let written = run::load_any_model(&out, args.network.arch.as_deref())?.digest();
    if written == edited.digest() {
        return Ok(());
    }
    print(&format!(
        "it reads back as {written}: its batch normalisation was undone, which rounds\n"
    ))
}
