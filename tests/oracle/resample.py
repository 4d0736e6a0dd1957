"""Resampled images by independent means, for the tests of data/resample.rs.

Longer axes: torch's bilinear interpolation (align_corners=False). Shorter ones: every pixel is
split into new parts, and stretches of old parts are averaged (the definition of the area mean).

    python tests/oracle/resample.py > tests/oracle/resample.txt
"""

import numpy
import torch


def area(image, axis, new):
    old = image.shape[axis]
    parts = numpy.moveaxis(numpy.repeat(image, new, axis=axis), axis, 0)
    means = parts.reshape(new, old, *parts.shape[1:]).mean(axis=1)
    return numpy.moveaxis(means, 0, axis)


def linear(image, axis, new):
    size = list(image.shape)
    size[axis] = new
    batch = torch.from_numpy(image)[None, None]
    return torch.nn.functional.interpolate(
        batch, size=size, mode="bilinear", align_corners=False
    )[0, 0].numpy()


def main():
    # Old rows, old columns, new rows, new columns, then pixels of the image and of the new one.
    generator = numpy.random.default_rng(5)
    shapes = [((5, 7), (8, 11)), ((16, 16), (28, 28)), ((9, 5), (4, 3)), ((32, 30), (28, 28))]
    shapes += [((3, 10), (7, 4)), ((1, 1), (3, 2)), ((6, 6), (1, 1))]
    for old, new in shapes:
        image = generator.integers(0, 256, old).astype(numpy.float64)
        result = image
        for axis in (0, 1):
            method = area if new[axis] <= old[axis] else linear
            result = method(result, axis, new[axis])
        print(*old, *new)
        print(*(f"{value:.0f}" for value in image.flat))
        print(*(f"{value:.6f}" for value in result.flat))


if __name__ == "__main__":
    main()
