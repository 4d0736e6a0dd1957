//! Networks and edits as files: what is written is read back to the bit, and nothing else is read.

mod crafted;
mod policy;

use proptest::prelude::*;
use reweight::kernel::{Conv2d, Pool2d};
use reweight::nn::{Kind, Stack};
use reweight::snapshot::{
    EditFile, EditsFile, FileKind, HEAD, NetworkFile, SnapshotError, VERSION, peek,
};

/// CRC-32 (IEEE 802.3), bit by bit: written apart from the one under test.
fn crc(bytes: impl Iterator<Item = u8>) -> u32 {
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// A file with a right head around any body.
fn file(kind: u8, version: u16, body: &[u8]) -> Vec<u8> {
    let mut file = vec![b'R', b'W', b'T', kind];
    file.extend(version.to_le_bytes());
    file.extend((body.len() as u32).to_le_bytes());
    let checksum = crc(file.iter().chain(body).copied());
    file.extend(checksum.to_le_bytes());
    file.extend(body);
    file
}

/// `file` with its body changed by `change` and its head made right again.
fn changed(file_bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = file_bytes[HEAD..].to_vec();
    change(&mut body);
    file(file_bytes[3], VERSION, &body)
}

fn edit_bytes(edit: &EditFile<'_>, actions: &[f32]) -> Result<Vec<u8>, SnapshotError> {
    let mut out = vec![0xaa; edit.bound()];
    let len = edit.write(actions, &mut out)?;
    out.truncate(len);
    Ok(out)
}

fn network_bytes(stack: &Stack, parameters: &[f32]) -> Result<Vec<u8>, SnapshotError> {
    let mut out = vec![0xaa; NetworkFile::bound("toy", "1f2e", stack)];
    let len = NetworkFile::write("toy", "1f2e", 3, stack, parameters, &mut out)?;
    out.truncate(len);
    Ok(out)
}

/// An edit of rank 1 in 2 steps of a layer of 2 × 1.
fn small_edit() -> EditFile<'static> {
    EditFile::new(true, false, 1.5, 0.25, 1, 2, "fc1", (2, 1), (0x0123_4567_89ab_cdef, u64::MAX))
}

