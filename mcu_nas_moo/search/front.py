"""Choosing among subnets: the feasible front under further limits, its knee and its ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcu_nas_moo.common.arrays import BoolArray, FloatArray
    from mcu_nas_moo.contracts.metrics import Metric
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


def front_of(subnets: Subnets, limits: Mapping[str, float] | None = None) -> Subnets:
    """The feasible front, from the best to the worst in the objective after the error.

    Args:
        subnets: to choose from.
        limits: further ones by metric, upper ones, or lower ones where larger is better. They hold
            before the front is taken: a subnet that only a heavier one dominates is on the front
            of a tighter limit.

    Raises:
        InputError: if nothing is feasible, or nothing meets ``limits``; the message says which
            limit is nearest to be met.
    """
    if not subnets.feasible.any():
        raise InputError(nothing_feasible(subnets))
    candidates = subnets.take(subnets.feasible)
    meets = np.ones(len(candidates), dtype=bool)
    for metric, limit in _limited(candidates, limits or {}):
        values = candidates.metrics[metric.name]
        meets &= metric.minimised(values) <= metric.minimised(np.array(limit))
    if not meets.any():
        raise InputError(_nothing_left(candidates, limits or {}))
    chosen = candidates.take(meets)
    front = chosen.take(on_front(chosen))
    return front.take(np.lexsort(_sort_keys(front)))


def _limited(subnets: Subnets, limits: Mapping[str, float]) -> list[tuple[Metric, float]]:
    """Each limited metric, and its limit.

    Raises:
        InputError: for a metric that is not known of the subnets.
    """
    table = subnets.problem.table
    known = [name for name in table if name in subnets.metrics]
    for name in limits:
        if name not in known:
            raise unknown_name("limit", name, known)
    return [(table[name], limit) for name, limit in limits.items()]


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
            if limit == 0:  # of which there is no share
                over.append(f"{metric.short} by {metric.text(abs(value))}")
                continue
            share = f"{100 * subnets.constraint_values[row, column]:,.1f} %"
            over.append(f"{metric.short} by {share} ({metric.text(value)} of {metric.text(limit)})")
    remedy = "" if subnets.problem.problem else ", or relax that limit"
    return (
        f"none of {len(subnets):,} {subnets.problem.noun}s is feasible: the nearest one, "
        f"{subnets.names[row]}, exceeds {' and '.join(over)}; search longer with --budget{remedy}"
    )


def _nothing_left(candidates: Subnets, limits: Mapping[str, float]) -> str:
    limited = _limited(candidates, limits)
    wanted = " and ".join(
        f"{metric.short} of at {'most' if metric.smaller_is_better else 'least'} "
        f"{metric.text(limit)}"
        for metric, limit in limited
    )
    best = []
    for metric, _ in limited:
        values = candidates.metrics[metric.name]
        best.append(metric.text(values.min() if metric.smaller_is_better else values.max()))
    word = "least" if all(metric.smaller_is_better for metric, _ in limited) else "best"
    each = f"the {word} of each is" if len(limits) > 1 else f"the {word} is"
    noun = candidates.problem.noun
    return f"no feasible {noun} has {wanted}; {each} {' and '.join(best)}"
