"""Writes autodiff.json: losses, gradients, optimiser steps and a short training run of PyTorch.

    python tests/oracle/autodiff.py

Needs torch 2.15 and numpy 2.4. PyTorch computes in f64 on values that f32 holds exactly, so the
numbers are its mathematics and not its rounding. Arrays are converted to the crate's order: dense
weights in x out, convolution weights [input channel, kernel row, kernel column][output channel],
weights of a layer before its biases, samples row-major. Outputs have 8 significant digits.
"""

import json
import math
import os

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from split import Stream

WEIGHTS, ORDER = 2, 3  # Purposes of the crate's random streams.
DRAW = np.random.default_rng(20)


def draw(*shape, scale=1.0, digits=3):
    """Normal numbers of a few digits, as f32 holds them."""
    return exact(np.round(scale * DRAW.standard_normal(shape), digits))


def exact(values):
    return torch.from_numpy(np.asarray(values, np.float32).astype(np.float64))


def plain(values, digits=8):
    """Flat list of numbers of `digits` significant digits."""
    if not isinstance(values, torch.Tensor):
        values = torch.tensor(values, dtype=torch.float64)
    return [float(f"{value:.{digits}g}") for value in values.detach().double().flatten().tolist()]


def ours(weight):
    """A weight tensor in the crate's order."""
    return weight.permute(1, 2, 3, 0) if weight.dim() == 4 else weight.T


def flat(model, pick=lambda p: p):
    """All parameters (or what `pick` makes of them) as one vector in the crate's order."""
    parts = []
    for layer in model:
        if hasattr(layer, "weight"):
            parts += [ours(pick(layer.weight)).flatten(), pick(layer.bias)]
    return torch.cat(parts)


def fill(model):
    for parameter in model.parameters():
        fan_in = max(parameter[0].numel(), 2)
        parameter.data = draw(*parameter.shape, scale=1 / math.sqrt(fan_in))


def away_from_kinks(model, x):
    """No ReLU input and no tie of a maximum so close that rounding could decide."""
    for layer in model:
        if isinstance(layer, nn.ReLU):
            assert x.abs().min() > 2e-6
        if isinstance(layer, nn.MaxPool2d):
            windows = F.unfold(x.flatten(0, 1)[:, None], layer.kernel_size, stride=layer.stride)
            top = windows.topk(2, dim=1).values
            assert ((top[:, 0] - top[:, 1] > 2e-6) | (top[:, 0] == 0)).all()
        x = layer(x)


def convolution():
    return nn.Sequential(
        nn.Conv2d(2, 3, (3, 2), stride=2, padding=1), nn.ReLU(),
        nn.MaxPool2d((2, 2), stride=1), nn.AvgPool2d((2, 3), stride=1),
        nn.Flatten(), nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 4),
    ).double()


def network_case(model, x, loss_of, **extra):
    x.requires_grad_(True)
    away_from_kinks(model, x)
    output = model(x)
    output.retain_grad()
    loss = loss_of(output)
    loss.backward()
    return {
        "samples": len(x), "parameters": plain(flat(model)), "input": plain(x),
        "output": plain(output), "loss": plain(loss)[0],
        "output_gradient": plain(output.grad), "input_gradient": plain(x.grad),
        "gradients": plain(flat(model, lambda p: p.grad)), **extra,
    }


def classifiers():
    cases = []
    for samples in (5, 37):
        model = convolution()
        fill(model)
        labels = torch.from_numpy(DRAW.integers(0, 4, samples))
        x = draw(samples, 2, 7, 6)
        cases.append(network_case(model, x, lambda logits: F.cross_entropy(logits, labels),
                                  labels=labels.tolist()))
    return cases


def regressions():
    cases = []
    for samples in (5, 37):
        model = nn.Sequential(nn.Linear(5, 9), nn.Tanh(), nn.Linear(9, 3)).double()
        fill(model)
        targets = draw(samples, 3)
        cases.append(network_case(model, draw(samples, 5), lambda y: F.mse_loss(y, targets),
                                  targets=plain(targets)))
    return cases


def surrogate(log_prob, old, advantages, clip):
    ratio = torch.exp(log_prob - old)
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()


def gaussians():
    """Loss: clipped surrogate, with so wide a clip that every action counts, less .3 entropies."""
    cases = []
    for means, actions in ((5, 5), (37, 37), (1, 37), (1, 1)):
        mean = draw(means, 3).requires_grad_(True)
        log_std = draw(3, scale=0.4).requires_grad_(True)
        taken = exact(np.round((mean + log_std.exp() * draw(actions, 3)).detach(), 3))
        distribution = torch.distributions.Normal(mean, log_std.exp())
        log_prob = distribution.log_prob(taken).sum(1)
        log_prob.retain_grad()
        entropy = torch.distributions.Normal(mean[0], log_std.exp()).entropy().sum()
        old = exact(np.round((log_prob + draw(actions, scale=0.3)).detach(), 3))
        advantages = draw(actions)
        loss = surrogate(log_prob, old, advantages, 1e6) - 0.3 * entropy
        loss.backward()
        cases.append({
            "means": means, "mean": plain(mean), "log_std": plain(log_std), "actions": plain(taken),
            "old": plain(old), "advantages": plain(advantages), "log_prob": plain(log_prob),
            "entropy": plain(entropy)[0], "loss": plain(loss)[0],
            "log_prob_gradient": plain(log_prob.grad), "mean_gradient": plain(mean.grad),
            "log_std_gradient": plain(log_std.grad),
        })
    return cases


