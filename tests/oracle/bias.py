"""Oracle values for src/metric/auc.rs and src/metric/bias: writes bias.json beside this file.

AUCs and rates are scikit-learn's, spreads fairlearn's (where its groups are disjoint and every rate
is defined: it takes 0 for a rate without samples), the Jigsaw score is the formula of Borkan et al.
(2019), and the null gap is counted with the permutations that the crate's stream gives.
Run, from the root: python -P tests/oracle/bias.py (-P: statistics.py beside it is not Python's).
"""

import json
import pathlib

import numpy as np
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

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


def auc(scores, labels):
    if len(np.unique(labels)) < 2:
        return None
    return float(roc_auc_score(labels, scores))


def counts(predicted, labels):
    """positives, negatives, true positives, false positives"""
    tn, fp, fn, tp = confusion_matrix(labels, predicted, labels=[0, 1]).ravel()
    return [int(tp + fn), int(tn + fp), int(tp), int(fp)]


def rate(predicted, labels, kind):
    """FPR or FNR, None when undefined."""
    wanted = labels == (0 if kind == "fpr" else 1)
    if not wanted.any():
        return None
    share = np.mean(predicted[wanted])
    return float(share if kind == "fpr" else 1 - share)


def summary(overall, groups):
    gaps = [abs(g - overall) for g in groups if g is not None and overall is not None]
    return {
        "sum": float(np.sum(gaps)),
        "mean": float(np.mean(gaps)) if gaps else None,
        "worst": float(np.max(gaps)) if gaps else None,
        "defined": len(gaps),
        "undefined": len(groups) - len(gaps),
    }


def gap(predicted, labels, inside, kind):
    groups = [rate(predicted[row], labels[row], kind) for row in inside]
    return summary(rate(predicted, labels, kind), groups)


def null(predicted, labels, inside, kind, times, seed):
    generator = stream(seed, BOOTSTRAP)
    order = np.arange(len(labels))
    overall = rate(predicted, labels, kind)
    means, per_group = [], [[] for _ in inside]
    for _ in range(times):
        for last in range(len(order) - 1, 0, -1):  # Fisher and Yates
            other = below(generator, last + 1)
            order[last], order[other] = order[other], order[last]
        gaps = []
        for found, row in zip(per_group, inside):
            value = rate(predicted[row[order]], labels[row[order]], kind)
            if value is not None and overall is not None:
                gaps.append(abs(value - overall))
                found.append(gaps[-1])
        if gaps:
            means.append(np.mean(gaps))
    return {
        "seed": seed,
        "times": times,
        "mean": float(np.mean(means)) if means else None,
        "high": float(np.percentile(means, 95)) if means else None,
        "defined": len(means),
        "groups": [float(np.mean(found)) if found else None for found in per_group],
    }


def power_mean(values, p=-5):
    values = np.array([v for v in values if v is not None])
    if len(values) == 0:
        return None
    with np.errstate(divide="ignore"):
        return float(np.mean(values**p) ** (1 / p))


def jigsaw(scores, labels, inside, outside):
    rows = []
    for row, rest in zip(inside, outside):
        bpsn = (row & (labels == 0)) | (rest & (labels == 1))
        bnsp = (row & (labels == 1)) | (rest & (labels == 0))
        rows.append([auc(scores[s], labels[s]) for s in (row, bpsn, bnsp)])
    means = [power_mean([row[i] for row in rows]) for i in range(3)]
    parts = [auc(scores, labels), *means]
    return {
        "groups": rows,
        "means": means,
        "score": sum(parts) / 4 if all(p is not None for p in parts) else None,
        "undefined": sum(v is None for row in rows for v in row),
    }


def spreads(predicted, labels, inside):
    """fairlearn's two, where it can be asked."""
    inside = np.array(inside)
    if len(inside) == 0 or not (inside.sum(axis=0) == 1).all():
        return None
    if any(len(np.unique(labels[row])) < 2 for row in inside):
        return None
    group = inside.argmax(axis=0)
    arguments = {"y_true": labels, "y_pred": predicted, "sensitive_features": group}
    return [
        float(equalized_odds_difference(**arguments)),
        float(demographic_parity_difference(**arguments)),
    ]


def matched(scores, labels):
    """Wanted rates, and the rate of scikit-learn's ROC curve that is nearest (the lower of two)."""
    if len(np.unique(labels)) < 2:
        return []
    possible, _, _ = roc_curve(labels, scores, drop_intermediate=False)
    wanted = [0.0, 0.03, 0.1, 0.25, 0.5, 0.77, 1.0]
    # Rounded, so that two that are as near are seen to be.
    return [[w, float(possible[np.argmin(np.round(np.abs(possible - w), 12))])] for w in wanted]


