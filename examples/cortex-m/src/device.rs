//! The machine: lines to the host by semihosting, and how much memory a program has used.
//!
//! Lines are put together without `core::fmt`, which would take more stack and flash than what is measured.

use crate::runs::Fault;
use cortex_m_semihosting::{debug, hio};
use reweight::task::Kept;

/// A line in the making.
pub struct Line {
    bytes: [u8; 120],
    len: usize,
}

impl Line {
    /// A line that begins with these words.
    pub fn of(words: &str) -> Self {
        Self { bytes: [0; 120], len: 0 }.words(words)
    }

    /// Adds words.
    pub fn words(mut self, words: &str) -> Self {
        for (to, &byte) in self.bytes.iter_mut().skip(self.len).zip(words.as_bytes()) {
            *to = byte;
            self.len += 1;
        }
        self
    }

    /// Adds a whole number.
    pub fn number(self, value: usize) -> Self {
        let mut digits = [b'0'; 10];
        let (mut rest, mut first) = (value, 10);
        for (index, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            first = index;
            if rest == 0 {
                break;
            }
        }
        let text = digits.get(first..).and_then(|text| core::str::from_utf8(text).ok());
        self.words(text.unwrap_or("?"))
    }

    /// Adds a number with four decimals.
    pub fn decimal(self, value: f32) -> Self {
        let sign = if value < 0.0 { "-" } else { "" };
        let whole = (reweight::num::abs(value) * 10_000.0 + 0.5) as usize;
        let line = self.words(sign).number(whole / 10_000).words(".");
        let zeros = match whole % 10_000 {
            1_000.. => "",
            100.. => "0",
            10.. => "00",
            _ => "000",
        };
        line.words(zeros).number(whole % 10_000)
    }

    /// Adds 16 hexadecimal digits.
    pub fn hexadecimal(mut self, value: u64) -> Self {
        for place in (0..16).rev() {
            let digit = (value >> (4 * place) & 15) as usize;
            self = self.words("0123456789abcdef".get(digit..digit + 1).unwrap_or("?"));
        }
        self
    }

    /// Sends it.
    #[inline(never)]
    pub fn say(self) {
        let line = self.words("\n");
        if let Ok(mut host) = hio::hstdout() {
            let _ = host.write_all(line.bytes.get(..line.len).unwrap_or_default());
        }
    }
}

unsafe extern "C" {
    static mut _stack_start: u32;
    static mut _stack_end: u32;
    static mut __sbss: u32;
    static mut __ebss: u32;
    static mut __sdata: u32;
    static mut __edata: u32;
    static __sidata: u32;
}

const PAINT: u32 = cortex_m_rt::STACK_PAINT_VALUE;

/// Paints the stack that is not in use anew.
#[inline(never)]
pub fn paint() {
    let here = cortex_m::register::msp::read() as usize - 64;
    let mut at = &raw mut _stack_end;
    while (at as usize) < here {
        // SAFETY: words between the stack's end and its pointer, with room for this function's own frame, belong
        // to nobody.
        unsafe { at.write_volatile(PAINT) };
        at = at.wrapping_add(1);
    }
}

/// Bytes of stack, from its start on, that were in use at some time since [`paint`].
#[inline(never)]
pub fn stack_peak() -> usize {
    let mut at = &raw const _stack_end;
    let start = &raw const _stack_start as usize;
    // SAFETY: the stack's own words.
    while (at as usize) < start && unsafe { at.read_volatile() } == PAINT {
        at = at.wrapping_add(1);
    }
    start - at as usize
}

/// Bytes of static memory.
pub fn static_bytes() -> usize {
    let bss = &raw const __ebss as usize - &raw const __sbss as usize;
    bss + (&raw const __edata as usize - &raw const __sdata as usize)
}

/// Bytes of flash.
pub fn flash_bytes() -> usize {
    let data = &raw const __edata as usize - &raw const __sdata as usize;
    &raw const __sidata as usize + data
}

/// Says what memory a run took beyond the network's weights and cached activations, and whether it is within `most`
/// bytes.
#[inline(never)]
pub fn say_memory(name: &str, slabs: usize, stack: usize, most: usize) -> bool {
    let total = slabs + stack;
    let within = total <= most;
    Line::of(name)
        .words(": RAM ")
        .number(total)
        .words(" bytes (slabs ")
        .number(slabs)
        .words(", stack ")
        .number(stack)
        .words("), bound ")
        .number(most)
        .words(if within { "" } else { ": EXCEEDED" })
        .say();
    within
}

/// Says what an edit did to the test digits; whether they are forgotten (at most 2 %) and the others kept (2 points).
#[inline(never)]
pub fn say_kept(name: &str, [before, after]: [Kept; 2]) -> bool {
    let good = after.forget() <= 0.02 && after.retain() >= before.retain() - 0.02;
    Line::of(name)
        .words(": forget ")
        .decimal(before.forget())
        .words(" -> ")
        .decimal(after.forget())
        .words(", retain ")
        .decimal(before.retain())
        .words(" -> ")
        .decimal(after.retain())
        .words(if good { "" } else { ": NOT REACHED" })
        .say();
    good
}

/// Says a digest.
#[inline(never)]
pub fn say_digest(name: &str, digest: u64) {
    Line::of("digest ").words(name).words(" ").hexadecimal(digest).say();
}

/// Ends the program: the host's exit code is 0 where the run was good.
pub fn end(result: Result<bool, Fault>) -> ! {
    Line::of("static RAM ")
        .number(static_bytes())
        .words(" bytes in all, flash ")
        .number(flash_bytes())
        .words(" bytes")
        .say();
    let good = match result {
        Ok(good) => good,
        Err(Fault::TooSmall(error)) => {
            Line::of("too small: ").number(error.need).words(" needed, ").number(error.have).say();
            false
        }
        Err(Fault::Failed(words)) => {
            Line::of("failed: ").words(words).say();
            false
        }
    };
    debug::exit(if good { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
    loop {
        cortex_m::asm::wfi();
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    Line::of("panic").say();
    debug::exit(debug::EXIT_FAILURE);
    loop {
        cortex_m::asm::wfi();
    }
}

/// A static slab of numbers, handed out once; empty after that.
#[macro_export]
macro_rules! slab {
    ($type:ty, $len:expr) => {{
        use core::sync::atomic::{AtomicBool, Ordering};
        static mut SLAB: [$type; $len] = [0 as $type; $len];
        static TAKEN: AtomicBool = AtomicBool::new(false);
        if TAKEN.swap(true, Ordering::Relaxed) {
            &mut [][..]
        } else {
            // SAFETY: nobody else has a reference, the flag was down.
            unsafe { &mut (&mut *(&raw mut SLAB))[..] }
        }
    }};
}

/// The first `len` values of a slab.
pub fn cut<T>(slab: &mut [T], len: usize) -> Result<&mut [T], Fault> {
    let have = slab.len();
    slab.get_mut(..len).ok_or(Fault::TooSmall(reweight::error::TooSmall { need: len, have }))
}
