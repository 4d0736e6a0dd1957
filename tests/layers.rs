//! The rules of the source layout, checked on the source itself.
//!
//! A file imports from rooms with lower numbers only (and from its own); `unsafe` lives in `kernel`
//! alone; sizes as type parameters live in `slab/own.rs` and `kernel` alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms in the order of their layers, bottom up; within a layer a room may import from those
/// before it.
const ROOMS: &[&str] = &[
    "error", "num", "rng", // 0
    "slab", "metric", "kernel", "env",      // 1
    "autodiff", // 2
    "nn", "optim", // 3
    "model", "snapshot", // 4
    "task", "ppo",    // 5
    "world",  // 6
    "editor", // 7
    "data", "run",    // 8
    "report", // 9
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file of the library with its room and its text, comments taken out.
fn rooms() -> Vec<(String, PathBuf, String)> {
    let mut found = Vec::new();
    files(&source(), &mut found);
    found
        .into_iter()
        .filter_map(|path| {
            let inside = path.strip_prefix(source()).unwrap().to_path_buf();
            let first = inside.components().next()?.as_os_str().to_string_lossy().to_string();
            let room = first.trim_end_matches(".rs").to_string();
            if ["lib", "main", "cli"].contains(&room.as_str()) {
                return None;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code: Vec<&str> =
                text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            Some((room, path, code.join("\n")))
        })
        .collect()
}

/// Names of rooms that follow `crate::` in `code`, braces included.
fn imports(code: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (index, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if start && !c.is_whitespace() => {
                        found.push(name(&group[index..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            found.push(name(rest));
        }
    }
    found
}

#[test]
fn imports_point_downwards() {
    let layers: BTreeMap<&str, usize> = ROOMS.iter().copied().zip(0..).collect();
    let mut faults = Vec::new();
    let mut checked = 0;
    for (room, path, code) in rooms() {
        let Some(&own) = layers.get(room.as_str()) else {
            faults.push(format!("{}: room {room} has no layer", path.display()));
            continue;
        };
        for import in imports(&code) {
            let Some(&other) = layers.get(import.as_str()) else { continue };
            checked += 1;
            if import != room && other >= own {
                faults.push(format!(
                    "{}: {room} imports {import}, which stands above it",
                    path.display()
                ));
            }
        }
    }
    assert!(checked > 50, "only {checked} imports were read");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_groups() {
    let code = "use crate::kernel::Kernel; use crate::{num, slab::{Arena, Need}, env::Env};";
    assert_eq!(imports(code), ["kernel", "num", "slab", "env"]);
}

#[test]
fn unsafe_lives_in_the_kernel_room_alone() {
    let root = fs::read_to_string(source().join("lib.rs")).unwrap();
    assert!(root.contains("#![deny(unsafe_code)]"));
    for (room, path, code) in rooms() {
        let allowed = path == source().join("kernel/mod.rs");
        assert_eq!(
            code.contains("allow(unsafe_code)"),
            allowed,
            "{}: unsafe code is allowed in kernel/mod.rs and nowhere else",
            path.display()
        );
        assert!(room == "kernel" || !code.contains("unsafe "), "{}", path.display());
    }
}

#[test]
fn sizes_are_type_parameters_of_owners_and_tiles_alone() {
    for (room, path, code) in rooms() {
        let owner = path == source().join("slab/own.rs");
        let bare = code.split("#[cfg(test)]").next().unwrap_or_default();
        assert!(
            room == "kernel" || owner || !bare.contains("<const "),
            "{}: const generics belong in slab/own.rs and kernel/",
            path.display()
        );
    }
}
