//! Edit a network of your own: its weights are given in code here.
//!
//! It names the strongest of red, green and blue. sep-CMA-ES makes it forget blue by changing its
//! first layer, looking at nothing but two numbers: how well it keeps, how well it forgets.
//!
//! ```text
//! cargo run --release --example own_network
//! ```

use reweight::editor::{Job, JobMemory, JobShape, Point, Settings, find};
use reweight::env::Env;
use reweight::kernel::{Batch, Kernel};
use reweight::model::Samples;
use reweight::nn::Stack;
use reweight::rng::{Purpose, Rng};
use reweight::slab::Heap;
use reweight::task::{ClassSet, RewardKind, Unlearning};
use reweight::world::{Config, World, WorldKind};
use std::error::Error;

const BLUE: u8 = 2;

/// Layer by layer weights, inputs × outputs, then biases: six differences of two colours, and for each
/// colour what it has above the others.
#[rustfmt::skip]
const PARAMETERS: [f32; 45] = [
    // r−g  g−r   r−b   b−r   g−b   b−g
    1.0, -1.0,  1.0, -1.0,  0.0,  0.0,
    -1.0, 1.0,  0.0,  0.0,  1.0, -1.0,
    0.0,  0.0, -1.0,  1.0, -1.0,  1.0,
    0.0,  0.0,  0.0,  0.0,  0.0,  0.0,
    // red  green blue
    8.0, -8.0, 0.0,
    -8.0, 8.0, 0.0,
    8.0, 0.0, -8.0,
    -8.0, 0.0, 8.0,
    0.0, 8.0, -8.0,
    0.0, -8.0, 8.0,
    0.0,  0.0, 0.0,
];

fn main() -> Result<(), Box<dyn Error>> {
    let kernel = Kernel::auto();
    let mut stack = Stack::new([3, 1, 1]);
    stack.dense("differences", 6)?.relu()?.dense("names", 3)?;
    let mut parameters = PARAMETERS;

    // Samples lie in panels: 600 random colours.
    let mut rng = Rng::new(0, Purpose::Data);
    let colours: Vec<[f32; 3]> =
        (0..600).map(|_| std::array::from_fn(|_| rng.uniform(0.0, 1.0))).collect();
    let strongest = |colour: &[f32; 3]| {
        (0..3u8).max_by(|&a, &b| colour[usize::from(a)].total_cmp(&colour[usize::from(b)]))
    };
    let labels: Vec<u8> = colours.iter().filter_map(strongest).collect();
    let batch = Batch::lanes(colours.len());
    let mut inputs = vec![0.0; batch.len(3)];
    kernel.to_panels(batch, 3, colours.as_flattened(), &mut inputs)?;
    let samples = Samples { batch, inputs: &inputs, labels: &labels };

    // What pays, and the world in which it is paid.
    let mut task =
        Unlearning::new(ClassSet::of(&[BLUE]), RewardKind::Probability, [&[], &labels, &[]]);
    let config = Config::new(WorldKind::Shift);
    let layer = stack.find("differences").ok_or("no such layer")?;
    let mut heap = Heap::new(World::need(&config, &stack, layer, labels.len()));
    let mut arena = heap.arena();
    let mut world =
        World::new(config, kernel, &stack, &mut parameters, layer, samples, &mut task, &mut arena)?;
    let before = world.original_score();

    // An editor with 500 evaluations.
    let (spec, settings) = (world.spec(), Settings::default());
    let editor = find("sep-cma-es").ok_or("no such editor")?.editor;
    let shape = JobShape { spec, stack: &stack, settings: &settings, training: None, policy: None };
    let mut heap = Heap::new(JobMemory::need(&spec).and(editor.need(&shape)));
    let mut arena = heap.arena();
    let memory = JobMemory::new(&spec, &mut arena)?;
    let mut watch = |_: Point| {};
    let mut job = Job::new(&mut world, false, &settings, 0, 500, 1.0, &mut watch, memory, None)?;
    editor.edit(&mut job, &mut arena)?;
    let best = job.best().map(|(_, actions)| actions.to_vec()).unwrap_or_default();
    world.apply(&best)?;
    let after = world.score_formed()?;
    println!("p(right) of red and green {:.3} -> {:.3}", before.utility, after.utility);
    println!("p(blue) of blue {:.3} -> {:.3}", 1.0 - before.edit, 1.0 - after.edit);
    Ok(())
}
