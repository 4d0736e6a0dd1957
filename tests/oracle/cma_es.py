"""Trajectories of pycma's separable CMA-ES for src/editor/search: sphere and Rosenbrock.

    python tests/oracle/cma_es.py > tests/oracle/cma_es.json

Needs cma 4.5. Records the standard normals that pycma drew, so that another implementation can be
driven with the same numbers, and mean, sigma and standard deviations after each recorded generation.
"""
import json
import warnings

warnings.filterwarnings("ignore")
import cma
import numpy as np

# Function, n, sigma0, start, generations.
CASES = [("sphere", 10, 0.5, 0.8, 40), ("rosenbrock", 10, 0.3, 0.0, 40),
         ("sphere", 40, 0.5, 0.8, 20), ("rosenbrock", 40, 0.3, 0.0, 20),
         # Where the decay of the step path is capped.
         ("sphere", 2, 0.5, 0.8, 20), ("sphere", 3, 0.5, 0.8, 20)]
FUNCTIONS = {
    "sphere": lambda x: float(np.sum(np.asarray(x) ** 2)),
    "rosenbrock": lambda x: float(
        np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    ),
}


def options(seed):
    return {"CMA_diagonal": True, "CMA_active": False, "seed": seed, "verbose": -9,
            "tolfun": 0, "tolx": 0, "tolfunhist": 0, "tolstagnation": 10**9, "maxiter": 10**9,
            "tolflatfitness": 10**9, "maxfevals": 10**9}


cases = []
for seed, (name, n, sigma0, start, generations) in enumerate(CASES, 1):
    f = FUNCTIONS[name]
    es = cma.CMAEvolutionStrategy(np.full(n, start), sigma0, options(seed))
    normals, records = [], []
    for generation in range(1, generations + 1):
        mean, sigma, scaling = es.mean.copy(), es.sigma, np.ones(n) * es.sigma_vec.scaling
        points = es.ask()
        normals.append([[round(float(z), 6) for z in (np.asarray(x) - mean) / (sigma * scaling)]
                        for x in points])
        es.tell(points, [f(np.asarray(x)) for x in points])
        if generation in (1, 2, 5, 10, 20, 40):
            records.append({"generation": generation, "mean": es.mean.tolist(), "sigma": es.sigma,
                            "deviations": (np.ones(n) * es.sigma_vec.scaling).tolist()})
    # How far pycma gets on its own, over seeds: the best value after so many evaluations.
    reached = []
    for other in range(11, 22):
        es = cma.CMAEvolutionStrategy(np.full(n, start), sigma0, options(other))
        while es.countevals < 6000:
            points = es.ask()
            es.tell(points, [f(np.asarray(x)) for x in points])
        reached.append(es.best.f)
    cases.append({"function": name, "n": n, "sigma0": sigma0, "start": start,
                  "population": es.popsize, "normals": normals, "records": records,
                  "evaluations": 6000, "median_best": float(np.median(reached)),
                  "worst_best": float(np.max(reached))})
print(json.dumps({"pycma": cma.__version__, "cases": cases}, separators=(",", ":")))
