//! Policies as files.

use super::{changed, file};
use reweight::snapshot::{EditFile, HEAD, PolicyFile, SnapshotError, VERSION};

const PARAMETERS: [f32; 6] = [0.5, -1.25, 3.0, 0.0, -0.0, 7.5];

fn small() -> PolicyFile<'static> {
    PolicyFile::new(true, ("core", 1), 1, 2, 2.0, (2, 3), "how", (640, 0.75, 9))
}

fn bytes(policy: &PolicyFile<'_>, parameters: &[f32]) -> Result<Vec<u8>, SnapshotError> {
    let mut out = vec![0xaa; policy.bound()];
    let len = policy.write(parameters, &mut out)?;
    out.truncate(len);
    Ok(out)
}

#[test]
fn a_policy_comes_back_to_the_bit() {
    let written = bytes(&small(), &PARAMETERS).unwrap();
    let read = PolicyFile::read(&written).unwrap();
    let parameters: Vec<u32> = read.parameters().map(f32::to_bits).collect();
    assert_eq!(parameters, PARAMETERS.map(f32::to_bits));
    assert_eq!((read.features, read.feature_version, read.trained), ("core", 1, "how"));
    assert_eq!((read.rank, read.hidden, read.seeds, read.each), (1, 2, 2, 3));
    assert_eq!((read.shift, read.step, read.evaluations), (true, 2.0, 640));
    assert_eq!((read.reward, read.networks), (0.75, 9));
    assert_eq!(bytes(&read, &PARAMETERS).unwrap(), written);
    assert!(small().write(&PARAMETERS, &mut vec![0; written.len() - 1]).is_err());
}

#[test]
fn every_cut_and_every_flipped_bit_is_an_error() {
    let written = bytes(&small(), &PARAMETERS).unwrap();
    for len in 0..written.len() {
        assert!(PolicyFile::read(&written[..len]).is_err(), "cut to {len}");
    }
    for bit in 0..8 * written.len() {
        let mut flipped = written.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(PolicyFile::read(&flipped).is_err(), "bit {bit}");
    }
    assert!(matches!(EditFile::read(&written), Err(SnapshotError::WrongKind { .. })));
}

#[test]
fn descriptions_that_cannot_be_are_refused() {
    let with = |change: &dyn Fn(&mut PolicyFile<'static>)| {
        let mut policy = small();
        change(&mut policy);
        bytes(&policy, &PARAMETERS)
    };
    assert!(with(&|policy| policy.seeds = 0).is_err());
    assert!(with(&|policy| policy.hidden = 0).is_err());
    assert!(with(&|policy| policy.rank = 0).is_err());
    assert!(with(&|policy| policy.each = 4).is_err());
    assert!(with(&|policy| policy.step = f32::NAN).is_err());
    assert!(with(&|policy| policy.step = 0.0).is_err());
    assert!(with(&|policy| policy.reward = f32::INFINITY).is_err());
    let mut huge = small();
    (huge.seeds, huge.each) = (usize::MAX, usize::MAX);
    assert_eq!(huge.bound(), usize::MAX);
    assert!(huge.write(&PARAMETERS, &mut [0; 256]).is_err());
    assert!(bytes(&small(), &[f32::NAN; 6]).is_err());
    // A body that promises more than there is, with a head that is right.
    let written = bytes(&small(), &PARAMETERS).unwrap();
    let longer = changed(&written, |body| body.extend([0; 4]));
    assert!(matches!(PolicyFile::read(&longer), Err(SnapshotError::Malformed { .. })));
    let empty = file(b'P', VERSION, &[]);
    assert!(matches!(PolicyFile::read(&empty), Err(SnapshotError::Malformed { offset: HEAD, .. })));
}
