"""Writes neuron_features.json: what `world::Neurons` says of small networks, in f64.

Needs numpy only. Written from the definitions, for whole arrays at once. Networks and samples are
drawn here, rounded to a few digits, taken as f32, and written beside what is expected of them.
Run: python tests/oracle/neuron_features.py
"""

import json
import math
import pathlib

import numpy as np

PROBES, MAX_FORGET, MAX_RETAIN = 64, 200, 600
LIMIT = 4.0
MOST, CERTAINTY = 5.0, {"shift": 1.08, "mask": 1.0}
SEED = 20261124


def single(values, digits):
    """Short decimals, and the f32 that is read from them."""
    values = np.round(values, digits)
    return np.float32(values).astype(np.float64)


ACTIVATIONS = {
    "relu": lambda p: np.maximum(p, 0.0),
    "tanh": np.tanh,
    "": lambda p: p,
}


class Network:
    """Dense layers: sizes[i] -> sizes[i + 1], each with an activation."""

    def __init__(self, rng, sizes, activations):
        self.sizes, self.activations = sizes, activations
        self.weights = [
            single(rng.normal(size=(o, i)) * math.sqrt(2.0 / i), 3)
            for i, o in zip(sizes, sizes[1:])
        ]
        self.biases = [single(rng.normal(scale=0.2, size=o), 3) for o in sizes[1:]]

    def patches(self, index, x):
        """What the layer's matrix multiplies: samples x positions x inputs."""
        return x[:, None, :]

    def layer(self, index, patches):
        """P and H, samples x positions x outputs."""
        w = self.weights[index]
        p = patches.reshape(-1, w.shape[1]) @ w.T + self.biases[index]
        p = p.reshape(*patches.shape[:2], len(w))
        return p, ACTIVATIONS[self.activations[index]](p)

    def onward(self, index, h):
        """H as the next layer takes it."""
        return h[:, 0, :]

    def run(self, x, first, last):
        for index in range(first, last):
            x = self.onward(index, self.layer(index, self.patches(index, x))[1])
        return x

    def depth(self):
        return len(self.weights)

    def fit_last(self, x, labels):
        """Logits that tell the classes apart: least squares with a ridge."""
        h = self.run(x, 0, self.depth() - 1)
        h = np.concatenate([h, np.ones((len(h), 1))], axis=1)
        target = 5.0 * np.eye(self.sizes[-1])[labels]
        solved = np.linalg.solve(h.T @ h + 0.5 * np.eye(h.shape[1]), h.T @ target)
        self.weights[-1], self.biases[-1] = single(solved[:-1].T, 3), single(solved[-1], 3)

    def parameters(self):
        """The crate's order: weights inputs x outputs, then biases, layer by layer."""
        return np.concatenate(
            [part for w, b in zip(self.weights, self.biases) for part in (w.T.reshape(-1), b)]
        )


class ConvNetwork(Network):
    """Convolutions, each with an activation and perhaps pooling behind it, then dense layers.

    `convs` holds (channels, kernel, stride, padding, pool), pool being None or (kind, window).
    """

    def __init__(self, rng, image, convs, sizes, activations):
        self.activations, self.shapes, self.convs = activations, [image], convs
        fans = []
        for channels, kernel, stride, padding, pool in convs:
            taken = self.shapes[-1]
            fans.append((channels, taken[0] * kernel[0] * kernel[1]))
            rows, columns = self.places(len(fans) - 1)
            if pool:
                rows, columns = rows // pool[1], columns // pool[1]
            self.shapes.append((channels, rows, columns))
        self.sizes = [math.prod(self.shapes[-1]), *sizes]
        fans += [(o, i) for i, o in zip(self.sizes, sizes)]
        self.weights = [single(rng.normal(size=fan) * math.sqrt(2.0 / fan[1]), 3) for fan in fans]
        self.biases = [single(rng.normal(scale=0.2, size=o), 3) for o, _ in fans]

    def places(self, index):
        _, *sides = self.shapes[index]
        _, kernel, stride, padding, _ = self.convs[index]
        return [
            (side + 2 * p - k) // s + 1 for side, k, s, p in zip(sides, kernel, stride, padding)
        ]

    def patches(self, index, x):
        if index >= len(self.convs):
            return super().patches(index, x)
        _, kernel, stride, padding, _ = self.convs[index]
        (down, across), (rows, columns) = padding, self.places(index)
        images = x.reshape(-1, *self.shapes[index])
        images = np.pad(images, [(0, 0), (0, 0), (down, down), (across, across)])
        patches = []
        for row in range(rows):
            for column in range(columns):
                y, z = row * stride[0], column * stride[1]
                patch = images[:, :, y : y + kernel[0], z : z + kernel[1]]
                patches.append(patch.reshape(len(x), -1))
        return np.stack(patches, axis=1)

    def onward(self, index, h):
        if index >= len(self.convs):
            return super().onward(index, h)
        pool = self.convs[index][-1]
        maps = h.transpose(0, 2, 1).reshape(len(h), h.shape[2], *self.places(index))
        if pool:
            (kind, window), (_, rows, columns) = pool, self.shapes[index + 1]
            maps = maps[:, :, : rows * window, : columns * window]
            maps = maps.reshape(len(h), h.shape[2], rows, window, columns, window)
            maps = maps.max(axis=(3, 5)) if kind == "max" else maps.mean(axis=(3, 5))
        return maps.reshape(len(h), -1)


