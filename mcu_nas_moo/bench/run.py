"""One run: an optimiser, a task, a seed and an exact number of evaluations."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.bench.history import History
from mcu_nas_moo.optimisers.optimiser import Setting
from mcu_nas_moo.optimisers.register import (
    check_hyperparameters,
    installed_version,
    load_optimiser,
    optimiser_fingerprint,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mcu_nas_moo.bench.reference import Reference
    from mcu_nas_moo.task import Task

#: Recorded with every run.
PACKAGES = ("mcu-nas-moo", "numpy", "pymoo", "optuna", "stable-baselines3", "torch")


def run_optimiser(
    algorithm: str,
    task: Task,
    reference: Reference,
    budget: int,
    seed: int,
    *,
    hyperparameters: Mapping[str, object] | None = None,
    tensorboard: Path | None = None,
) -> History:
    """Run a registered optimiser for exactly ``budget`` evaluations.

    Fewer only if the optimiser has nothing left to propose. The reference gives the optimiser the
    range of the objectives, nothing else.

    Args:
        algorithm: a registered name.
        task: the problem.
        reference: of the task.
        budget: number of evaluations.
        seed: of all randomness.
        hyperparameters: of the optimiser, by name, instead of its defaults.
        tensorboard: folder of the run's log, for the optimisers that write one.

    Raises:
        ValueError: for an unknown algorithm or hyperparameter, or an algorithm that proposes
            genotypes outside the space.
    """
    chosen = check_hyperparameters(algorithm, hyperparameters or {})
    build = load_optimiser(algorithm)  # imports are not the run's time
    begin = perf_counter()
    setting = Setting(task, reference.ideal, reference.nadir, budget, seed, chosen, tensorboard)
    optimiser = build(setting)
    preparation = perf_counter() - begin
    X = np.zeros((budget, task.n_genes), dtype=np.int64)
    F, G = np.zeros((budget, task.n_obj)), np.zeros((budget, task.n_con))
    optimiser_seconds = np.zeros(budget)
    evaluation_seconds = 0.0
    done = 0
    while done < budget:
        asked = perf_counter()
        batch = optimiser.ask()[: budget - done]
        answered = perf_counter()
        if len(batch) == 0:
            break
        evaluation = task.evaluate(batch)
        evaluated = perf_counter()
        optimiser.tell(batch, *evaluation)
        told = perf_counter()
        rows = slice(done, done + len(batch))
        X[rows], F[rows], G[rows] = batch, *evaluation
        optimiser_seconds[rows] = (told - evaluated + answered - asked) / len(batch)
        evaluation_seconds += evaluated - answered
        done += len(batch)
    if done == 0:
        raise ValueError(f"{algorithm} proposed nothing to evaluate")
    # Setting up is the optimiser's own work as well.
    optimiser_seconds[:done] += preparation / done
    return History(
        algorithm=algorithm,
        seed=seed,
        X=X[:done],
        F=F[:done],
        G=G[:done],
        optimiser_seconds=optimiser_seconds[:done],
        evaluation_seconds=evaluation_seconds,
        total_seconds=perf_counter() - begin,
        metadata={
            "budget": budget,
            "fingerprint": task.fingerprint,
            "settings": _settings(optimiser),
            "hyperparameters": chosen,
            "optimiser": optimiser_fingerprint(algorithm),
            "versions": {package: installed_version(package) for package in PACKAGES},
        },
    )


def _settings(optimiser: object) -> dict[str, Any]:
    """What the optimiser says about its settings, as plain data."""
    settings: Any = getattr(optimiser, "settings", {})
    if is_dataclass(settings) and not isinstance(settings, type):
        settings = asdict(settings)
    facts: dict[str, Any] = dict(settings)
    return {name: _plain(value) for name, value in facts.items()}


def _plain(value: object) -> object:
    return value if isinstance(value, bool | int | float | str | list | None) else str(value)
