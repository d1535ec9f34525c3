"""Empirical attainment: which objectives a share of the runs attain (two objectives).

A run attains a point if its archive weakly dominates it. See Grunert da Fonseca, Fonseca and Hall
(2001).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.benchmark.results.trajectory import Trajectory
    from mcu_nas_moo.common.arrays import FloatArray

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
        InputError: if there are no runs or not two objectives.
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
            level_points = rows[np.isclose(rows[:, 2], value)][:, :2]
            surfaces[level] = level_points[level_points[:, 0].argsort()]
    return surfaces


def _archives(runs: Sequence[Trajectory], evaluations: int) -> tuple[FloatArray, FloatArray, int]:
    """Points ``(m, 2)`` of all archives, the number of the run of each, and how many runs."""
    if not runs:
        raise InputError("attainment needs at least one run of each algorithm")
    archives = [run.archive(evaluations) for run in runs]
    if archives[0].shape[1] != 2:
        raise InputError(f"attainment is told for two objectives, not {archives[0].shape[1]}")
    sets = np.repeat(np.arange(len(runs), dtype=np.float64), [len(one) for one in archives])
    return np.concatenate(archives), sets, len(runs)
