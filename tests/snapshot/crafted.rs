//! Files whose head fits a body that nobody would write: values, sizes and forms out of range.

use super::{ACTIONS, changed, edit_bytes, edit_with, file, network_bytes, refused};
use super::{small_edit, small_files, small_network};
use reweight::snapshot::{EditFile, HEAD, NetworkFile, SnapshotError, VERSION};

#[test]
fn values_that_are_not_finite_are_refused() {
    let (stack, parameters) = small_network();
    for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for index in [0, 5, parameters.len() - 1] {
            let mut parameters = parameters.clone();
            parameters[index] = bad;
            assert_eq!(network_bytes(&stack, &parameters), Err(SnapshotError::NotFinite { index }));
            let bytes = changed(&small_files()[1], |body| {
                let at = body.len() - 4 * (parameters.len() - index);
                body[at..at + 4].copy_from_slice(&bad.to_le_bytes());
            });
            assert_eq!(NetworkFile::read(&bytes), Err(SnapshotError::NotFinite { index }));
        }
    }
}

#[test]
fn actions_outside_their_range_are_refused() {
    let beyond = [1.0f32.next_up(), (-1.0f32).next_down(), 7.0, f32::MAX];
    for bad in beyond.into_iter().chain([f32::NAN, f32::INFINITY, f32::NEG_INFINITY]) {
        for index in 0..ACTIONS.len() {
            let mut actions = ACTIONS;
            actions[index] = bad;
            assert!(matches!(
                edit_bytes(&small_edit(), &actions),
                Err(SnapshotError::Malformed { .. })
            ));
            let bytes = changed(&small_files()[0], |body| {
                let at = body.len() - 4 * (ACTIONS.len() - index);
                body[at..at + 4].copy_from_slice(&bad.to_le_bytes());
            });
            let error = EditFile::read(&bytes).unwrap_err();
            if bad.is_finite() {
                assert!(matches!(error, SnapshotError::Malformed { .. }), "{bad}: {error}");
            } else {
                assert_eq!(error, SnapshotError::NotFinite { index });
            }
        }
    }
    for count in [0, ACTIONS.len() - 1, ACTIONS.len() + 1] {
        assert!(edit_bytes(&small_edit(), &[0.0; 9][..count]).is_err());
    }
}

/// What cannot be read back is not written either.
#[test]
fn steps_units_and_sizes_are_checked_on_both_sides() {
    let good = &small_files()[0];
    // The record begins with two flags; step and unit follow.
    let with = |at: usize, value: f32| {
        changed(good, |body| body[at..at + 4].copy_from_slice(&value.to_le_bytes()))
    };
    assert!(EditFile::read(&with(2, 2.0)).unwrap().step == 2.0);
    assert!(EditFile::read(&with(6, 2.0)).unwrap().unit == 2.0);
    for bad in [0.0, -0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(refused(&with(2, bad), false), "step {bad}");
        let edit = edit_with(|edit| edit.step = bad);
        assert!(edit_bytes(&edit, &ACTIONS).is_err());
    }
    for bad in [-1.0, f32::NAN, f32::INFINITY] {
        assert!(refused(&with(6, bad), false), "unit {bad}");
        let edit = edit_with(|edit| edit.unit = bad);
        assert!(edit_bytes(&edit, &ACTIONS).is_err());
    }
    let zero = [
        edit_with(|edit| edit.rank = 0),
        edit_with(|edit| edit.steps = 0),
        edit_with(|edit| edit.inputs = 0),
        edit_with(|edit| edit.outputs = 0),
    ];
    for edit in zero {
        assert!(edit_bytes(&edit, &vec![0.0; edit.actions_len()]).is_err());
    }
    for flag in [2, 0x80, 0xff] {
        assert!(refused(&changed(good, |body| body[0] = flag), false), "flag {flag}");
    }
}

