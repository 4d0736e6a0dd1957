"""Writes pendulum.csv: one episode of Gymnasium's Pendulum-v1 under random torques.

Columns: angle and angular velocity before the step, the torque that was asked for (up to 1.5 times
the largest, so some are clipped), the observation after the step, the reward, and whether the time
limit truncated the episode. Run with gymnasium 1.4.0: python tests/oracle/pendulum.py
"""

import os

import gymnasium
import numpy as np


def main():
    env = gymnasium.make("Pendulum-v1")
    env.reset(seed=11)
    draw = np.random.default_rng(7)
    rows = []
    truncated = False
    while not truncated:
        angle, velocity = env.unwrapped.state
        torque = np.float32(draw.uniform(-3, 3))
        observation, reward, terminated, truncated, _ = env.step(np.array([torque]))
        assert not terminated
        row = [angle, velocity, torque, *observation, reward]
        rows.append(",".join(f"{number:.9g}" for number in row) + f",{int(truncated)}")
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pendulum.csv")
    with open(path, "w") as file:
        file.write("angle,velocity,torque,cos,sin,velocity_after,reward,truncated\n")
        file.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
