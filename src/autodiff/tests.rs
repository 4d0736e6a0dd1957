use super::{Dense, Tape, TapeError, squash_correction};
use crate::kernel::{Batch, Conv2d, Kernel, Pool2d};

#[test]
fn a_value_of_before_a_clear_is_unknown_even_where_another_stands_in_its_place() {
    let mut slab = [0.0; 64];
    let mut tape = Tape::new(Kernel::portable(), &mut slab);
    let old = tape.input(Batch::rows(1), 2).unwrap();
    tape.clear();
    let new = tape.input(Batch::rows(1), 2).unwrap();
    tape.value_mut(new).fill(3.0);
    assert_eq!(tape.relu(old), Err(TapeError::UnknownVar));
    assert_eq!(tape.value(old), &[] as &[f32]);
    assert_eq!(tape.value(new), &[3.0, 3.0]);
}

#[test]
fn what_could_not_be_computed_is_not_on_the_tape() {
    let mut slab = [0.0; 256];
    let mut tape = Tape::new(Kernel::portable(), &mut slab);
    let x = tape.input(Batch::rows(2), 3).unwrap();
    let used = tape.used();
    // Neither takes the three features that x has.
    let conv =
        Conv2d { input: [1, 2, 2], channels: 1, kernel: [1, 1], stride: [1, 1], padding: [0, 0] };
    assert!(matches!(tape.conv2d(x, &[1.0], conv, 0, None), Err(TapeError::Shape(_))));
    let pool = Pool2d { input: [1, 2, 2], window: [1, 1], stride: [1, 1] };
    assert!(matches!(tape.max_pool(x, pool), Err(TapeError::Shape(_))));
    assert!(matches!(tape.average_pool(x, pool), Err(TapeError::Shape(_))));
    assert_eq!(tape.used(), used);
    let y = tape.relu(x).unwrap();
    assert_eq!(tape.value(y), &[0.0; 6]);
}

#[test]
fn absurd_sizes_are_errors() {
    let mut slab = [0.0; 64];
    let mut tape = Tape::new(Kernel::portable(), &mut slab);
    for features in [65, usize::MAX / 2, usize::MAX] {
        let error = tape.input(Batch::lanes(2), features).unwrap_err();
        assert!(matches!(error, TapeError::TooSmall(_)), "{error:?}");
    }
    let x = tape.input(Batch::rows(2), 3).unwrap();
    for outputs in [2, usize::MAX / 2, usize::MAX] {
        for weights in [1, usize::MAX] {
            let dense = Dense { weights, bias: Some(0), outputs };
            assert!(tape.dense(x, &[0.0; 6], dense).is_err());
        }
    }
    assert!(tape.mean_squared_error(x, &[]).is_err());
    assert!(tape.parameter(&[0.0; 6], 5..usize::MAX).is_err());
    let absurd = Batch::lanes(usize::MAX);
    assert_eq!(Tape::dense_need(absurd, 2).f32s, usize::MAX);
    assert_eq!(Tape::cross_entropy_need(absurd, 2).f32s, usize::MAX);
    assert_eq!(Tape::log_prob_need(usize::MAX, 2).f32s, usize::MAX);
    assert_eq!(Tape::surrogate_need(usize::MAX).f32s, usize::MAX);
}

#[test]
fn a_gradient_is_there_only_after_the_walk_that_wrote_it() {
    let mut slab = [9.0; 64];
    let mut tape = Tape::new(Kernel::portable(), &mut slab);
    let theta = tape.parameter(&[2.0, -1.0], 0..2).unwrap();
    assert_eq!(tape.gradient(theta), &[] as &[f32]);
    let loss = tape.mean_squared_error(theta, &[1.0, 1.0]).unwrap();
    let later = tape.tanh(theta).unwrap();
    let mut gradients = [10.0, 10.0];
    tape.backward(loss, &[2.0, -1.0], &mut gradients).unwrap();
    assert_eq!(tape.gradient(theta), &[1.0, -2.0]);
    assert_eq!(tape.gradient(later), &[] as &[f32]);
    // Added to what was there.
    assert_eq!(gradients, [11.0, 8.0]);
}

#[test]
fn a_clip_that_makes_no_sense_does_not_panic() {
    for clip in [-1.0, f32::NAN, f32::INFINITY] {
        let mut slab = [0.0; 64];
        let mut tape = Tape::new(Kernel::portable(), &mut slab);
        let theta = tape.parameter(&[0.5], 0..1).unwrap();
        let loss = tape.clipped_surrogate(theta, &[0.0], &[1.0], clip).unwrap();
        assert!(tape.backward(loss, &[0.5], &mut [0.0]).is_ok());
    }
}

#[test]
fn squash_correction_against_f64() {
    for u in [0.0f32, 1e-3, 0.3, 1.0, 2.5, 6.0, 8.0] {
        let exact = (1.0 / f64::from(u).cosh().powi(2)).ln();
        for signed in [u, -u] {
            let got = f64::from(squash_correction(&[signed]));
            assert!((got - exact).abs() < 1e-6 * (1.0 + exact.abs()), "{got} is not {exact}");
        }
    }
    assert_eq!(squash_correction(&[]), 0.0);
    // Where tanh is 1 in f32: ln 4 − 2u.
    assert!((squash_correction(&[30.0, -30.0]) - 2.0 * (4f32.ln() - 60.0)).abs() < 1e-4);
}
