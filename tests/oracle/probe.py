"""Oracle values for src/run/scrutiny: writes probe.json beside this file.

Standardised features by scikit-learn, what 10 steps of Adam make of a softmax probe and of one with a
hidden layer by torch, and cross-entropies by scipy. Full batches, so that no order matters.
Run: python -P tests/oracle/probe.py
"""

import json
import pathlib

import numpy as np
import torch
from scipy.special import log_softmax
from sklearn.preprocessing import StandardScaler

TRAIN, TEST, FEATURES, CLASSES, UNITS = 45, 7, 5, 3, 4


def numbers(values):
    return [float(x) for x in np.asarray(values, dtype=np.float32).ravel()]


def trained(layers, rows, labels, rate):
    """Parameters after 10 steps; weights inputs × outputs, then biases, layer by layer."""
    values = [torch.tensor(v, requires_grad=True) for v in layers]
    adam = torch.optim.Adam(values, lr=rate)
    for _ in range(10):
        x = torch.tensor(rows)
        for index in range(0, len(values), 2):
            x = x @ values[index] + values[index + 1]
            if index + 2 < len(values):
                x = torch.relu(x)
        loss = torch.nn.functional.cross_entropy(x, torch.tensor(labels))
        adam.zero_grad()
        loss.backward()
        adam.step()
    return np.concatenate([v.detach().numpy().ravel() for v in values])


def main():
    rng = np.random.default_rng(11)
    train = rng.normal(2, [1, 3, 0.1, 7, 1], (TRAIN, FEATURES)).astype(np.float32)
    test = rng.normal(2, [1, 3, 0.1, 7, 1], (TEST, FEATURES)).astype(np.float32)
    train[:, 4], test[:, 4] = 1.25, 3  # dead on the train split
    labels = rng.integers(0, CLASSES, TRAIN)
    train[:, 0] += labels
    scaler = StandardScaler().fit(train.astype(np.float64))
    rows = scaler.transform(train).astype(np.float32)
    other = scaler.transform(test).astype(np.float32)
    rows[:, 4], other[:, 4] = 0, 0
    zeros = [np.zeros((FEATURES, CLASSES), np.float32), np.zeros(CLASSES, np.float32)]
    hidden = [
        rng.normal(0, 0.6, (FEATURES, UNITS)).astype(np.float32),
        np.zeros(UNITS, np.float32),
        rng.normal(0, 0.6, (UNITS, CLASSES)).astype(np.float32),
        np.zeros(CLASSES, np.float32),
    ]
    logits = (4 * rng.normal(size=(TEST, CLASSES))).astype(np.float32)
    logits[0, 0] = -np.inf
    answers = np.arange(TEST) % CLASSES
    losses = -log_softmax(logits.astype(np.float64), axis=1)[np.arange(TEST), answers]
    oracle = {
        "train": numbers(train),
        "test": numbers(test),
        "labels": labels.tolist(),
        "rows": numbers(rows),
        "other": numbers(other),
        "softmax": numbers(trained(zeros, rows, labels, 1e-2)),
        "start": numbers(np.concatenate([v.ravel() for v in hidden])),
        "mlp": numbers(trained(hidden, rows, labels, 3e-3)),
        "logits": [None if np.isinf(x) else float(x) for x in logits.ravel()],
        "losses": numbers(np.minimum(losses, 50)),
    }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(oracle) + "\n")


if __name__ == "__main__":
    main()
