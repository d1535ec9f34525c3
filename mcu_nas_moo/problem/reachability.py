"""Whether the limits can be met at all, and how small each constrained metric can get."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.problem.task import Task

#: Subnets to begin with, and how many of the best of them the local search descends from.
SAMPLE = 8_192
STARTS = 4


@dataclass(frozen=True, eq=False)
class Reachability:
    """What the limits of a task allow.

    Attributes:
        feasible_example: a genotype ``(n_genes,)`` that meets all limits, None if none was found.
        smallest: smallest value found of each constraint's metric, in the metric's unit.
    """

    feasible_example: Genotypes | None
    smallest: dict[str, float]


def smallest_reachable(task: Task, *, seed: int = 0) -> Reachability:
    """Search for a feasible subnet and, if sampling finds none, for the smallest of each metric.

    Sampling and steepest descent over one-gene neighbours. The costs grow with nearly every
    gene, so that descent ends at the smallest networks.
    """
    X = task.space.sample(SAMPLE, np.random.default_rng([seed, 10]))
    G = _excess(task, X)
    lowest = G.min(axis=0)
    inside = (G <= 0).all(axis=1)
    example = X[inside.argmax()] if inside.any() else None
    if example is None:
        for column in range(task.n_con):
            value = _descend(task, X, G, itemgetter((slice(None), column)))[1]
            lowest[column] = min(lowest[column], value)
        x, violation = _descend(task, X, G, lambda G: np.maximum(G, 0.0).sum(axis=1))
        example = x if violation <= 0 else None
    smallest = {
        name: task.table[name].value_at(excess, limit)
        for (name, limit), excess in zip(task.limits.items(), lowest.tolist(), strict=True)
    }
    return Reachability(example, smallest)


def _excess(task: Task, X: Genotypes) -> FloatArray:
    """Constraints ``(N, n_con)``; what could not be evaluated is infinitely far from them."""
    G = task.constraints(X)
    return np.where(np.isnan(G), np.inf, G)


def _descend(
    task: Task, X: Genotypes, G: FloatArray, value: Callable[[FloatArray], FloatArray]
) -> tuple[Genotypes, float]:
    """The best genotype of steepest descents from the best rows of ``X``, and its value."""
    values = value(G)
    best_x, best = X[values.argmin()], float(values.min())
    for start in np.argsort(values, kind="stable")[:STARTS]:
        x, current = X[start], float(values[start])
        while True:
            around = task.space.neighbours(x)
            candidates = value(_excess(task, around))
            if candidates.min() >= current:
                break
            x, current = around[candidates.argmin()], float(candidates.min())
        if current < best:
            best_x, best = x, current
    return best_x, best


def check_limits(task: Task) -> None:
    """Make sure that some subnet meets the limits, unless to know one takes seconds.

    Raises:
        InputError: if none was found; the message has the smallest value of each metric.
    """
    if not task.limits or not task.limits_are_quick:
        return
    reach = smallest_reachable(task)
    if reach.feasible_example is not None:
        return
    whose = f"subnet of {task.space.name} meets the limits of {task.device_name}"
    if task.problem is not None:
        whose = f"solution of {task.space.name} was found that meets its constraints"
    parts = []
    limited = [task.table[name] for name in task.limits]
    for metric in limited:
        smallest = metric.text(reach.smallest[metric.name])
        limit = metric.text(task.limits[metric.name])
        sign, what = ("≤", "smallest") if metric.smaller_is_better else ("≥", "largest")
        parts.append(f"{metric.short} {sign} {limit} ({what} {smallest})")
    alone = all(
        metric.excess(np.array(reach.smallest[metric.name]), task.limits[metric.name]) <= 0
        for metric in limited
    )
    together = "; each limit can be met, but not all together" if alone else ""
    options = " or ".join(
        f"--{metric.option}" if metric.limit else f"--limit {metric.name}=" for metric in limited
    )
    remedy = "relax them" if task.problem is not None else f"relax them with {options}"
    raise InputError(f"no {whose}: {', '.join(parts)}{together}; {remedy}")
