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

    def layer(self, index, x):
        p = x @ self.weights[index].T + self.biases[index]
        return p, ACTIVATIONS[self.activations[index]](p)

    def run(self, x, first, last):
        for index in range(first, last):
            x = self.layer(index, x)[1]
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
    """Everything about one layer, one class to forget, and the classes that went before."""

    def __init__(self, network, x, labels, layer, c, gone):
        classes = network.sizes[-1]
        forget, retain = labels == c, (labels != c) & ~np.isin(labels, gone)
        x = network.run(x, 0, layer)
        p, h = network.layer(layer, x)
        z = network.run(h, layer + 1, network.depth())
        # f32 cannot be asked on which side of 0 such a value lies.
        assert np.abs(p).min() > 1e-5, np.abs(p).min()
        self.w = network.weights[layer]
        self.gated = network.activations[layer] == "relu"
        self.xf, self.xr = x[forget], x[retain]
        self.pf, self.pr = p[forget], p[retain]
        self.hf, self.hr = h[forget], h[retain]
        zf = z[forget]
        others = [k for k in range(classes) if k != c and k not in gone]
        left = [k for k in range(classes) if k not in gone]
        # Margin, and how the other classes share what is left of the softmax.
        margin = zf[:, c] - log_sum_exp(zf[:, others])
        self.margin = np.array([margin.mean(), margin.std()])
        q = np.exp(zf[:, others] - log_sum_exp(zf[:, others])[:, None]).mean(axis=0)
        # The effective next layer, outputs x classes.
        spread = self.hf.std(axis=0)
        delta = 0.5 * np.maximum(spread, 0.2 * spread.mean())
        probes = self.hf[:PROBES]
        self.effective = np.zeros((len(delta), classes))
        for j in range(len(delta)):
            bumped = probes.copy()
            bumped[:, j] += delta[j]
            move = network.run(bumped, layer + 1, network.depth()) - zf[:PROBES]
            self.effective[j] = move.mean(axis=0) / delta[j]
        if layer == network.depth() - 1:
            assert np.allclose(self.effective, np.eye(classes), atol=1e-9)
        if layer == network.depth() - 2 and network.activations[-1] == "":
            assert np.allclose(self.effective, network.weights[-1].T, atol=1e-9)
        self.gp = self.effective[:, c] - self.effective[:, others] @ q
        self.own, self.other = self.effective[:, c], self.effective[:, others]
        self.centred = self.effective[:, left] - self.effective[:, left].mean(axis=1)[:, None]
        # What is kept for systems of equations.
        self.kf, self.kr = self.xf[:MAX_FORGET], self.xr[:MAX_RETAIN]
        gate = lambda p: (p > 0).astype(float) if self.gated else np.ones_like(p)
        self.af, self.ar = gate(self.pf)[:MAX_FORGET], gate(self.pr)[:MAX_RETAIN]
        # Rows act where they are active; without a ReLU they always do.
        self.share = gate(self.pf).mean(axis=0)
        self.covariance = self.kr.T @ self.kr / len(self.kr)

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
        ]:
            factor = view.calibration(kind, step, one, other)
            factors.append(
                {
                    "step": step,
                    "u": numbers(one),
                    "v": numbers(other),
                    "factor": float(f"{factor:.8g}"),
                }
            )
        # Some of them inside the range.
        inside = [f for f in factors if f["factor"] not in (1.0, MOST)]
        assert inside or "more samples" in name, (name, kind)
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

    path = pathlib.Path(__file__).with_name("neuron_features.json")
    path.write_text(json.dumps({"networks": networks}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
