//! Options that several subcommands share.

use clap::{Args, ValueEnum};
use reweight::data::{self, Images, Parts};
use reweight::editor::{Length, Refine};
use reweight::kernel::{Backend, Kernel};
use reweight::run::{self, Prepared, RunError, Target};
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;

/// Which data.
#[derive(Args, Debug)]
pub(super) struct DataArgs {
    /// Folder of IDX files, plain or .gz (*images*, *labels*); the built-in digits when left out
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Seed that deals the data into train, reward and test
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) split_seed: u64,
}

impl DataArgs {
    /// Loads the data and deals them for networks that are trained here.
    pub(super) fn load(&self) -> Result<Prepared, RunError> {
        let (images, parts) = self.read()?;
        Prepared::new(&images, &parts)
    }

    /// Loads the data and deals them for a network that was loaded.
    pub(super) fn load_for(&self, model: &Target) -> Result<Prepared, RunError> {
        let (images, parts) = self.read()?;
        Prepared::for_loaded(&images, &parts, model)
    }

    /// Loads the data as they are for a network that was trained here, on the train part.
    pub(super) fn load_as_trained(&self, model: &Target) -> Result<Prepared, RunError> {
        let (images, parts) = self.read()?;
        Prepared::for_model(&images, &parts, model)
    }

    fn read(&self) -> Result<(Images, Parts), RunError> {
        let failed = |error: data::DataError| RunError::Failed(error.to_string());
        match &self.data {
            None => data::builtin_digits(self.split_seed),
            Some(dir) => data::load_dir(dir, self.split_seed),
        }
        .map_err(failed)
    }
}

/// A network that is loaded.
#[derive(Args, Debug)]
pub(super) struct ModelArgs {
    /// Network file: reweight's own (.rwn; evaluate also reads .rwq), or safetensors
    #[arg(long, value_name = "FILE")]
    pub(super) model: PathBuf,
    /// Layers of a network in safetensors (JSON)
    #[arg(long, value_name = "FILE")]
    pub(super) arch: Option<PathBuf>,
}

impl ModelArgs {
    /// Loads it.
    pub(super) fn load(&self) -> Result<Target, RunError> {
        run::load_model(&self.model, self.arch.as_deref())
    }
}

/// Which kernels.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum KernelName {
    /// The fastest that this processor can run
    Auto,
    /// Plain Rust, fused multiply-add in software
    Portable,
    /// NEON
    Neon,
    /// AVX2 and FMA
    Avx2,
    /// AVX-512F
    Avx512,
}

impl KernelName {
    /// The kernels of that name.
    pub(super) fn kernel(self) -> Result<Kernel, RunError> {
        let backend = match self {
            Self::Auto => return Ok(Kernel::auto()),
            Self::Portable => Backend::Portable,
            Self::Neon => Backend::Neon,
            Self::Avx2 => Backend::Avx2,
            Self::Avx512 => Backend::Avx512,
        };
        Kernel::new(backend).ok_or_else(|| {
            RunError::Failed(format!(
                "--kernel {}: this processor cannot run it (the fastest it can is {})",
                backend.name(),
                Kernel::auto().backend().name()
            ))
        })
    }
}

/// How a command runs; changes no figure.
#[derive(Args, Debug)]
pub(super) struct MachineArgs {
    /// Threads; all cores when left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) threads: Option<u16>,
    /// Kernels
    #[arg(long, value_name = "NAME", value_enum, default_value = "auto")]
    pub(super) kernel: KernelName,
    /// No progress
    #[arg(long, short)]
    pub(super) quiet: bool,
}

impl MachineArgs {
    /// Number of threads.
    pub(super) fn threads(&self) -> usize {
        self.threads.map_or_else(
            || std::thread::available_parallelism().map_or(1, usize::from),
            usize::from,
        )
    }
}

/// Widths of a network that is trained here, `INxOUT` of the layer fc2 or `INxOUTxBEHIND`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Widths(pub(super) (usize, usize), pub(super) Option<usize>);

/// Reads [`Widths`].
pub(super) fn network_widths(text: &str) -> Result<Widths, String> {
    match text.splitn(3, 'x').collect::<Vec<_>>().as_slice() {
        [inputs, outputs, behind] => {
            let (outputs, behind) = widths(&format!("{outputs}x{behind}"))?;
            let (inputs, _) = widths(&format!("{inputs}x{outputs}"))?;
            Ok(Widths((inputs, outputs), Some(behind)))
        }
        _ => Ok(Widths(widths(text)?, None)),
    }
}

/// Shape of a layer, `INxOUT`.
pub(super) fn widths(text: &str) -> Result<(usize, usize), String> {
    let parse = |part: &str| part.parse::<usize>().ok().filter(|&n| (1..=65_536).contains(&n));
    text.split_once('x')
        .and_then(|(inputs, outputs)| Some((parse(inputs)?, parse(outputs)?)))
        .ok_or_else(|| "expected inputs x outputs, each from 1 to 65536, as in 128x32".into())
}

/// Classes, `0,3,5-7`.
pub(super) fn class_list(text: &str) -> Result<Vec<u8>, String> {
    let class = |part: &str| {
        part.trim().parse::<u8>().map_err(|_| format!("{part:?} is not a class (0 to 255)"))
    };
    let mut classes = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            None => classes.push(class(part)?),
            Some((first, last)) => {
                let (first, last) = (class(first)?, class(last)?);
                if first > last {
                    return Err(format!("{part}: the first class is above the last"));
                }
                classes.extend(first..=last);
            }
        }
    }
    Ok(classes)
}

/// How a trained policy acts.
#[derive(Args, Debug)]
pub(super) struct PolicyArgs {
    /// Trained policy: a file or shift, mask, shift-core, mask-core [default: the world's own]
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) policy: Option<String>,
    /// The policy of the file that acts [default: the first without evaluations, else all]
    #[arg(long, value_name = "N")]
    pub(super) policy_seed: Option<usize>,
    /// What follows its first action [default: none shift, es mask]
    #[arg(long, value_enum)]
    refine: Option<RefineName>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum RefineName {
    /// Nothing: no evaluation
    None,
    /// The best of ten scales, for each policy of the file
    Scale,
    /// The same, then a (1+1) evolution strategy for the rest of the budget
    Es,
}

/// Where the length of a policy's step comes from.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LengthName {
    /// From what one pass over the reward split showed
    Predicted,
    /// The same, then passes of some samples through the edited layer at up to 12 lengths, without a reward
    Settled,
}

impl PolicyArgs {
    /// What follows the first action.
    pub(super) fn refine(&self) -> Option<Refine> {
        self.refine.map(RefineName::refine)
    }
}

impl LengthName {
    /// What it names.
    pub(super) fn length(self) -> Length {
        match self {
            Self::Predicted => Length::Predicted,
            Self::Settled => Length::Settled,
        }
    }
}

impl RefineName {
    /// What it names.
    pub(super) fn refine(self) -> Refine {
        match self {
            Self::None => Refine::None,
            Self::Scale => Refine::Scale,
            Self::Es => Refine::Es,
        }
    }
}

/// Prints to standard output; a reader that has gone away (a closed pipe) is no error.
pub(super) fn print(text: &str) -> Result<(), RunError> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(RunError::Failed(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Values with commas between.
#[derive(Clone, Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

/// Reads a [`List`].
pub(super) fn list<T: FromStr>(text: &str) -> Result<List<T>, String> {
    let value = |part: &str| part.trim().parse().map_err(|_| format!("{part:?} is no such value"));
    text.split(',').map(value).collect::<Result<_, _>>().map(List)
}
