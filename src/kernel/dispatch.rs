//! One wrapper per kernel and instruction set, and the choice between them.
//!
//! The generic code is always inlined into its wrapper, so the wrapper's `target_feature` decides
//! which instructions it is compiled to.

use super::backend::{Backend, Kernel};
use super::columns::Runs;
use super::isa::{Isa, Portable};
use super::tile::Spread;
use super::{
    AdamStep, Bag, Batch, Conv2d, LowRank, Pool2d, Start, columns, conv, element, layout, low_rank,
    panels, peak, pool, sparse,
};

macro_rules! kernels {
    ($(fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $generic:path;)*) => {
        mod portable {
            use super::*;
            $(#[allow(clippy::too_many_arguments)]
            pub(super) fn $name($($arg: $type),*) $(-> $result)? {
                $generic(Portable, $($arg),*)
            })*
        }

        #[cfg(all(
            target_arch = "arm",
            target_os = "none",
            target_abi = "eabihf",
            not(target_has_atomic = "64")
        ))]
        mod thumb {
            use super::*;
            use crate::kernel::thumb::Thumb;
            // Not inlined: the stack of one caller need not hold what all its kernels need.
            $(#[allow(clippy::too_many_arguments)]
            #[inline(never)]
            pub(super) fn $name($($arg: $type),*) $(-> $result)? {
                $generic(Thumb, $($arg),*)
            })*
        }

        #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
        mod neon {
            use super::*;
            use crate::kernel::neon::Neon;
            $(#[allow(clippy::too_many_arguments)]
            pub(super) fn $name($($arg: $type),*) $(-> $result)? {
                $generic(Neon, $($arg),*)
            })*
        }

        #[cfg(target_arch = "x86_64")]
        mod avx2 {
            use super::*;
            use crate::kernel::x86::Avx2;
            $(#[allow(clippy::too_many_arguments)]
            #[target_feature(enable = "avx2,fma")]
            pub(super) fn $name($($arg: $type),*) $(-> $result)? {
                // SAFETY: callers of this function vouch for AVX2 and FMA.
                $generic(unsafe { Avx2::new_unchecked() }, $($arg),*)
            })*
        }

        #[cfg(target_arch = "x86_64")]
        mod avx512 {
            use super::*;
            use crate::kernel::x86::Avx512;
            $(#[allow(clippy::too_many_arguments)]
            #[target_feature(enable = "avx2,fma,avx512f")]
            pub(super) fn $name($($arg: $type),*) $(-> $result)? {
                // SAFETY: callers of this function vouch for AVX-512F, AVX2 and FMA.
                $generic(unsafe { Avx512::new_unchecked() }, $($arg),*)
            })*
        }

        impl Kernel {
            $(#[allow(clippy::too_many_arguments)]
            #[inline]
            pub(super) fn $name(self, $($arg: $type),*) $(-> $result)? {
                match self.backend() {
                    #[cfg(all(
                        target_arch = "arm",
                        target_os = "none",
                        target_abi = "eabihf",
                        not(target_has_atomic = "64")
                    ))]
                    Backend::Thumb => thumb::$name($($arg),*),
                    #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
                    Backend::Neon => neon::$name($($arg),*),
                    // SAFETY: a `Kernel` of this backend exists only where the processor was found
                    // to have AVX2 and FMA (`Kernel::new`).
                    #[cfg(target_arch = "x86_64")]
                    Backend::Avx2 => unsafe { avx2::$name($($arg),*) },
                    // SAFETY: as above, for AVX-512F, AVX2 and FMA.
                    #[cfg(target_arch = "x86_64")]
                    Backend::Avx512 => unsafe { avx512::$name($($arg),*) },
                    _ => portable::$name($($arg),*),
                }
            })*
        }
    };
}