def words(table):
    """Bits of each column, as decimal text: JSON's numbers end at 2^53."""
    return [str(sum(1 << g for g, bit in enumerate(column) if bit)) for column in np.array(table).T]


def case(name, scores, labels, members, missing=None, threshold=0.5, times=40):
    scores = np.asarray(scores, dtype=np.float32).astype(np.float64)
    labels = np.asarray(labels)
    members = np.asarray(members, dtype=bool).reshape(-1, len(labels))
    missing = np.zeros_like(members) if missing is None else missing
    inside, outside = members & ~missing, ~members & ~missing
    predicted = (scores >= threshold).astype(int)
    return {
        "name": name,
        "scores": scores.tolist(),
        "labels": labels.tolist(),
        "groups": len(members),
        "members": words(members) if len(members) else ["0"] * len(labels),
        "missing": words(missing) if len(members) else ["0"] * len(labels),
        "threshold": threshold,
        "auc": auc(scores, labels),
        "counts": [counts(predicted, labels)]
        + [counts(predicted[row], labels[row]) if row.any() else [0] * 4 for row in inside],
        "fpr": gap(predicted, labels, inside, "fpr"),
        "fnr": gap(predicted, labels, inside, "fnr"),
        "spreads": spreads(predicted, labels, inside),
        "jigsaw": jigsaw(scores, labels, inside, outside),
        "matched": matched(scores, labels),
        "null_fpr": null(predicted, labels, inside, "fpr", times, 3),
        "null_fnr": null(predicted, labels, inside, "fnr", times, 4),
    }


def main():
    rng = np.random.default_rng(21)

    def draw(n, groups, decimals=6, share=0.2):
        labels = (rng.random(n) < 0.4).astype(int)
        scores = np.round(np.clip(rng.normal(0.35 + 0.25 * labels, 0.25), 0, 1), decimals)
        return scores, labels, rng.random((groups, n)) < share

    def disjoint(groups, n):
        return np.arange(groups)[:, None] == rng.integers(0, groups, n)

    cases = []
    scores, labels, members = draw(300, 9)
    cases.append(case("overlapping groups", scores, labels, members))
    scores, labels, members = draw(200, 5, decimals=1)
    cases.append(case("ties", scores, labels, members))
    scores, labels, members = draw(120, 4)
    cases.append(case("all scores equal", np.full(120, 0.5), labels, members))
    scores, labels, members = draw(150, 4, decimals=2)
    members[1] = False
    members[2] &= labels == 1
    members[3] &= labels == 0
    cases.append(case("an empty group and groups of one class", scores, labels, members))
    scores, labels, members = draw(150, 6, decimals=2)
    missing = rng.random(members.shape) < 0.3
    missing[5] = True
    cases.append(case("missing memberships", scores, labels, members, missing))
    scores, labels, _ = draw(240, 0, decimals=2)
    cases.append(case("disjoint groups", scores, labels, disjoint(4, 240)))
    scores, labels, _ = draw(60, 0)
    cases.append(case("two disjoint groups", scores, labels, disjoint(2, 60), threshold=0.25))
    scores, labels, members = draw(90, 64, share=0.1)
    cases.append(case("64 groups, some with a sample or two", scores, labels, members, times=5))
    scores, labels, members = draw(80, 3)
    cases.append(case("negative and huge scores", (scores - 0.5) * 1e30, labels, members, threshold=0.0))
    cases.append(case("one class", [0.1, 0.7, 0.7, 0.2], [0, 0, 0, 0], [[1, 0, 1, 0]]))
    cases.append(case("1 sample", [0.7], [1], [[1], [0]]))
    cases.append(case("a group always wrong", [0.9, 0.2, 0.6, 0.1], [0, 1, 1, 0], [[1, 1, 0, 0]]))
    scores, labels, _ = draw(30, 0)
    cases.append(case("no groups", scores, labels, np.zeros((0, 30))))
    scores = np.array([0.0, -0.0, 0.0, -0.0, 1e-45, -1e-45])
    cases.append(case("zeros of both signs", scores, [0, 1, 1, 0, 1, 0], [[1, 1, 1, 1, 0, 0]]))

    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps({"cases": cases}, separators=(",", ":")).replace("},{\"name", "},\n{\"name") + "\n")


if __name__ == "__main__":
    main()
