//! Products of sparse rows.

use super::*;
use crate::kernel::{Bag, LANES};
use crate::num;

/// Offsets, columns and values of `samples` rows over `inputs` features, some of them empty.
fn rows(source: &mut Source, samples: usize, inputs: usize) -> (Vec<u32>, Vec<u32>, Vec<f32>) {
    let (mut offsets, mut columns) = (vec![0], Vec::new());
    let draws = source.values(samples * inputs);
    for sample in 0..samples {
        let own =
            (0..inputs).filter(|input| draws[sample * inputs + input].to_bits().is_multiple_of(3));
        columns.extend(own.map(|input| input as u32));
        offsets.push(columns.len() as u32);
    }
    let values = source.values(columns.len());
    (offsets, columns, values)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn sparse_forward(
        samples in 0..3 * LANES, inputs in sizes(), outputs in 0usize..140, seed: u64, kind in 0..3,
    ) {
        let mut source = Source(seed);
        let (offsets, columns, values) = rows(&mut source, samples, inputs);
        let bag = Bag::new(inputs, &offsets, &columns, &values).unwrap();
        let weights = source.values(inputs * outputs);
        let bias = source.values(outputs);
        let batch = Batch::lanes(samples);
        let before = source.values(batch.len(outputs));
        let start = [Start::Zero, Start::Bias(&bias), Start::Values(&before)][kind as usize];
        let mut want = vec![0.0; batch.len(outputs)];
        for sample in 0..samples {
            let (columns, values) = bag.row(sample);
            for output in 0..outputs {
                let at = batch.at(outputs, sample, output);
                let start = match start {
                    Start::Zero => 0.0,
                    Start::Bias(bias) => bias[output],
                    Start::Values(values) => values[at],
                };
                want[at] = columns.iter().zip(values).fold(start, |sum, (&column, &value)| {
                    num::fma(value, weights[column as usize * outputs + output], sum)
                });
            }
        }
        for kernel in kernels() {
            let mut y = vec![7.0; want.len()];
            kernel.sparse_forward(bag, outputs, &weights, start, &mut y).unwrap();
            same(kernel, &real(batch, outputs, &y), &real(batch, outputs, &want))?;
        }
    }
}

#[test]
fn a_bag_refuses_rows_that_do_not_fit() {
    let columns = [0, 2, 1];
    let values = [1.0, 2.0, 3.0];
    assert!(Bag::new(3, &[0, 2, 3], &columns, &values).is_ok());
    for (inputs, offsets) in [(2, [0, 2, 3]), (3, [0, 4, 3]), (3, [0, 3, 2]), (3, [0, 2, 4])] {
        assert!(Bag::new(inputs, &offsets, &columns, &values).is_err(), "{inputs} {offsets:?}");
    }
    assert!(Bag::new(3, &[0, 2, 3], &columns, &values[..2]).is_err());
    let bag = Bag::new(3, &[0, 2, 3], &columns, &values).unwrap();
    assert_eq!(bag.part(1, 5).row(0), (&columns[2..], &values[2..]));
    assert_eq!((bag.part(0, 1).samples(), bag.part(2, 3).samples(), bag.row(2).0.len()), (1, 0, 0));
    let kernel = Kernel::portable();
    let mut y = vec![0.0; Batch::lanes(2).len(1)];
    assert!(kernel.sparse_forward(bag, 1, &[1.0; 2], Start::Zero, &mut y).is_err());
    assert!(kernel.sparse_forward(bag, 1, &[1.0; 3], Start::Zero, &mut y[1..]).is_err());
    assert!(kernel.sparse_forward(bag, 1, &[1.0; 3], Start::Bias(&[]), &mut y).is_err());
    assert!(kernel.sparse_forward(bag, 1, &[1.0; 3], Start::Zero, &mut y).is_ok());
}
