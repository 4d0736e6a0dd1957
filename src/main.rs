//! The program `reweight`.

fn main() {}
