//! Tells the kernels where Arm's DSP instructions are, which stable Rust has no `cfg` for: `cortex_m_dsp`.
//!
//! Cortex-M4 and M7 always have them (ARMv7E-M); a Cortex-M33 or later may, and its build says so by
//! `-C target-feature=+dsp`. Nothing else is done here.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(cortex_m_dsp)");
    let target = var("TARGET").unwrap_or_default();
    // Compilers that know the feature name it; the others' flags are read.
    let known = var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let flags = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let asked = flags
        .split('\x1f')
        .filter_map(|flag| flag.split_once("target-feature=").map(|(_, features)| features))
        .flat_map(|features| features.split(','))
        .filter_map(|feature| match feature {
            "+dsp" => Some(true),
            "-dsp" => Some(false),
            _ => None,
        })
        .next_back();
    let has =
        asked.unwrap_or(target.starts_with("thumbv7em") || known.split(',').any(|f| f == "dsp"));
    if target.starts_with("thumb") && has {
        println!("cargo::rustc-cfg=cortex_m_dsp");
    }
}
