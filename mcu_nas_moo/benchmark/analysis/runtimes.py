"""How many targets are reached after how many evaluations, over runs and problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mcu_nas_moo.common.arrays import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Runtimes:
    """Evaluations that an algorithm's runs on one problem needed for each target.

    Attributes:
        budget: of the runs, in evaluations.
        evaluations: shape ``(n_seeds, n_targets)``, infinite where a target was not reached.
    """

    budget: int
    evaluations: FloatArray


@dataclass(frozen=True, eq=False)
class RuntimeDistribution:
    """Empirical distribution of runtimes.

    Attributes:
        evaluations: increasing, shape ``(m,)``.
        shares: for each algorithm the share of all (problem, seed, target) that it solved within
            so many evaluations, shape ``(m,)``; NaN beyond the smallest of its budgets. Each
            problem counts the same, however many seeds it has.
        left_out: algorithms without runs on some problem.
    """

    evaluations: IntArray
    shares: dict[str, FloatArray]
    left_out: tuple[str, ...]


def runtime_distribution(
    problems: Sequence[Mapping[str, Runtimes]], points: int = 100
) -> RuntimeDistribution:
    """Distribution over problems.

    Args:
        problems: for each problem the runtimes of each algorithm.
        points: of the axis, evenly spaced by the logarithm.

    Raises:
        InputError: if there are no runtimes.
    """
    algorithms = list(dict.fromkeys(name for runs in problems for name in runs))
    if not algorithms:
        raise InputError("a distribution of runtimes needs at least one run")
    present = [name for name in algorithms if all(name in runs for runs in problems)]
    budgets = {name: min(runs[name].budget for runs in problems) for name in present}
    counts = log_spaced(max(budgets.values(), default=1), points, budgets.values())
    shares = {}
    for name in present:
        solved = [_share_within(runs[name].evaluations, counts) for runs in problems]
        shares[name] = np.where(counts <= budgets[name], np.mean(solved, axis=0), np.nan)
    left_out = tuple(name for name in algorithms if name not in present)
    return RuntimeDistribution(counts, shares, left_out)


def log_spaced(largest: int, points: int, also: Iterable[int] = ()) -> IntArray:
    """Numbers of evaluations from 1 to ``largest``, about evenly spaced by their logarithm.

    Args:
        largest: at least 1.
        points: how many, less repetitions of small numbers.
        also: numbers that must be among them.
    """
    spaced = np.geomspace(1, largest, points).round().astype(np.int64)
    return np.unique(np.concatenate([spaced, np.fromiter(also, dtype=np.int64)]))


def _share_within(evaluations: FloatArray, counts: IntArray) -> FloatArray:
    times = np.sort(evaluations.ravel())
    share: FloatArray = np.searchsorted(times, counts, side="right") / len(times)
    return share
