"""Empirical attainment: which objectives a share of the runs attain (two objectives).

A run attains a point if its archive weakly dominates it. See Grunert da Fonseca, Fonseca and Hall
(2001), and López-Ibáñez, Paquete and Stützle (2010) for differences between two algorithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.bench.reference import Reference
    from mcu_nas_moo.results.trajectory import Trajectory
    from mcu_nas_moo.typing import FloatArray

#: Shares of the runs, in percent, whose attainment surfaces are drawn.
LEVELS = (25, 50, 75)


def box_corner(reference: Reference) -> FloatArray:
    """The corner, not normalised, up to which attainment is told; shape ``(n_obj,)``.

    The reference point of the hypervolume: what lies beyond it does not count there either.
    """
    # One unit of the normalised objectives, also where the front has no range.
    unit = 1.0 / reference.normalise(reference.ideal + 1.0)
    corner: FloatArray = reference.ideal + unit * reference.reference_point
    return corner


def attainment_surfaces(
    runs: Sequence[Trajectory], evaluations: int, levels: Sequence[int] = LEVELS
) -> dict[int, FloatArray]:
    """Objectives that just so many percent of the runs attain.

    Args:
        runs: of one algorithm on one problem with two objectives.
        evaluations: after which the archives are taken.
        levels: percent of the runs, in (0, 100].

    Returns:
        for each level the corners of its staircase, by increasing first objective, shape
        ``(m, 2)``; empty where fewer runs attain anything.

    Raises:
        ValueError: if there are no runs or not two objectives.
    """
    import moocore

    points, sets, count = _archives(runs, evaluations)
    surfaces: dict[int, FloatArray] = {level: np.zeros((0, 2)) for level in levels}
    if not len(points):
        return surfaces
    # Runs without a feasible point attain nothing, but count. The library knows only runs with
    # points: so many percent of all runs are this share of those.
    attaining = len(np.unique(sets))
    needed = {level: -(-level * count // 100) for level in levels}
    percent = {level: 100.0 * needed[level] / attaining for level in levels}
    asked = sorted({value for value in percent.values() if value <= 100.0})
    if asked:
        rows = moocore.eaf(points, sets, percentiles=asked)
        for level, value in percent.items():
            own = rows[np.isclose(rows[:, 2], value)][:, :2]
            surfaces[level] = own[own[:, 0].argsort()]
    return surfaces


@dataclass(frozen=True, eq=False)
class AttainmentDifference:
    """Where one algorithm's runs attain more than another's.

    Attributes:
        rectangles: lower and upper corner, ``(x0, y0, x1, y1)``, not normalised, inside the box up
            to :func:`box_corner`, shape ``(k, 4)``.
        differences: share of the first algorithm's runs that attain the inside of the rectangle
            less that of the second's, in [-1, 1], never 0, shape ``(k,)``.
        runs: of each algorithm.
        left_out: share of all area, weighted by differences, of rectangles left out as too small.
    """

    rectangles: FloatArray
    differences: FloatArray
    runs: int
    left_out: float


def attainment_difference(
    first: Sequence[Trajectory],
    second: Sequence[Trajectory],
    evaluations: int,
    reference: Reference,
    most: int = 2500,
) -> AttainmentDifference:
    """Difference of the empirical attainment of two algorithms with two objectives.

    Fronts are not thinned, since that alone makes differences of more than half of the runs; of
    more than ``most`` rectangles, those that weigh least are left out.

    Args:
        first, second: runs of the two; of the larger group, the first runs are taken.
        evaluations: after which the archives are taken.
        reference: sets the box.
        most: rectangles to keep; more make a heavy page.

    Raises:
        ValueError: if a group has no runs, or for other than two objectives.
    """
    import moocore

    count = min(len(first), len(second))
    corner = box_corner(reference)
    sides = []
    for runs in (first[:count], second[:count]):
        points, sets, _ = _archives(runs, evaluations)
        # What lies outside the box cannot be seen in it. A run without any point inside is told
        # by one at the corner, which attains nothing of the box.
        inside = (points < corner).all(axis=1)
        empty = np.setdiff1d(np.arange(count), sets[inside])
        rows = np.column_stack([points[inside], sets[inside]])
        corners = np.column_stack([np.tile(corner, (len(empty), 1)), empty])
        sides.append(np.concatenate([rows, corners]))
    # Without any difference, the library (0.3.2) fails to make rectangles.
    if not moocore.eafdiff(*sides)[:, 2].any():
        return AttainmentDifference(np.zeros((0, 4)), np.zeros(0), count, 0.0)
    # With one step per run, the differences are numbers of runs.
    found = moocore.eafdiff(*sides, rectangles=True, intervals=count)
    rectangles = np.minimum(found[:, :4], np.tile(corner, 2))
    differences = found[:, 4] / count
    weights = (rectangles[:, 2:] - rectangles[:, :2]).prod(axis=1) * np.abs(differences)
    kept = np.flatnonzero(weights > 0)
    kept = kept[np.argsort(-weights[kept], kind="stable")][:most]
    total = float(weights.sum())
    left_out = 1.0 - float(weights[kept].sum()) / total if total > 0 else 0.0
    return AttainmentDifference(rectangles[kept], differences[kept], count, max(left_out, 0.0))


def _archives(runs: Sequence[Trajectory], evaluations: int) -> tuple[FloatArray, FloatArray, int]:
    """Points ``(m, 2)`` of all archives, the number of the run of each, and how many runs."""
    if not runs:
        raise ValueError("attainment needs at least one run of each algorithm")
    archives = [run.archive(evaluations) for run in runs]
    if archives[0].shape[1] != 2:
        raise ValueError(f"attainment is told for two objectives, not {archives[0].shape[1]}")
    sets = np.repeat(np.arange(len(runs), dtype=np.float64), [len(one) for one in archives])
    return np.concatenate(archives), sets, len(runs)