def chosen(index, positions):
    """The position that is kept of the index-th sample: multiples of the golden ratio, from 1/2."""
    share = (index * 0x9E3779B9 + 2**31) % 2**32
    return share * positions // 2**32


def draw_samples(rng, features, counts, spread):
    """Samples around one centre per class, in random order."""
    labels = np.repeat(np.arange(len(counts)), counts)
    rng.shuffle(labels)
    centres = rng.normal(size=(len(counts), features))
    x = centres[labels] + spread * rng.normal(size=(len(labels), features))
    return single(np.maximum(x, 0.0), 2), labels


def rmsn(x):
    rms = math.sqrt(np.mean(x**2))
    return np.clip(x / rms, -LIMIT, LIMIT) if rms > 0 else np.zeros_like(x)


def std1(x):
    if np.std(x) <= 1e-5 * abs(np.mean(x)):
        return np.zeros_like(x)
    return rmsn(x - np.mean(x))


def contrast(forget, retain):
    spread = retain.std(axis=0)
    scale = spread + 0.1 * spread.mean()
    difference = forget.mean(axis=0) - retain.mean(axis=0)
    return np.divide(difference, scale, out=np.zeros_like(difference), where=scale > 0)


def ridge_solve(matrix, ridge, b):
    d = len(b)
    return np.linalg.solve(matrix + ridge * np.trace(matrix) / d * np.eye(d), b)


def log_sum_exp(z):
    largest = z.max(axis=1, keepdims=True)
    return (largest + np.log(np.exp(z - largest).sum(axis=1, keepdims=True)))[:, 0]


