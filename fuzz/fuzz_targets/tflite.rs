//! Any bytes as a .tflite file: no panic, no absurd allocation, and dense layers that are found run, and are
//! written back to the same bytes.
//!
//! A `T` in front has the first eight bytes made: the root at byte 8, the magic word.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reweight::data::tflite::TfLite;
use reweight::kernel::Kernel;
use reweight::model::int8::{chain_need, run_chain};

fn one_line(error: &dyn std::error::Error) {
    assert!(!error.to_string().contains('\n'), "{error:?}");
}

fuzz_target!(|bytes: &[u8]| {
    let bytes = match bytes.strip_prefix(b"T") {
        Some(rest) => [b"\x08\0\0\0TFL3", rest].concat(),
        None => bytes.to_vec(),
    };
    let file = match TfLite::read("net.tflite", bytes) {
        Ok(file) => file,
        Err(error) => return one_line(&error),
    };
    for tensor in file.tensors() {
        let (scales, zeros) = file.quantisation(tensor);
        assert!(4 * scales.count() <= file.bytes().len() && 8 * zeros.count() <= file.bytes().len());
    }
    let layers = (0..file.operators().len().min(8)).map(|index| Some(index.to_string()));
    for layer in layers.chain([None]) {
        let mut chain = match file.dense(layer.as_deref()) {
            Ok(chain) => chain,
            Err(error) => {
                one_line(&error);
                continue;
            }
        };
        let links: Vec<_> = chain.layers.iter().map(|layer| layer.link(&[])).collect();
        let mut work = vec![0; chain_need(&links, 1)];
        let (x, mut y) = (vec![3; chain.inputs()], vec![0; chain.outputs()]);
        run_chain(Kernel::auto(), &links, 1, &x, &mut work, &mut y).unwrap();
        match file.with(&chain) {
            Ok(written) => assert_eq!(written, file.bytes()),
            Err(error) => {
                one_line(&error);
                continue;
            }
        }
        // An edit of every weight changes no length, and reads back.
        let edited = chain.layers.iter_mut().flat_map(|layer| layer.weights.iter_mut());
        edited.for_each(|weight| *weight = !*weight);
        match file.with(&chain) {
            Ok(written) => {
                assert_eq!(written.len(), file.bytes().len());
                let read = TfLite::read("net.tflite", written).unwrap();
                assert_eq!(read.dense(layer.as_deref()).as_ref(), Ok(&chain));
            }
            Err(error) => one_line(&error),
        }
    }
});
