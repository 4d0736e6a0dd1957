//! How fast reward evaluations and whole editing runs are on this machine, beside their FLOP limits.

use super::error::RunError;
use super::observer::Silent;
use super::prepare::Prepared;
use super::target::Target;
use super::transfer::{TransferConfig, train_on};
use crate::editor::{Job, JobMemory, JobShape, Point, Settings, find};
use crate::env::Env;
use crate::kernel::bench::best;
use crate::kernel::{Batch, Kernel};
use crate::model::{Samples, digits_cnn};
use crate::nn::Init;
use crate::rng::{Purpose, Rng};
use crate::slab::Heap;
use crate::task::{ClassSet, RewardKind, Unlearning};
use crate::world::{Config, World, WorldKind};
use std::time::{Duration, Instant};

/// One reward evaluation, timed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvaluationTiming {
    /// The world.
    pub world: WorldKind,
    /// Rank of the action.
    pub rank: usize,
    /// What pays.
    pub reward: RewardKind,
    /// Best seconds of one evaluation: a step of the world, reset included.
    pub seconds: f64,
    /// Floating-point operations that an evaluation cannot do without, two per multiply-add.
    pub flops: f64,
}

/// A whole run of an editor, timed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunTiming {
    /// Name of the editor.
    pub editor: &'static str,
    /// The world.
    pub world: WorldKind,
    /// Evaluations that were used.
    pub evaluations: u64,
    /// Seconds per evaluation, everything that the editor does included.
    pub seconds: f64,
    /// Seconds of the evaluation alone.
    pub evaluation: f64,
}

/// Samples of an evaluation: the reward split of the built-in digits.
const SAMPLES: usize = 2_000;

/// A network of the size of `digits-cnn` on random samples; how long it takes depends on neither.
struct Subject {
    stack: crate::nn::Stack,
    parameters: Vec<f32>,
    inputs: Vec<f32>,
    labels: Vec<u8>,
}

impl Subject {
    fn new() -> Result<Self, RunError> {
        let stack = digits_cnn(128, 32, 10).map_err(RunError::stack)?;
        let mut rng = Rng::new(0, Purpose::Data);
        let mut parameters = vec![0.0; stack.parameters()];
        stack.initialise(Init::HeUniform, &mut parameters, &mut rng)?;
        let len = Batch::lanes(SAMPLES).len(stack.inputs());
        let inputs = (0..len).map(|_| rng.unit()).collect();
        let labels = (0..SAMPLES).map(|sample| (sample % 10) as u8).collect();
        Ok(Self { stack, parameters, inputs, labels })
    }

