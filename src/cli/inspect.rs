//! `reweight inspect`.

use super::common::print;
use reweight::run::{self, RunError};
use std::path::PathBuf;

/// Options of `inspect`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Network (.rwn), edit (.rwe), safetensors or .tflite file
    file: PathBuf,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<(), RunError> {
    print(&run::inspect(&args.file)?)
}