class View:
    """Everything about one layer, one class to forget, and the classes that went before.

    Rows and columns of a convolution are seen at every position of every sample.
    """

    def __init__(self, network, x, labels, layer, c, gone):
        classes = network.sizes[-1]
        forget, retain = labels == c, (labels != c) & ~np.isin(labels, gone)
        x = network.patches(layer, network.run(x, 0, layer))
        p, h = network.layer(layer, x)
        tail = lambda h: network.run(network.onward(layer, h), layer + 1, network.depth())
        z = tail(h)
        # f32 cannot be asked on which side of 0 such a value lies.
        assert np.abs(p).min() > 1e-5, np.abs(p).min()
        self.w = network.weights[layer]
        self.gated = network.activations[layer] == "relu"
        together = lambda values: values.reshape(-1, values.shape[2])
        self.xf, self.xr = together(x[forget]), together(x[retain])
        self.pf, self.pr = together(p[forget]), together(p[retain])
        self.hf, self.hr = together(h[forget]), together(h[retain])
        zf = z[forget]
        others = [k for k in range(classes) if k != c and k not in gone]
        left = [k for k in range(classes) if k not in gone]
        # Margin, and how the other classes share what is left of the softmax.
        margin = zf[:, c] - log_sum_exp(zf[:, others])
        self.margins, self.margin = margin, np.array([margin.mean(), margin.std()])
        q = np.exp(zf[:, others] - log_sum_exp(zf[:, others])[:, None]).mean(axis=0)
        # The effective next layer, outputs x classes.
        spread = self.hf.std(axis=0)
        delta = 0.5 * np.maximum(spread, 0.2 * spread.mean())
        probes = h[forget][:PROBES]
        self.effective = np.zeros((len(delta), classes))
        for j in range(len(delta)):
            bumped = probes.copy()
            bumped[:, :, j] += delta[j]
            move = tail(bumped) - zf[:PROBES]
            self.effective[j] = move.mean(axis=0) / delta[j]
        if layer == network.depth() - 1:
            assert np.allclose(self.effective, np.eye(classes), atol=1e-9)
        dense_next = layer == network.depth() - 2 and network.activations[-1] == ""
        if dense_next and x.shape[1] == 1:
            assert np.allclose(self.effective, network.weights[-1].T, atol=1e-9)
        self.gp = self.effective[:, c] - self.effective[:, others] @ q
        self.own, self.other = self.effective[:, c], self.effective[:, others]
        self.centred = self.effective[:, left] - self.effective[:, left].mean(axis=1)[:, None]
        # What is kept for systems of equations: one position of each sample.
        def kept(values, most):
            values = values[:most]
            return np.array([v[chosen(k, values.shape[1])] for k, v in enumerate(values)])

        self.kf, self.kr = kept(x[forget], MAX_FORGET), kept(x[retain], MAX_RETAIN)
        gate = lambda p: (p > 0).astype(float) if self.gated else np.ones_like(p)
        self.af = kept(gate(p[forget]), MAX_FORGET)
        self.ar = kept(gate(p[retain]), MAX_RETAIN)
        # Rows act where they are active; without a ReLU they always do.
        self.share = gate(self.pf).mean(axis=0)
        self.covariance = self.kr.T @ self.kr / len(self.kr)
        # What is kept for lengths: of dense layers alone.
        self.dense = layer >= len(getattr(network, "convs", []))
        self.tail, self.activation = tail, ACTIVATIONS[network.activations[layer]]
        self.c, self.others, self.left = c, others, left
        self.kpf, self.kpr = kept(p[forget], MAX_FORGET), kept(p[retain], MAX_RETAIN)
        self.kept_labels = labels[retain][:MAX_RETAIN]

    def lda(self, ridge):
        return ridge_solve(self.covariance, ridge, self.xf.mean(axis=0))

    def columns(self):
        return [
            std1(self.xf.mean(axis=0)),
            std1(self.xr.mean(axis=0)),
            std1(self.xr.std(axis=0)),
            std1(np.sqrt((self.w**2).sum(axis=0))),
            rmsn(self.w.mean(axis=0)),
            rmsn(contrast(self.xf, self.xr)),
            rmsn(self.w.T @ (self.gp * self.share)),
        ]

    def rows(self):
        mf, mr = self.xf.mean(axis=0), self.xr.mean(axis=0)
        return [
            std1(self.hf.mean(axis=0)),
            std1(self.hr.mean(axis=0)),
            std1(self.hr.std(axis=0)),
            std1(np.sqrt((self.w**2).sum(axis=1))),
            rmsn(self.w.mean(axis=1)),
            rmsn(contrast(self.hf, self.hr)),
            rmsn(self.pf.mean(axis=0) - self.pr.mean(axis=0)),
            rmsn(self.own - self.other.mean(axis=1)),
            rmsn(self.gp),
            rmsn(self.own),
            std1(self.other.std(axis=1)),
            rmsn(self.w @ np.maximum(mf - mr, 0.0)),
            (self.hf > 0).mean(axis=0) - (self.hr > 0).mean(axis=0),
        ]

    def lf(self):
        return rmsn(self.w @ (np.abs(rmsn(self.lda(0.03))) * self.xf.mean(axis=0)))

    def response(self, kind, v):
        """The five features of the rows' response to the columns' choice v."""
        if kind == "mask":
            tf, tr = self.kf @ (self.w * v).T, self.kr @ (self.w * v).T
        else:
            tf = np.repeat((self.kf @ v)[:, None], len(self.gp), axis=1)
            tr = np.repeat((self.kr @ v)[:, None], len(self.gp), axis=1)
        tf, tr = self.af * tf, self.ar * tr
        g = self.gp * tf.mean(axis=0)
        m = (self.centred @ self.centred.T) * (tr.T @ tr / len(tr))
        return [
            rmsn(tf.mean(axis=0)),
            rmsn(contrast(tf, tr)),
            rmsn(-g),
            std1(np.sqrt(np.maximum(np.diag(m), 0.0))),
            rmsn(-ridge_solve(m, 0.1, g)),
        ]

    def activation_columns(self, kind, u):
        """v given u while the pattern of active rows stays as it is, rms 1."""
        push = self.af * (self.gp * u)
        if kind == "shift":
            g = (self.kf * push.sum(axis=1)[:, None]).mean(axis=0)
            weight = (((self.ar * u) @ self.centred) ** 2).sum(axis=1)
            m = (self.kr * weight[:, None]).T @ self.kr / len(self.kr)
        else:
            g = (self.kf * (push @ self.w)).mean(axis=0)
            m = np.zeros_like(self.covariance)
            for k in range(self.centred.shape[1]):
                b = (self.ar * (self.centred[:, k] * u)) @ self.w
                m += (self.kr * b).T @ (self.kr * b) / len(self.kr)
        v = -ridge_solve(m, 0.1, g)
        return v / math.sqrt(np.mean(v**2))

    def calibration(self, kind, step, u, v):
        """The factor of the step; P is normal on forget samples, and the ReLU cuts it off."""
        mean, spread = self.xf.mean(axis=0), self.pf.std(axis=0)
        if kind == "shift":
            moved = step * u * (v @ mean) * math.sqrt(np.mean(self.w**2))
        else:
            moved = step * u * (self.w @ (v * mean))

        def rectified(m, s):
            if s == 0:
                return max(m, 0.0)
            z = m / s
            above = 0.5 * (1 + math.erf(z / math.sqrt(2)))
            return m * above + s * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

        def drop(factor):
            if not self.gated:
                return -self.gp @ (factor * moved)
            before = self.pf.mean(axis=0)
            change = [
                rectified(m + factor * by, s) - rectified(m, s)
                for m, by, s in zip(before, moved, spread)
            ]
            return -self.gp @ np.array(change)

        wanted = CERTAINTY[kind] * (self.margin[0] + 2 * self.margin[1])
        if not (wanted > 0 and drop(1e-3) > 0):
            return 1.0
        # The first crossing on a fine grid, then halved.
        grid = np.linspace(0.0, MOST, 2001)
        reached = [factor for factor in grid if drop(factor) >= wanted]
        if not reached:
            return MOST
        low, high = reached[0] - grid[1], reached[0]
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if drop(middle) < wanted else (low, middle)
        return high


    def settle(self, kind, step, u, v):
        """The factor of the step by which kept samples are seen to forget; how it was found."""
        factor = self.calibration(kind, step, u, v)
        if not self.dense:
            return factor, "predicted"
        w = self.w * u[:, None] * v if kind == "mask" else np.outer(u, v) * math.sqrt(np.mean(self.w**2))

        def logits(p, x, length):
            moved = p + length * factor * step * (x @ w.T)
            return self.tail(self.activation(moved)[:, None, :])

        def wrong(length):
            z = logits(self.kpr, self.kr, length)
            own = z[np.arange(len(z)), self.kept_labels]
            z[np.arange(len(z)), self.kept_labels] = -np.inf
            gap = own - z[:, self.left].max(axis=1)
            assert np.abs(gap).min() > 1e-4, gap
            return int((gap <= 0).sum())

        def short_by(length):
            z = logits(self.kpf, self.kf, length)
            margins = np.sort(z[:, self.c] - log_sum_exp(z[:, self.others]))
            found = margins[int(0.98 * (len(margins) - 1))] + 3.0 + max(0.0, self.margin[0] - 8.0)
            # f32 must come to the same decisions.
            assert abs(found) > 1e-3, found
            return found

        lost = lambda length: (wrong(length) - wrong(0.0)) / len(self.kr)
        closest = (short_by(1.0), 1.0)
        if closest[0] <= 0:
            if lost(1.0) <= 0.002:
                return factor, "kept"
            lengths = [1.08**-i for i in range(11, -1, -1)]
            length = next(length for length in lengths if short_by(length) <= 0)
            return factor * length, "shortened"
        for length in [1.08**i for i in range(1, 10)]:
            if lost(length) > 0.005:
                return min(MOST, factor * closest[1]), "lost"
            found = short_by(length)
            better = closest[0] - found - 1e-3
            assert abs(better) > 2e-5, better
            if better > 0:
                closest = (found, length)
            if found <= 0:
                return min(MOST, factor * length), "lengthened"
        return min(MOST, factor * closest[1]), "all"


