"""Writes ppo.txt: advantages, losses, gradients and updates of Stable-Baselines3's own PPO.

Every number is computed by the library's code: RolloutBuffer.compute_returns_and_advantage and
PPO.train, on a rollout that is made up here. Run with stable-baselines3 2.9.2, torch 2.15:
python tests/oracle/ppo.py
"""

import os
import types

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv

STEPS, ENVS, OBSERVATION, ACTION = 12, 2, 3, 2
GAMMA, LAMBDA = 0.97, 0.9
RUNNING, TERMINATED, TRUNCATED = 0, 1, 2


class Blank(gymnasium.Env):
    """Only the spaces matter: the rollout is not collected from it."""

    observation_space = gymnasium.spaces.Box(-9.0, 9.0, (OBSERVATION,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACTION,), np.float32)

    def reset(self, *, seed=None, options=None):
        return np.zeros(OBSERVATION, np.float32), {}

    def step(self, action):
        return np.zeros(OBSERVATION, np.float32), 0.0, False, False, {}


def flat(policy, gradient=False):
    """Our order: policy layers, log-std, value layers; weights in x out, then biases."""
    pick = (lambda p: p.grad) if gradient else (lambda p: p.data)
    parts = []
    for layer in [*policy.mlp_extractor.policy_net, policy.action_net]:
        if isinstance(layer, torch.nn.Linear):
            parts += [pick(layer.weight).T.reshape(-1), pick(layer.bias)]
    parts.append(pick(policy.log_std))
    for layer in [*policy.mlp_extractor.value_net, policy.value_net]:
        if isinstance(layer, torch.nn.Linear):
            parts += [pick(layer.weight).T.reshape(-1), pick(layer.bias)]
    return torch.cat(parts).detach().numpy().copy()


def main():
    torch.set_num_threads(1)
    torch.manual_seed(3)
    draw = np.random.default_rng(5)
    model = PPO(
        "MlpPolicy",
        DummyVecEnv([Blank] * ENVS),
        n_steps=STEPS,
        batch_size=STEPS * ENVS,
        n_epochs=1,
        gamma=GAMMA,
        gae_lambda=LAMBDA,
        learning_rate=0.01,
        ent_coef=0.01,
        vf_coef=0.5,
        max_grad_norm=0.5,
        policy_kwargs=dict(net_arch=dict(pi=[5, 4], vf=[5, 4]), log_std_init=-0.5),
        seed=3,
        device="cpu",
    )
    model.set_logger(Logger(folder=None, output_formats=[]))
    policy = model.policy
    with torch.no_grad():
        # The head's gain of 0.01 would leave gradients too small to compare.
        policy.action_net.weight *= 40
        policy.action_net.bias += torch.tensor([0.3, -0.2])
        policy.log_std += torch.tensor([0.1, -0.2])

    shape = (STEPS, ENVS)
    ends = np.full(shape, RUNNING)
    ends[3, 0], ends[7, 0], ends[5, 1], ends[11, 1] = TERMINATED, TRUNCATED, TRUNCATED, TERMINATED
    rewards = draw.normal(size=shape).astype(np.float32)
    bootstrap = draw.normal(size=shape).astype(np.float32)
    observations = draw.normal(size=(*shape, OBSERVATION)).astype(np.float32)
    actions = draw.normal(scale=0.6, size=(*shape, ACTION)).astype(np.float32)
    with torch.no_grad():
        values, log_prob, _ = policy.evaluate_actions(
            torch.tensor(observations).reshape(-1, OBSERVATION),
            torch.tensor(actions).reshape(-1, ACTION),
        )
    values = values.reshape(shape)
    # As if the rollout came from an older policy: some ratios are clipped on either side.
    shift = draw.normal(scale=0.15, size=shape).astype(np.float32)
    old_log_prob = log_prob.reshape(shape) + torch.tensor(shift)

    buffer = model.rollout_buffer
    buffer.reset()
    for step in range(STEPS):
        started = np.ones(ENVS) if step == 0 else (ends[step - 1] != RUNNING).astype(float)
        # What PPO.collect_rollouts does where an episode was truncated.
        cut = (ends[step] == TRUNCATED).astype(np.float32)
        reward = rewards[step] + cut * np.float32(GAMMA) * bootstrap[step]
        buffer.add(observations[step], actions[step], reward, started, values[step], old_log_prob[step])
    buffer.compute_returns_and_advantage(
        last_values=torch.tensor(bootstrap[-1]), dones=ends[-1] != RUNNING
    )

    lines = []

    def put(name, numbers):
        numbers = np.asarray(numbers, dtype=np.float64).reshape(-1)
        lines.append(name + " " + " ".join(f"{number:.9g}" for number in numbers))

    # Ours is [environment][step]; theirs [step][environment].
    for name, array in [
        ("ends", ends),
        ("rewards", rewards),
        ("bootstrap", bootstrap),
        ("values", values.numpy()),
        ("observations", observations),
        ("actions", actions),
        ("old_log_prob", old_log_prob.numpy()),
        ("advantages", buffer.advantages.copy()),
        ("returns", buffer.returns.copy()),
    ]:
        put(name, np.swapaxes(array, 0, 1))
    put("parameters", flat(policy))

    seen = []
    step_of_adam = policy.optimizer.step

    def step_and_note(self, *arguments, **keywords):
        seen.append(flat(policy, gradient=True))
        return step_of_adam(*arguments, **keywords)

    policy.optimizer.step = types.MethodType(step_and_note, policy.optimizer)
    for update in range(3):
        model.train()
        logged = model.logger.name_to_value
        put(
            f"update{update}",
            [
                logged["train/policy_gradient_loss"],
                logged["train/value_loss"],
                -logged["train/entropy_loss"],
                logged["train/approx_kl"],
                logged["train/clip_fraction"],
                logged["train/explained_variance"],
            ],
        )
        put(f"gradient{update}", seen[-1])
        put(f"parameters{update}", flat(policy))

    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ppo.txt")
    with open(path, "w") as file:
        file.write("# Made by ppo.py from Stable-Baselines3 2.9.2; see there.\n")
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
