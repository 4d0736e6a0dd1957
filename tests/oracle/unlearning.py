"""Writes unlearning.json: what five unlearning methods make of a small network, by PyTorch.

    python tests/oracle/unlearning.py

Needs torch 2.15 and numpy 2.4. The samples fit one minibatch of every method, so that no order matters. PyTorch computes
in f64 on values that f32 holds exactly. Arrays are in the crate's order: weights in x out, weights of a layer before
its biases, samples row-major. The settings are those of src/editor/gradient/.
"""

import copy
import json
import os

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

DRAW = np.random.default_rng(5)
CLASSES, FEATURES, GONE = 4, 6, 1


def exact(values):
    return torch.from_numpy(np.asarray(values, np.float32).astype(np.float64))


def plain(values):
    return [float(f"{value:.9g}") for value in values.detach().flatten().tolist()]


def flat(model, pick=lambda p: p):
    layers = [layer for layer in model if hasattr(layer, "weight")]
    return torch.cat([part for layer in layers
                      for part in (pick(layer.weight).T.flatten(), pick(layer.bias))])


def data():
    labels = np.array([GONE] * 24 + [0, 2, 3] * 13 + [0])
    DRAW.shuffle(labels)
    centres = DRAW.standard_normal((CLASSES, FEATURES))
    inputs = exact(np.round(centres[labels] + 0.6 * DRAW.standard_normal((64, FEATURES)), 3))
    return inputs, torch.from_numpy(labels)


def network(inputs, labels):
    """Trained so far that it knows all classes, rounded to f32."""
    model = nn.Sequential(nn.Linear(FEATURES, 8), nn.Tanh(), nn.Linear(8, CLASSES)).double()
    for parameter in model.parameters():
        parameter.data = exact(np.round(0.4 * DRAW.standard_normal(tuple(parameter.shape)), 3))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimiser.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optimiser.step()
    for parameter in model.parameters():
        parameter.data = exact(np.round(parameter.detach().numpy(), 4))
    return model


def steps(model, optimiser, count, loss):
    for _ in range(count):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()


def divergence(student, teacher, x, t):
    """T^2 KL(teacher || student), the mean over samples."""
    p = F.log_softmax(student(x) / t, dim=1)
    q = F.softmax(teacher(x).detach() / t, dim=1)
    return F.kl_div(p, q, reduction="batchmean") * t * t


def main():
    inputs, labels = data()
    target = network(inputs, labels)
    gone = labels == GONE
    forget, retain = (inputs[gone], labels[gone]), (inputs[~gone], labels[~gone])
    loss = lambda model, part: F.cross_entropy(model(part[0]), part[1])
    edited = {}

    model = copy.deepcopy(target)
    sgd = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    steps(model, sgd, 10, lambda: loss(model, retain))
    edited["fine-tune"] = model

    model = copy.deepcopy(target)
    sgd = torch.optim.SGD(model[2].parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    steps(model, sgd, 10, lambda: loss(model, retain))
    edited["fine-tune-last"] = model

    model = copy.deepcopy(target)
    steps(model, torch.optim.Adam(model.parameters(), lr=1e-4), 5, lambda: -loss(model, forget))
    edited["gradient-ascent"] = model

    model = copy.deepcopy(target)
    sgd = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    steps(model, sgd, 2, lambda: 0.95 * loss(model, retain) - 0.05 * loss(model, forget))
    edited["neggrad"] = model

    model = copy.deepcopy(target)
    adam = torch.optim.Adam(model.parameters(), lr=2e-4)
    for epoch in range(10):
        if epoch == 1:
            steps(model, adam, 1, lambda: -divergence(model, target, forget[0], 2.0))
        steps(model, adam, 1, lambda: loss(model, retain)
              + 0.5 * divergence(model, target, retain[0], 2.0))
    edited["scrub"] = model

    model = copy.deepcopy(target)

    def importance(part):
        grads = torch.autograd.grad(loss(model, part), list(model.parameters()))
        return [gradient**2 for gradient in grads]

    of_forget, of_all = importance(forget), importance((inputs, labels))
    for parameter, one, other in zip(model.parameters(), of_forget, of_all):
        scaled = parameter.data * torch.clamp(other / one, max=1.0)
        parameter.data = torch.where(one > 10 * other, scaled, parameter.data)
    assert 3 < (flat(model) != flat(target)).sum() < 60
    edited["ssd"] = model

    # Fisher information on the retain samples, and the variances of its noise.
    information = {parameter: torch.zeros_like(parameter) for parameter in target.parameters()}
    for x in retain[0]:
        logits = target(x[None])
        probabilities = F.softmax(logits.detach(), dim=1)[0]
        for y in range(CLASSES):
            ce = F.cross_entropy(logits, torch.tensor([y]))
            grads = torch.autograd.grad(ce, list(target.parameters()), retain_graph=True)
            for parameter, gradient in zip(target.parameters(), grads):
                information[parameter] += probabilities[y] * gradient**2 / len(retain[0])
    variances = []
    for layer in (target[0], target[2]):
        last = layer is target[2]
        for parameter in (layer.weight, layer.bias):
            variance = 1e-6 * (1 / (information[parameter] + 1e-8)).clamp(max=1e2 if last else 1e3)
            if parameter.dim() == 2:
                variance = variance.mean(dim=1, keepdim=True).expand_as(parameter).T
            variances.append((variance * (10 if last or parameter.dim() == 1 else 1)).flatten())

    value = {
        "inputs": plain(inputs), "labels": labels.tolist(), "forget": GONE,
        "target": plain(flat(target)), "deviations": plain(torch.cat(variances).sqrt()),
        "edited": {name: plain(flat(model)) for name, model in edited.items()},
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "unlearning.json")
    with open(path, "w") as file:
        lines = (f" {json.dumps(name)}: {json.dumps(part)}" for name, part in value.items())
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
