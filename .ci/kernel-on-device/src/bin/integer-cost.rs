//! What a multiply-add of 8-bit integers costs on Cortex-M, in instructions, by plain Rust and by the fastest kernel.
//!
//! Exit code 0: where the fastest is another, it takes at most a third for layers of 64 inputs or more and several samples.
//!
//! QEMU's `-icount shift=0` (`.ci/cortex-m count`) advances its clock by a nanosecond with each instruction, and the
//! system timer counts at 25 MHz: 40 instructions a tick. On a board a tick is a cycle.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(not(target_os = "none"))]
fn main() {
    println!("for Cortex-M alone");
}

#[cfg(target_os = "none")]
mod device {
    use core::hint::black_box;
    use cortex_m::peripheral::{Peripherals, SYST, syst::SystClkSource};
    use cortex_m_semihosting::{debug, hprintln};
    use reweight::error::ShapeError;
    use reweight::kernel::Kernel;
    use reweight::kernel::int8::{DenseI8, OutputI8};

    /// Samples × inputs × outputs.
    const SHAPES: [[usize; 3]; 7] = [
        [64, 128, 32],
        [64, 64, 128],
        [64, 32, 10],
        [1, 128, 32],
        [63, 127, 31],
        [64, 130, 32],
        [64, 3, 5],
    ];
    const INSTRUCTIONS_PER_TICK: u32 = 40;

    #[panic_handler]
    fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
        hprintln!("{}", info);
        debug::exit(debug::EXIT_FAILURE);
        loop {}
    }

    fn ticks(work: impl FnOnce() -> Result<(), ShapeError>) -> Option<u32> {
        let before = SYST::get_current();
        work().ok()?;
        Some(before.wrapping_sub(SYST::get_current()) & 0x00ff_ffff)
    }

    fn measure(kernel: Kernel, [samples, inputs, outputs]: [usize; 3]) -> Option<[u32; 2]> {
        let (x, weights) = ([3i8; 64 * 130], [-5i8; 64 * 130]);
        let (bias, multipliers, shifts) = ([100; 128], [1 << 30; 128], [-10; 128]);
        let (mut y, mut sums) = ([0; 64 * 128], [0; 64 * 128]);
        let layer = DenseI8 {
            inputs,
            outputs,
            weights: weights.get(..inputs * outputs)?,
            packed: &[],
            bias: bias.get(..outputs)?,
            zero: -128,
        };
        let (multipliers, shifts) = (multipliers.get(..outputs)?, shifts.get(..outputs)?);
        let output = OutputI8 { multipliers, shifts, zero: -128, low: -128, high: 127 };
        let x = black_box(x.get(..samples * inputs)?);
        let y = y.get_mut(..samples * outputs)?;
        let sums = sums.get_mut(..samples * outputs)?;
        let both = [
            ticks(|| kernel.dense_i8_sums(samples, layer, x, sums))?,
            ticks(|| kernel.dense_i8(samples, layer, output, x, y))?,
        ];
        black_box((y, sums));
        Some(both)
    }

    #[cortex_m_rt::entry]
    fn main() -> ! {
        if let Some(mut peripherals) = Peripherals::take() {
            peripherals.SYST.set_clock_source(SystClkSource::Core);
            peripherals.SYST.set_reload(0x00ff_ffff);
            peripherals.SYST.clear_current();
            peripherals.SYST.enable_counter();
        }
        hprintln!("instructions per multiply-add, in 1/1000, to i32 and to i8");
        let mut good = true;
        let mut plain = [0; SHAPES.len()];
        for kernel in [Kernel::portable(), Kernel::auto()] {
            for (shape, plain) in SHAPES.into_iter().zip(&mut plain) {
                let Some(ticks) = measure(kernel, shape) else {
                    good = false;
                    continue;
                };
                let work = shape.iter().product::<usize>() as u64;
                let per = |ticks: u32| u64::from(ticks * INSTRUCTIONS_PER_TICK) * 1000 / work;
                let [samples, inputs, outputs] = shape;
                hprintln!(
                    "{} {}x{}x{}: {} {}",
                    kernel.backend().name(),
                    samples,
                    inputs,
                    outputs,
                    per(ticks[0]),
                    per(ticks[1])
                );
                if kernel == Kernel::portable() {
                    *plain = ticks[0];
                } else if samples > 1 && inputs >= 64 {
                    good &= 3 * ticks[0] <= *plain;
                }
            }
        }
        debug::exit(if good { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
        loop {}
    }
}
