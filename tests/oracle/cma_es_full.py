"""Trajectories of pycma's CMA-ES with a whole matrix for src/editor/search: sphere, ellipsoid, Rosenbrock.

    python tests/oracle/cma_es_full.py > tests/oracle/cma_es_full.json

Needs cma 4.5. Records the points that pycma drew, which another implementation takes as its candidates (its axes may
have other signs), and mean, sigma and covariance after each recorded generation.
"""
import json
import warnings

warnings.filterwarnings("ignore")
import cma
import numpy as np

# Function, n, sigma0, start, generations.
CASES = [("rosenbrock", 10, 0.3, 0.0, 40), ("ellipsoid", 10, 0.5, 0.8, 40), ("sphere", 30, 0.5, 0.8, 12),
         ("ellipsoid", 3, 0.5, 0.8, 30), ("rosenbrock", 2, 0.3, 0.0, 30)]
RECORDED = (1, 2, 5, 12, 30, 40)


def ellipsoid(x):
    """Condition 1e3, turned by a fixed chain of rotations so that no axis is a coordinate."""
    x = np.array(x, dtype=float)
    for i in range(len(x) - 1):
        a, b = x[i], x[i + 1]
        x[i], x[i + 1] = 0.8 * a - 0.6 * b, 0.6 * a + 0.8 * b
    return float(np.sum(1e3 ** (np.arange(len(x)) / (len(x) - 1)) * x**2))


FUNCTIONS = {
    "sphere": lambda x: float(np.sum(np.asarray(x) ** 2)),
    "ellipsoid": ellipsoid,
    "rosenbrock": lambda x: float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)),
}


def options(seed):
    return {"CMA_active": True, "CMA_diagonal_decoding": 0, "seed": seed, "verbose": -9, "tolfun": 0, "tolx": 0,
            "tolfunhist": 0, "tolstagnation": 10**9, "maxiter": 10**9, "tolflatfitness": 10**9, "maxfevals": 10**9,
            "tolconditioncov": 1e30, "tolfunrel": 0}


cases = []
for seed, (name, n, sigma0, start, generations) in enumerate(CASES, 1):
    f = FUNCTIONS[name]
    es = cma.CMAEvolutionStrategy(np.full(n, start), sigma0, options(seed))
    points, records = [], []
    for generation in range(1, generations + 1):
        drawn = es.ask()
        points.append([[round(float(value), 6) for value in x] for x in drawn])
        es.tell(drawn, [f(np.asarray(x)) for x in drawn])
        if generation in RECORDED:
            records.append({"generation": generation, "mean": es.mean.tolist(), "sigma": es.sigma,
                            "covariance": [[float(f"{value:.7g}") for value in row] for row in es.sm.C]})
    # How far pycma gets on its own, over seeds: the best value after so many evaluations.
    reached = []
    for other in range(11, 22):
        es = cma.CMAEvolutionStrategy(np.full(n, start), sigma0, options(other))
        while es.countevals < 3000:
            candidates = es.ask()
            es.tell(candidates, [f(np.asarray(x)) for x in candidates])
        reached.append(es.best.f)
    cases.append({"function": name, "n": n, "sigma0": sigma0, "start": start, "population": es.popsize,
                  "points": points, "records": records, "evaluations": 3000,
                  "median_best": float(np.median(reached)), "worst_best": float(np.max(reached))})
print(json.dumps({"pycma": cma.__version__, "cases": cases}, separators=(",", ":")))
