//! Tells the integer kernels where Arm's DSP instructions are, which stable Rust has no `cfg` for: `cortex_m_dsp`.
//!
//! Cortex-M4 and M7 always have them (ARMv7E-M); a Cortex-M33 may, and its build says so by `-C target-feature=+dsp`.
//! Not so with `+strict-align`: that form reads words at any address.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(cortex_m_dsp)");
    let target = var("TARGET").unwrap_or_default();
    // What the compiler says of the target leaves features out that are not stable, so flags are read, too.
    let known = var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let flags = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let asked = |name: &str| {
        let features = flags.split('\x1f').filter_map(|flag| flag.split_once("target-feature="));
        let signed = features.flat_map(|(_, features)| features.split(','));
        // The last one counts.
        let sign = signed.filter_map(|feature| feature.strip_suffix(name)).next_back();
        sign.map_or_else(|| known.split(',').any(|feature| feature == name), |sign| sign == "+")
    };
    let dsp = target.starts_with("thumbv7em") || target.starts_with("thumbv8m") && asked("dsp");
    if dsp && !asked("strict-align") {
        println!("cargo::rustc-cfg=cortex_m_dsp");
    }
}
