//! `num`.

use core::hint::black_box;
use reweight::num::{self, Digest};

use crate::any;

pub(crate) fn all(size: usize) {
    let mut slab = [1.5f32; 64];
    let values = any(&mut slab);
    let one = black_box(1.5f32);
    for function in [num::relu, num::exp, num::tanh, num::sqrt, num::ln, num::sin, num::cos] {
        black_box(function(one));
    }
    black_box([num::floor(one), num::abs(one), num::fma(one, one, one)]);
    black_box([num::sum(values), num::mean(values), num::rms(values)]);
    let mut other = [1.0f32; 64];
    black_box((num::norm(values), num::all_finite(values)));
    num::cholesky(values, size, one);
    num::cholesky_solve(values, size, any(&mut other), size);
    let mut digest = Digest::new();
    digest.values(values);
    digest.weights(values, size, size);
    digest.bytes(any(&mut [1u8; 8]));
    black_box(digest.finish());
}
