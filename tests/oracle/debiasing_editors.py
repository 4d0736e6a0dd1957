"""Writes debiasing_editors.json: equalised odds by fairlearn, and a step of adversarial debiasing by PyTorch.

    python tests/oracle/debiasing_editors.py

Needs fairlearn 0.15, torch 2.15 and numpy 2.4. Scores are scores of three groups of texts; the network has two layers. Arrays
are in the crate's order: weights in x out, weights of a layer before its biases, texts row-major.
"""

import json
import os
import warnings

import numpy as np
import torch
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.base import BaseEstimator
from torch.nn import functional as F

warnings.filterwarnings("ignore")
DRAW = np.random.default_rng(3)


class Given(BaseEstimator):
    """Scores that are what they are."""

    def fit(self, x, y):
        return self

    def predict(self, x):
        return np.asarray(x)[:, 0]


def odds(count, shifts):
    group = np.arange(count) % len(shifts)
    label = (DRAW.random(count) < 0.3 + 0.1 * group).astype(int)
    noise = DRAW.standard_normal(count) * (1 + 0.3 * group)
    score = np.round(1.3 * label + np.array(shifts)[group] + noise, 2)
    fitted = ThresholdOptimizer(estimator=Given().fit(None, None), constraints="equalized_odds", prefit=True,
                                objective="accuracy_score", predict_method="predict", grid_size=1000)
    fitted.fit(score[:, None], label, sensitive_features=group)
    expected = fitted._pmf_predict(score[:, None], sensitive_features=group)[:, 1]
    rates = [[float(expected[(group == g) & (label == y)].mean()) for y in (0, 1)] for g in range(len(shifts))]
    return {"scores": score.tolist(), "labels": label.tolist(), "groups": group.tolist(),
            "probabilities": [float(f"{p:.9g}") for p in expected], "rates": rates}


def exact(values):
    return torch.from_numpy(np.asarray(values, np.float32).astype(np.float64))


def adversarial(words, hidden, count, groups, alpha):
    draw = lambda *shape: exact(np.round(0.5 * DRAW.standard_normal(shape), 3)).requires_grad_()
    w1, b1, w2, b2 = draw(words, hidden), draw(hidden), draw(hidden, 2), draw(2)
    v, c = draw(groups, 4), exact([-0.7]).requires_grad_()
    x = exact(np.round(DRAW.random((count, words)) * (DRAW.random((count, words)) < 0.5), 3))
    y = torch.from_numpy(DRAW.integers(0, 2, count))
    member = torch.from_numpy(DRAW.integers(0, 2, (count, groups)).astype(float))
    z = torch.relu(x @ w1 + b1) @ w2 + b2
    own = F.cross_entropy(z, y)
    s = torch.sigmoid((1 + c.abs()) * (z[:, 1] - z[:, 0]))
    features = torch.stack([s, s * y, s * (1 - y), torch.ones_like(s)], dim=1)
    adverse = F.binary_cross_entropy_with_logits(features @ v.T, member)
    tensors = [w1, b1, w2, b2]
    of_own = torch.autograd.grad(own, tensors, retain_graph=True)
    of_adverse = torch.autograd.grad(adverse, tensors + [v, c])
    together = []
    for g, a in zip(of_own, of_adverse):
        unit = a / a.norm()
        together.append(g - (g * unit).sum() * unit - alpha * a)
    flat = lambda parts: [float(f"{p:.9g}") for part in parts for p in part.detach().flatten().tolist()]
    return {"sizes": [words, hidden, 2], "groups": groups, "alpha": alpha, "parameters": flat(tensors),
            "adversary": flat([v, c]), "x": flat([x]), "labels": y.tolist(),
            "members": (member @ (2.0 ** torch.arange(groups, dtype=torch.float64))).int().tolist(),
            "own": flat(of_own), "adverse": flat(of_adverse[:4]), "of_adversary": flat(of_adverse[4:]),
            "together": flat(together)}


value = {"odds": [odds(600, [0.0, 0.8, -0.5]), odds(900, [0.3, -0.2])], "adversarial": adversarial(6, 5, 21, 3, 0.7)}
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "debiasing_editors.json")
with open(path, "w") as file:
    lines = (f" {json.dumps(name)}: {json.dumps(part, separators=(',', ':'))}" for name, part in value.items())
    file.write("{\n" + ",\n".join(lines) + "\n}\n")
