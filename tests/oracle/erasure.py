"""Writes erasure.json: closed-form erasure of classes and refits of the last layer, in f64.

Needs numpy only. Written from the definitions, for whole arrays at once. Networks and samples are
drawn here, rounded to a few digits, taken as f32, and written beside what is expected of them.
Run: python tests/oracle/erasure.py
"""

import json
import pathlib

import numpy as np

SEED = 20261124
RIDGE, TEMPERATURE, SHRINK = 1e-3, 0.1, 0.01


def single(values, digits):
    """Short decimals, and the f32 that is read from them."""
    return np.float32(np.round(values, digits)).astype(np.float64)


class Network:
    """Dense layers (out x in) with ReLU between them."""

    def __init__(self, rng, sizes):
        self.w = [single(rng.normal(size=(o, i)) * np.sqrt(2 / i), 3) for i, o in zip(sizes, sizes[1:])]
        self.b = [single(rng.normal(scale=0.2, size=o), 3) for o in sizes[1:]]

    def inputs(self, x, layer):
        """What layer `layer` takes."""
        for w, b in zip(self.w[:layer], self.b[:layer]):
            x = np.maximum(x @ w.T + b, 0.0)
        return x

    def logits(self, x):
        last = len(self.w) - 1
        return self.inputs(x, last) @ self.w[last].T + self.b[last]

    def copy(self):
        other = object.__new__(Network)
        other.w, other.b = list(self.w), list(self.b)
        return other


def softmax(scores):
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def ridge_of(matrix, ridge):
    return matrix + ridge * np.trace(matrix) / len(matrix) * np.eye(len(matrix))


def mean_match(net, x, labels, forget, layer):
    """V solves V'm_c = e_c with least retained response; each class's mean output moves onto theirs."""
    h = net.inputs(x, layer)
    retained = ~np.isin(labels, forget)
    m = ridge_of(h[retained].T @ h[retained] / retained.sum(), 0.03)
    means = np.stack([h[labels == c].mean(axis=0) for c in forget], axis=1)
    solved = np.linalg.solve(m, means)
    v = solved @ np.linalg.inv(means.T @ solved)
    z = net.w[layer] @ (means - h[retained].mean(axis=0)[:, None])
    edited = net.copy()
    edited.w[layer] = net.w[layer] - z @ v.T
    return edited


def leace(net, x, labels, forget, layer):
    """Belrose et al. 2023: r(x) = x - W+ P W (x - mu) with W = cov^-1/2, folded into the layer."""
    h = net.inputs(x, layer)
    mu = h.mean(axis=0)
    z = np.stack([labels == c for c in forget], axis=1).astype(float)
    cov = ridge_of((h - mu).T @ (h - mu) / len(h), 1e-3)
    cross = (h - mu).T @ (z - z.mean(axis=0)) / len(h)
    values, vectors = np.linalg.eigh(cov)
    whiten = vectors @ np.diag(values ** -0.5) @ vectors.T
    colour = vectors @ np.diag(values ** 0.5) @ vectors.T
    u = np.linalg.qr(whiten @ cross)[0]
    q = colour @ (u @ u.T) @ whiten
    edited = net.copy()
    edited.w[layer] = net.w[layer] @ (np.eye(len(mu)) - q)
    edited.b[layer] = net.b[layer] + net.w[layer] @ q @ mu
    return edited


def standardised(h):
    return (h - h.mean(axis=0)) / (h.std(axis=0) + 1e-4)


def halves(labels):
    """Of every class, in order, one sample to each half in turn."""
    half = np.zeros(len(labels), dtype=int)
    for c in np.unique(labels):
        half[labels == c] = np.arange((labels == c).sum()) % 2
    return half


def ridge_fit(x, labels, classes):
    mean, target = x.mean(axis=0), np.eye(classes)[labels]
    gram = (x - mean).T @ (x - mean) + RIDGE * len(x) * np.eye(x.shape[1])
    w = np.linalg.solve(gram, (x - mean).T @ (target - target.mean(axis=0)))
    return w, target.mean(axis=0) - mean @ w


def lda_fit(x, labels, classes):
    means = np.stack([x[labels == c].mean(axis=0) for c in range(classes)])
    rest = x - means[labels]
    within = rest.T @ rest / len(x)
    within += SHRINK * np.trace(within) / len(within) * np.eye(len(within))
    w = np.linalg.solve(within, means.T)
    prior = np.log(np.bincount(labels, minlength=classes) / len(x))
    return w, prior - 0.5 * (means * w.T).sum(axis=1)


