"""Oracle values for src/metric/attack.rs and lira.rs: writes attacks.json beside this file.

Needs scikit-learn, scipy and numpy. Run: python -P tests/oracle/attacks.py
"""

import json
import pathlib

import numpy as np
from scipy.special import logit, softmax
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_curve
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def numbers(values):
    """The shortest decimals that read back as the same 32 bits."""
    return [float(str(x)) for x in np.asarray(values, np.float32).ravel()]


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


def lira(with_, without, unlearned, unseen):
    """Accuracy by the larger likelihood, and the largest TPR with an FPR of at most 1 %."""

    def score(phi):
        fits = []
        for shadows in (with_, without):
            mean, deviation = shadows.astype(np.float64).mean(1), shadows.astype(np.float64).std(1)
            fits.append(norm.logpdf(phi.astype(np.float64), mean, np.maximum(deviation, 0.01)))
        return fits[0] - fits[1]

    scores = np.concatenate([score(unlearned), score(unseen)])
    labels = np.concatenate([np.ones(len(unlearned)), np.zeros(len(unseen))])
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(np.mean((scores > 0) == labels)), float(tpr[fpr <= 0.01].max())


def lira_cases():
    for seed, (examples, n, m, shift) in enumerate(
        [(120, 8, 8, 1.0), (220, 6, 4, 0.0), (50, 4, 4, 4.0), (120, 2, 3, 0.5)]
    ):
        rng = np.random.default_rng(100 + seed)
        level, spread = rng.normal(3, 2, (examples, 1)), rng.gamma(2, 0.5, (examples, 1))
        of = lambda count, by: np.round(
            level + by + spread * rng.normal(size=(examples, count)), 2
        ).astype(np.float32)
        with_, without, unlearned, unseen = of(n, shift), of(m, 0), of(1, shift)[:, 0], of(1, 0)[:, 0]
        if seed == 2:  # networks that agree
            with_[:10] = with_[:10, :1]
        logits = (3 * rng.normal(size=(6, 5))).astype(np.float32)
        labels = rng.integers(0, 5, 6)
        p = softmax(logits.astype(np.float64), axis=1)[np.arange(6), labels]
        accuracy, tpr = lira(with_, without, unlearned, unseen)
        yield {
            "classes": 5,
            "logits": numbers(logits),
            "labels": labels.tolist(),
            "confidences": logit(p).tolist(),
            "with": numbers(with_),
            "without": numbers(without),
            "unlearned": numbers(unlearned),
            "unseen": numbers(unseen),
            "accuracy": accuracy,
            "tpr": tpr,
        }


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
                "shadow_members": numbers(shadow[0]) if n < 100 else None,
                "shadow_others": numbers(shadow[1]) if n < 100 else None,
                "members": numbers(members),
                "others": numbers(others),
                "threshold": limit,
                "own_threshold": threshold(members, others),
                "threshold_attack": threshold_attack(limit, members, others),
                "logistic_attack": logistic_attack(members, others),
            }
        )
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps({"cases": cases, "lira": list(lira_cases())}) + "\n")


if __name__ == "__main__":
    main()