    /// Builds a world around the layer `fc2` and hands it to `look`.
    fn with_world<R>(
        &self,
        kernel: Kernel,
        config: Config,
        reward: RewardKind,
        look: impl FnOnce(&mut World<'_>) -> R,
    ) -> Result<R, RunError> {
        let layer = super::layers::editable_layer(&self.stack, "fc2")?;
        let mut parameters = self.parameters.clone();
        let mut task = Unlearning::new(ClassSet::of(&[7]), reward, [&[], &self.labels, &[]]);
        let batch = Batch::lanes(SAMPLES);
        let samples = Samples { batch, inputs: &self.inputs, labels: &self.labels };
        let mut heap = Heap::new(World::need(&config, &self.stack, layer, SAMPLES));
        let mut world = World::new(
            config,
            kernel,
            &self.stack,
            &mut parameters,
            layer,
            samples,
            &mut task,
            &mut heap.arena(),
        )?;
        Ok(look(&mut world))
    }
}

/// Times evaluations of both worlds, each for about `effort`.
///
/// # Errors
/// [`RunError`] when a world cannot be built.
pub fn time_evaluations(
    kernel: Kernel,
    effort: Duration,
) -> Result<Vec<EvaluationTiming>, RunError> {
    let subject = Subject::new()?;
    let mut timings = Vec::new();
    for (world, rank) in
        [(WorldKind::Mask, 1), (WorldKind::Mask, 4), (WorldKind::Shift, 1), (WorldKind::Shift, 4)]
    {
        for reward in [RewardKind::Accuracy, RewardKind::Probability] {
            let config = Config { rank, ..Config::new(world) };
            let seconds = subject.with_world(kernel, config, reward, |world| {
                let spec = world.spec();
                let mut rng = Rng::new(1, Purpose::Search);
                let action: Vec<f32> =
                    (0..spec.action.len).map(|_| rng.uniform(-1.0, 1.0)).collect();
                let mut observation = vec![0.0; spec.observation.len];
                best(effort, || {
                    let _ = world.reset(0, &mut observation);
                    let _ = std::hint::black_box(world.step(&action, &mut observation));
                })
            })?;
            let (inputs, outputs, classes) = (128, 32, 10);
            let layer = match world {
                WorldKind::Mask => inputs * outputs,
                WorldKind::Shift => rank * (inputs + outputs),
            };
            let flops = 2.0 * SAMPLES as f64 * (layer + outputs * classes) as f64;
            timings.push(EvaluationTiming { world, rank, reward, seconds, flops });
        }
    }
    Ok(timings)
}

/// Times whole runs of `ppo` and `sep-cma-es`, training included.
///
/// # Errors
/// [`RunError`] when an editor fails.
pub fn time_runs(kernel: Kernel) -> Result<Vec<RunTiming>, RunError> {
    let subject = Subject::new()?;
    let settings = Settings { kernel, ..Settings::default() };
    let mut timings = Vec::new();
    for world in [WorldKind::Mask, WorldKind::Shift] {
        for editor in ["ppo", "sep-cma-es"].iter().filter_map(|name| find(name)) {
            let config = Config::new(world);
            let timing = subject.with_world(kernel, config, RewardKind::Probability, |world| {
                let spec = world.spec();
                let mut observation = vec![0.0; spec.observation.len];
                let action = vec![0.5; spec.action.len];
                let evaluation = best(Duration::from_millis(200), || {
                    let _ = world.reset(0, &mut observation);
                    let _ = world.step(&action, &mut observation);
                });
                let shape = JobShape {
                    spec,
                    stack: &subject.stack,
                    settings: &settings,
                    training: None,
                    policy: None,
                };
                let mut heap = Heap::new(JobMemory::need(&spec).and(editor.editor.need(&shape)));
                let (mut seconds, mut evaluations) = (f64::INFINITY, 0);
                for _ in 0..3 {
                    let mut arena = heap.arena();
                    let memory = JobMemory::new(&spec, &mut arena)?;
                    let mut watch = |_: Point| {};
                    let budget = 1_024;
                    let mut job = Job::new(
                        world, false, &settings, 0, budget, 2.0, &mut watch, memory, None,
                    )?;
                    let begin = Instant::now();
                    editor.editor.edit(&mut job, &mut arena)?;
                    evaluations = job.evaluations();
                    seconds = seconds.min(begin.elapsed().as_secs_f64() / evaluations as f64);
                }
                Ok::<_, RunError>((evaluations, seconds, evaluation))
            })?;
            let (evaluations, seconds, evaluation) = timing?;
            timings.push(RunTiming {
                editor: editor.name,
                world,
                evaluations,
                seconds,
                evaluation,
            });
        }
    }
    Ok(timings)
}

/// The training of one policy, timed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyTiming {
    /// The world.
    pub world: WorldKind,
    /// Evaluations.
    pub evaluations: u64,
    /// Seconds on one core, contexts and features included, source networks not.
    pub seconds: f64,
}

/// Times the training of one policy in each world with the defaults, on networks that are as large as
/// the real source networks but not trained: how long it takes does not depend on that.
///
/// # Errors
/// [`RunError`] when the built-in data cannot be read, or training fails.
pub fn time_policies(kernel: Kernel) -> Result<Vec<PolicyTiming>, RunError> {
    let failed = |error: crate::data::DataError| RunError::Failed(error.to_string());
    let (images, parts) = crate::data::builtin_digits(0).map_err(failed)?;
    let data = Prepared::new(&images, &parts)?;
    let mut timings = Vec::new();
    for world in [WorldKind::Shift, WorldKind::Mask] {
        let config = TransferConfig { seeds: 1, threads: 1, kernel, ..TransferConfig::new(world) };
        let mut networks = Vec::new();
        for &((inputs, outputs), count) in &config.shapes {
            for _ in 0..count {
                let stack = digits_cnn(inputs, outputs, data.classes).map_err(RunError::stack)?;
                let mut parameters = vec![0.0; stack.parameters()];
                let mut rng = Rng::new(networks.len() as u64, Purpose::Weights);
                stack.initialise(Init::HeUniform, &mut parameters, &mut rng)?;
                networks.push(Target {
                    name: "digits-cnn".into(),
                    stack,
                    parameters,
                    seed: 0,
                    key: String::new(),
                    foreign: None,
                });
            }
        }
        let done = train_on(&config, &data, networks, 0.0, &Silent)?;
        timings.push(PolicyTiming {
            world,
            evaluations: done.policy.evaluations,
            seconds: done.seconds.iter().sum(),
        });
    }
    Ok(timings)
}
