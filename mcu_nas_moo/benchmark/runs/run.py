"""One run: an optimiser, a task, a seed and an exact number of evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.benchmark.runs.history import History
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.contracts.optimiser import Setting
from mcu_nas_moo.optimisers.register import (
    check_hyperparameters,
    installed_version,
    load_optimiser,
    optimiser_fingerprint,
)
from mcu_nas_moo.optimisers.user_optimisers import is_own

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.common.arrays import BoolArray, Genotypes
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
        algorithm: a registered name.
        task: the problem.
        reference: of the task.
        budget: number of evaluations.
        seed: of all randomness.
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
    note: dict[str, str] = {}
    done = 0
    while done < budget:
        asked = perf_counter()
        asked_for = optimiser.ask()
        answered = perf_counter()
        proposed = genotypes_of(asked_for, task, algorithm, done)
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
        optimiser.tell(batch, *evaluation)
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
        },
    )


def genotypes_of(asked: object, task: Task, algorithm: str, done: int) -> Genotypes:
    """What an algorithm proposed, whole numbers of any type, as integers ``(n, n_genes)``.

    Raises:
        InputError: with the algorithm, the row, the gene and its range if a value is not among
            the gene's options; for anything that is not a table of numbers of the right width.
    """
    where = f"{algorithm}, asked after {done:,} evaluations,"
    try:
        given = np.asarray(asked)
        if not np.issubdtype(given.dtype, np.integer):
            given = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where} proposed what is no array of numbers: {error}") from error
    if given.size == 0 and given.ndim > 0:
        return np.zeros((0, task.n_genes), dtype=np.int64)
    if given.ndim != 2 or given.shape[1] != task.n_genes:
        what = "None" if asked is None else f"an array of shape {given.shape}"
        raise InputError(
            f"{where} proposed {what}; it must be an array of shape "
            f"(n, {task.n_genes}), a row per genotype and a column per gene"
        )
    if not np.issubdtype(given.dtype, np.integer):
        _refuse(given != np.rint(given), given, task, where)
    _refuse((given < 0) | (given >= task.n_choices), given, task, where)
    return given.astype(np.int64)


def _refuse(wrong: BoolArray, given: npt.NDArray[Any], task: Task, where: str) -> None:
    """Raise for the first of the values that are ``wrong``, if any."""
    if not wrong.any():
        return
    row, column = np.argwhere(wrong)[0]
    value = given[row, column]
    remedy = ""
    if np.isfinite(value) and value != np.rint(value):
        remedy = (
            "; operators for real numbers do not serve; an algorithm of pymoo takes others as in "
            "NSGA2(..., **mcu_nas_moo.problem.adapters.pymoo_operators.integer_operators())"
        )
    raise InputError(
        f"{where} proposed {value.item()} in row {row} for gene "
        f"{task.space.genes[column].name!r}; allowed are the whole numbers from 0 to "
        f"{task.n_choices[column] - 1}{remedy}"
    )


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
