"""Exact hypervolume of a growing archive, after every point that joins it."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from mcu_nas_moo.common.arrays import FloatArray

#: Digits after the point of a hypervolume ratio. Sums in another order differ by rounding, some
#: 1e-15; equal archives are to be equally good, however they were found.
RATIO_DIGITS = 12
#: The archive forgets dominated points only now and then: they change nothing and cost little.
_POINTS_BETWEEN_CLEANINGS = 256


def growing_hypervolume(points: FloatArray, reference_point: FloatArray) -> FloatArray:
    """Hypervolume of the first 1, 2, ... of ``points``.

    Exact at every step: each point adds what it alone dominates. With two objectives that is a
    strip of the staircase; with more, the box between the point and the reference point less the
    hypervolume of the archive limited to that box, which few of its points remain to bound (While,
    Bradstreet and Barone 2012, "A fast way of calculating exact hypervolumes").

    Args:
        points: objectives, minimised, in the order of their arrival, shape ``(n, n_obj)``. Points
            that are dominated or outside the reference box add nothing.
        reference_point: shape ``(n_obj,)``.

    Returns:
        shape ``(n,)``, never decreasing.
    """
    added = np.zeros(len(points))
    inside = np.flatnonzero((points < reference_point).all(axis=1))
    if len(inside):
        grow = _strips if points.shape[1] == 2 else _exclusive_volumes
        added[inside] = grow(points[inside], reference_point)
    return np.cumsum(added)


def share_of(volumes: npt.ArrayLike, whole: float) -> FloatArray:
    """Hypervolumes as shares of that of a front, rounded to :data:`RATIO_DIGITS`.

    Args:
        volumes: any shape.
        whole: hypervolume of the front, positive.

    Returns:
        the same shape.
    """
    ratios: FloatArray = np.round(np.asarray(volumes, dtype=np.float64) / whole, RATIO_DIGITS)
    return ratios


def _strips(points: FloatArray, reference_point: FloatArray) -> list[float]:
    """What each point of two objectives adds, all inside the reference box."""
    right, top = reference_point.tolist()
    # The staircase from left to right, between its ends: x grows, y falls.
    xs, ys = [-np.inf, right], [top, -np.inf]
    added = []
    for x, y in points.tolist():
        left = bisect_left(xs, x)
        # The last step that lies to the left of the point.
        height = ys[left - 1]
        if height <= y:
            added.append(0.0)
            continue
        end, start, area = left, x, 0.0
        while ys[end] >= y:
            area += (xs[end] - start) * (height - y)
            start, height = xs[end], ys[end]
            end += 1
        added.append(area + (xs[end] - start) * (height - y))
        xs[left:end] = [x]
        ys[left:end] = [y]
    return added


def _exclusive_volumes(points: FloatArray, reference_point: FloatArray) -> FloatArray:
    """What each point of any number of objectives adds, all inside the reference box."""
    import moocore

    hypervolume = moocore.hypervolume
    boxes = (reference_point - points).prod(axis=1)
    added = np.zeros(len(points))
    # One row per objective keeps comparisons of whole archives fast.
    archive = np.empty((points.shape[1], len(points)))
    size = 0
    for number, point in enumerate(points):
        if number % _POINTS_BETWEEN_CLEANINGS == 0 and size:
            front = archive[:, :size][:, moocore.is_nondominated(archive[:, :size].T)]
            size = front.shape[1]
            archive[:, :size] = front
        column = point[:, None]
        limits = np.maximum(archive[:, :size], column)
        if limits.shape[1] > 1:
            # The limit nearest to the point dominates most of the others.
            nearest = limits.sum(axis=0).argmin()
            kept = (limits < limits[:, nearest, None]).any(axis=0)
            kept[nearest] = True
            limits = limits[:, kept]
        shared = hypervolume(limits.T, ref=reference_point) if limits.shape[1] else 0.0
        # Rounding may make the difference of equal volumes a little negative.
        added[number] = max(boxes[number] - shared, 0.0)
        archive[:, size] = point
        size += 1
    return added