kernels! {
    fn run_panels(rows: usize, depth: usize, a: Spread<'_>, start: Start<'_>, b: &[f32],
        c: &mut [f32]) = panels::panels;
    fn run_low_rank(change: LowRank<'_>, relu: bool, before: &[f32], x: &[f32], thin: &mut [f32],
        y: &mut [f32]) = low_rank::low_rank;
    fn run_sparse(bag: Bag<'_>, outputs: usize, weights: &[f32], start: Start<'_>, y: &mut [f32])
        = sparse::forward;
    fn run_update_rows(samples: usize, inputs: usize, outputs: usize, weights: &[f32],
        before: &[f32], x: &[f32], y: &mut [f32]) -> bool = low_rank::update_rows;
    fn run_columns(rows: usize, columns: usize, depth: usize, a: Runs<'_>, b: &[f32],
        c: &mut [f32]) = columns::columns;
    fn run_row_input_gradient(inputs: usize, outputs: usize, weights: &[f32], dy: &[f32],
        dx: &mut [f32]) = columns::row_input_gradient;
    fn run_bias_gradient(outputs: usize, dy_rows: &[f32], db: &mut [f32]) = layout::bias_gradient;
    fn run_to_rows(batch: Batch, channels: usize, positions: usize, panels: &[f32],
        rows: &mut [f32]) = layout::to_rows;
    fn run_to_panels(batch: Batch, features: usize, rows: &[f32], panels: &mut [f32])
        = layout::to_panels;
    fn run_conv2d_forward(batch: Batch, conv: &Conv2d, weights: &[f32], bias: Option<&[f32]>,
        x: &[f32], y: &mut [f32]) = conv::forward;
    fn run_conv2d_input_gradient(batch: Batch, conv: &Conv2d, weights: &[f32], dy: &[f32],
        dx: &mut [f32]) = conv::input_gradient;
    fn run_conv2d_weight_gradient(batch: Batch, conv: &Conv2d, x: &[f32], dy_rows: &[f32],
        dw: &mut [f32]) = conv::weight_gradient;
    fn run_max_pool(batch: Batch, pool: &Pool2d, x: &[f32], y: &mut [f32]) = pool::max_pool;
    fn run_average_pool(batch: Batch, pool: &Pool2d, x: &[f32], y: &mut [f32]) = pool::average_pool;
    fn run_max_pool_gradient(batch: Batch, pool: &Pool2d, x: &[f32], dy: &[f32], dx: &mut [f32])
        = pool::max_pool_gradient;
    fn run_average_pool_gradient(batch: Batch, pool: &Pool2d, dy: &[f32], dx: &mut [f32])
        = pool::average_pool_gradient;
    fn run_relu(values: &mut [f32]) = element::relu;
    fn run_relu_gradient(y: &[f32], dy: &[f32], dx: &mut [f32]) = element::relu_gradient;
    fn run_tanh(values: &mut [f32]) = element::tanh;
    fn run_tanh_gradient(y: &[f32], dy: &[f32], dx: &mut [f32]) = element::tanh_gradient;
    fn run_exp(values: &mut [f32]) = element::exp;
    fn run_softmax(batch: Batch, features: usize, values: &mut [f32]) = element::softmax;
    fn run_argmax(batch: Batch, features: usize, values: &[f32], classes: &mut [u32])
        = element::argmax;
    fn run_mask(w: &[f32], scale: f32, d: &mut [f32]) = element::mask;
    fn run_adam(step: &AdamStep, gradient: &[f32], m: &mut [f32], v: &mut [f32],
        parameters: &mut [f32]) = element::adam;
    fn run_peak_loop(rounds: usize) -> f32 = peak::chains;
}

/// Fused multiply-adds of one round of the peak loop.
pub(super) fn peak_round(backend: Backend) -> usize {
    match backend {
        #[cfg(all(
            target_arch = "arm",
            target_os = "none",
            target_abi = "eabihf",
            not(target_has_atomic = "64")
        ))]
        Backend::Thumb => peak::CHAINS * super::thumb::Thumb::WIDTH,
        #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
        Backend::Neon => peak::CHAINS * super::neon::Neon::WIDTH,
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2 => peak::CHAINS * super::x86::Avx2::WIDTH,
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512 => peak::CHAINS * super::x86::Avx512::WIDTH,
        _ => peak::CHAINS * Portable::WIDTH,
    }
}
