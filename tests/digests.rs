//! The same seed gives the same bits: whole runs on every backend, thread count and run.

use reweight::data::{Images, Parts, builtin_digits};
use reweight::kernel::{Backend, Kernel};
use reweight::model::{Training, digits_cnn};
use reweight::run::{Prepared, Silent, TargetConfig, UnlearnConfig, Unlearned, unlearn};
use reweight::world::WorldKind;

/// Every 25th of the built-in digits: 400 images, all classes.
fn few() -> Prepared {
    let (images, _) = builtin_digits(0).unwrap();
    let size = images.pixels_per_image();
    let chosen: Vec<usize> = (0..images.len()).step_by(25).collect();
    let pixels =
        chosen.iter().flat_map(|&i| images.pixels[i * size..(i + 1) * size].to_vec()).collect();
    let labels = images.labels_of(&chosen);
    let few = Images::new("few digits", images.rows, images.cols, pixels, labels).unwrap();
    Prepared::new(&few, &Parts::deal(&few, 0).unwrap()).unwrap()
}

/// All editors, both worlds, one target trained and one retrained.
fn run(data: &Prepared, kernel: Kernel, threads: usize, episode_length: usize) -> Unlearned {
    let names = ["ppo", "sep-cma-es", "es", "random", "logit-mask", "none", "retrain"];
    let config = UnlearnConfig {
        target: TargetConfig {
            widths: (24, 16),
            behind: None,
            training: Training { epochs: 2, ..Training::DIGITS },
        },
        worlds: vec![WorldKind::Shift, WorldKind::Mask],
        editors: names.iter().map(ToString::to_string).collect(),
        budget: Some(80),
        rank: 2,
        episode_length,
        seeds: 1,
        threads,
        kernel,
        ..UnlearnConfig::default()
    };
    unlearn(&config, data, &|_| None, &Silent).unwrap()
}

/// Everything that a run decides, to the last bit.
fn bits(unlearned: &Unlearned) -> Vec<(String, Vec<u32>, Vec<u32>)> {
    let runs = unlearned.results.runs.iter().zip(&unlearned.artifacts);
    runs.map(|(run, artifact)| {
        let of = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
        let name = format!("{} {:?} {}", run.editor, run.world, run.digest);
        let curve: Vec<f32> = run.curve.iter().flat_map(|point| [point.best, point.mean]).collect();
        (name, of(&artifact.parameters), of(&curve))
    })
    .collect()
}

#[test]
fn every_backend_gives_the_same_run() {
    let data = few();
    for episode_length in [1, 2] {
        let portable = bits(&run(&data, Kernel::portable(), 1, episode_length));
        assert_eq!(portable.len(), 11);
        for backend in Backend::ALL.into_iter().filter(|&backend| backend != Backend::Portable) {
            let Some(kernel) = Kernel::new(backend) else {
                println!("skipped: this processor cannot run {}", backend.name());
                continue;
            };
            let fast = bits(&run(&data, kernel, 1, episode_length));
            for (ours, theirs) in fast.iter().zip(&portable) {
                assert_eq!(ours, theirs, "{}", backend.name());
            }
        }
    }
}

#[test]
fn threads_change_nothing() {
    let data = few();
    let one = bits(&run(&data, Kernel::auto(), 1, 1));
    assert_eq!(one, bits(&run(&data, Kernel::auto(), 3, 1)));
}

/// The digest of one run, committed: a change of any bit has to be meant.
#[test]
fn the_digests_are_those_of_the_last_release() {
    let unlearned = run(&few(), Kernel::auto(), 2, 1);
    let digests: Vec<String> = unlearned
        .results
        .runs
        .iter()
        .map(|run| {
            let world = run.world.as_deref().unwrap_or("-");
            format!("{} {world} {}", run.editor, run.digest)
        })
        .collect();
    let committed: Vec<&str> = include_str!("digests.txt").lines().collect();
    assert_eq!(digests, committed, "{}", digests.join("\n"));
    assert_eq!(digits_cnn(24, 16, 10).unwrap(), unlearned.targets[0].stack);
}
