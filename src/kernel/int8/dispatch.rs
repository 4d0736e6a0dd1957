//! The choice between the forms of a product.

use super::bag::{self, BagI8, SparseI8};
use super::finish::Sums;
use super::{DenseI8, OutputI8, portable};
#[cfg(any(target_arch = "x86_64", cortex_m_dsp))]
use crate::kernel::Backend;
use crate::kernel::Kernel;
#[cfg(target_arch = "x86_64")]
use crate::kernel::x86::has_vnni;

#[cfg(cortex_m_dsp)]
use super::thumb;
#[cfg(target_arch = "x86_64")]
use super::x86::{avx2, sparse, vnni};

impl Kernel {
    /// Whether this kernel takes Arm's DSP instructions. Without a floating-point unit plain Rust is the only
    /// backend, and takes them.
    #[cfg(cortex_m_dsp)]
    fn has_dsp(self) -> bool {
        self.backend() == Backend::Thumb || !Backend::Thumb.is_available()
    }

    /// Packs weights for this kernel; the portable one needs none.
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
    pub(super) fn run_pack_i8(self, inputs: usize, weights: &[i8], packed: &mut [i32]) {
        match self.backend() {
            // SAFETY: a `Kernel` of this backend exists only where there is AVX-512F, and `has_vnni` has asked
            // for the rest.
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512 if has_vnni() => unsafe { vnni::pack(inputs, weights, packed) },
            // SAFETY: a `Kernel` of either backend exists only where there is AVX2.
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2 | Backend::Avx512 => unsafe { avx2::pack(inputs, weights, packed) },
            _ => packed.fill(0),
        }
    }

    pub(super) fn run_dense_i8_sums(self, layer: &DenseI8<'_>, x: &[i8], y: &mut [i32]) {
        match self.backend() {
            #[cfg(cortex_m_dsp)]
            _ if self.has_dsp() => thumb::dense(layer, x, y, |_, sum| sum),
            _ if layer.packed.is_empty() => portable::dense(layer, x, y, |_, sum| sum),
            // SAFETY: as for `run_pack_i8`.
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512 if has_vnni() => unsafe { vnni::sums(layer, x, y) },
            // SAFETY: as for `run_pack_i8`.
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2 | Backend::Avx512 => unsafe { avx2::sums(layer, x, y) },
            _ => portable::dense(layer, x, y, |_, sum| sum),
        }
    }

    pub(super) fn run_dense_i8(
        self,
        layer: &DenseI8<'_>,
        output: &OutputI8<'_>,
        x: &[i8],
        y: &mut [i8],
    ) {
        match self.backend() {
            #[cfg(cortex_m_dsp)]
            _ if self.has_dsp() => thumb::dense(layer, x, y, output.finish()),
            _ if layer.packed.is_empty() => portable::dense(layer, x, y, output.finish()),
            // SAFETY: as for `run_pack_i8`.
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512 if has_vnni() => unsafe { vnni::bytes(layer, output, x, y) },
            // SAFETY: as for `run_pack_i8`.
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2 | Backend::Avx512 => unsafe { avx2::bytes(layer, output, x, y) },
            _ => portable::dense(layer, x, y, output.finish()),
        }
    }

    pub(super) fn run_sparse_i8_sums(self, rows: &BagI8<'_>, layer: &SparseI8<'_>, y: &mut [i32]) {
        match self.backend() {
            // SAFETY: a `Kernel` of either backend exists only where there is AVX2.
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2 | Backend::Avx512 => unsafe { sparse::sums(rows, layer, y) },
            _ => bag::sparse(rows, layer, &Sums, y),
        }
    }

    pub(super) fn run_sparse_i8(
        self,
        rows: &BagI8<'_>,
        layer: &SparseI8<'_>,
        output: &OutputI8<'_>,
        y: &mut [i8],
    ) {
        match self.backend() {
            // SAFETY: as for `run_sparse_i8_sums`.
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2 | Backend::Avx512 => unsafe { sparse::bytes(rows, layer, output, y) },
            _ => bag::sparse(rows, layer, output, y),
        }
    }
}
