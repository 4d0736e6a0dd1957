//! Bits of the kernels on this machine: every back end against plain Rust, and a digest that does not
//! depend on the machine.
//!
//! Exit code 0: all back ends agree, and the digest is the committed one.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod cases;
mod int8;

use reweight::kernel::{Backend, Kernel};

/// The digests of all results, on any machine: of real numbers and of integers.
const DIGESTS: [u64; 2] = [0xda4a_afff_21c7_0ad3, 0x6179_3f9b_65b9_311f];

#[cfg(target_os = "none")]
use cortex_m_semihosting::hprintln as println;

/// Every back end, the fastest last. False where one differs.
fn compare() -> bool {
    let auto = Kernel::auto().backend();
    println!("fastest: {}", auto.name());
    let mut agree = Backend::ALL.into_iter().rfind(|backend| backend.is_available()) == Some(auto);
    for kernel in Backend::ALL.into_iter().filter_map(Kernel::new) {
        let name = kernel.backend().name();
        let digests = [("f32", cases::digest(kernel)), ("int8", int8::digest(kernel))];
        for ((numbers, digest), want) in digests.into_iter().zip(DIGESTS) {
            match digest {
                Ok(digest) => {
                    println!("{name}, {numbers}: {digest:016x}");
                    agree &= digest == want;
                }
                Err(case) => {
                    println!("{name}, {numbers}: {case}");
                    agree = false;
                }
            }
        }
    }
    agree
}

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    if compare() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}

#[cfg(target_os = "none")]
mod device {
    use cortex_m_semihosting::{debug, hprintln};

    // Brings the critical section that printing takes.
    use cortex_m as _;

    #[panic_handler]
    fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
        hprintln!("{}", info);
        debug::exit(debug::EXIT_FAILURE);
        loop {}
    }

    #[cortex_m_rt::entry]
    fn main() -> ! {
        debug::exit(if super::compare() { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
        loop {}
    }
}
