"""One run: an optimiser, a task, a seed and an exact number of evaluations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.benchmark.runs.history import History
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.contracts.optimiser import Setting, genotypes_of
from mcu_nas_moo.optimisers.register import (
    check_hyperparameters,
    installed_version,
    load_optimiser,
    optimiser_fingerprint,
)
from mcu_nas_moo.optimisers.user_optimisers import is_own
from mcu_nas_moo.problem.failures import FiniteValues

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.problem.task import Task

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
        hyperparameters: of the optimiser, by name, instead of its defaults.
        tensorboard: folder of the run's log, for the optimisers that write one.

    Raises:
        InputError: for an unknown algorithm or hyperparameter, or an algorithm that proposes
            nothing at all or what is no genotype of the space. Proposals beyond the budget
            are cut; if one batch of a user's optimiser exceeds all of it, the metadata say so in
            ``note``.
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
    finite = FiniteValues(setting.ideal, setting.nadir)
    note: dict[str, str] = {}
    genes = task.space.genes
    done = 0
    while done < budget:
        asked = perf_counter()
        asked_for = optimiser.ask()
        answered = perf_counter()
        proposed = genotypes_of(asked_for, genes, task.n_choices, algorithm, done)
        batch = proposed[: budget - done]
        if len(proposed) > budget and is_own(algorithm):
            note.setdefault(
                "note",
                f"proposed {len(proposed):,} at once, budget {budget:,}: "
                f"the first {len(batch):,} were taken",
            )
        if len(batch) == 0:
            break
        evaluation = task.evaluate(batch)
        rows = slice(done, done + len(batch))
        # Kept before they are told: an optimiser may change what it is given.
        X[rows], F[rows], G[rows] = batch, *evaluation
        evaluated = perf_counter()
        optimiser.tell(batch, *finite(*evaluation))
        told = perf_counter()
        optimiser_seconds[rows] = (told - evaluated + answered - asked) / len(batch)
        evaluation_seconds += evaluated - answered
        done += len(batch)
    if done == 0:
        raise InputError(f"{algorithm} proposed nothing to evaluate")
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
            **note,
            **_failures(task, X[:done], F[:done], G[:done]),
        },
    )


def _failures(task: Task, X: Genotypes, F: FloatArray, G: FloatArray) -> dict[str, Any]:
    """How many evaluations failed for which reason; empty if none did."""
    failed = np.isnan(F).any(axis=1) | np.isnan(G).any(axis=1)
    reasons = Counter(task.reason(x) or "not known" for x in X[failed])
    return {"failures": dict(reasons.most_common())} if reasons else {}


def _settings(optimiser: object) -> dict[str, Any]:
    """What the optimiser says about its settings, as plain data."""
    settings: Any = getattr(optimiser, "settings", {})
    if is_dataclass(settings) and not isinstance(settings, type):
        settings = asdict(settings)
    if not isinstance(settings, Mapping):  # of a user's own making
        return {}
    return {str(name): _plain(value) for name, value in settings.items()}


def _plain(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return value if isinstance(value, bool | int | float | str | None) else str(value)
