"""Oracle values for src/metric/statistics/stratified.rs: writes runs_and_tasks.json beside this file.

Figures of matrices of runs × tasks and their stratified bootstrap intervals, by rliable.
Run: python -P tests/oracle/runs_and_tasks.py (about 3 minutes)
"""

import json
import pathlib

import numpy as np
from rliable import library, metrics

REPLICATES = 20_000


def of(scores, figure, seed):
    """Value and interval of one figure."""
    key = {"it": scores}
    values, intervals = library.get_interval_estimates(
        key,
        lambda *scores: np.array([figure(*scores)]),
        reps=REPLICATES,
        random_state=np.random.RandomState(seed),
    )
    return {
        "value": float(values["it"][0]),
        "interval": [float(x) for x in np.asarray(intervals["it"]).ravel()],
    }


def pairs(x, y):
    """Shares of pairs that x wins: rliable's mean of a matrix of wins."""
    return (x > y) + 0.5 * (x == y)


def main():
    cases = []
    for seed, (runs, tasks) in enumerate([(5, 10), (3, 4), (10, 1), (8, 3), (1, 5)]):
        rng = np.random.default_rng(seed)
        # The first cases have ties, within a task and across.
        digits = 2 if seed % 2 == 0 else 9
        x = np.round(rng.beta(8, 2, (runs, tasks)) * 1.1, digits)
        shared = rng.normal(0, 0.03, (runs, tasks))
        y = np.round(rng.beta(8, 2.2, (runs, tasks)) + shared, digits)
        y[0, 0] = x[0, 0]
        cases.append(
            {
                "x": x.T.tolist(),
                "y": y.T.tolist(),
                "mean": of(x, metrics.aggregate_mean, seed),
                "iqm": of(x, metrics.aggregate_iqm, seed),
                "gap": of(x, metrics.aggregate_optimality_gap, seed),
                "improvement": of((x, y), metrics.probability_of_improvement, seed),
                "paired": of(pairs(x, y), metrics.aggregate_mean, seed),
            }
        )
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps({"replicates": REPLICATES, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
