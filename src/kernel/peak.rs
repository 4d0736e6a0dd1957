//! The most that a core can do: independent chains of fused multiply-adds in registers.

use super::isa::Isa;
use super::tile::zeroed;
use super::{Kernel, dispatch};

/// Chains: more than the latency of a multiply-add times the number that start in a cycle.
pub(super) const CHAINS: usize = 12;

impl Kernel {
    /// Runs [`peak_flops`](Self::peak_flops)`(rounds)` operations on values in registers; timing it
    /// gives the peak of the core, the yardstick of every product. The result only keeps the
    /// compiler from leaving the work out.
    pub fn peak_loop(self, rounds: usize) -> f32 {
        self.run_peak_loop(rounds)
    }

    /// Floating-point operations of [`peak_loop`](Self::peak_loop), two per multiply-add.
    pub fn peak_flops(self, rounds: usize) -> f64 {
        2.0 * dispatch::peak_round(self.backend()) as f64 * rounds as f64
    }
}

#[inline(always)]
pub(super) fn chains<I: Isa>(isa: I, rounds: usize) -> f32 {
    let (factor, term) =
        (isa.splat(core::hint::black_box(0.999)), isa.splat(core::hint::black_box(0.001)));
    let mut sums: [I::Vector; CHAINS] =
        core::array::from_fn(|chain| isa.splat(core::hint::black_box(chain as f32)));
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = isa.fma(*sum, factor, term);
        }
    }
    let mut total = isa.splat(0.0);
    for sum in sums {
        total = isa.fma(sum, factor, total);
    }
    let mut scratch = isa.scratch();
    let lanes = zeroed(scratch.as_mut(), I::WIDTH);
    if lanes.len() == I::WIDTH {
        // SAFETY: `lanes` has WIDTH values.
        unsafe { isa.store(lanes.as_mut_ptr(), total) };
    }
    lanes.iter().sum()
}
