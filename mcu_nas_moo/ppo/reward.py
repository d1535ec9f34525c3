"""One number for an evaluation under a preference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mcu_nas_moo.typing import FloatArray

#: Weight of the sum in the augmented Tchebycheff function; it tells weakly dominated points from
#: those that dominate them (Steuer and Choo, Mathematical Programming 26, 1983).
AUGMENTATION = 0.05


def violation(G: FloatArray) -> FloatArray:
    """Sum of the constraint violations of each row of ``G`` ``(..., n_con)``; 0 if feasible."""
    total: FloatArray = np.maximum(G, 0.0).sum(axis=-1)
    return total


@dataclass(frozen=True)
class Scale:
    """Range of the objectives: what counts as 0 and as 1, each of shape ``(n_obj,)``."""

    ideal: FloatArray
    nadir: FloatArray

    @classmethod
    def of(cls, front: FloatArray, feasible: FloatArray) -> Scale:
        """Scale of the non-dominated ``front``; of all ``feasible`` rows where that is flat."""
        ideal = front.min(axis=0)
        nadir = np.where(front.max(axis=0) > ideal, front.max(axis=0), feasible.max(axis=0))
        return cls(ideal, np.where(nadir > ideal, nadir, ideal + 1.0))

    def reward(self, F: FloatArray, G: FloatArray, weights: FloatArray) -> FloatArray:
        """Reward of evaluations under preferences, in [-1, 1]; broadcasts over leading axes.

        In (0, 1] for feasible points, better the smaller the augmented Tchebycheff distance from
        the ideal; in [-1, 0) for infeasible ones, better the smaller the violation. So no
        infeasible point is worth as much as any feasible one, and the scale has no units.

        Args:
            F: objectives, shape ``(..., n_obj)``.
            G: constraints, shape ``(..., n_con)``.
            weights: preferences, non-negative with sum 1, shape ``(..., n_obj)``.
        """
        excess = violation(G)
        distance = np.maximum((F - self.ideal) / (self.nadir - self.ideal), 0.0) * weights
        cost = distance.max(axis=-1) + AUGMENTATION * distance.sum(axis=-1)
        value: FloatArray = np.where(excess > 0, -excess / (1 + excess), 1 / (1 + cost))
        return value
