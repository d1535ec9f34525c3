"""The feasible archive of a run: which evaluations count, and which of them improve it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, IntArray


def feasible(G: FloatArray, F: FloatArray | None = None) -> BoolArray:
    """Which networks meet all constraints, shape ``(N,)``; none that could not be evaluated.

    Args:
        G: constraints ``(N, n_con)``, NaN where the evaluation failed.
        F: objectives ``(N, n_obj)``, which tell of failures where there are no constraints.
    """
    met = (G <= 0).all(axis=1)
    return np.asarray(met if F is None else met & np.isfinite(F).all(axis=1))


def improvements(F: FloatArray) -> IntArray:
    """Rows of ``F`` ``(N, n_obj)`` that no earlier row weakly dominates, in order."""
    import moocore

    if not len(F):
        return np.zeros(0, dtype=np.int64)
    # With the time as one more objective, only an earlier row can dominate a row.
    timed = np.column_stack([F, np.arange(len(F))])
    return np.flatnonzero(moocore.is_nondominated(timed))
