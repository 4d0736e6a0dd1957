#!/usr/bin/env python3
"""Makes images-idx3-ubyte.gz and labels-idx1-ubyte.gz in the folder digits8x8 beside this script.

The source is `load_digits` of scikit-learn (BSD-3): 1,797 handwritten digits of 8 rows of 8, brightness 0 to 16.
A brightness becomes round(255 x / 16); the images keep their order.

    python3 data/make_digits8x8.py

The gzip headers hold no time and no name, so the same zlib gives the same bytes every time.
Another deflate implementation may pack the same content differently: the digest of the
decompressed content, printed last, is the one that must always agree.
"""

import gzip
import hashlib
import io
import pathlib
import struct
import sys

import numpy
from sklearn.datasets import load_digits

# sha256 of all pixels, then all labels, without the IDX headers.
CONTENT = "a19cb3d96bba7deace8ee5a513a6eb7bad0403d528f00bf4d351b6a7a55baa91"


def main():
    digits = load_digits()
    pixels = numpy.floor(digits.images * 255 / 16 + 0.5).astype(numpy.uint8).tobytes()
    labels = digits.target.astype(numpy.uint8).tobytes()
    content = hashlib.sha256(pixels + labels).hexdigest()
    folder = pathlib.Path(__file__).parent / "digits8x8"
    folder.mkdir(exist_ok=True)
    for name, header, body in [
        ("images-idx3", struct.pack(">4I", 0x803, len(labels), 8, 8), pixels),
        ("labels-idx1", struct.pack(">2I", 0x801, len(labels)), labels),
    ]:
        packed = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=9, mtime=0) as file:
            file.write(header + body)
        (folder / f"{name}-ubyte.gz").write_bytes(packed.getvalue())
    print(content)
    if content != CONTENT:
        sys.exit(f"expected {CONTENT}")


if __name__ == "__main__":
    main()
