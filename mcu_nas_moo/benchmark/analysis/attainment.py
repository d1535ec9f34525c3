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


def box_corner(reference: Reference) -> FloatArray:
    """The corner, not normalised, up to which attainment is told; shape ``(n_obj,)``.

    The reference point of the hypervolume: what lies beyond it does not count there either.
    """
    # One unit of the normalised objectives, also where the front has no range.
    unit = 1.0 / reference.normalise(reference.ideal + 1.0)
    corner: FloatArray = reference.ideal + unit * reference.reference_point
    return corner


def attainment_surface(
    runs: Sequence[Trajectory], evaluations: int, percent: int = 50
) -> FloatArray:
    """Objectives that just so many percent of the runs attain.

    Args:
        runs: of one algorithm on one problem with two objectives.
        evaluations: after which the archives are taken.
        percent: of the runs, in (0, 100].

    Returns:
        the corners of the staircase, by increasing first objective, shape ``(m, 2)``; none where
        fewer runs attain anything.

    Raises:
        InputError: if there are no runs or not two objectives.
    """
    import moocore

    if not runs:
        raise InputError("attainment needs at least one run of each algorithm")
    archives = [run.archive(evaluations) for run in runs]
    if archives[0].shape[1] != 2:
        raise InputError(f"attainment is told for two objectives, not {archives[0].shape[1]}")
    # Runs without a feasible point attain nothing, but count. The library knows only runs with
    # points: so many percent of all runs are this share of those.
    needed, attaining = -(-percent * len(runs) // 100), sum(len(one) > 0 for one in archives)
    if needed > attaining:
        return np.zeros((0, 2))
    sets = np.repeat(np.arange(len(runs), dtype=np.float64), [len(one) for one in archives])
    rows = moocore.eaf(np.concatenate(archives), sets, percentiles=[100.0 * needed / attaining])
    surface: FloatArray = rows[rows[:, 0].argsort(), :2]
    return surface
