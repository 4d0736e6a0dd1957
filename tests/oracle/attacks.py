"""Oracle values for src/metric/attack.rs: writes attacks.json beside this file.

Needs scikit-learn and numpy. Run: python -P tests/oracle/attacks.py
"""

import json
import pathlib

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_curve
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def labelled(members, others):
    losses = np.concatenate([members, others]).astype(np.float64)
    return losses, np.concatenate([np.ones(len(members)), np.zeros(len(others))]).astype(int)


def threshold(members, others):
    """The least loss with the largest TPR − FPR; None where nobody counts as a member."""
    losses, labels = labelled(members, others)
    fpr, tpr, limits = roc_curve(labels, -losses, drop_intermediate=False)
    # Rounded, so that ties are ties.
    best = int(np.argmax(np.round(tpr - fpr, 12)))
    return None if best == 0 else float(-limits[best])


def threshold_attack(limit, members, others):
    losses, labels = labelled(members, others)
    guesses = (losses <= (-np.inf if limit is None else limit)).astype(int)
    return float(balanced_accuracy_score(labels, guesses))


def logistic_attack(members, others):
    each = min(len(members), len(others))
    folds = min(10, each)
    losses, labels = labelled(members[:each], others[:each])
    split = PredefinedSplit(np.tile(np.arange(each) % folds, 2))
    # A smooth problem of two unknowns: the tolerance leaves no digit that a guess depends on.
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
    )
    guesses = cross_val_predict(model, losses[:, None], labels, cv=split)
    return float(np.mean(guesses == labels))


def main():
    cases = []
    shapes = [(600, 200, 0.0), (600, 200, 0.5), (60, 200, 1.5), (12, 9, 1.0), (2, 3, 1.0), (50, 50, -0.7)]
    for seed, (n, m, shift) in enumerate(shapes):
        rng = np.random.default_rng(seed)
        of = lambda size, scale: np.minimum(rng.gamma(0.4, scale, size), 50).astype(np.float32)
        shadow = of(4 * n, 0.3), of(4 * m, 0.3 * np.exp(shift))
        members, others = of(n, 0.3), of(m, 0.3 * np.exp(shift))
        if seed == 2:  # ties, as bounded losses have
            members, others = np.round(members, 1), np.round(others, 1)
            shadow = np.round(shadow[0], 1), np.round(shadow[1], 1)
        if seed == 3:  # all losses at the bound
            members[:], others[:] = 50, 50
        limit = threshold(*shadow)
        cases.append(
            {
                "shadow_members": [float(x) for x in shadow[0]] if n < 100 else None,
                "shadow_others": [float(x) for x in shadow[1]] if n < 100 else None,
                "members": [float(x) for x in members],
                "others": [float(x) for x in others],
                "threshold": limit,
                "own_threshold": threshold(members, others),
                "threshold_attack": threshold_attack(limit, members, others),
                "logistic_attack": logistic_attack(members, others),
            }
        )
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps({"cases": cases}) + "\n")


if __name__ == "__main__":
    main()
