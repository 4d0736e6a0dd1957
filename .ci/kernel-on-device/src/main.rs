//! Bits of the kernels on this machine: every back end against plain Rust, and a digest that does not
//! depend on the machine.
//!
//! Exit code 0: all back ends agree, and the digest is the committed one.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod cases;

use reweight::kernel::{Backend, Kernel};

/// The digest of all results, on any machine.
const DIGEST: u64 = 0xda4a_afff_21c7_0ad3;

#[cfg(target_os = "none")]
use cortex_m_semihosting::hprintln as println;

/// Every back end, the fastest last. False where one differs.
fn compare() -> bool {
    let auto = Kernel::auto().backend();
    println!("fastest: {}", auto.name());
    let mut agree = Backend::ALL.into_iter().rfind(|backend| backend.is_available()) == Some(auto);
    for kernel in Backend::ALL.into_iter().filter_map(Kernel::new) {
        let name = kernel.backend().name();
        match cases::digest(kernel) {
            Ok(digest) => {
                println!("{name}: {digest:016x}");
                agree &= digest == DIGEST;
            }
            Err(case) => {
                println!("{name}: {case}");
                agree = false;
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
