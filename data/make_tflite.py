#!/usr/bin/env python3
"""Copies sine.tflite and speech.tflite to the folder of this script.

The source is the crate `microflow` 0.1.3 (MIT OR Apache-2.0), models/. The files are copied as they are.

    python3 data/make_tflite.py                  fetches the crate with `cargo vendor`
    python3 data/make_tflite.py PACKAGE.crate    uses a crate that is already here
"""

import hashlib
import pathlib
import subprocess
import sys
import tarfile
import tempfile

NAME, VERSION = "microflow", "0.1.3"
# sha256 of the files.
CONTENT = {
    "sine.tflite": "780cc6ff8ecec39193e3f32a877af73385c9d6abc39f47d0e846a22d808f65df",
    "speech.tflite": "09e5e2a9dfb2d8ed78802bf18ce297bff54281a66ca18e0c23d69ca14f822a83",
}
MANIFEST = f"""[package]
name = "fetch"
version = "0.0.0"
edition = "2021"
[dependencies]
{NAME} = "={VERSION}"
"""


def fetch(folder):
    """Lets cargo bring the crate into `folder`; returns how its files are read."""
    folder = pathlib.Path(folder)
    (folder / "src").mkdir()
    (folder / "src/lib.rs").touch()
    (folder / "Cargo.toml").write_text(MANIFEST)
    command = ["cargo", "vendor", "--quiet", "--versioned-dirs", "vendor"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    models = folder / "vendor" / f"{NAME}-{VERSION}" / "models"
    return lambda name: (models / name).read_bytes()


def unpack(package):
    """How files of a crate that is already here are read."""
    archive = tarfile.open(package)
    return lambda name: archive.extractfile(f"{NAME}-{VERSION}/models/{name}").read()


def main():
    with tempfile.TemporaryDirectory() as folder:
        read = unpack(sys.argv[1]) if len(sys.argv) > 1 else fetch(folder)
        made = {name: read(name) for name in CONTENT}
    for name, content in made.items():
        found = hashlib.sha256(content).hexdigest()
        if found != CONTENT[name]:
            sys.exit(f"{name}: sha256 {found}, expected {CONTENT[name]}")
    for name, content in made.items():
        pathlib.Path(__file__).with_name(name).write_bytes(content)
        print(f"{name}: {len(content)} bytes, sha256 {CONTENT[name]}")


if __name__ == "__main__":
    main()