fn edit_with(change: impl FnOnce(&mut EditFile<'static>)) -> EditFile<'static> {
    let mut edit = small_edit();
    change(&mut edit);
    edit
}

const ACTIONS: [f32; 6] = [0.5, -1.0, 1.0, 0.0, -0.0, 0.125];

fn small_network() -> (Stack, Vec<f32>) {
    let mut stack = Stack::new([1, 4, 4]);
    stack.conv2d("conv", 1, [2, 2], [2, 2], [0, 0]).unwrap().relu().unwrap();
    stack.max_pool([2, 2], [1, 1]).unwrap().dense("fc", 2).unwrap();
    let parameters = (0..stack.parameters()).map(|index| index as f32 - 4.5).collect();
    (stack, parameters)
}

fn small_files() -> [Vec<u8>; 2] {
    let (stack, parameters) = small_network();
    [edit_bytes(&small_edit(), &ACTIONS).unwrap(), network_bytes(&stack, &parameters).unwrap()]
}

/// True when neither reader takes it; when even the head is refused if `head` says so.
fn refused(bytes: &[u8], head: bool) -> bool {
    EditFile::read(bytes).is_err()
        && NetworkFile::read(bytes).is_err()
        && (!head || peek(bytes).is_err())
}

fn bits(values: impl IntoIterator<Item = f32>) -> Vec<u32> {
    values.into_iter().map(f32::to_bits).collect()
}

/// A layer of any kind; sizes that do not fit are left out when the stack is built.
#[derive(Clone, Debug)]
struct Any {
    kind: u8,
    named: bool,
    bias: bool,
    outputs: usize,
    window: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    /// Take the input as one flat row.
    flat: bool,
}

prop_compose! {
    fn any_layer()(
        kind in 0u8..6, named in any::<bool>(), bias in any::<bool>(), outputs in 1usize..6,
        window in [1usize..4, 1usize..4], stride in [1usize..3, 1usize..200],
        padding in [0usize..3, 0usize..3], flat in prop::bool::weighted(0.2),
    ) -> Any {
        Any { kind, named, bias, outputs, window, stride, padding, flat }
    }
}

fn build(input: [usize; 3], layers: &[Any]) -> Stack {
    let mut stack = Stack::new(input);
    for (index, layer) in layers.iter().enumerate() {
        let &Any { bias, outputs, window, stride, padding, .. } = layer;
        let inputs = stack.outputs();
        let input = if layer.flat { [1, 1, inputs] } else { stack.output_shape() };
        let pool = Pool2d { input, window, stride };
        let conv = Conv2d { input, channels: outputs, kernel: window, stride, padding };
        let kind = match layer.kind {
            0 => Kind::Dense { inputs, outputs, bias },
            1 => Kind::Conv2d { conv, bias },
            2 => Kind::MaxPool(pool),
            3 => Kind::AveragePool(pool),
            4 => Kind::Relu,
            _ => Kind::Tanh,
        };
        let name =
            if layer.named || layer.kind < 2 { format!("layer {index} é") } else { String::new() };
        let _ = stack.add(&name, kind);
    }
    stack
}

proptest! {
    #[test]
    fn a_network_is_read_back_to_the_bit(
        input in [1usize..4, 1usize..9, 1usize..9],
        layers in prop::collection::vec(any_layer(), 0..20),
        (name, origin, seed) in (".{0,40}", ".{0,80}", any::<u64>()),
        (draw, short) in (any::<u64>(), any::<prop::sample::Index>()),
    ) {
        let stack = build(input, &layers);
        // Every exponent and sign, from a small counter-based hash.
        let parameters: Vec<f32> = (0..stack.parameters() as u64)
            .map(|index| f32::from_bits((draw ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15)) as u32))
            .map(|value| if value.is_finite() { value } else { -0.0 })
            .collect();
        let mut out = vec![0; NetworkFile::bound(&name, &origin, &stack)];
        let len = NetworkFile::write(&name, &origin, seed, &stack, &parameters, &mut out).unwrap();
        let bytes = &out[..len];
        let head = peek(bytes).unwrap();
        prop_assert_eq!((head.kind, head.version, head.body), (FileKind::Network, VERSION, len - HEAD));
        let read = NetworkFile::read(bytes).unwrap();
        prop_assert_eq!((read.name, read.origin, read.seed), (&*name, &*origin, seed));
        prop_assert_eq!(&read.stack, &stack);
        prop_assert_eq!(read.len(), parameters.len());
        prop_assert_eq!(read.is_empty(), parameters.is_empty());
        prop_assert_eq!(bits(read.parameters()), bits(parameters.clone()));
        prop_assert_eq!(
            EditFile::read(bytes),
            Err(SnapshotError::WrongKind { found: FileKind::Network, expected: FileKind::Edit })
        );
        for have in [len - 1, short.index(len)] {
            let mut small = vec![0; have];
            let error = NetworkFile::write(&name, &origin, seed, &stack, &parameters, &mut small);
            prop_assert_eq!(error, Err(SnapshotError::TooSmall { have }));
        }
        let mut exact = vec![0; len];
        prop_assert!(NetworkFile::write(&name, &origin, seed, &stack, &parameters, &mut exact).is_ok());
        prop_assert_eq!(&exact[..], bytes);
    }

    #[test]
    fn an_edit_is_read_back_to_the_bit(
        (shift, absolute) in any::<(bool, bool)>(),
        step in prop_oneof![1e-30f32..1e30, Just(f32::MAX), Just(f32::from_bits(1))],
        unit in prop_oneof![0.0f32..1e30, Just(-0.0), Just(f32::MAX)],
        (rank, steps) in (1usize..5, 1usize..5),
        (inputs, outputs) in (1usize..200, 1usize..40),
        layer in ".{0,60}",
        digests in any::<(u64, u64)>(),
        seed in any::<u64>(), short in any::<prop::sample::Index>(),
    ) {
        let edit = EditFile::new(
            shift, absolute, step, unit, rank, steps, &layer, (inputs, outputs), digests,
        );
        prop_assert_eq!(edit.actions_len(), rank * steps * (inputs + outputs));
        let mut rng = reweight::rng::Rng::new(seed, reweight::rng::Purpose::Search);
        let actions: Vec<f32> = (0..edit.actions_len()).map(|_| rng.uniform(-1.0, 1.0)).collect();
        let bytes = edit_bytes(&edit, &actions).unwrap();
        prop_assert_eq!(peek(&bytes).unwrap().kind, FileKind::Edit);
        let read = EditFile::read(&bytes).unwrap();
        prop_assert_eq!(
            (read.shift, read.absolute, read.step.to_bits(), read.unit.to_bits()),
            (shift, absolute, step.to_bits(), unit.to_bits())
        );
        prop_assert_eq!((read.rank, read.steps, read.layer), (rank, steps, &*layer));
        prop_assert_eq!((read.inputs, read.outputs), (inputs, outputs));
        prop_assert_eq!((read.before, read.after), digests);
        prop_assert_eq!(bits(read.actions()), bits(actions.clone()));
        prop_assert_eq!(
            NetworkFile::read(&bytes),
            Err(SnapshotError::WrongKind { found: FileKind::Edit, expected: FileKind::Network })
        );
        for have in [bytes.len() - 1, short.index(bytes.len())] {
            let error = edit.write(&actions, &mut vec![0; have]);
            prop_assert_eq!(error, Err(SnapshotError::TooSmall { have }));
        }
    }

    #[test]
    fn several_edits_are_read_back_to_the_byte(
        (before, after) in any::<(u64, u64)>(),
        masked in prop::collection::vec(any::<u8>(), 0..12),
        edits in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..9),
        flip in any::<prop::sample::Index>(), short in any::<prop::sample::Index>(),
    ) {
        let mut held = heapless::Vec::new();
        edits.iter().for_each(|edit| held.push(&**edit).unwrap());
        let file = EditsFile { before, after, masked: &masked, edits: held };
        let mut bytes = vec![0; file.bound()];
        let len = file.write(&mut bytes).unwrap();
        bytes.truncate(len);
        prop_assert_eq!(peek(&bytes).unwrap().kind, FileKind::Edits);
        prop_assert_eq!(EditsFile::read(&bytes), Ok(file.clone()));
        prop_assert_eq!(
            EditFile::read(&bytes).unwrap_err(),
            SnapshotError::WrongKind { found: FileKind::Edits, expected: FileKind::Edit }
        );
        let have = short.index(len);
        prop_assert_eq!(file.write(&mut vec![0; have]), Err(SnapshotError::TooSmall { have }));
        prop_assert!(EditsFile::read(&bytes[..have]).is_err());
        let at = flip.index(len);
        bytes[at] ^= 1;
        prop_assert!(EditsFile::read(&bytes).is_err());
    }

    /// Heads are made right half of the time, so that bodies are reached.
    #[test]
    fn any_bytes_are_answered(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        kind in prop::sample::select(b"NEPx".to_vec()), version in 0u16..3,
    ) {
        prop_assert!(refused(&bytes, true));
        let made = file(kind, version, &bytes);
        prop_assert_eq!(peek(&made).is_ok(), version == VERSION && kind != b'x');
        let _ = EditFile::read(&made);
        let _ = NetworkFile::read(&made);
    }

    /// Any bytes of a good body replaced: what is still read is written back to the same bytes.
    #[test]
    fn what_is_read_is_what_would_be_written(
        of in 0usize..2,
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let bytes = changed(&small_files()[of], |body| {
            for (place, byte) in &places {
                let at = place.index(body.len());
                body[at] = *byte;
            }
        });
        if let Ok(edit) = EditFile::read(&bytes) {
            let actions: Vec<f32> = edit.actions().collect();
            prop_assert_eq!(edit_bytes(&edit, &actions).unwrap(), bytes.clone());
        }
        if let Ok(read) = NetworkFile::read(&bytes) {
            let parameters: Vec<f32> = read.parameters().collect();
            let mut out = vec![0; NetworkFile::bound(read.name, read.origin, &read.stack)];
            let NetworkFile { name, origin, seed, ref stack, .. } = read;
            let len = NetworkFile::write(name, origin, seed, stack, &parameters, &mut out).unwrap();
            prop_assert_eq!(&out[..len], &bytes[..]);
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    for good in small_files() {
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(refused(&bytes, true), "bit {bit} of {}", good.len() * 8);
        }
    }
}

#[test]
fn every_cut_and_every_extension_is_noticed() {
    for good in small_files() {
        for len in 0..good.len() {
            assert!(refused(&good[..len], true), "the first {len} bytes");
            let expected = match len {
                0..3 => SnapshotError::NotOurs,
                3..HEAD => SnapshotError::Length { expected: HEAD, found: len },
                _ => SnapshotError::Length { expected: good.len(), found: len },
            };
            assert_eq!(peek(&good[..len]), Err(expected));
        }
        for more in [&[0][..], &[0xff], &good] {
            let bytes = [&good, more].concat();
            let (expected, found) = (good.len(), bytes.len());
            assert_eq!(peek(&bytes), Err(SnapshotError::Length { expected, found }));
            assert!(refused(&bytes, true));
        }
        // With a head that fits, the body itself is too short or too long.
        for len in 0..good.len() - HEAD {
            assert!(refused(&changed(&good, |body| body.truncate(len)), false), "body of {len}");
        }
        for more in [1, 3, 4, 8] {
            assert!(refused(&changed(&good, |body| body.extend(vec![0; more])), false));
        }
    }
}

#[test]
fn other_versions_and_kinds_are_named() {
    for good in small_files() {
        let body = &good[HEAD..];
        assert_eq!(file(good[3], VERSION, body), good, "the helper writes the same head");
        for version in [VERSION + 1, u16::MAX] {
            let newer = SnapshotError::Newer { found: version, supported: VERSION };
            let bytes = file(good[3], version, body);
            assert_eq!(peek(&bytes), Err(newer));
            assert_eq!(EditFile::read(&bytes), Err(newer));
            assert_eq!(NetworkFile::read(&bytes), Err(newer));
        }
        assert!(refused(&file(good[3], 0, body), true), "there never was a version 0");
        let unknown = SnapshotError::UnknownKind { byte: b'X' };
        assert_eq!(peek(&file(b'X', VERSION, body)), Err(unknown));
        let policy = file(b'P', VERSION, body);
        assert_eq!(peek(&policy).unwrap().kind, FileKind::Policy);
        assert!(refused(&policy, false));
        for error in [unknown, SnapshotError::Newer { found: 9, supported: 1 }] {
            assert!(!error.to_string().contains('\n'));
        }
    }
}

/// A layer may take its input as another shape of as many features; it is stored with it.
#[test]
fn a_reshaping_layer_keeps_its_shape() {
    let mut stack = Stack::new([12, 1, 1]);
    let conv =
        Conv2d { input: [1, 3, 4], channels: 2, kernel: [2, 2], stride: [1, 1], padding: [0, 0] };
    stack.add("conv", Kind::Conv2d { conv, bias: true }).unwrap();
    let pool = Pool2d { input: [1, 4, 3], window: [2, 2], stride: [2, 1] };
    stack.add("", Kind::MaxPool(pool)).unwrap();
    let bytes = network_bytes(&stack, &vec![0.5; stack.parameters()]).unwrap();
    assert_eq!(NetworkFile::read(&bytes).unwrap().stack, stack);
}

#[test]
fn an_edit_of_rank_one_is_small() {
    let edit = EditFile::new(true, false, 2.0, 0.05, 1, 1, "fc1", (128, 32), (u64::MAX, u64::MAX));
    let bytes = edit_bytes(&edit, &[0.5; 160]).unwrap();
    assert!(bytes.len() < 2000 && edit.bound() < 2000, "{} bytes", bytes.len());
    assert!(bytes.len() >= 640 + HEAD);
}
