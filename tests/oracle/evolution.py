"""Writes evolution.json: means of OpenAI's evolution strategy and of augmented random search, by NumPy.

    python tests/oracle/evolution.py

Needs numpy 2.4. Every generation's values are given (drawn at random, with ties), so what is compared is the step: ranks,
choice of directions, deviations, Adam. Candidates of a pair lie next to one another, + before -.
"""

import json
import os

import numpy as np

DRAW = np.random.default_rng(11)


def values(count):
    """Two digits, so that some are equal."""
    return np.round(DRAW.uniform(0.2, 0.9, count), 2)


def ranks(v):
    """In [-1/2, 1/2]; equals share their mean."""
    rank = np.array([np.mean(np.flatnonzero(np.sort(v) == x)) for x in v])
    return rank / (len(v) - 1) - 0.5


def openai(n, pairs, sigma, rate, generations):
    mean = np.round(0.3 * DRAW.standard_normal(n), 4)
    start, steps = mean.copy(), []
    m, v = np.zeros(n), np.zeros(n)
    for t in range(1, generations + 1):
        noise, told = np.round(DRAW.standard_normal((pairs, n)), 4), values(2 * pairs)
        candidate = mean - sigma * noise[1]
        rho = ranks(told)
        gradient = -((rho[0::2] - rho[1::2]) @ noise) / (2 * pairs)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        mean = mean - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        steps.append({"noise": noise.ravel().tolist(), "values": told.tolist(), "mean": mean.tolist(),
                      "fourth": candidate.tolist()})
    return {"pairs": pairs, "sigma": sigma, "rate": rate, "start": start.tolist(), "steps": steps}


def ars(n, directions, kept, rate, nu, generations):
    mean = np.round(0.3 * DRAW.standard_normal(n), 4)
    start, steps = mean.copy(), []
    for t in range(generations):
        noise, told = np.round(DRAW.standard_normal((directions, n)), 4), values(2 * directions)
        if t == 2:
            told[:] = 0.7
        candidate = mean - nu * noise[1]
        pairs = told.reshape(directions, 2)
        chosen = np.argsort(-pairs.max(axis=1), kind="stable")[:kept]
        deviation = pairs[chosen].std()
        if deviation > 0:
            difference = pairs[chosen, 0] - pairs[chosen, 1]
            mean = mean + rate / (kept * deviation) * difference @ noise[chosen]
        steps.append({"noise": noise.ravel().tolist(), "values": told.tolist(), "mean": mean.tolist(),
                      "fourth": candidate.tolist()})
    return {"directions": directions, "kept": kept, "rate": rate, "noise": nu, "start": start.tolist(), "steps": steps}


value = {
    "openai": [openai(7, 20, 0.2, 0.1, 6), openai(3, 2, 0.1, 0.05, 8)],
    "ars": [ars(7, 16, 8, 0.1, 0.1, 6), ars(3, 4, 4, 0.02, 0.03, 8)],
}
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "evolution.json")
with open(path, "w") as file:
    json.dump(value, file, separators=(",", ":"))
    file.write("\n")