# How the searches of a length ended.
ENDS = []


def numbers(values, digits=8):
    values = np.asarray(values, dtype=np.float64)
    if values.ndim > 1:
        return [numbers(row, digits) for row in values]
    return [float(f"{value:.{digits}g}") for value in values.reshape(-1)]


def case(name, network, x, labels, layer, c, gone, rng):
    view = View(network, x, labels, layer, c, gone)
    outputs, inputs = view.w.shape
    # One action that forgets, drawn about the closed form, one that does not, and any.
    forgetting = np.clip(-0.5 * rmsn(view.gp) + 0.2 * rng.normal(size=outputs), -1, 1)
    u, v = single(forgetting, 3), single(np.clip(rmsn(view.lda(0.03)) * 0.4, -1, 1), 3)
    signs = np.where(view.w.T @ (view.gp**2 * view.share) < 0, -1.0, 1.0)
    v_mask = single(np.clip(signs * rng.uniform(0.2, 1.0, size=inputs), -1, 1), 3)
    any_u, any_v = (single(rng.uniform(-1, 1, size=n), 3) for n in (outputs, inputs))
    worlds = {}
    for kind, own_v in [("shift", v), ("mask", v_mask)]:
        factors = []
        for step, one, other in [
            (2.0, u, own_v),
            (4.0, u, own_v),
            (16.0, u, own_v),
            (0.0625, u, own_v),
            (2.0, -u, own_v),
            (2.0, any_u, any_v),
            (2.0, -any_u, any_v),
            *([(64.0, u, own_v), (0.5, any_u, own_v)] if len(view.xf) > len(view.margins) else []),
        ]:
            factor = view.calibration(kind, step, one, other)
            settled, how = view.settle(kind, step, one, other)
            ENDS.append((how, name, kind))
            factors.append(
                {
                    "step": step,
                    "u": numbers(one),
                    "v": numbers(other),
                    "factor": float(f"{factor:.8g}"),
                    "settled": float(f"{settled:.8g}"),
                }
            )
        # Some of them inside the range.
        inside = [f for f in factors if f["factor"] not in (1.0, MOST)]
        assert inside or "more samples" in name, (name, kind, [f["factor"] for f in factors])
        worlds[kind] = {
            "response": [
                {"v": numbers(w), "features": numbers(view.response(kind, w))}
                for w in (own_v, any_v)
            ],
            "activation": [
                {"u": numbers(w), "v": numbers(view.activation_columns(kind, w))}
                for w in (u, any_u)
            ],
            "calibration": factors,
        }
    return {
        "name": name,
        "layer": layer,
        "class": c,
        "gone": gone,
        "columns": numbers(view.columns()),
        "lda": numbers(rmsn(view.lda(0.03))),
        "lda3": numbers(rmsn(view.lda(3.0))),
        "discriminant": numbers(view.lda(0.03) / math.sqrt(np.mean(view.lda(0.03) ** 2))),
        "rows": numbers(view.rows()),
        "lf": numbers(view.lf()),
        "effective": numbers(view.effective.reshape(-1)),
        "sensitivity": numbers(view.gp),
        "margin": numbers(view.margin),
        "contrast": numbers(contrast(view.xf, view.xr)),
        "mean_forget": numbers(view.xf.mean(axis=0)),
        "worlds": worlds,
    }