/// postcard itself would read a number that is padded with zeros.
#[test]
fn a_number_has_one_form_only() {
    let good = &small_files()[0];
    assert_eq!(good[HEAD + 10..HEAD + 12], [1, 2], "rank and steps");
    let padded = changed(good, |body| {
        body.splice(10..11, [0x81, 0x00]);
    });
    let error = EditFile::read(&padded).unwrap_err();
    assert_eq!(error.to_string(), "malformed at byte 14: expected numbers in their shortest form");
}

/// A 7-bit-group number, as in a record.
fn number(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// Nothing here has a heap to exhaust; what could go wrong is arithmetic.
#[test]
fn absurd_sizes_are_errors() {
    let most = u64::from(u32::MAX);
    let huge = [1, 2, most - 1, most, most + 1, u64::MAX];
    let edit = |[rank, steps, inputs, outputs]: [u64; 4]| {
        let mut body = vec![1, 0];
        body.extend(1.0f32.to_le_bytes());
        body.extend(1.0f32.to_le_bytes());
        body.extend([number(rank), number(steps)].concat());
        body.extend(b"\x03fc1");
        body.extend([number(inputs), number(outputs), number(7), number(7)].concat());
        file(b'E', VERSION, &body)
    };
    let network = |input: [u64; 3], layers: u64, rest: &[u8]| {
        let mut body = b"\x01n\x01o\x03".to_vec();
        body.extend(input.into_iter().flat_map(number));
        body.extend(number(layers));
        body.extend(rest);
        file(b'N', VERSION, &body)
    };
    assert!(NetworkFile::read(&network([1, 1, 1], 0, &[])).is_ok());
    assert!(NetworkFile::read(&network([1, 1, 1], 1, b"\x00\x04")).is_ok(), "one ReLU");
    for a in huge {
        for b in huge {
            for c in huge {
                assert!(refused(&edit([a, b, c, 1]), false));
                assert!(refused(&edit([a, 1, b, c]), false));
                let dense = [b"\x01d\x00".to_vec(), number(a), vec![1]].concat();
                assert!(refused(&network([b, c, 1], 1, &dense), false));
                let mut conv = b"\x01c\x01".to_vec();
                for size in [a, 1, 1, b, c, c, a, b, b, a] {
                    conv.extend(number(size));
                }
                conv.push(1);
                assert!(refused(&network([a, b, c], 1, &conv), false));
                for kind in [2, 3] {
                    let mut pool = vec![0, kind];
                    for size in [a, b, c, c, b, a, a] {
                        pool.extend(number(size));
                    }
                    // A window of 1 by 1 pools a real input; anything larger is refused or pools.
                    let _ = NetworkFile::read(&network([a, b, c], 1, &pool));
                }
            }
        }
        if a > 1 {
            let layers = b"\x00\x04".repeat(40);
            assert!(refused(&network([1, 1, 1], a, &layers), false), "{a} layers");
        }
    }
    // More layers than a network can have, all of them there.
    assert!(refused(&network([1, 1, 1], 17, &b"\x00\x04".repeat(17)), false));
    assert!(NetworkFile::read(&network([1, 1, 1], 16, &b"\x00\x04".repeat(16))).is_ok());
    // A text that claims to be longer than the file, and one that is no text.
    assert!(refused(&file(b'N', VERSION, &number(u64::MAX)), false));
    assert!(refused(&file(b'N', VERSION, b"\x02\xff\xfe\x00\x00\x01\x01\x01\x00"), false));
    // Asking for the room of an absurd edit does not overflow, and writing it is refused.
    let absurd = edit_with(|edit| {
        edit.rank = usize::MAX;
        edit.steps = usize::MAX;
    });
    assert_eq!(absurd.bound(), usize::MAX);
    assert!(absurd.write(&[], &mut [0; 64]).is_err());
    let wide = edit_with(|edit| {
        edit.inputs = 1 << 33;
        edit.rank = 1;
        edit.steps = 1;
    });
    assert!(wide.write(&[], &mut [0; 64]).is_err());
}