def crossed(x, labels, classes, fit, temperature):
    half, p = halves(labels), np.zeros((len(x), classes))
    for h in range(2):
        w, b = fit(x[half == h], labels[half == h], classes)
        p[half != h] = softmax((x[half != h] @ w + b) / temperature)
    return p


def bohning(x, labels, classes, steps):
    """Böhning 1992 with a ridge, from LDA on all samples."""
    n, target = len(x), np.eye(classes)[labels]
    w, b = lda_fit(x, labels, classes)
    gram = x.T @ x + RIDGE * n * np.eye(x.shape[1])
    for _ in range(steps):
        rest = target - softmax(x @ w + b)
        w = w + 2 * np.linalg.solve(gram, x.T @ rest - RIDGE * n * w)
        b = b + 2 * rest.mean(axis=0)
    return softmax(x @ w + b)


def recovered(p, labels, forget):
    """Mean probability of the own class of retained samples, and of any forgotten class of the others."""
    gone = np.isin(labels, forget)
    own = p[np.arange(len(labels)), labels]
    return own[~gone].mean(), p[gone][:, forget].sum(axis=1).mean()


def direct(logits, labels, forget, masked):
    if masked:
        logits = logits.copy()
        logits[:, forget] = -np.inf
    return recovered(softmax(logits), labels, forget)


def refits(net, x, labels, forget, classes, taps):
    found = {}
    for name in ["lr", "softmax"]:
        parts = []
        for tap in taps:
            h = standardised(net.inputs(x, tap))
            if name == "lr":
                u, f = recovered(crossed(h, labels, classes, lda_fit, 1.0), labels, forget)
                _, f_ridge = recovered(crossed(h, labels, classes, ridge_fit, TEMPERATURE), labels, forget)
                parts.append((u, (f + f_ridge) / 2))
            else:
                parts.append(recovered(bohning(h, labels, classes, 15 if len(taps) == 1 else 6), labels, forget))
        found[name] = list(np.mean(parts, axis=0))
    return found


def case(rng, sizes, samples, forget):
    classes = sizes[-1]
    net = Network(rng, sizes)
    labels = rng.integers(0, classes, size=samples)
    labels[:classes * 4] = np.arange(classes * 4) % classes
    centres = rng.normal(size=(classes, sizes[0]))
    x = single(centres[labels] + 0.9 * rng.normal(size=(samples, sizes[0])), 3)
    deep, hidden = len(sizes) - 3, len(sizes) - 2
    matched = mean_match(net, x, labels, forget, deep)
    both = mean_match(mean_match(net, x, labels, forget, deep - 1), x, labels, forget, deep)
    folded = leace(net, x, labels, forget, deep)
    plain = lambda values: [float(f"{value:.9g}") for value in np.asarray(values).ravel()]
    return {
        "sizes": sizes, "forget": forget, "labels": [int(label) for label in labels],
        "weights": [plain(w) for w in net.w], "biases": [plain(b) for b in net.b], "x": plain(x),
        "edited": deep,
        "mean_match": plain(matched.w[deep]),
        "mean_match_both": [plain(both.w[deep - 1]), plain(both.w[deep])],
        "leace": {"w": plain(folded.w[deep]), "b": plain(folded.b[deep])},
        "direct": plain(direct(net.logits(x), labels, forget, False)),
        "masked": plain(direct(net.logits(x), labels, forget, True)),
        "refit": {
            name: plain(values) for name, values in refits(net, x, labels, forget, classes, [hidden]).items()
        },
        "refit_deep": {
            name: plain(values)
            for name, values in refits(net, x, labels, forget, classes, [deep, hidden]).items()
        },
        "refit_matched": {
            name: plain(values)
            for name, values in refits(matched, x, labels, forget, classes, [hidden]).items()
        },
    }


def main():
    rng = np.random.default_rng(SEED)
    cases = [
        case(rng, [7, 9, 6, 4], 101, [2]),
        case(rng, [12, 20, 10, 5], 160, [0, 3]),
        case(rng, [6, 33, 17, 3], 75, [1]),
    ]
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text("[\n" + ",\n".join(json.dumps(one) for one in cases) + "\n]\n")


if __name__ == "__main__":
    main()
