//! A task of your own: two numbers from a forward pass.
//!
//! Here: make the network stop confusing 4 and 9. Utility is the accuracy on all digits, the edit term
//! the share of 4s and 9s that are not taken for each other. sep-CMA-ES edits `fc2` in both worlds.
//!
//! ```text
//! cargo run --release --example own_task
//! ```

use reweight::data::builtin_digits;
use reweight::editor::{Job, JobMemory, JobShape, Point, Settings, find};
use reweight::env::Env;
use reweight::kernel::{Kernel, LANES};
use reweight::model::{Forward, ForwardError, Split};
use reweight::run::{Prepared, TargetConfig, train_target};
use reweight::slab::Heap;
use reweight::task::{ClassSet, Score, Task};
use reweight::world::{Config, World, WorldKind};
use std::error::Error;

/// The two classes that are to be told apart.
const PAIR: [u8; 2] = [4, 9];

struct TellApart<'a> {
    /// Labels of the reward split.
    labels: &'a [u8],
}

impl Task for TellApart<'_> {
    fn score(&mut self, net: &mut dyn Forward, _: Split) -> Result<Score, ForwardError> {
        let (mut right, mut pair, mut confused) = (0, 0, 0);
        let kernel = net.kernel();
        let mut fault = Ok(());
        net.for_each_logits(&mut |logits| {
            let mut classes = [0u32; LANES];
            let predicted = &mut classes[..logits.batch.samples()];
            fault =
                fault.and(kernel.argmax(logits.batch, logits.classes, logits.values, predicted));
            for (&label, &class) in self.labels[logits.first..].iter().zip(&*predicted) {
                right += usize::from(class == u32::from(label));
                if PAIR.contains(&label) {
                    pair += 1;
                    let other = PAIR[usize::from(label == PAIR[0])];
                    confused += usize::from(class == u32::from(other));
                }
            }
        })?;
        fault?;
        Ok(Score {
            utility: right as f32 / self.labels.len() as f32,
            edit: 1.0 - confused as f32 / pair as f32,
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let kernel = Kernel::auto();
    let (images, parts) = builtin_digits(0)?;
    let data = Prepared::new(&images, &parts)?;
    let target =
        train_target(kernel, &TargetConfig::default(), &data, ClassSet::EMPTY, 0, &mut |_| {})?;
    let layer = target.stack.find("fc2").ok_or("digits-cnn has a layer fc2")?;
    let editor = find("sep-cma-es").ok_or("the table has sep-cma-es")?.editor;
    let settings = Settings::default();
    for kind in [WorldKind::Shift, WorldKind::Mask] {
        let config = Config { lambda: 0.7, ..Config::new(kind) };
        let mut parameters = target.parameters.clone();
        let mut task = TellApart { labels: data.reward.labels() };
        let samples = data.reward.samples();
        let mut heap = Heap::new(World::need(&config, &target.stack, layer, data.reward.len()));
        let mut world = World::new(
            config,
            kernel,
            &target.stack,
            &mut parameters,
            layer,
            samples,
            &mut task,
            &mut heap.arena(),
        )?;
        let before = world.original_score();
        let spec = world.spec();
        let shape = JobShape {
            spec,
            stack: &target.stack,
            settings: &settings,
            training: None,
            policy: None,
        };
        let mut heap = Heap::new(JobMemory::need(&spec).and(editor.need(&shape)));
        let mut arena = heap.arena();
        let memory = JobMemory::new(&spec, &mut arena)?;
        let mut watch = |_: Point| {};
        let mut job =
            Job::new(&mut world, false, &settings, 0, 1_000, 1.0, &mut watch, memory, None)?;
        editor.edit(&mut job, &mut arena)?;
        let best = job.best().map(|(_, actions)| actions.to_vec()).unwrap_or_default();
        world.apply(&best)?;
        let after = world.score_formed()?;
        println!(
            "{} world: accuracy {:.3} -> {:.3}, 4s and 9s not confused {:.4} -> {:.4} (reward split)",
            kind.name(),
            before.utility,
            after.utility,
            before.edit,
            after.edit
        );
    }
    Ok(())
}
