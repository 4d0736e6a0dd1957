//! An environment of your own, put through the checker, then solved by an editor of the table.
//!
//! Here: a thermostat. Two heaters (the action, one number each in [−1, 1]) warm two rooms that leak
//! into each other; the reward of an episode's single step is how near both rooms come to 21 °C.
//!
//! ```text
//! cargo run --release --example own_environment
//! ```

use reweight::editor::{Job, JobMemory, Point, Settings};
use reweight::env::{End, Env, EnvError, Space, Spec, Step, check_env, check_need};
use reweight::nn::Stack;
use reweight::ppo::{Baseline, Config};
use reweight::slab::Heap;
use std::error::Error;

struct Thermostat {
    /// Rooms in °C; `None` when no episode is running.
    rooms: Option<[f32; 2]>,
}

const WANTED: f32 = 21.0;

impl Env for Thermostat {
    fn spec(&self) -> Spec {
        Spec {
            observation: Space { len: 2, low: -40.0, high: 80.0 },
            action: Space { len: 2, low: -1.0, high: 1.0 },
            reward: (0.0, 1.0),
            horizon: Some(1),
        }
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        let found = observation.len();
        let to: &mut [f32; 2] = observation.try_into().map_err(|_| EnvError::Length {
            what: "the observation",
            expected: 2,
            found,
        })?;
        *to = [14.0 + (seed % 5) as f32, 18.0];
        self.rooms = Some(*to);
        Ok(())
    }

    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Result<Step, EnvError> {
        let [left, right] = self.rooms.ok_or(EnvError::NotRunning)?;
        let length = |what, found| EnvError::Length { what, expected: 2, found };
        let found = observation.len();
        let to: &mut [f32; 2] =
            observation.try_into().map_err(|_| length("the observation", found))?;
        let heat: &[f32; 2] = action.try_into().map_err(|_| length("the action", action.len()))?;
        for (index, &value) in heat.iter().enumerate() {
            if !value.is_finite() {
                return Err(EnvError::NotFinite { index });
            }
            if !(-1.0..=1.0).contains(&value) {
                return Err(EnvError::OutOfRange { index, value });
            }
        }
        let leak = 0.2 * (right - left);
        *to = [left + 10.0 * heat[0] + leak, right + 10.0 * heat[1] - leak];
        let miss = (to[0] - WANTED).abs() + (to[1] - WANTED).abs();
        self.rooms = None;
        Ok(Step { reward: 1.0 / (1.0 + miss), end: End::Terminated })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut env = Thermostat { rooms: None };
    let mut heap = Heap::new(check_need(&env.spec(), 0));
    check_env(&mut env, 0, &mut heap.arena())?;
    println!("the environment keeps the contract");

    // Rooms start at different temperatures, so the policy has to look at them.
    let ppo = Config { fixed_observation: false, baseline: Baseline::Network, ..Config::edit() };
    let settings = Settings { ppo, ..Settings::default() };
    for name in ["random", "es", "sep-cma-es", "ppo"] {
        let editor = reweight::editor::find(name).ok_or("not in the table")?.editor;
        let (spec, stack) = (env.spec(), Stack::new([1, 1, 1]));
        let shape = reweight::editor::JobShape {
            spec,
            stack: &stack,
            settings: &settings,
            training: None,
            policy: None,
        };
        let mut heap = Heap::new(JobMemory::need(&spec).and(editor.need(&shape)));
        let mut arena = heap.arena();
        let memory = JobMemory::new(&spec, &mut arena)?;
        let mut watch = |_: Point| {};
        let mut job = Job::new(&mut env, false, &settings, 0, 640, 0.99, &mut watch, memory, None)?;
        editor.edit(&mut job, &mut arena)?;
        let reached = job.evaluations_to_target();
        if let Some((reward, action)) = job.best() {
            println!(
                "{name:<11} best reward {reward:.3} with heat {action:.2?}, .99 after {reached:?}"
            );
        }
    }
    Ok(())
}
