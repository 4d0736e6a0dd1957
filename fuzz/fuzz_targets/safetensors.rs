//! Any bytes as a safetensors file, and any text as the description that puts its tensors together: no
//! panic, no absurd allocation, and what is loaded is written back to the same bytes.
//!
//! Input: the length of the description (u16, little-endian), the description, the file. An `S` in place
//! of the file's length field has the length made to fit the header, which ends at the first `}}`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reweight::data::{Arch, Foreign, SafeTensors};
use reweight::kernel::{Batch, Kernel};

fn one_line(error: &dyn std::error::Error) {
    assert!(!error.to_string().contains('\n'), "{error:?}");
}

/// The file that the bytes stand for.
fn file(bytes: &[u8]) -> Vec<u8> {
    let Some(rest) = bytes.strip_prefix(b"S") else { return bytes.to_vec() };
    let header = rest.windows(2).position(|pair| pair == b"}}").map_or(rest.len(), |at| at + 2);
    let mut file = (header as u64).to_le_bytes().to_vec();
    file.extend(rest);
    file
}

fuzz_target!(|bytes: &[u8]| {
    let Some((len, rest)) = bytes.split_first_chunk::<2>() else { return };
    let Some((text, rest)) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len))) else {
        return;
    };
    let arch = Arch::read("net.json", text);
    if let Err(error) = &arch {
        one_line(error);
    }
    let tensors = match SafeTensors::read("net.safetensors", file(rest)) {
        Ok(tensors) => tensors,
        Err(error) => return one_line(&error),
    };
    for tensor in tensors.tensors() {
        match tensors.values(tensor) {
            Ok(values) => assert_eq!(values.len(), tensor.len()),
            Err(error) => one_line(&error),
        }
    }
    let Ok(arch) = arch else { return };
    let net = match Foreign::new("net.json", &arch, tensors) {
        Ok(net) => net,
        Err(error) => return one_line(&error),
    };
    assert_eq!(net.parameters.len(), net.stack.parameters());
    assert!(net.parameters.iter().all(|value| value.is_finite()));
    assert!(net.write(&net.parameters).unwrap() == net.file().bytes());
    // An edit of every weight is written where it can be, and changes no length.
    let mut edited = net.parameters.clone();
    for layer in net.stack.layers() {
        edited[layer.weight_range()].iter_mut().for_each(|weight| *weight += 0.5);
    }
    match net.write(&edited) {
        Ok(written) => {
            assert_eq!(written.len(), net.file().bytes().len());
            assert!(SafeTensors::read("net.safetensors", written).is_ok());
        }
        Err(error) => one_line(&error),
    }
    let batch = Batch::rows(1);
    if net.stack.widest() <= 4096 && net.parameters.len() <= 4096 {
        let input = vec![0.5; net.stack.inputs()];
        let mut scratch = vec![0.0; net.stack.scratch(batch)];
        let mut output = vec![0.0; net.stack.outputs()];
        let layers = 0..net.stack.layers().len();
        let (kernel, parameters) = (Kernel::auto(), &net.parameters);
        net.stack
            .forward(kernel, layers, batch, parameters, &input, &mut scratch, &mut output)
            .unwrap();
    }
});
