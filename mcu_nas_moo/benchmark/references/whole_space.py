"""References of problems that need no search: small spaces, and evaluators too slow for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.benchmark.references.reference import Reference
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.problem.archive import feasible
from mcu_nas_moo.problem.reachability import SAMPLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.common.arrays import Genotypes
    from mcu_nas_moo.problem.task import Task

#: Genotypes of a space that is evaluated as a whole; some seconds.
SMALL = 100_000
#: Networks that set the range of the objectives where an evaluation takes seconds.
FEW = 32
_BATCH = 8192


def is_small(task: Task) -> bool:
    """Whether all networks of the space can be evaluated in some seconds."""
    return task.space.n_genotypes <= SMALL and task.cost == "microseconds"


def exhaustive_reference(
    task: Task, advance: Callable[[int], object] = lambda n: None
) -> Reference:
    """The exact front of a small space, by evaluating all of its networks.

    Args:
        task: see :func:`is_small`.
        advance: is told how many networks were evaluated since the last time.

    Raises:
        InputError: if no network is feasible.
    """
    X = np.indices(tuple(task.space.n_choices)).reshape(task.n_genes, -1).T
    X = np.unique(task.space.canonical(X), axis=0)
    return _front_of(task, X, "exact", advance)


def sampled_reference(task: Task, advance: Callable[[int], object] = lambda n: None) -> Reference:
    """The front of :data:`FEW` random networks, which gives the objectives a range and no more.

    Those that break a limit are left out beforehand where that is known in microseconds.

    Raises:
        InputError: if none of them is feasible.
    """
    return _front_of(task, few_networks(task, FEW), "pooled", advance)


def few_networks(task: Task, count: int) -> Genotypes:
    """At most ``count`` different networks that tell the ranges of slow objectives.

    The two with the first and the last option of each gene, as a rule the smallest and the largest,
    and random ones; those that break a limit are left out, where that is known in microseconds.
    """
    ends = np.stack([np.zeros_like(task.n_choices), task.n_choices - 1])
    checked = task.limits and task.limits_are_quick
    drawn = task.space.sample(SAMPLE if checked else count - len(ends), np.random.default_rng(0))
    X = task.space.canonical(np.concatenate([ends, drawn]))
    if checked:
        inside = (task.constraints(X) <= 0).all(axis=1)
        X = X[inside] if inside.any() else X  # none of them, which is told when they are evaluated
    first = np.sort(np.unique(X, axis=0, return_index=True)[1])[:count]
    return X[first]


def _front_of(task: Task, X: Genotypes, kind: str, advance: Callable[[int], object]) -> Reference:
    import moocore

    batch = _BATCH if task.cost == "microseconds" else 1
    parts = []
    for start in range(0, len(X), batch):
        parts.append(task.evaluate(X[start : start + batch]))
        advance(len(X[start : start + batch]))
    F, G = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    met = feasible(G, F)
    if not met.any():
        none = f"none of {len(X):,} networks of {task.space.name}"
        if np.isnan(F).any(axis=1).all():
            raise InputError(f"{none} could be evaluated; the first: {task.reason(X[0])}")
        of_device = f" of {task.device_name}" if task.profile is not None else ""
        raise InputError(f"{none} meets the limits{of_device}; relax one")
    front = np.flatnonzero(met)[moocore.is_nondominated(F[met])]
    order = front[np.lexsort(F[front].T[::-1])]
    origin = {
        "networks": len(X),
        "feasible": int(met.sum()),
        "feasible_share": float(met.mean()),
        "evaluations": len(X),
    }
    return Reference(task.facts(), X=X[order], F=F[order], kind=kind, origin=origin)
