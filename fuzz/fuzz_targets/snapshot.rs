//! Any bytes as a file, or as the body of a file whose head is made to fit: no panic, and what is
//! read is written back to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reweight::model::int8::Int8Parameters;
use reweight::slab::{Heap, IntHeap};
use reweight::snapshot::{
    EditFile, EditsFile, FileKind, HEAD, Int8File, NetworkFile, PolicyFile, VERSION, peek,
};

/// CRC-32, bit by bit: written apart from the one under test.
fn crc(bytes: impl Iterator<Item = u8>) -> u32 {
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

fn with_head(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut file = vec![b'R', b'W', b'T', kind];
    file.extend(VERSION.to_le_bytes());
    file.extend((body.len() as u32).to_le_bytes());
    let checksum = crc(file.iter().chain(body).copied());
    file.extend(checksum.to_le_bytes());
    file.extend(body);
    assert_eq!(file.len(), HEAD + body.len());
    file
}

fn look(file: &[u8]) {
    let head = peek(file);
    let edit = EditFile::read(file);
    let edits = EditsFile::read(file);
    let network = NetworkFile::read(file);
    let policy = PolicyFile::read(file);
    let integers = Int8File::read(file);
    for error in [head.err(), edit.err(), network.as_ref().err().copied()].into_iter().flatten() {
        assert!(!error.to_string().contains('\n'));
    }
    let Ok(head) = head else {
        assert!(edit.is_err() && edits.is_err() && network.is_err() && policy.is_err());
        assert!(integers.is_err());
        return;
    };
    assert_eq!(head.body + HEAD, file.len());
    if let Ok(edit) = edit {
        assert_eq!(head.kind, FileKind::Edit);
        let actions: Vec<f32> = edit.actions().collect();
        let mut out = vec![0; edit.bound()];
        let len = edit.write(&actions, &mut out).unwrap();
        assert_eq!(&out[..len], file);
        assert!(edit.write(&actions, &mut out[..len - 1]).is_err());
    }
    if let Ok(edits) = edits {
        assert_eq!(head.kind, FileKind::Edits);
        let mut out = vec![0; edits.bound()];
        let len = edits.write(&mut out).unwrap();
        assert_eq!(&out[..len], file);
        assert!(edits.write(&mut out[..len - 1]).is_err());
    }
    if let Ok(policy) = policy {
        assert_eq!(head.kind, FileKind::Policy);
        let parameters: Vec<f32> = policy.parameters().collect();
        let mut out = vec![0; policy.bound()];
        let len = policy.write(&parameters, &mut out).unwrap();
        assert_eq!(&out[..len], file);
    }
    if let Ok(integers) = integers {
        assert_eq!(head.kind, FileKind::Int8Network);
        let Int8File { name, origin, seed, ref source, ref stack, .. } = integers;
        let (need, ints) = Int8Parameters::need(stack);
        let (mut heap, mut ints) = (Heap::new(need), IntHeap::new(ints));
        let mut parameters =
            Int8Parameters::zeros(stack, &mut heap.arena(), &mut ints.arena()).unwrap();
        integers.fill(&mut parameters);
        let mut out = vec![0; Int8File::bound(name, origin, source, stack)];
        let network = parameters.network(stack);
        let write = |out: &mut [u8]| Int8File::write(name, origin, seed, source, &network, out);
        let len = write(&mut out).unwrap();
        assert_eq!(&out[..len], file);
        assert!(write(&mut out[..len - 1]).is_err());
    }
    if let Ok(network) = network {
        assert_eq!(head.kind, FileKind::Network);
        let parameters: Vec<f32> = network.parameters().collect();
        let NetworkFile { name, origin, seed, ref stack, .. } = network;
        let mut out = vec![0; NetworkFile::bound(name, origin, stack)];
        let write =
            |out: &mut [u8]| NetworkFile::write(name, origin, seed, stack, &parameters, out);
        let len = write(&mut out).unwrap();
        assert_eq!(&out[..len], file);
        assert!(write(&mut out[..len - 1]).is_err());
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&mode, rest)) = bytes.split_first() else { return };
    match mode {
        b'N' | b'E' | b'P' | b'M' | b'Q' => look(&with_head(mode, rest)),
        _ => look(rest),
    }
});
