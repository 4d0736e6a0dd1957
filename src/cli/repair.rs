//! `reweight repair`.

use super::common::{MachineArgs, print};
use super::progress::Progress;
use reweight::data::tflite::TfLite;
use reweight::report;
use reweight::run::repair::{self, Function, RepairConfig};
use reweight::run::{Observer, RunError};
use std::path::PathBuf;

/// Options of `repair`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Network of dense layers of 8-bit integers (.tflite); it is not changed
    file: PathBuf,
    /// What it should compute: sine, or a CSV file of rows of inputs, then outputs
    #[arg(long, value_name = "sine|FILE", default_value = "sine")]
    function: String,
    /// Least and largest input of the sine
    #[arg(long, value_name = "LOW,HIGH", value_parser = range, default_value = "0,6.28",
        allow_hyphen_values = true)]
    range: Range,
    /// One dense layer alone, as a network over its own inputs: index of its operator or name of its
    /// weights (see inspect) [default: the whole network]
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// Dense layers that are edited, by their positions from 0 [default: all]
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    edit: Option<Vec<usize>>,
    /// Editors: sep-cma-es, sparse-es, es, and the control random
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "sep-cma-es")]
    editor: Vec<String>,
    /// Reward evaluations of a run
    #[arg(long, value_name = "N", default_value_t = RepairConfig::default().budget)]
    budget: u64,
    /// Initial standard deviation, in steps of a weight
    #[arg(long, value_name = "S", default_value_t = RepairConfig::default().sigma)]
    sigma: f32,
    /// Number of seeds
    #[arg(long, value_name = "N", default_value_t = RepairConfig::default().seeds)]
    seeds: u64,
    /// First seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    machine: MachineArgs,
    /// Folder for the repaired files, results and report
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print results.json instead of the table
    #[arg(long)]
    json: bool,
}

/// Least and largest input.
#[derive(Clone, Copy, Debug)]
struct Range(f32, f32);

fn range(text: &str) -> Result<Range, String> {
    let number = |part: &str| part.trim().parse::<f32>().ok().filter(|number| number.is_finite());
    text.split_once(',')
        .and_then(|(low, high)| Some(Range(number(low)?, number(high)?)))
        .filter(|Range(low, high)| low < high)
        .ok_or_else(|| "expected two rising numbers, as in 0,6.28".into())
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<(), RunError> {
    let function = match args.function.as_str() {
        "sine" => Function::Sine { low: args.range.0, high: args.range.1 },
        file => Function::File(file.into()),
    };
    let config = RepairConfig {
        function,
        layer: args.layer.clone(),
        edit: args.edit.clone(),
        editors: args.editor.clone(),
        budget: args.budget,
        sigma: args.sigma,
        seeds: args.seeds,
        first_seed: args.seed,
        threads: args.machine.threads(),
        kernel: args.machine.kernel.kernel()?,
    };
    config.check()?;
    let file = TfLite::open(&args.file).map_err(|error| RunError::Failed(error.to_string()))?;
    if let Some(dir) = &args.out {
        // A folder that cannot be written to should not be found out after the work.
        std::fs::create_dir_all(dir).map_err(|error| {
            RunError::Failed(format!("{}: cannot be made: {error}", dir.display()))
        })?;
    }
    let progress = Progress::new(args.machine.quiet);
    let repaired = repair::repair(&file, &config, &progress);
    progress.phase("", 0);
    progress.clear();
    let repaired = repaired?;
    if args.json {
        print(&report::repair_json(&repaired))?;
    } else {
        print(&report::repair_text(&repaired))?;
    }
    let Some(dir) = &args.out else { return Ok(()) };
    let written = report::write_repair(dir, &repaired)
        .map_err(|error| RunError::Failed(error.to_string()))?;
    if args.json {
        return Ok(());
    }
    let written: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    print(&format!("\nwritten: {}\n", written.join("\n         ")))
}
