//! Every kernel and every function of `num`, on any lengths and values, and a policy from its file to
//! its action: none of it can panic, or this program does not link.
#![no_std]
#![no_main]

mod kernels;
mod numbers;
mod policy;

use core::hint::black_box;
use core::panic::PanicInfo;

// The C library starts the program and brings memcpy; nothing of Rust's std is linked.
#[link(name = "c")]
unsafe extern "C" {
    /// Does not exist.
    fn a_panic_can_be_reached() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: never linked, so never called.
    unsafe { a_panic_can_be_reached() }
}

/// The prebuilt core names this symbol in its unwind tables; nothing here unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// A slice of which the compiler knows nothing, not even the length.
pub(crate) fn any<T>(values: &mut [T]) -> &mut [T] {
    let length = black_box(values.len());
    black_box(values.get_mut(..length).unwrap_or_default())
}

/// Entry point, called by the C library.
#[unsafe(no_mangle)]
pub extern "C" fn main(count: i32) -> i32 {
    let size = usize::try_from(count).unwrap_or(0);
    #[cfg(feature = "panics")]
    if [1, 2, 3][black_box(size)] == 3 {
        return 1;
    }
    numbers::all(size);
    kernels::all(size);
    policy::act(size);
    0
}
