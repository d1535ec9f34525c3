"""The feasible archive of a run: which evaluations count, and which of them improve it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, IntArray


def feasible(G: FloatArray) -> BoolArray:
    """Which rows of ``G`` ``(N, n_con)`` meet all constraints, shape ``(N,)``."""
    return np.asarray((G <= 0).all(axis=1))


def improvements(F: FloatArray) -> IntArray:
    """Rows of ``F`` ``(N, n_obj)`` that no earlier row weakly dominates, in order."""
    import moocore

    if not len(F):
        return np.zeros(0, dtype=np.int64)
    # With the time as one more objective, only an earlier row can dominate a row.
    timed = np.column_stack([F, np.arange(len(F))])
    return np.flatnonzero(moocore.is_nondominated(timed))
