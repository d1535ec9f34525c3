"""Choosing among subnets: the feasible front under further limits, its knee and its ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcu_nas_moo.common.arrays import BoolArray, FloatArray
    from mcu_nas_moo.search.subnets import Subnets


def on_front(subnets: Subnets) -> BoolArray:
    """Which subnets are feasible and not dominated by another feasible one, ``(N,)``.

    Different subnets with equal objectives are all on the front.
    """
    import moocore

    mask = subnets.feasible.copy()
    if mask.any():
        mask[mask] = moocore.is_nondominated(subnets.objective_values[mask], keep_weakly=True)
    return mask


def front_of(subnets: Subnets, at_most: Mapping[str, float] | None = None) -> Subnets:
    """The feasible front, from the best to the worst in the objective after the error.

    Args:
        subnets: to choose from.
        at_most: further limits by metric. They hold before the front is taken: a subnet that only
            a heavier one dominates is on the front of a tighter limit.

    Raises:
        InputError: if nothing is feasible, or nothing meets ``at_most``; the message says which
            limit is nearest to be met.
    """
    if not subnets.feasible.any():
        raise InputError(nothing_feasible(subnets))
    candidates = subnets.take(subnets.feasible)
    meets = np.ones(len(candidates), dtype=bool)
    for metric, limit in (at_most or {}).items():
        if metric not in candidates.metrics:
            raise InputError(f"the subnets of this search have no {metric} to limit")
        meets &= candidates.metrics[metric] <= limit
    if not meets.any():
        raise InputError(_nothing_left(candidates, at_most or {}))
    chosen = candidates.take(meets)
    front = chosen.take(on_front(chosen))
    return front.take(np.lexsort(_sort_keys(front)))


def _sort_keys(front: Subnets) -> tuple[FloatArray, ...]:
    """Keys for ``np.lexsort``, the first objective that is no error being the main one."""
    names = front.problem.objectives
    main = next((n for n, name in enumerate(names) if name != "error"), 0)
    order = [*(n for n in reversed(range(len(names))) if n != main), main]
    return tuple(front.objective_values[:, n] for n in order)


def sorted_by(front: Subnets, objective: str) -> list[int]:
    """Rows of ``front`` from the least to the most of an objective.

    Raises:
        InputError: for an unknown objective.
    """
    known = {
        name: m for name, m in front.problem.objectives_known.items() if m.name in front.metrics
    }
    if objective not in known:
        raise unknown_name("objective", objective, known)
    metric = known[objective]
    values = metric.minimised(front.metrics[metric.name])
    order: list[int] = np.argsort(values, kind="stable").tolist()
    return order


def knee(front: Subnets) -> int:
    """Row of the knee: nearest to the ideal point, all objectives scaled from 0 to 1 on the front.

    The compromise solution in the Euclidean norm (Zeleny, "Compromise programming", 1973). On a
    front of two objectives that bulges towards the ideal point it lies where the distance from
    the straight line between the ends, the knee of Das (Structural Optimization 18, 1999), is
    about greatest. With more objectives that distance would favour an end: costs rise together, so
    the smallest subnet is best in all of them. Of equal ones the first counts.
    """
    F = front.objective_values
    span = F.max(axis=0) - F.min(axis=0)
    scaled = (F - F.min(axis=0)) / np.where(span > 0, span, 1.0)
    return int(np.argmin((scaled**2).sum(axis=1)))


def nothing_feasible(subnets: Subnets) -> str:
    """A sentence on subnets of which none is feasible: how far the nearest one is, and why."""
    if not len(subnets):
        return "the search has no finished trial yet; give it some with `mcu-nas search`"
    excess = np.maximum(subnets.constraint_values, 0.0).sum(axis=1)
    row = int(np.argmin(excess))
    limits = subnets.problem.limits
    over = []
    for column, metric in enumerate(subnets.problem.limited_metrics):
        if subnets.constraint_values[row, column] > 0:
            value, limit = subnets.metrics[metric.name][row], limits[metric.name]
            share = f"{100 * subnets.constraint_values[row, column]:,.1f} %"
            over.append(f"{metric.short} by {share} ({metric.text(value)} of {metric.text(limit)})")
    return (
        f"none of {len(subnets):,} subnets is feasible: the nearest one, {subnets.names[row]}, "
        f"exceeds {' and '.join(over)}; search longer with --budget, or relax that limit"
    )


def _nothing_left(candidates: Subnets, at_most: Mapping[str, float]) -> str:
    table = candidates.problem.table
    wanted = " and ".join(
        f"{table[name].short} of at most {table[name].text(limit)}"
        for name, limit in at_most.items()
    )
    least = " and ".join(table[name].text(candidates.metrics[name].min()) for name in at_most)
    each = "the least of each is" if len(at_most) > 1 else "the least is"
    return f"no feasible subnet has {wanted}; {each} {least}"
