"""Networks that could not be evaluated, as optimisers are told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray


class FiniteValues:
    """Puts finite, unattractive numbers in the place of failed evaluations, which are NaN.

    A failed network has the worst value of each objective that was seen so far and violates each
    constraint as much as the worst network so far, at least by 1. Without constraints it is worse
    than the worst by the range of the objectives. Optimisers go on with these, and models of the
    objectives are not led astray by huge numbers.

    Args:
        ideal, nadir: the range of the objectives, shape ``(n_obj,)``.
    """

    def __init__(self, ideal: FloatArray, nadir: FloatArray) -> None:
        self._span = np.maximum(nadir - ideal, 1e-12)
        self._worst = nadir.astype(np.float64)
        self._violation = 1.0

    def __call__(self, F: FloatArray, G: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The same objectives ``(N, n_obj)`` and constraints ``(N, n_con)``, all of them finite."""
        failed = np.isnan(F).any(axis=1) | np.isnan(G).any(axis=1)
        if not failed.all():
            self._worst = np.maximum(self._worst, F[~failed].max(axis=0))
            self._violation = max(self._violation, G[~failed].max(initial=0.0))
        if not failed.any():
            return F, G
        F, G = F.copy(), G.copy()
        F[failed] = self._worst if G.shape[1] else self._worst + self._span
        G[failed] = self._violation
        return F, G
