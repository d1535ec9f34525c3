"""A knapsack with few kinds of items: the most value with the fewest kinds, up to a weight."""

from __future__ import annotations

import optuna
import optunahub

N_KINDS, LIMIT = 12, 120


def objective(trial: optuna.Trial) -> tuple[float, float]:
    """Value of the items and number of their kinds."""
    counts = [trial.suggest_int(f"item_{i}", 0, 3) for i in range(N_KINDS)]
    weight = sum(count * (3 + 7 * i % 11) for i, count in enumerate(counts))
    value = sum(count * (2 + 5 * i % 13) for i, count in enumerate(counts))
    trial.set_constraint("weight", weight - LIMIT)
    return value, sum(count > 0 for count in counts)


if __name__ == "__main__":
    module = optunahub.load_module(package="samplers/ppo")
    study = optuna.create_study(
        sampler=module.PPOSampler(seed=0), directions=["maximize", "minimize"]
    )
    study.optimize(objective, n_trials=300)
    for trial in sorted(study.best_trials, key=lambda trial: trial.values):
        print(trial.values, trial.constraints["weight"] + LIMIT)