def surrogates():
    """Ratios well inside, close to either side of, and well outside the clip; both signs."""
    cases = []
    for clip in (0.2, 0.1):
        ratios = [0.3, 1 - clip - 0.01, 1 - clip + 0.01, 1.0, 1 + clip - 0.01, 1 + clip + 0.01, 2.5]
        old = draw(2 * len(ratios))
        new = exact(np.round(old + torch.tensor(2 * ratios).double().log(), 4)).requires_grad_(True)
        sign = torch.tensor([1.0] * len(ratios) + [-1.0] * len(ratios)).double()
        advantages = exact(np.round(sign * (0.5 + draw(2 * len(ratios)).abs()), 3))
        loss = surrogate(new, old, advantages, clip)
        loss.backward()
        cases.append({"clip": clip, "log_prob": plain(new), "old": plain(old),
                      "advantages": plain(advantages), "loss": plain(loss)[0],
                      "gradient": plain(new.grad)})
    return cases


def optimisers():
    """Five steps along given gradients, whose entries differ by orders of magnitude."""
    settings = [
        ("adam", {"lr": 0.05}),
        ("adam", {"lr": 0.05, "eps": 1e-5}),
        ("adam", {"lr": 0.05, "betas": (0.8, 0.95)}),
        ("sgd", {"lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4}),
        ("sgd", {"lr": 0.05, "momentum": 0.0, "weight_decay": 0.1}),
    ]
    scales = 10.0 ** np.array([0, 1, -1, 0, -3, -6, -8, 2, 0, -4, 0, 0])
    cases = []
    for name, setting in settings:
        parameter = nn.Parameter(draw(12))
        optimiser = (torch.optim.Adam if name == "adam" else torch.optim.SGD)([parameter], **setting)
        case = {"optimiser": name, "start": plain(parameter), "gradients": [], "steps": []}
        for _ in range(5):
            gradient = exact([float(f"{g:.4g}") for g in DRAW.standard_normal(12) * scales])
            gradient[10] = 0.0
            parameter.grad = gradient.clone()
            optimiser.step()
            case["gradients"].append(plain(gradient))
            case["steps"].append(plain(parameter))
        if name == "adam":
            group, state = optimiser.param_groups[0], optimiser.state[parameter]
            case |= {"lr": group["lr"], "beta1": group["betas"][0], "beta2": group["betas"][1],
                     "epsilon": group["eps"], "m": plain(state["exp_avg"]),
                     "v": plain(state["exp_avg_sq"])}
        else:
            case |= setting
        cases.append(case)
    return cases


def clips():
    """clip_grad_norm_ above, at and below the limit, and without any gradient at all."""
    cases = []
    for factor in (0.3, 1.0, 4.0, None):
        parameter = nn.Parameter(torch.zeros(9).double())
        gradient = draw(9) if factor else torch.zeros(9).double()
        limit = float(exact(round(factor * float(gradient.norm()), 4) if factor else 0.5))
        parameter.grad = gradient.clone()
        norm = nn.utils.clip_grad_norm_([parameter], limit)
        cases.append({"limit": limit, "gradient": plain(gradient), "norm": plain(norm)[0],
                      "clipped": plain(parameter.grad)})
    return cases


def initial(model, seed):
    """The crate's initial weights: He's uniform rule, drawn from its own stream, in its order."""
    stream = Stream(seed, WEIGHTS)
    for layer in model:
        if not hasattr(layer, "weight"):
            continue
        shape = ours(layer.weight).shape
        fan_in = layer.weight[0].numel()
        bound = np.sqrt(np.float32(6) / np.float32(fan_in))
        units = np.array([stream.bits() >> 40 for _ in range(layer.weight.numel())], np.float32)
        values = -bound + (bound + bound) * (units * np.float32(2.0**-24))
        values = exact(values).reshape(tuple(shape))
        layer.weight.data = values.permute(3, 0, 1, 2) if values.dim() == 4 else values.T.clone()
        layer.bias.data.zero_()


def training():
    """Minibatch Adam as model::train does it: some samples left out, a last minibatch in part."""
    seed, total, minibatch, epochs, rate, end, left_out = 7, 46, 7, 2, 0.01, 0.1, 2
    x, labels = draw(total, 2, 7, 6), DRAW.integers(0, 4, total)
    model = convolution()
    initial(model, seed)
    start = flat(model).detach().clone()
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    stream = Stream(seed, ORDER)
    kept = int((labels != left_out).sum())
    assert kept % minibatch != 0
    steps, losses = epochs * -(-kept // minibatch), []
    for _ in range(epochs):
        order = list(range(total))
        stream.shuffle(order)
        order = [index for index in order if labels[index] != left_out]
        for first in range(0, kept, minibatch):
            chosen = order[first : first + minibatch]
            for group in optimiser.param_groups:
                group["lr"] = rate * (1 + (end - 1) * len(losses) / steps)
            optimiser.zero_grad()
            away_from_kinks(model, x[chosen])
            loss = F.cross_entropy(model(x[chosen]), torch.from_numpy(labels[chosen]))
            loss.backward()
            optimiser.step()
            losses.append(loss)
    return {"seed": seed, "minibatch": minibatch, "epochs": epochs, "rate": rate, "end": end,
            "left_out": left_out, "input": plain(x), "labels": labels.tolist(),
            "losses": plain([float(loss.detach()) for loss in losses]), "start": plain(start),
            "parameters": plain(flat(model))}


def main():
    values = {
        "classifiers": classifiers(), "regressions": regressions(), "gaussians": gaussians(),
        "surrogates": surrogates(), "optimisers": optimisers(), "clips": clips(),
        "training": training(),
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "autodiff.json")
    with open(path, "w") as file:
        lines = (f" {json.dumps(name)}: {json.dumps(case)}" for name, case in values.items())
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
