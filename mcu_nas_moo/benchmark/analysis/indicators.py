"""How good a run is: hypervolume of all that it evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.benchmark.analysis.hypervolume import growing_hypervolume, share_of
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.problem.archive import feasible, improvements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.common.arrays import FloatArray


def hypervolume_curve(F: FloatArray, G: FloatArray, reference: Reference) -> FloatArray:
    """Hypervolume ratio of the feasible archive after each evaluation.

    Args:
        F: objectives in the order of evaluation, shape ``(N, n_obj)``.
        G: constraints, shape ``(N, n_con)``.
        reference: what 1.0 means: the hypervolume of its front.

    Returns:
        shape ``(N,)``, in [0, 1] unless the run goes beyond the reference front; 0 before the
        first feasible evaluation that dominates the reference point.
    """
    is_feasible = np.flatnonzero(feasible(G))
    joined = is_feasible[improvements(F[is_feasible])]
    volumes = growing_hypervolume(reference.normalise(F[joined]), reference.reference_point)
    steps = np.zeros(len(F))
    steps[joined] = share_of(volumes, reference.hypervolume)
    return np.maximum.accumulate(steps)


def hypervolume_ratios_at(
    F: FloatArray, G: FloatArray, reference: Reference, counts: Sequence[int]
) -> FloatArray:
    """Hypervolume ratio of the feasible archive after each of some numbers of evaluations.

    What :func:`hypervolume_curve` holds there, without the points in between, which take long
    for many objectives.

    Args:
        F: objectives in the order of evaluation, shape ``(N, n_obj)``.
        G: constraints, shape ``(N, n_con)``.
        reference: what 1.0 means: the hypervolume of its front.
        counts: numbers of evaluations, at least 1, in any order. Beyond ``N`` the last value holds.

    Returns:
        shape ``(len(counts),)``.

    Raises:
        InputError: if a count is below 1.
    """
    import moocore

    if min(counts, default=1) < 1:
        raise InputError(f"numbers of evaluations must be at least 1, got {min(counts)}")
    points, corner = reference.normalise(F), reference.reference_point
    inside = feasible(G) & (points < corner).all(axis=1)
    front = np.zeros((0, F.shape[1]))
    ratios: dict[int, float] = {}
    start = 0
    for count in sorted(set(counts)):
        fresh = points[start:count][inside[start:count]]
        if len(fresh):
            front = np.concatenate([front, fresh])
            front = front[moocore.is_nondominated(front)]
        value = moocore.hypervolume(front, ref=corner) if len(front) else 0.0
        ratios[count] = float(share_of(float(value), reference.hypervolume))
        start = count
    return np.array([ratios[count] for count in counts])
