"""Writes closed.json: MEMIT and iterative null-space projection of a dense layer, in f64.

    python tests/oracle/closed.py

Needs numpy 2.4. Takes the networks and samples of erasure.json.
"""

import json
import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent


def forward(weights, biases, x, first, last):
    """Layers first to last - 1, ReLU between dense layers; the input of a layer is what its ReLU gave."""
    for layer in range(first, last):
        x = x @ weights[layer].T + biases[layer]
        if layer + 1 < len(weights):
            x = np.maximum(x, 0)
    return x


def ridge(matrix, share):
    return matrix + share * np.trace(matrix) / len(matrix) * np.eye(len(matrix))


def memit(weights, biases, x, labels, forget, layer):
    inputs = forward(weights, biases, x, 0, layer)
    keys = np.hstack([inputs, np.ones((len(x), 1))])
    given = inputs @ weights[layer].T + biases[layer]
    logits = forward(weights, biases, x, 0, len(weights))
    gone = np.isin(labels, forget)
    stay = [c for c in range(logits.shape[1]) if c not in forget and (labels == c).any()]
    mean = {c: given[labels == c].mean(axis=0) for c in stay}
    aims = np.array([mean[stay[int(np.argmax(row[stay]))]] for row in logits[gone]])
    k, residual = keys[gone], aims - given[gone]
    matrix = ridge(0.1 * keys[~gone].T @ keys[~gone] + k.T @ k, 1e-4)
    change = np.linalg.solve(matrix, k.T @ residual).T
    return weights[layer] + change[:, :-1], biases[layer] + change[:, -1]


def inlp(weights, biases, x, labels, forget, layer):
    x = forward(weights, biases, x, 0, layer)
    gone = np.isin(labels, forget)
    projector, count = np.eye(x.shape[1]), 0
    for _ in range(8):
        left = x @ projector
        centred, z = left - left.mean(axis=0), gone - gone.mean()
        w = np.linalg.solve(ridge(centred.T @ centred / len(x), 1e-3), centred.T @ z / len(x))
        w = projector @ w
        w /= np.linalg.norm(w)
        middle = 0.5 * w @ (x[gone].mean(axis=0) + x[~gone].mean(axis=0))
        told = x @ w > middle
        if 0.5 * (told[gone].mean() + (~told[~gone]).mean()) <= 0.55:
            break
        projector -= np.outer(w, w)
        count += 1
    return weights[layer] @ projector, count


def main():
    cases = []
    for case in json.loads((FOLDER / "erasure.json").read_text()):
        sizes = case["sizes"]
        weights = [np.reshape(np.float32(w), (o, i)).astype(float)
                   for w, i, o in zip(case["weights"], sizes, sizes[1:])]
        biases = [np.float32(b).astype(float) for b in case["biases"]]
        x = np.reshape(np.float32(case["x"]), (-1, sizes[0])).astype(float)
        labels, forget = np.array(case["labels"]), case["forget"]
        arguments = (weights, biases, x, labels, forget, case["edited"])
        w, b = memit(*arguments)
        projected, count = inlp(*arguments)
        plain = lambda values: [float(f"{value:.9g}") for value in np.ravel(values)]
        cases.append({"memit": {"w": plain(w), "b": plain(b)}, "inlp": plain(projected), "directions": count})
    lines = ",\n ".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (FOLDER / "closed.json").write_text(f"[{lines}]\n")


if __name__ == "__main__":
    main()
