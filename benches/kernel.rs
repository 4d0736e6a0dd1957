//! Prints how fast the kernels are on this machine, beside the peak of the core:
//! `cargo bench --bench kernel [-- BACKEND] [MILLISECONDS per case]`.

use std::time::Duration;

use reweight::kernel::{Backend, Kernel, bench};

fn main() {
    let mut kernel = Kernel::auto();
    let mut effort = Duration::from_millis(200);
    for argument in std::env::args().skip(1) {
        if let Some(backend) = Backend::from_name(&argument) {
            let Some(available) = Kernel::new(backend) else {
                eprintln!("this processor cannot run {argument}");
                std::process::exit(1);
            };
            kernel = available;
        } else if let Ok(milliseconds) = argument.parse() {
            effort = Duration::from_millis(milliseconds);
        }
    }
    let peak = bench::peak(kernel, effort);
    println!("{}: peak {:.1} GFLOP/s", kernel.backend().name(), peak / 1e9);
    bench::run(kernel, effort, |timing| {
        let microseconds = timing.seconds * 1e6;
        if timing.flops > 0.0 {
            let share = 100.0 * timing.flops / timing.seconds / peak;
            let gflops = timing.gflops();
            println!(
                "{:36} {microseconds:10.3} us {gflops:8.1} GFLOP/s {share:6.1} %",
                timing.name
            );
        } else {
            let each = timing.nanoseconds_per_element();
            println!("{:36} {microseconds:10.3} us {each:8.3} ns each", timing.name);
        }
    });
}