def main():
    rng = np.random.default_rng(SEED)
    networks = []

    def network(sizes, activations, counts, cases, spread=0.6, change=None):
        x, labels = draw_samples(rng, sizes[0], counts, spread)
        made = Network(rng, sizes, activations)
        if change:
            change(made, x)
        made.fit_last(x, labels)
        networks.append(
            {
                "inputs": sizes[0],
                "outputs": sizes[1:],
                "activations": activations,
                "parameters": numbers(made.parameters()),
                "samples": numbers(x.reshape(-1)),
                "labels": labels.tolist(),
                "cases": [
                    case(name, made, x, labels, layer, c, gone, rng)
                    for name, layer, c, gone in cases
                ],
            }
        )

    network(
        [12, 9, 6, 4],
        ["relu", "relu", ""],
        [31, 29, 34, 26],
        [
            ("before the logits", 1, 1, []),
            ("before the logits, class 3 gone", 1, 1, [3]),
            ("the logits themselves", 2, 1, []),
            ("the logits themselves, class 3 gone", 2, 1, [3]),
            ("two layers before the logits", 0, 1, []),
        ],
    )

    # More inputs than retain samples, a dead column and a dead row.
    def kill(made, x):
        x[:, 7] = 0.0
        made.biases[0][2] = -30.0

    network(
        [20, 5, 4],
        ["relu", ""],
        [5, 9, 4, 6],
        [("more inputs than retain samples", 0, 1, []), ("one class gone", 0, 1, [3])],
        change=kill,
    )
    # More samples than are probed and kept.
    network(
        [3, 5, 4, 3],
        ["relu", "relu", ""],
        [210, 330, 280],
        [("more samples than are kept", 0, 0, [])],
    )
    # No ReLU behind the layer.
    network([6, 5, 3], ["tanh", ""], [20, 17, 23], [("a hyperbolic tangent", 0, 2, [])])

    rng = np.random.default_rng(SEED + 1)
    convolutional = []

    def convolutions(image, convs, sizes, activations, counts, cases, spread=0.6):
        x, labels = draw_samples(rng, math.prod(image), counts, spread)
        made = ConvNetwork(rng, image, convs, sizes, activations)
        made.fit_last(x, labels)
        keys = ["channels", "kernel", "stride", "padding", "pool"]
        convolutional.append(
            {
                "image": image,
                "convolutions": [dict(zip(keys, conv)) for conv in convs],
                "outputs": sizes,
                "activations": activations,
                "parameters": numbers(made.parameters()),
                "samples": numbers(x.reshape(-1)),
                "labels": labels.tolist(),
                "cases": [
                    case(name, made, x, labels, layer, c, gone, rng)
                    for name, layer, c, gone in cases
                ],
            }
        )

    # Strides, borders of zeros on one side and another, pooling that leaves a column out, a dense layer behind it.
    convolutions(
        (2, 5, 6),
        [
            (5, (3, 2), (2, 1), (1, 0), None),
            (4, (2, 3), (1, 1), (1, 2), ("max", 2)),
        ],
        [6, 4],
        ["relu", "relu", "relu", ""],
        [24, 21, 26, 19],
        [
            ("the first convolution", 0, 1, []),
            ("the second convolution", 1, 1, []),
            ("the second convolution, class 3 gone", 1, 1, [3]),
            ("dense behind convolutions", 2, 1, []),
        ],
    )
    # More taps than retain samples, no ReLU, means of windows.
    convolutions(
        (3, 4, 4),
        [(5, (3, 3), (1, 1), (1, 1), ("average", 2))],
        [3],
        ["tanh", ""],
        [7, 9, 8],
        [("more taps than retain samples", 0, 2, [])],
    )
    # More samples than are probed and kept.
    convolutions(
        (1, 3, 3),
        [(3, (2, 2), (1, 1), (0, 0), None)],
        [3],
        ["relu", ""],
        [210, 330, 280],
        [("more samples than are kept", 0, 0, [])],
    )

    for how in ("kept", "shortened", "lengthened", "lost", "all", "predicted"):
        assert any(end[0] == how for end in ENDS), how
    print({how: sum(end[0] == how for end in ENDS) for how, *_ in ENDS})
    path = pathlib.Path(__file__).with_name("neuron_features.json")
    text = json.dumps(
        {"networks": networks, "convolutional": convolutional}, separators=(",", ":")
    )
    path.write_text(text + "\n")


if __name__ == "__main__":
    main()
