"""Oracle values for src/metric: writes statistics.json beside this file.

Needs numpy only. The random indices come from numpy's own PCG64 (PCG-XSL-RR 128/64), set to the
state that the crate's stream of a seed and a purpose starts from, and Lemire's bounded numbers.
Run: python tests/oracle/statistics.py
"""

import json
import pathlib

import numpy as np

BOOTSTRAP = 9  # Purpose::Bootstrap
MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645
MASK = (1 << 128) - 1


def stream(seed, purpose):
    """numpy's PCG64 in the state that (seed, purpose) names."""
    generator = np.random.PCG64()
    increment = ((purpose << 1) | 1) & MASK
    state = ((seed + increment) * MULTIPLIER + increment) & MASK
    generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": state, "inc": increment},
        "has_uint32": 0,
        "uinteger": 0,
    }
    return generator


def below(generator, bound):
    """Lemire's method on the high half of each 64-bit output."""
    threshold = (2**32 - bound) % bound
    while True:
        wide = (int(generator.random_raw()) >> 32) * bound
        if wide & 0xFFFFFFFF >= threshold:
            return wide >> 32


def interval(values, seed, replicates):
    generator = stream(seed, BOOTSTRAP)
    n = len(values)
    means = [np.mean([values[below(generator, n)] for _ in range(n)]) for _ in range(replicates)]
    return np.percentile(means, [2.5, 97.5]).tolist()


def trimmed(values):
    cut = int(np.floor(0.25 * len(values)))
    ordered = np.sort(values)
    return float(np.mean(ordered[cut : len(values) - cut]))


def divergence(p, q):
    def kl(a, m):
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sum(np.where(a > 0, a * np.log(a / m), 0.0), axis=1)

    p, q = p.astype(np.float64), q.astype(np.float64)
    m = (p + q) / 2
    return float(np.mean(kl(p, m) / 2 + kl(q, m) / 2))


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)


def main():
    rng = np.random.default_rng(20)
    samples = []
    for n in (1, 2, 3, 4, 5, 7, 8, 13, 50):
        values = np.round(rng.beta(8, 1, n), 6)
        replicates = 2000 if n < 50 else 200
        samples.append(
            {
                "values": values.tolist(),
                "mean": float(np.mean(values)),
                "std": float(np.std(values, ddof=1)) if n > 1 else None,
                "iqm": trimmed(values),
                "seed": n,
                "replicates": replicates,
                "interval": interval(values.tolist(), n, replicates) if n > 1 else None,
            }
        )
    p, q = softmax(3 * rng.normal(size=(6, 10))), softmax(3 * rng.normal(size=(6, 10)))
    q[0] = p[0]
    p[1] = np.eye(10, dtype=np.float32)[7]
    oracle = {
        "samples": samples,
        "divergence": {
            "classes": 10,
            "p": [float(x) for x in p.ravel()],
            "q": [float(x) for x in q.ravel()],
            "value": divergence(p, q),
        },
    }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(oracle, indent=1) + "\n")


if __name__ == "__main__":
    main()
