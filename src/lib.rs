//! reweight edits trained neural networks by reward alone.
//!
//! An agent proposes a change to the weights of a layer and is paid for what the changed network then
//! does: keep what is useful (*utility*), reach what was asked for (*edit*: forget a class, say). It
//! needs forward passes only. The idea is that of "Reinforcement Learning for Neural Model Editing"
//! (arXiv 2606.13461), *the paper* throughout.
//!
//! # The four types to know
//!
//! 1. [`env::Env`]: buffers in, [`env::Step`] out. MaskWorld and ShiftWorld ([`world::World`]) are
//!    environments; so is whatever you write, and [`env::check_env`] tests it.
//! 2. [`task::Task`]: two numbers, utility and edit, from a forward pass ([`model::Forward`]).
//! 3. [`editor::Editor`]: a method that edits. All of them are in one table, [`editor::EDITORS`].
//! 4. [`editor::Job`]: what an editor is given. It counts evaluations, and it holds the reward split
//!    alone, so no editor can overrun its budget or look at test data.
//!
//! A policy that transfers is a [`ppo::NeuronPolicy`]: it acts on what [`world::Neurons`] sees of a
//! layer's rows and columns, and comes to an editor by its [`editor::Sight`].
//!
//! # Layers
//!
//! A room imports from rooms above it in this table only; a test fails on anything else.
//!
//! | layer | rooms | what they hold |
//! | --- | --- | --- |
//! | 0 | [`num`] [`rng`] [`error`] | numbers with the same bits everywhere, one random stream per (seed, purpose), small errors |
//! | 1 | [`slab`] [`kernel`] [`mod@env`] [`metric`] | who owns memory; products and SIMD; the environment contract; pure functions on slices |
//! | 2 | [`autodiff`] | reverse-mode tape in an arena, operations of layer size |
//! | 3 | [`nn`] [`optim`] | layers and their parameters; Adam, SGD, schedules |
//! | 4 | [`model`] [`snapshot`] | networks to edit, prefix cache, training; checksummed files |
//! | 5 | [`task`] [`ppo`] | what pays; policy, rollout, update |
//! | 6 | [`world`] | MaskWorld and ShiftWorld |
//! | 7 | [`editor`] | the methods |
//! | 8 | `data` `run` | loaders of images and of networks that others trained, built-in sets; seeds, threads, records (feature `std`) |
//! | 9 | `report` | JSON, CSV, Markdown, SVG, the terminal's table (feature `std`) |
//!
//! # Memory
//!
//! Shapes are values, memory is borrowed. An algorithm says with `need()` how many values it needs and
//! carves its views from a [`slab::Arena`] over a slab that its caller owns: inline and `static`
//! ([`slab::Fixed`]), on the heap ([`slab::Heap`]), or any `&mut [f32]`. Nothing is allocated after
//! set-up, and nothing below layer 8 allocates at all.
//!
//! # Bits
//!
//! Every output of a product is one chain of fused multiply-adds over its inner index in rising order;
//! other sums have a stated order; `exp` and `tanh` are this crate's own. So the same seed gives the
//! same bits with AVX-512, AVX2, NEON, `vfma.f32` and plain Rust, and a run's [digest](num::Digest) can be compared
//! between machines. Weights are stored inputs × outputs, activations in panels (see [`kernel`]).
//!
//! # Features
//!
//! | feature | adds |
//! | --- | --- |
//! | none | the core, `no_std`, no heap |
//! | `alloc` | [`slab::Heap`] |
//! | `std` (default) | files, data sets, threads, runs, reports |
//! | `cli` | the program `reweight` |
//!
//! # Example
//!
//! Unlearn class 7 of the built-in digits on one network with sep-CMA-ES:
//!
//! ```
//! # #[cfg(feature = "std")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use reweight::run::{self, Silent, UnlearnConfig};
//! use reweight::world::WorldKind;
//!
//! let (images, parts) = reweight::data::builtin_digits(0)?;
//! let data = run::Prepared::new(&images, &parts)?;
//! let config = UnlearnConfig {
//!     worlds: vec![WorldKind::Shift],
//!     editors: vec!["sep-cma-es".into()],
//!     budget: Some(500),
//!     seeds: 1,
//!     ..UnlearnConfig::default()
//! };
//! let unlearned = run::unlearn(&config, &data, &|_| None, &Silent)?;
//! let edit = &unlearned.results.runs[0];
//! assert!(edit.before.forget_test > 0.9 && edit.after.forget_test < 0.05);
//! assert!(edit.after.retain_test > edit.before.retain_test - 0.03);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "std"))]
//! # fn main() {}
//! ```
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![deny(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

pub mod autodiff;
#[cfg(feature = "std")]
pub mod data;
pub mod editor;
pub mod env;
pub mod error;
pub mod kernel;
pub mod metric;
pub mod model;
pub mod nn;
pub mod num;
pub mod optim;
pub mod ppo;
#[cfg(feature = "std")]
pub mod report;
pub mod rng;
#[cfg(feature = "std")]
pub mod run;
pub mod slab;
pub mod snapshot;
pub mod task;
pub mod world;

/// README's example is a test.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;
