"""Exact hypervolume of a growing archive, after every point that joins it."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from mcu_nas_moo.common.arrays import FloatArray, IntArray

#: Digits after the point of a hypervolume ratio. Sums in another order differ by rounding, some
#: 1e-15; equal archives are to be equally good, however they were found.
RATIO_DIGITS = 12
#: Points that are looked at together; only then the archive forgets those that are dominated.
_BLOCK = 64
#: How often the limits of a box are thinned; few are left then, and few of them in vain.
_PASSES = 4


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
    """Hypervolumes as shares of that of a front, rounded to :data:`RATIO_DIGITS`; any shape."""
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

    hypervolume = moocore.Hypervolume(reference_point)
    added: FloatArray = (reference_point - points).prod(axis=1)
    # Whether points dominate each other shows in their ranks, small numbers that compare fast.
    n, n_obj = points.shape
    kind = np.int16 if n * n_obj < np.iinfo(np.int16).max else np.int32
    ranks = [np.unique(column, return_inverse=True)[1].astype(kind) for column in points.T]
    archive = np.zeros(0, dtype=np.int64)
    for start in range(0, n, _BLOCK):
        block = np.arange(start, min(start + _BLOCK, n))
        known = np.concatenate([archive, block])
        row, column = _limiting(ranks, known, block)
        limits = np.maximum(points[known[column]], points[block[row]])
        ends = np.searchsorted(row, np.arange(len(block) + 1)).tolist()
        for number, (first, last) in enumerate(pairwise(ends), start=start):
            if first < last:
                # Rounding may make the difference of equal volumes a little negative.
                added[number] = max(added[number] - hypervolume(limits[first:last]), 0.0)
        archive = known[moocore.is_nondominated(points[known])]
    return added


def _limiting(
    ranks: Sequence[npt.NDArray[Any]], known: IntArray, block: IntArray
) -> tuple[IntArray, IntArray]:
    """Which of the ``known`` points bound what points of a block add.

    Args:
        ranks: of all points in each objective.
        known: numbers of points ``(k,)``, those of the block last.
        block: numbers of points ``(b,)``, in the order of their arrival.

    Returns:
        places in ``block`` and in ``known``, by the former.
    """
    # The archive limited to the box of each point, (b, k); what comes later does not count.
    limits = [np.maximum(own[known], own[block][:, None]) for own in ranks]
    never = np.iinfo(limits[0].dtype).max
    sums = np.add.reduce(limits, dtype=limits[0].dtype)
    places = np.arange(len(block))
    earlier = np.arange(len(known)) < (len(known) - len(block) + places)[:, None]
    sums[~earlier] = never
    kept = np.zeros_like(earlier)
    for _ in range(_PASSES):
        # A limit near to the point dominates most of the others.
        nearest = sums.argmin(axis=1)
        kept[places, nearest] = True
        beyond = limits[0] < limits[0][places, nearest][:, None]
        for own in limits[1:]:
            beyond |= own < own[places, nearest][:, None]
        sums[~beyond] = never
    rows, columns = np.nonzero((kept | (sums < never)) & earlier)
    return rows, columns
